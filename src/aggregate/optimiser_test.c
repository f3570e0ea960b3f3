/* Checks optimiser.c against numpy (tests/vectors/aggregate/make.py made the
 * files), against steps worked by hand, then what it must refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/fake_sources.h"
#include "aggregate/optimiser.h"
#include "model/safetensors.h"

#define STEPS 4

static const struct tensor *at(const struct model *m, const char *name, int step)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s.%d", name, step);
    const struct tensor *t = model_find(m, text);
    assert_non_null(t);
    return t;
}

static struct model *fresh(const struct optimiser *o, size_t count)
{
    struct model *tensors = NULL;
    assert_int_equal(optimiser_state_new(o, count, &tensors), ST_OK);
    return tensors;
}

static struct optimiser_state view_of_state(const struct optimiser *o, const struct model *tensors,
                                            size_t count)
{
    struct optimiser_state state;
    struct why why = {""};
    enum status status = optimiser_state_of(o, tensors, count, &state, &why);
    if (status != ST_OK)
        fail_msg("%s", why.text);
    return state;
}

/* Written and read again, as a version's state is. */
static struct model *stored(struct model *tensors)
{
    struct bytes b = {0};
    struct model *back = NULL;
    assert_int_equal(safetensors_encode(tensors, &b), ST_OK);
    assert_int_equal(safetensors_decode(bytes_view(&b), &back, NULL), ST_OK);
    bytes_done(&b);
    model_free(tensors);
    return back;
}

static void as_numpy(enum optimiser_kind kind)
{
    struct model *v = test_vectors(optimiser_name(kind));
    size_t count = at(v, "params", 0)->count;
    struct optimiser o = optimiser_defaults(kind);
    assert_int_equal(optimiser_check(&o, NULL), ST_OK);
    struct model *tensors = fresh(&o, count);
    for (int t = 1; t <= STEPS; t++) {
        struct optimiser_state state = view_of_state(&o, tensors, count);
        float params[256];
        assert_int_equal(state.steps, t - 1);
        assert_int_equal(optimiser_step(&o, &state, at(v, "params", t - 1)->data,
                                        at(v, "mean", t)->data, 0, count, &state, params),
                         ST_OK);
        size_t size = count * sizeof params[0];
        assert_memory_equal(params, at(v, "params", t)->data, size);
        assert_memory_equal(state.momentum, at(v, "momentum", t)->data, size);
        if (kind == OPTIMISER_FEDAVGM)
            assert_null(state.second_moment);
        else
            assert_memory_equal(state.second_moment, at(v, "second_moment", t)->data, size);
        optimiser_state_set_steps(tensors, (uint32_t)t);
        tensors = stored(tensors);
    }
    model_free(tensors);
    model_free(v);
}

static void four_steps_are_those_of_numpy_to_the_bit(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < OPTIMISER_COUNT; kind++)
        as_numpy((enum optimiser_kind)kind);
}

/* One coordinate, one step: returns x and leaves m, v. */
static float one_step(const struct optimiser *o, float x, float mean, float *m, float *v)
{
    struct optimiser_state state = {.momentum = m, .second_moment = v};
    float params;
    assert_int_equal(optimiser_step(o, &state, &x, &mean, 0, 1, &state, &params), ST_OK);
    return params;
}

static void fedavgm_by_hand(void **state)
{
    (void)state;
    struct optimiser o = {.kind = OPTIMISER_FEDAVGM, .rate = 0.5, .beta1 = 0.5};
    float m = 0;
    /* delta 2: m = 2, x = 1 + 0.5 * 2 */
    assert_true(one_step(&o, 1, 3, &m, NULL) == 2.0f);
    assert_true(m == 2.0f);
    /* delta 4: m = 0.5 * 2 + 4 = 5, x = 2 + 0.5 * 5 */
    assert_true(one_step(&o, 2, 6, &m, NULL) == 4.5f);
    assert_true(m == 5.0f);
}

static void fedavgm_without_momentum_is_fedavg(void **state)
{
    (void)state;
    struct optimiser o = optimiser_defaults(OPTIMISER_FEDAVGM);
    o.beta1 = 0;
    float m = 7;
    assert_true(one_step(&o, 0.25f, -8.5f, &m, NULL) == -8.5f);
}

static void fedadagrad_by_hand(void **state)
{
    (void)state;
    struct optimiser o = {.kind = OPTIMISER_FEDADAGRAD, .rate = 2, .beta1 = 0.5, .tau = 1};
    float m = 0, v = 0;
    /* delta 4: m = 2, v = 16, x = 1 + 2 * 2 / (4 + 1) */
    assert_true(one_step(&o, 1, 5, &m, &v) == 1.8f);
    assert_true(m == 2.0f && v == 16.0f);
    /* delta 3: m = 1 + 1.5, v = 25, x = 0 + 2 * 2.5 / (5 + 1) */
    assert_true(one_step(&o, 0, 3, &m, &v) == (float)(5.0 / 6));
    assert_true(m == 2.5f && v == 25.0f);
}

