#include "aggregate/rule.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "aggregate/krum.h"

static const char *const RULES[RULE_COUNT] = {
    "mean", "median", "trimmed_mean", "krum", "multi_krum", "geometric_median", "norm_bound"};
static const char *const WEIGHTINGS[WEIGHTING_COUNT] = {"equal", "samples", "fednova", "staleness"};

const char *rule_name(enum rule rule)
{
    assert((unsigned)rule < RULE_COUNT);
    return RULES[rule];
}

const char *weighting_name(enum weighting weighting)
{
    assert((unsigned)weighting < WEIGHTING_COUNT);
    return WEIGHTINGS[weighting];
}

enum status rule_named(const char *name, enum rule *ret_rule, struct why *why)
{
    for (unsigned rule = 0; rule < RULE_COUNT; rule++)
        if (strcmp(RULES[rule], name) == 0) {
            *ret_rule = (enum rule)rule;
            return ST_OK;
        }
    why_set(why,
            "there is no rule \"%.64s\"; there are mean, median, trimmed_mean, krum, multi_krum, "
            "geometric_median, norm_bound",
            name);
    return ST_NOT_FOUND;
}

enum status weighting_named(const char *name, enum weighting *ret_weighting, struct why *why)
{
    for (unsigned weighting = 0; weighting < WEIGHTING_COUNT; weighting++)
        if (strcmp(WEIGHTINGS[weighting], name) == 0) {
            *ret_weighting = (enum weighting)weighting;
            return ST_OK;
        }
    why_set(why, "there is no weighting \"%.64s\"; there are equal, samples, fednova, staleness",
            name);
    return ST_NOT_FOUND;
}

/* Rules that a sum over participants is at the bottom of. */
static bool is_sum(enum rule rule)
{
    return rule == RULE_MEAN || rule == RULE_NORM_BOUND;
}

static bool has_weights(enum rule rule)
{
    return is_sum(rule) || rule == RULE_GEOMETRIC_MEDIAN;
}

struct rule_settings rule_defaults(enum rule rule)
{
    return (struct rule_settings){
        .rule = rule,
        .weighting = has_weights(rule) ? WEIGHTING_SAMPLES : WEIGHTING_EQUAL,
        .trim = 0.1,
        .smoothing = 1e-6,
        .iterations = 3,
    };
}

size_t rule_trim(double trim, size_t n)
{
    assert(trim >= 0 && trim <= RULE_TRIM_MAX);
    return (size_t)floor(trim * (double)n + 1e-9);
}

static enum status check_at_least(const struct rule_settings *s, const struct rule_round *r,
                                  size_t least, struct why *why)
{
    if (r->updates_min >= least)
        return ST_OK;
    why_set(why, "%s needs at least %zu updates, and the round may end with %zu",
            rule_name(s->rule), least, r->updates_min);
    return ST_INVALID;
}

