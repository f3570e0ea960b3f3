#include "aggregate/optimiser.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define MOMENTUM      "optimiser.momentum"
#define SECOND_MOMENT "optimiser.second_moment"
#define STEPS         "optimiser.steps"
#define KIND          "optimiser"

#define RATE_MIN 1e-9
#define RATE_MAX 1e3
#define BETA_MAX 0.9999
#define TAU_MIN  1e-9
#define TAU_MAX  1.0

static const char *const NAMES[OPTIMISER_COUNT] = {"fedavgm", "fedadagrad", "fedadam", "fedyogi"};

const char *optimiser_name(enum optimiser_kind kind)
{
    assert((unsigned)kind < OPTIMISER_COUNT);
    return NAMES[kind];
}

enum status optimiser_named(const char *name, enum optimiser_kind *ret_kind, struct why *why)
{
    for (unsigned kind = 0; kind < OPTIMISER_COUNT; kind++)
        if (strcmp(NAMES[kind], name) == 0) {
            *ret_kind = (enum optimiser_kind)kind;
            return ST_OK;
        }
    why_set(why, "there is no optimiser \"%.64s\"; there are fedavgm, fedadagrad, fedadam, fedyogi",
            name);
    return ST_NOT_FOUND;
}

static bool has_second_moment(const struct optimiser *o)
{
    return o->kind != OPTIMISER_FEDAVGM;
}

static bool has_beta2(const struct optimiser *o)
{
    return o->kind == OPTIMISER_FEDADAM || o->kind == OPTIMISER_FEDYOGI;
}

struct optimiser optimiser_defaults(enum optimiser_kind kind)
{
    assert((unsigned)kind < OPTIMISER_COUNT);
    return (struct optimiser){
        .kind = kind,
        .rate = kind == OPTIMISER_FEDAVGM ? 1 : 0.1,
        .beta1 = kind == OPTIMISER_FEDADAGRAD ? 0 : 0.9,
        .beta2 = 0.99,
        .tau = 0.001,
    };
}

/* A NaN is in no range. */
static enum status check(const char *name, double value, double least, double most, struct why *why)
{
    if (value >= least && value <= most)
        return ST_OK;
    why_set(why, "the optimiser's %s is %g, and has to be from %g to %g", name, value, least, most);
    return ST_INVALID;
}

enum status optimiser_check(const struct optimiser *o, struct why *why)
{
    enum status status = check("rate", o->rate, RATE_MIN, RATE_MAX, why);
    if (status == ST_OK)
        status = check("beta1", o->beta1, 0, BETA_MAX, why);
    if (status == ST_OK && has_beta2(o))
        status = check("beta2", o->beta2, 0, BETA_MAX, why);
    if (status == ST_OK && has_second_moment(o))
        status = check("tau", o->tau, TAU_MIN, TAU_MAX, why);
    return status;
}

static void set_name(struct model_shape *shape, const char *name)
{
    memcpy(shape->name, name, strlen(name) + 1);
}

enum status optimiser_state_new(const struct optimiser *o, size_t param_count, struct model **ret)
{
    struct model_shape shapes[3] = {
        {.rank = 1, .shape = {param_count}}, {.rank = 0}, {.rank = 1, .shape = {param_count}}};
    set_name(&shapes[0], MOMENTUM);
    set_name(&shapes[1], STEPS);
    set_name(&shapes[2], SECOND_MOMENT);

    struct model *state = NULL;
    enum status status = model_new(shapes, has_second_moment(o) ? 3 : 2, &state);
    if (status != ST_OK)
        return status;
    status = model_set_meta(state, KIND, optimiser_name(o->kind));
    if (status != ST_OK) {
        model_free(state);
        return status;
    }
    if (has_second_moment(o)) {
        float *second_moment = model_find(state, SECOND_MOMENT)->data;
        for (size_t i = 0; i < param_count; i++)
            second_moment[i] = (float)(o->tau * o->tau);
    }
    *ret = state;
    return ST_OK;
}

/* The tensor of this name and form, or NULL. */
static const struct tensor *find(const struct model *tensors, const char *name, uint32_t rank,
                                 size_t count)
{
    const struct tensor *t = model_find(tensors, name);
    return t != NULL && t->rank == rank && t->count == count ? t : NULL;
}

static enum status check_values(const struct optimiser_state *state, float steps,
                                size_t param_count, struct why *why)
{
    if (!(steps >= 0 && steps <= (float)OPTIMISER_STEPS_MAX && steps == floorf(steps))) {
        why_set(why, "an optimiser's state of %g steps is none", (double)steps);
        return ST_INVALID;
    }
    for (size_t i = 0; state->second_moment != NULL && i < param_count; i++)
        if (state->second_moment[i] < 0) {
            why_set(why, "the optimiser's second moment at %zu is negative", i);
            return ST_INVALID;
        }
    return ST_OK;
}

