/* Checks differences.c by hand and against the mean, then splits and refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/differences.h"
#include "aggregate/fake_sources.h"
#include "aggregate/fold.h"
#include "aggregate/weight.h"
#include "base/rand.h"

static struct fake_sources fake;

static void a_step_by_hand(void **state)
{
    (void)state;
    const float base[] = {1, 10};
    float out[2];
    fake_sources_of(&fake, (float[]){3, 10, 1, 14}, 2, 2);
    const double factors[] = {0.5, 2};
    assert_int_equal(differences_add(fake.sources, factors, NULL, 2, base, 0, 2, out), ST_OK);
    assert_true(out[0] == 2.0f);  /* 1 + 0.5 * 2 + 2 * 0 */
    assert_true(out[1] == 18.0f); /* 10 + 0.5 * 0 + 2 * 4 */
}

static void fedbuff_by_hand(void **state)
{
    (void)state;
    /* Two updates, one to the present version, one to what stood three before. */
    const float now[] = {5}, before[] = {2};
    const float *const bases[] = {now, before};
    float out;
    fake_sources_of(&fake, (float[]){7, 6}, 2, 1);
    const double factors[] = {weight_fedbuff(0) / 2, weight_fedbuff(3) / 2};
    assert_int_equal(differences_add(fake.sources, factors, bases, 2, now, 0, 1, &out), ST_OK);
    assert_true(out == 7.0f); /* 5 + 1/2 * 2 + 1/4 * 4 */
}

static void fednova_by_hand(void **state)
{
    (void)state;
    /* Equal samples, 1 and 3 steps: tau_eff = 2, factors 1 and 1/3. */
    const struct local_work work[] = {{10, 1}, {10, 3}};
    const float base[] = {0};
    double factors[2];
    float out;
    fake_sources_of(&fake, (float[]){1, 6}, 2, 1);
    assert_int_equal(weight_fednova(work, 2, factors, NULL), ST_OK);
    assert_int_equal(differences_add(fake.sources, factors, NULL, 2, base, 0, 1, &out), ST_OK);
    assert_true(out == 3.0f); /* 1 * 1 + 1/3 * 6 */
}

static void bounds_by_hand(void **state)
{
    (void)state;
    const float base[] = {1, 1};
    double squares[2], factors[2];
    float out[2];
    /* Differences (3, 4) of norm 5 and (0, -1) of norm 1. */
    fake_sources_of(&fake, (float[]){4, 5, 1, 0}, 2, 2);
    fake.sources[1].weight = 3;
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(source_measure(&fake.sources[k], base, &squares[k], NULL), ST_OK);
    norm_bound_factors(fake.sources, squares, 2, 2.5, factors);
    assert_true(factors[0] == 0.125); /* 1/4 of the weight, halved */
    assert_true(factors[1] == 0.75);
    assert_int_equal(differences_add(fake.sources, factors, NULL, 2, base, 0, 2, out), ST_OK);
    assert_true(out[0] == 1.375f); /* 1 + 3/8 */
    assert_true(out[1] == 0.75f);  /* 1 + 4/8 - 3/4 */
}

#define PARTICIPANTS 7
#define PARAMS       3001

static float *drawn(void)
{
    struct rand r = {2};
    float *params = calloc((size_t)PARTICIPANTS * PARAMS, sizeof params[0]);
    assert_non_null(params);
    for (size_t i = 0; i < (size_t)PARTICIPANTS * PARAMS; i++)
        params[i] = (float)(rand_unit(&r) - 0.5);
    return params;
}

static void a_bound_that_nobody_reaches_gives_the_mean(void **state)
{
    (void)state;
    float *params = drawn();
    static float base[PARAMS], mean[PARAMS], out[PARAMS];
    double squares[PARTICIPANTS], factors[PARTICIPANTS];
    for (size_t i = 0; i < PARAMS; i++)
        base[i] = params[i] * 0.9f;
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    for (size_t k = 0; k < PARTICIPANTS; k++) {
        fake.sources[k].weight = (double)(k + 1);
        assert_int_equal(source_measure(&fake.sources[k], base, &squares[k], NULL), ST_OK);
    }
    norm_bound_factors(fake.sources, squares, PARTICIPANTS, 1e6, factors);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, PARTICIPANTS, base, 0, PARAMS, out), ST_OK);
    assert_int_equal(fold_mean(fake.sources, PARTICIPANTS, 0, PARAMS, mean), ST_OK);
    for (size_t i = 0; i < PARAMS; i++)
        assert_true(fabsf(out[i] - mean[i]) <= 1e-7f);
    free(params);
}

