#include "experiment/progress.h"

#include <assert.h>
#include <math.h>

/* By how much value is better than other; below 0: worse. */
static double gain(const struct stop_rule *rule, double value, double other)
{
    return rule->goal == METRIC_MAX ? value - other : other - value;
}

bool progress_add(struct progress *p, const struct stop_rule *rule, double value)
{
    assert(p != NULL && rule != NULL && isfinite(value));
    if (p->has_best && !(gain(rule, value, p->best) > rule->min_delta)) {
        if (p->since_best < UINT32_MAX)
            p->since_best++;
        return false;
    }
    *p = (struct progress){.has_best = true, .best = value};
    return true;
}

bool progress_reached(const struct stop_rule *rule, double value)
{
    return rule->has_target && gain(rule, value, rule->target) >= 0;
}

bool progress_exhausted(const struct progress *p, const struct stop_rule *rule)
{
    return rule->patience > 0 && p->since_best >= rule->patience;
}