static void fedadam_by_hand(void **state)
{
    (void)state;
    struct optimiser o = {
        .kind = OPTIMISER_FEDADAM, .rate = 1, .beta1 = 0.5, .beta2 = 0.75, .tau = 1};
    float m = 4, v = 16;
    /* delta 8: m = 2 + 4, v = 12 + 16, x = 1 + 6 / (sqrt(28) + 1) */
    assert_true(one_step(&o, 1, 9, &m, &v) == (float)(1 + 6 / (sqrt(28) + 1)));
    assert_true(m == 6.0f && v == 28.0f);
}

static void fedyogi_by_hand(void **state)
{
    (void)state;
    struct optimiser o = {
        .kind = OPTIMISER_FEDYOGI, .rate = 1, .beta1 = 0.5, .beta2 = 0.75, .tau = 1};
    float m = 0, v = 16;
    /* v < delta^2 = 64: v grows by a quarter of it. x = 0 + 4 / (sqrt(32) + 1) */
    assert_true(one_step(&o, 0, 8, &m, &v) == (float)(4 / (sqrt(32) + 1)));
    assert_true(m == 4.0f && v == 32.0f);
    /* v > delta^2 = 4: it shrinks by 1. m = 2 + 1 */
    (void)one_step(&o, 0, 2, &m, &v);
    assert_true(m == 3.0f && v == 31.0f);
    /* v = delta^2: it stays, sign(0) = 0 */
    v = 9;
    (void)one_step(&o, 0, 3, &m, &v);
    assert_true(v == 9.0f);
}

static void second_moment_begins_at_tau_squared(void **state)
{
    (void)state;
    struct optimiser o = optimiser_defaults(OPTIMISER_FEDADAM);
    o.tau = 0.5;
    struct model *tensors = fresh(&o, 3);
    struct optimiser_state s = view_of_state(&o, tensors, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(s.momentum[i] == 0.0f && s.second_moment[i] == 0.25f);
    assert_int_equal(s.steps, 0);
    model_free(tensors);
}

static void split_ranges_give_the_same_bytes(void **state)
{
    (void)state;
    struct model *v = test_vectors("fedyogi");
    size_t count = at(v, "params", 0)->count;
    const float *base = at(v, "params", 0)->data, *mean = at(v, "mean", 1)->data;
    struct optimiser o = optimiser_defaults(OPTIMISER_FEDYOGI);
    struct model *before = fresh(&o, count), *after = fresh(&o, count);
    struct optimiser_state s = view_of_state(&o, before, count);
    struct optimiser_state next = view_of_state(&o, after, count);
    float params[256];
    for (size_t from = 0; from < count; from += 7) {
        size_t to = from + 7 < count ? from + 7 : count;
        assert_int_equal(
            optimiser_step(&o, &s, base + from, mean + from, from, to, &next, params + from),
            ST_OK);
    }
    assert_memory_equal(params, at(v, "params", 1)->data, count * sizeof params[0]);
    assert_memory_equal(next.second_moment, at(v, "second_moment", 1)->data,
                        count * sizeof params[0]);
    /* What it began with is still there. */
    struct model *same = fresh(&o, count);
    assert_memory_equal(model_params(before), model_params(same),
                        model_param_count(same) * sizeof params[0]);
    model_free(same);
    model_free(before);
    model_free(after);
    model_free(v);
}

static void an_overflow_is_refused(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < OPTIMISER_COUNT; kind++) {
        struct optimiser o = optimiser_defaults((enum optimiser_kind)kind);
        float m = 0, v = 1, next_m = 0, next_v = 0, params;
        /* -3e38 - 3e38 is no float32, nor is its square. */
        struct optimiser_state s = {&m, &v, 0}, next = {&next_m, &next_v, 0};
        assert_int_equal(
            optimiser_step(&o, &s, &(float){3e38f}, &(float){-3e38f}, 0, 1, &next, &params),
            ST_NOT_FINITE);
        assert_true(m == 0.0f && v == 1.0f);
    }
}

static void refused(struct optimiser o, const char *sentence)
{
    struct why why = {""};
    assert_int_equal(optimiser_check(&o, &why), ST_INVALID);
    assert_string_equal(why.text, sentence);
}

static void values_out_of_range_are_refused_with_a_sentence(void **state)
{
    (void)state;
    const struct optimiser adam = optimiser_defaults(OPTIMISER_FEDADAM);
    struct optimiser o = adam;
    o.rate = 0;
    refused(o, "the optimiser's rate is 0, and has to be from 1e-09 to 1000");
    o.rate = (double)NAN;
    refused(o, "the optimiser's rate is nan, and has to be from 1e-09 to 1000");
    o = adam;
    o.beta1 = 1;
    refused(o, "the optimiser's beta1 is 1, and has to be from 0 to 0.9999");
    o = adam;
    o.beta2 = -0.5;
    refused(o, "the optimiser's beta2 is -0.5, and has to be from 0 to 0.9999");
    o = adam;
    o.tau = 2;
    refused(o, "the optimiser's tau is 2, and has to be from 1e-09 to 1");
    /* What a kind does not use is not looked at. */
    o.kind = OPTIMISER_FEDAVGM;
    o.beta2 = 3;
    assert_int_equal(optimiser_check(&o, NULL), ST_OK);
}

