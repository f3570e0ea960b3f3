#include "aggregate/aggregation.h"

#include <assert.h>
#include <stdlib.h>

#include "aggregate/differences.h"
#include "aggregate/fold.h"
#include "aggregate/geometric.h"
#include "aggregate/krum.h"
#include "aggregate/rank.h"
#include "aggregate/weight.h"

#define MAGIC 0x61676772u /* "aggr" */

struct aggregation {
    uint32_t magic;
    struct rule_settings settings;
    struct aggregation_input in;
    struct source *sources; /* (count,): in's, with the weights of the weighting; after
                             * Krum's pass the first `kept` of them are the chosen ones */
    size_t kept;
    double *factors; /* (count,), of differences; NULL: the mean of the sources */
    size_t passed;
    struct distances *distances; /* Krum */
    struct geometric *geometric;
};

static bool is_krum(const struct aggregation *a)
{
    return a->settings.rule == RULE_KRUM || a->settings.rule == RULE_MULTI_KRUM;
}

static size_t krum_keeps(const struct aggregation *a)
{
    return a->settings.rule == RULE_KRUM ? 1 : a->settings.keep;
}

/* Weights whose sum is not 1, or differences to more than one base, or bounded ones:
 * no mean of parameters. */
static bool needs_factors(const struct aggregation *a)
{
    return a->settings.rule == RULE_NORM_BOUND || a->settings.weighting == WEIGHTING_FEDNOVA ||
           a->settings.weighting == WEIGHTING_STALENESS || a->in.bases != NULL;
}

static enum status fednova_factors(struct aggregation *a, struct why *why)
{
    struct local_work *work = calloc(a->in.count, sizeof *work);
    if (work == NULL)
        return ST_NOMEM;
    for (size_t k = 0; k < a->in.count; k++)
        work[k] = (struct local_work){(uint64_t)a->in.sources[k].weight, a->in.steps[k]};
    enum status status = weight_fednova(work, a->in.count, a->factors, why);
    free(work);
    return status;
}

static enum status find_factors(struct aggregation *a, struct why *why)
{
    const struct aggregation_input *in = &a->in;
    a->factors = calloc(in->count, sizeof a->factors[0]);
    if (a->factors == NULL)
        return ST_NOMEM;
    if (a->settings.weighting == WEIGHTING_FEDNOVA)
        return fednova_factors(a, why);

    if (a->settings.rule == RULE_NORM_BOUND)
        norm_bound_factors(a->sources, in->squares, in->count, a->settings.bound, a->factors);
    else
        difference_shares(a->sources, in->count, a->factors);
    if (a->settings.weighting == WEIGHTING_STALENESS)
        for (size_t k = 0; k < in->count; k++)
            a->factors[k] *= weight_fedbuff(in->staleness[k]);
    return ST_OK;
}

static enum status check_count(const struct aggregation *a, struct why *why)
{
    const struct rule_round round = {
        .updates_min = a->in.count,
        .participants = a->in.count,
        .asynchronous = a->in.bases != NULL,
    };
    return rule_check(&a->settings, &round, why);
}

static enum status prepare(struct aggregation *a, struct why *why)
{
    const struct aggregation_input *in = &a->in;
    a->sources = calloc(in->count, sizeof a->sources[0]);
    if (a->sources == NULL)
        return ST_NOMEM;
    a->kept = in->count;
    bool equal =
        a->settings.weighting == WEIGHTING_EQUAL || a->settings.weighting == WEIGHTING_STALENESS;
    for (size_t k = 0; k < in->count; k++) {
        a->sources[k] = in->sources[k];
        if (equal)
            a->sources[k].weight = 1;
    }
    if (needs_factors(a))
        return find_factors(a, why);
    if (is_krum(a))
        return distances_new(in->count, in->param_count, &a->distances);
    if (a->settings.rule == RULE_GEOMETRIC_MEDIAN)
        return geometric_new(a->sources, in->count, in->param_count, a->settings.smoothing,
                             &a->geometric);
    return ST_OK;
}

enum status aggregation_new(const struct rule_settings *s, const struct aggregation_input *in,
                            struct aggregation **ret, struct why *why)
{
    assert(in->sources != NULL && in->count >= 1 && in->base != NULL);
    assert(s->rule != RULE_NORM_BOUND || in->squares != NULL);
    assert(s->weighting != WEIGHTING_FEDNOVA || in->steps != NULL);
    assert(s->weighting != WEIGHTING_STALENESS || (in->staleness != NULL && in->bases != NULL));
    struct aggregation *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ST_NOMEM;
    *a = (struct aggregation){.magic = MAGIC, .settings = *s, .in = *in};
    enum status status = check_count(a, why);
    if (status == ST_OK)
        status = prepare(a, why);
    if (status != ST_OK) {
        aggregation_free(a);
        return status;
    }
    *ret = a;
    return ST_OK;
}

size_t aggregation_passes(const struct aggregation *a)
{
    if (is_krum(a))
        return 1;
    return a->settings.rule == RULE_GEOMETRIC_MEDIAN ? a->settings.iterations : 0;
}

size_t aggregation_section_count(const struct aggregation *a)
{
    if (a->distances != NULL)
        return distances_section_count(a->distances);
    return a->geometric != NULL ? geometric_section_count(a->geometric) : 0;
}

enum status aggregation_measure(struct aggregation *a, size_t section)
{
    assert(a->magic == MAGIC && a->passed < aggregation_passes(a));
    if (a->distances != NULL)
        return distances_add(a->distances, a->in.sources, section);
    return geometric_measure(a->geometric, section);
}

enum status aggregation_next(struct aggregation *a)
{
    assert(a->magic == MAGIC && a->passed < aggregation_passes(a));
    if (a->distances != NULL) {
        enum status status = krum_choose(a->distances, a->settings.byzantine, krum_keeps(a),
                                         a->in.sources, a->sources);
        if (status != ST_OK)
            return status;
        a->kept = krum_keeps(a);
    } else {
        geometric_next(a->geometric);
    }
    a->passed++;
    return ST_OK;
}

enum status aggregation_write(const struct aggregation *a, size_t from, size_t to, float *ret)
{
    assert(a->magic == MAGIC && a->passed == aggregation_passes(a));
    const struct aggregation_input *in = &a->in;
    switch (a->settings.rule) {
    case RULE_MEDIAN:
        return rank_median(a->sources, in->count, from, to, ret);
    case RULE_TRIMMED_MEAN:
        return rank_trimmed_mean(a->sources, in->count, rule_trim(a->settings.trim, in->count),
                                 from, to, ret);
    case RULE_GEOMETRIC_MEDIAN:
        return fold_mean(geometric_sources(a->geometric), in->count, from, to, ret);
    case RULE_MEAN:
    case RULE_KRUM:
    case RULE_MULTI_KRUM:
    case RULE_NORM_BOUND:
        break;
    }
    if (a->factors != NULL)
        return differences_add(a->sources, a->factors, in->bases, in->count, in->base, from, to,
                               ret);
    return fold_mean(a->sources, a->kept, from, to, ret);
}

struct aggregation *aggregation_free(struct aggregation *a)
{
    if (a == NULL)
        return NULL;
    assert(a->magic == MAGIC);
    *(volatile uint32_t *)&a->magic = 0;
    free(a->sources);
    free(a->factors);
    distances_free(a->distances);
    geometric_free(a->geometric);
    free(a);
    return NULL;
}
