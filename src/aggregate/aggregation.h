/* One aggregation by a rule of rule.h, for owners of threads: what the other headers
 * offer, behind one.
 *
 * How it is driven:
 *
 *     aggregation_new()
 *     aggregation_passes() times:
 *         aggregation_measure() for each section; threads may share these
 *         aggregation_next()
 *     aggregation_write() for ranges that cover the model; threads may share these
 *
 * Where a rule has no pass (mean, median, trimmed_mean, norm_bound), only the last
 * line remains. The same updates give the same bytes in whatever order they arrived,
 * however work is shared, on every processor: so does a recomputation from stored
 * updates. The same holds for what a server optimiser makes of it (optimiser.h). */
#ifndef AGGREGATE_AGGREGATION_H
#define AGGREGATE_AGGREGATION_H

#include "aggregate/rule.h"
#include "aggregate/source.h"

/* What is aggregated. All of it is borrowed until aggregation_free(). */
struct aggregation_input {
    const struct source *sources; /* (count,) that pass sources_check() over the model;
                                   * their weights are samples */
    size_t count;
    size_t param_count;
    const float *base;         /* (param_count,): the model that the result follows on */
    const float *const *bases; /* (count,): what each trained from; NULL: all from base */
    const double *squares;     /* (count,): squared norms of the differences to what each
                                * trained from (source_measure()); norm_bound only */
    const uint64_t *steps;     /* (count,): local steps, 1..WEIGHT_STEPS_MAX; weighting
                                * by fednova only */
    const uint64_t *staleness; /* (count,): versions between each one's base and the
                                * present one; weighting by staleness only */
};

struct aggregation;

/* s: passed rule_check() for a round that could end with so many updates
 * gives: *ret, to be ended with aggregation_free()
 * fails: ST_INVALID (fewer updates than the rule needs; steps out of range; why says
 *        which), ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status aggregation_new(const struct rule_settings *s,
                                       const struct aggregation_input *in, struct aggregation **ret,
                                       struct why *why);

size_t aggregation_passes(const struct aggregation *a);
/* Of each pass; 0 where there is no pass. */
size_t aggregation_section_count(const struct aggregation *a);

/* fails: ST_NOT_FINITE (a value was not finite), ST_NOMEM */
MUST_CHECK enum status aggregation_measure(struct aggregation *a, size_t section);

/* Ends a pass, all sections of which were measured. fails: ST_NOMEM */
MUST_CHECK enum status aggregation_next(struct aggregation *a);

/* The result for the coordinates [from, to), after all passes.
 * ret: (to - from,) float32, the caller's; of no meaning on failure
 * fails: ST_NOT_FINITE (a value or a result was not finite), ST_NOMEM */
MUST_CHECK enum status aggregation_write(const struct aggregation *a, size_t from, size_t to,
                                         float *ret);

/* Ends a and returns NULL. NULL is allowed. */
struct aggregation *aggregation_free(struct aggregation *a);

#endif