static enum status check_trim(const struct rule_settings *s, const struct rule_round *r,
                              struct why *why)
{
    if (!(s->trim > 0 && s->trim <= RULE_TRIM_MAX)) {
        why_set(why, "trim is %g, and has to be above 0 and at most %g", s->trim, RULE_TRIM_MAX);
        return ST_INVALID;
    }
    if (rule_trim(s->trim, r->updates_min) == 0) {
        why_set(why, "a trim of %g drops none of %zu updates, which the round may end with",
                s->trim, r->updates_min);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status check_krum(const struct rule_settings *s, const struct rule_round *r,
                              struct why *why)
{
    if (s->byzantine < 1) {
        why_set(why, "%s needs \"byzantine\": how many participants may send anything, at least 1",
                rule_name(s->rule));
        return ST_INVALID;
    }
    size_t keep = s->rule == RULE_KRUM ? 1 : s->keep;
    enum status status = krum_check(r->updates_min, s->byzantine, keep, why);
    /* More updates than the fewest only help, but for the limit. */
    return status != ST_OK ? status : krum_check(r->participants, s->byzantine, keep, why);
}

static enum status check_geometric(const struct rule_settings *s, const struct rule_round *r,
                                   struct why *why)
{
    if (!(s->smoothing >= 1e-12 && s->smoothing <= 1)) {
        why_set(why, "smoothing is %g, and has to be from 1e-12 to 1", s->smoothing);
        return ST_INVALID;
    }
    if (s->iterations < 1 || s->iterations > RULE_ITERATIONS_MAX) {
        why_set(why, "iterations is %u, and has to be from 1 to %d", s->iterations,
                RULE_ITERATIONS_MAX);
        return ST_INVALID;
    }
    return check_at_least(s, r, 3, why);
}

static enum status check_bound(const struct rule_settings *s, struct why *why)
{
    if (s->bound >= 1e-9 && s->bound <= 1e9)
        return ST_OK;
    why_set(why,
            "bound is %g, and has to be from 1e-09 to 1e+09: the norm that an update's "
            "difference to the base may have",
            s->bound);
    return ST_INVALID;
}

static enum status check_settings(const struct rule_settings *s, const struct rule_round *r,
                                  struct why *why)
{
    switch (s->rule) {
    case RULE_MEAN:
        return ST_OK;
    case RULE_MEDIAN:
        return check_at_least(s, r, 3, why);
    case RULE_TRIMMED_MEAN:
        return check_trim(s, r, why);
    case RULE_KRUM:
    case RULE_MULTI_KRUM:
        return check_krum(s, r, why);
    case RULE_GEOMETRIC_MEDIAN:
        return check_geometric(s, r, why);
    case RULE_NORM_BOUND:
        return check_bound(s, why);
    }
    why_set(why, "there is no rule %d", (int)s->rule);
    return ST_INVALID;
}

static enum status refuse(const struct rule_settings *s, const char *reason, struct why *why)
{
    why_set(why, "%s does not go with %s", rule_name(s->rule), reason);
    return ST_INVALID;
}

static enum status check_weighting(const struct rule_settings *s, const struct rule_round *r,
                                   struct why *why)
{
    if (s->weighting == WEIGHTING_STALENESS && !r->asynchronous) {
        why_set(why, "weighting by staleness is for asynchronous rounds: in this one all updates "
                     "have the same base");
        return ST_INVALID;
    }
    if (s->weighting == WEIGHTING_FEDNOVA && r->asynchronous) {
        why_set(why, "weighting by fednova is for rounds in which all updates have the same base");
        return ST_INVALID;
    }
    if (s->weighting == WEIGHTING_FEDNOVA && s->rule != RULE_MEAN)
        return refuse(s, "weighting by fednova, which is defined for the mean of differences", why);
    if (s->weighting != WEIGHTING_EQUAL && !has_weights(s->rule))
        return refuse(s, "weights, as it looks at each update alike: weighting has to be equal",
                      why);
    return ST_OK;
}

/* Rules need to see what they judge by. */
static enum status check_round(const struct rule_settings *s, const struct rule_round *r,
                               struct why *why)
{
    if (r->masked && s->rule != RULE_MEAN)
        return refuse(s, "secure aggregation: it judges single updates, and only their sum is seen",
                      why);
    if (r->masked && s->weighting == WEIGHTING_STALENESS)
        return refuse(s, "staleness and secure aggregation at once", why);
    if (r->partial && !is_sum(s->rule))
        return refuse(s, "partial updates: it compares whole updates with each other", why);
    if (r->partial && s->weighting == WEIGHTING_FEDNOVA)
        return refuse(s, "fednova and partial updates at once: its weights are for whole ones",
                      why);
    if (r->asynchronous && !is_sum(s->rule))
        return refuse(s, "asynchronous rounds: it compares updates to the same base", why);
    return ST_OK;
}

enum status rule_check(const struct rule_settings *s, const struct rule_round *r, struct why *why)
{
    assert(r->updates_min >= 1 && r->participants >= r->updates_min);
    enum status status = check_settings(s, r, why);
    if (status == ST_OK)
        status = check_round(s, r, why);
    return status == ST_OK ? check_weighting(s, r, why) : status;
}