enum status optimiser_state_of(const struct optimiser *o, const struct model *tensors,
                               size_t param_count, struct optimiser_state *ret_state,
                               struct why *why)
{
    const char *kind = model_meta(tensors, KIND);
    if (kind == NULL || strcmp(kind, optimiser_name(o->kind)) != 0) {
        why_set(why, "the state is one of \"%.64s\", not of %s", kind == NULL ? "" : kind,
                optimiser_name(o->kind));
        return ST_INVALID;
    }
    const struct tensor *momentum = find(tensors, MOMENTUM, 1, param_count);
    const struct tensor *second = find(tensors, SECOND_MOMENT, 1, param_count);
    const struct tensor *steps = find(tensors, STEPS, 0, 1);
    size_t expected = has_second_moment(o) ? 3 : 2;
    if (momentum == NULL || steps == NULL || (second == NULL) == has_second_moment(o) ||
        model_tensor_count(tensors) != expected) {
        why_set(why, "the state is not that of %s over %zu parameters", optimiser_name(o->kind),
                param_count);
        return ST_SHAPE;
    }
    enum status status = model_check_finite(tensors, why);
    if (status != ST_OK)
        return status;

    struct optimiser_state state = {
        .momentum = momentum->data,
        .second_moment = second == NULL ? NULL : second->data,
    };
    status = check_values(&state, steps->data[0], param_count, why);
    if (status != ST_OK)
        return status;
    state.steps = (uint32_t)steps->data[0];
    *ret_state = state;
    return ST_OK;
}

void optimiser_state_set_steps(struct model *tensors, uint32_t steps)
{
    const struct tensor *t = find(tensors, STEPS, 0, 1);
    assert(t != NULL && steps <= OPTIMISER_STEPS_MAX);
    t->data[0] = (float)steps;
}

static double next_second_moment(const struct optimiser *o, double v, double delta)
{
    double square = delta * delta;
    double share = (1 - o->beta2) * square;
    switch (o->kind) {
    case OPTIMISER_FEDADAGRAD:
        return v + square;
    case OPTIMISER_FEDADAM:
        return o->beta2 * v + share;
    case OPTIMISER_FEDYOGI:
        return v > square ? v - share : v < square ? v + share : v;
    case OPTIMISER_FEDAVGM:
        break;
    }
    assert(o->kind != OPTIMISER_FEDAVGM); /* it has no second moment */
    return v;
}

/* The coordinates of fedavgm; returns whether all numbers are finite. */
static bool step_momentum(const struct optimiser *o, const float *momentum, const float *base,
                          const float *mean, size_t count, float *next, float *params)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        double x = base[i], delta = (double)mean[i] - x;
        next[i] = (float)(o->beta1 * (double)momentum[i] + delta);
        params[i] = (float)(x + o->rate * (double)next[i]);
        finite &= isfinite(next[i]) && isfinite(params[i]);
    }
    return finite;
}

static bool step_adaptive(const struct optimiser *o, const struct optimiser_state *state,
                          const float *base, const float *mean, size_t from, size_t to,
                          const struct optimiser_state *next, float *params)
{
    bool finite = true;
    for (size_t i = from; i < to; i++) {
        double x = base[i - from], delta = (double)mean[i - from] - x;
        double m = o->beta1 * (double)state->momentum[i] + (1 - o->beta1) * delta;
        double v = next_second_moment(o, (double)state->second_moment[i], delta);
        next->momentum[i] = (float)m;
        next->second_moment[i] = (float)v;
        m = (double)next->momentum[i];
        v = (double)next->second_moment[i];
        float param = (float)(x + o->rate * m / (sqrt(v) + o->tau));
        params[i - from] = param;
        finite &= isfinite(m) && isfinite(v) && isfinite(param);
    }
    return finite;
}

enum status optimiser_step(const struct optimiser *o, const struct optimiser_state *state,
                           const float *base, const float *mean, size_t from, size_t to,
                           const struct optimiser_state *next, float *params)
{
    assert(from < to && state->momentum != NULL && next->momentum != NULL);
    bool finite = false;
    if (has_second_moment(o)) {
        assert(state->second_moment != NULL && next->second_moment != NULL);
        finite = step_adaptive(o, state, base, mean, from, to, next, params);
    } else {
        finite = step_momentum(o, state->momentum + from, base, mean, to - from,
                               next->momentum + from, params);
    }
    return finite ? ST_OK : ST_NOT_FINITE;
}
