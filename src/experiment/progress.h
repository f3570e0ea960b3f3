/* The stop rules: the best value so far, and whether it is enough. Early stopping as
 * in Prechelt 1998, "Early stopping - but when?", with the patience counted in
 * measurements without improvement (his criterion UP, over measurements). */
#ifndef EXPERIMENT_PROGRESS_H
#define EXPERIMENT_PROGRESS_H

#include "fl/experiment_start.h"

struct progress {
    bool has_best;
    double best;
    uint32_t since_best; /* measurements since, without an improvement */
};

/* Counts one measurement, which must be finite. An improvement is better than the best
 * by more than rule->min_delta; the first measurement is one.
 * gives: whether it is an improvement, and so the best now */
bool progress_add(struct progress *p, const struct stop_rule *rule, double value);

/* Is this value as good as the target, or better? False without a target. */
bool progress_reached(const struct stop_rule *rule, double value);

/* Were there rule->patience measurements in a row without improvement? */
bool progress_exhausted(const struct progress *p, const struct stop_rule *rule);

#endif