static void kinds_are_found_by_name(void **state)
{
    (void)state;
    enum optimiser_kind kind = OPTIMISER_FEDAVGM;
    struct why why = {""};
    assert_int_equal(optimiser_named("fedyogi", &kind, NULL), ST_OK);
    assert_int_equal(kind, OPTIMISER_FEDYOGI);
    assert_int_equal(optimiser_named("FedAdam", &kind, &why), ST_NOT_FOUND);
    assert_int_equal(kind, OPTIMISER_FEDYOGI);
    assert_string_equal(why.text, "there is no optimiser \"FedAdam\"; there are fedavgm, "
                                  "fedadagrad, fedadam, fedyogi");
}

/* A state of fedadam over 2 parameters with one value changed. */
static void state_refused(const char *tensor, size_t index, float value, enum status expected)
{
    struct optimiser o = optimiser_defaults(OPTIMISER_FEDADAM);
    struct model *tensors = fresh(&o, 2);
    struct optimiser_state s = {0};
    model_find(tensors, tensor)->data[index] = value;
    struct why why = {""};
    assert_int_equal(optimiser_state_of(&o, tensors, 2, &s, &why), expected);
    assert_true(why.text[0] != '\0');
    assert_null(s.momentum);
    model_free(tensors);
}

static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    state_refused("optimiser.momentum", 1, NAN, ST_NOT_FINITE);
    state_refused("optimiser.second_moment", 0, INFINITY, ST_NOT_FINITE);
    state_refused("optimiser.second_moment", 1, -1e-30f, ST_INVALID);
    state_refused("optimiser.steps", 0, 0.5f, ST_INVALID);
    state_refused("optimiser.steps", 0, -1, ST_INVALID);
    state_refused("optimiser.steps", 0, 16777218, ST_INVALID);
}

static void a_state_of_another_kind_or_model_is_refused(void **state)
{
    (void)state;
    struct optimiser adam = optimiser_defaults(OPTIMISER_FEDADAM);
    struct optimiser yogi = optimiser_defaults(OPTIMISER_FEDYOGI);
    struct model *tensors = fresh(&adam, 2);
    struct optimiser_state s = {0};
    struct why why = {""};
    assert_int_equal(optimiser_state_of(&yogi, tensors, 2, &s, &why), ST_INVALID);
    assert_string_equal(why.text, "the state is one of \"fedadam\", not of fedyogi");
    assert_int_equal(optimiser_state_of(&adam, tensors, 3, &s, &why), ST_SHAPE);
    assert_string_equal(why.text, "the state is not that of fedadam over 3 parameters");
    model_free(tensors);

    /* A model is no state. */
    struct model_shape shape = {.name = "w", .rank = 1, .shape = {2}};
    assert_int_equal(model_new(&shape, 1, &tensors), ST_OK);
    assert_int_equal(optimiser_state_of(&adam, tensors, 2, &s, &why), ST_INVALID);
    assert_int_equal(model_set_meta(tensors, "optimiser", "fedadam"), ST_OK);
    assert_int_equal(optimiser_state_of(&adam, tensors, 2, &s, &why), ST_SHAPE);
    assert_null(s.momentum);
    model_free(tensors);
}

static void a_state_of_no_size_or_too_large_is_refused(void **state)
{
    (void)state;
    struct optimiser o = optimiser_defaults(OPTIMISER_FEDADAM);
    struct model *tensors = NULL;
    assert_int_equal(optimiser_state_new(&o, 0, &tensors), ST_INVALID);
    assert_int_equal(optimiser_state_new(&o, MODEL_PARAMS_MAX / 2, &tensors), ST_LIMIT);
    assert_null(tensors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_steps_are_those_of_numpy_to_the_bit),
        cmocka_unit_test(fedavgm_by_hand),
        cmocka_unit_test(fedavgm_without_momentum_is_fedavg),
        cmocka_unit_test(fedadagrad_by_hand),
        cmocka_unit_test(fedadam_by_hand),
        cmocka_unit_test(fedyogi_by_hand),
        cmocka_unit_test(second_moment_begins_at_tau_squared),
        cmocka_unit_test(split_ranges_give_the_same_bytes),
        cmocka_unit_test(an_overflow_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused_with_a_sentence),
        cmocka_unit_test(kinds_are_found_by_name),
        cmocka_unit_test(a_damaged_state_is_refused),
        cmocka_unit_test(a_state_of_another_kind_or_model_is_refused),
        cmocka_unit_test(a_state_of_no_size_or_too_large_is_refused),
    };
    return cmocka_run_group_tests_name("aggregate/optimiser", tests, NULL, NULL);
}