static void nobody_moves_the_model_by_more_than_his_share(void **state)
{
    (void)state;
    float *params = drawn();
    static float base[PARAMS], out[PARAMS];
    double squares[PARTICIPANTS], factors[PARTICIPANTS], moved = 0;
    for (size_t i = 0; i < PARAMS; i++)
        params[i] *= 1e30f;
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    for (size_t k = 0; k < PARTICIPANTS; k++)
        assert_int_equal(source_measure(&fake.sources[k], base, &squares[k], NULL), ST_OK);
    norm_bound_factors(fake.sources, squares, PARTICIPANTS, 0.01, factors);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, PARTICIPANTS, base, 0, PARAMS, out), ST_OK);
    for (size_t i = 0; i < PARAMS; i++)
        moved += (double)out[i] * (double)out[i];
    assert_true(sqrt(moved) <= 0.01 * (1 + 1e-6));
    free(params);
}

static void a_split_changes_nothing(void **state)
{
    (void)state;
    float *params = drawn();
    static float whole[PARAMS], parts[PARAMS];
    const double factors[PARTICIPANTS] = {0.1, 0.7, 1e-9, 3, -1, 0.3, 0.25};
    const size_t cuts[] = {0, 1, 1024, 1500, PARAMS};
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, PARTICIPANTS, params, 0, PARAMS, whole),
        ST_OK);
    for (size_t i = 0; i + 1 < sizeof cuts / sizeof cuts[0]; i++)
        assert_int_equal(differences_add(fake.sources, factors, NULL, PARTICIPANTS, params, cuts[i],
                                         cuts[i + 1], parts + cuts[i]),
                         ST_OK);
    assert_memory_equal(parts, whole, sizeof whole);
    /* Of one coordinate, all operations in their order. */
    double sum = 0;
    for (size_t k = 0; k < PARTICIPANTS; k++) {
        double difference = (double)params[k * PARAMS + 77] - (double)params[77];
        sum += factors[k] * difference;
    }
    assert_true(whole[77] == (float)((double)params[77] + sum));
    free(params);
}

static void what_is_not_finite_is_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY}, base[] = {0, 0};
    const double factors[] = {1, 1, 1};
    float out[2];
    for (size_t i = 0; i < 3; i++) {
        fake_sources_of(&fake, (float[]){1, 2, 3, bad[i], 5, 6}, 3, 2);
        assert_int_equal(differences_add(fake.sources, factors, NULL, 3, base, 0, 2, out),
                         ST_NOT_FINITE);
        assert_int_equal(differences_add(fake.sources, factors, NULL, 3, base, 0, 1, out), ST_OK);
        assert_true(out[0] == 9.0f);
    }
    /* Values are finite and their sum is no float32. */
    fake_sources_of(&fake, (float[]){3e38f, 3e38f, 3e38f}, 3, 1);
    assert_int_equal(differences_add(fake.sources, factors, NULL, 3, base, 0, 1, out),
                     ST_NOT_FINITE);
}

static void values_anywhere_in_memory_give_the_same_bytes(void **state)
{
    (void)state;
    enum { SIZE = 1000 };
    static struct fake_scattered scattered;
    const double factors[PARTICIPANTS] = {0.1, 0.7, 1e-9, 3, -1, 0.3, 0.25};
    float *params = drawn(), whole[SIZE], out[SIZE];
    fake_sources_of(&fake, params, PARTICIPANTS, SIZE);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, PARTICIPANTS, params, 0, SIZE, whole), ST_OK);
    fake_sources_scatter(&fake, &scattered);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, PARTICIPANTS, params, 0, SIZE, out), ST_OK);
    assert_memory_equal(out, whole, sizeof whole);
    free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_by_hand),
        cmocka_unit_test(fedbuff_by_hand),
        cmocka_unit_test(fednova_by_hand),
        cmocka_unit_test(bounds_by_hand),
        cmocka_unit_test(a_bound_that_nobody_reaches_gives_the_mean),
        cmocka_unit_test(nobody_moves_the_model_by_more_than_his_share),
        cmocka_unit_test(a_split_changes_nothing),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(values_anywhere_in_memory_give_the_same_bytes),
    };
    return cmocka_run_group_tests_name("aggregate/differences", tests, NULL, NULL);
}
