#include "round/rule_read.h"

#include <assert.h>

#include "base/jsn.h"
#include "round/optimiser_read.h"

static enum status read_whole(const json_t *object, const char *key, uint64_t max, uint32_t *ret,
                              struct why *why)
{
    uint64_t value = *ret;
    enum status status = jsn_uint(object, key, JSN_OPTIONAL, 0, max, &value, why);
    *ret = (uint32_t)value;
    return status;
}

static enum status read_settings(const json_t *object, struct rule_settings *s, struct why *why)
{
    const char *weighting = weighting_name(s->weighting);
    enum status status = jsn_str(object, "weighting", JSN_OPTIONAL, ID_SIZE_MAX, &weighting, why);
    if (status == ST_OK)
        status = weighting_named(weighting, &s->weighting, why);
    if (status == ST_OK)
        status = jsn_bool(object, "partial", JSN_OPTIONAL, &s->partial, why);
    if (status == ST_OK)
        status = jsn_real(object, "trim", JSN_OPTIONAL, &s->trim, why);
    if (status == ST_OK)
        status = jsn_real(object, "bound", JSN_OPTIONAL, &s->bound, why);
    if (status == ST_OK)
        status = jsn_real(object, "smoothing", JSN_OPTIONAL, &s->smoothing, why);
    if (status == ST_OK)
        status = read_whole(object, "byzantine", ROUND_PARTICIPANTS_MAX, &s->byzantine, why);
    if (status == ST_OK)
        status = read_whole(object, "keep", ROUND_PARTICIPANTS_MAX, &s->keep, why);
    if (status == ST_OK)
        status = read_whole(object, "iterations", RULE_ITERATIONS_MAX, &s->iterations, why);
    return status;
}

static enum status read_object(const json_t *object, struct rule_settings *s, struct why *why)
{
    const char *name = rule_name(RULE_MEAN);
    enum rule rule;
    enum status status = jsn_str(object, "rule", JSN_OPTIONAL, ID_SIZE_MAX, &name, why);
    if (status == ST_OK)
        status = rule_named(name, &rule, why);
    if (status != ST_OK)
        return status;
    *s = rule_defaults(rule);
    return read_settings(object, s, why);
}

/* FedBuff's weights where the start says none. */
static void set_default_weighting(const struct round_start *start, struct rule_settings *s)
{
    bool said = json_object_get(start->aggregation, "weighting") != NULL;
    if (start->asynchronous.is_on && !said && s->weighting == WEIGHTING_SAMPLES)
        s->weighting = WEIGHTING_STALENESS;
}

static enum status check(const struct rule_settings *s, const struct round_start *start,
                         struct why *why)
{
    if (s->partial && s->rule != RULE_MEAN) {
        why_set(why, "partial updates go with the rule \"mean\" only: %s looks at whole ones",
                rule_name(s->rule));
        return ST_INVALID;
    }
    if (s->partial && start->asynchronous.is_on) {
        why_set(why, "partial updates do not go with asynchronous: each is to be compared with "
                     "all of what it was trained from");
        return ST_INVALID;
    }
    /* Time may close an asynchronous round with any number. */
    bool asynchronous = start->asynchronous.is_on;
    const struct rule_round round = {.updates_min = asynchronous ? 1 : start->k_of_n,
                                     .participants = round_start_count(start),
                                     .partial = s->partial,
                                     .asynchronous = asynchronous};
    return rule_check(s, &round, why);
}

enum status rule_read(const struct round_start *start, struct rule_settings *ret, struct why *why)
{
    assert(start != NULL && ret != NULL);
    struct rule_settings s = rule_defaults(RULE_MEAN);
    enum status status = ST_OK;
    if (start->aggregation != NULL)
        status = read_object(start->aggregation, &s, why);
    if (status == ST_OK)
        set_default_weighting(start, &s);
    if (status == ST_OK && start->aggregation != NULL && start->mode == ROUND_TRAIN)
        status = check(&s, start, why);
    bool has_optimiser;
    struct optimiser optimiser;
    if (status == ST_OK)
        status = optimiser_read(start, &has_optimiser, &optimiser, why);
    if (status != ST_OK)
        return ST_INVALID;
    *ret = s;
    return ST_OK;
}
