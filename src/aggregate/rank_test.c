/* Checks rank.c against numpy (tests/vectors/aggregate/make.py made the files) and
 * by hand, then that neither order nor split changes a bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/fake_sources.h"
#include "aggregate/rank.h"
#include "base/rand.h"

static struct fake_sources fake;

static float median_of(const float *values, size_t count)
{
    float median;
    fake_sources_of(&fake, values, count, 1);
    assert_int_equal(rank_median(fake.sources, count, 0, 1, &median), ST_OK);
    return median;
}

static void median_by_hand(void **state)
{
    (void)state;
    assert_true(median_of((float[]){7}, 1) == 7.0f);
    assert_true(median_of((float[]){7, 4}, 2) == 5.5f);
    assert_true(median_of((float[]){1e30f, 2, -1e30f}, 3) == 2.0f);
    assert_true(median_of((float[]){5, 1, 100, 2}, 4) == 3.5f);
    /* The sum of two that no float32 holds. */
    assert_true(median_of((float[]){3e38f, 3e38f}, 2) == 3e38f);
}

static void trimmed_mean_by_hand(void **state)
{
    (void)state;
    float mean;
    fake_sources_of(&fake, (float[]){-3e38f, 4, 1, 2, 3e38f}, 5, 1);
    assert_int_equal(rank_trimmed_mean(fake.sources, 5, 1, 0, 1, &mean), ST_OK);
    assert_true(mean == (float)(7.0 / 3));
    assert_int_equal(rank_trimmed_mean(fake.sources, 5, 2, 0, 1, &mean), ST_OK);
    assert_true(mean == 2.0f);
}

static void minus_zero_stands_before_zero(void **state)
{
    (void)state;
    assert_true(signbit(median_of((float[]){0.0f, -0.0f, -0.0f}, 3)));
    assert_true(signbit(median_of((float[]){-0.0f, 0.0f, -0.0f}, 3)));
    assert_false(signbit(median_of((float[]){0.0f, -0.0f, 0.0f}, 3)));
    assert_false(signbit(median_of((float[]){-0.0f, 0.0f}, 2)));
}

static void participants_who_agree_are_not_rounded(void **state)
{
    (void)state;
    const float agreed[] = {0.1f, 1e-45f, -3.4028234e38f, -0.0f};
    float params[FAKE_SOURCES_MAX][4], out[4];
    for (size_t k = 0; k < FAKE_SOURCES_MAX; k++)
        memcpy(params[k], agreed, sizeof agreed);
    fake_sources_of(&fake, params[0], FAKE_SOURCES_MAX, 4);
    for (size_t trim = 0; trim < FAKE_SOURCES_MAX / 2; trim++) {
        assert_int_equal(rank_trimmed_mean(fake.sources, FAKE_SOURCES_MAX, trim, 0, 4, out), ST_OK);
        assert_memory_equal(out, agreed, sizeof agreed);
    }
}

static void both_are_those_of_numpy_to_the_bit(void **state)
{
    (void)state;
    const int counts[] = {1, 2, 3, 10, 33};
    for (size_t n = 0; n < 5; n++) {
        char file[32];
        (void)snprintf(file, sizeof file, "rank-%d", counts[n]);
        struct model *v = test_vectors(file);
        const struct tensor *updates = model_find(v, "updates");
        size_t count = updates->shape[0], params = updates->shape[1], trims = 0;
        float out[128];
        fake_sources_of(&fake, updates->data, count, params);
        assert_int_equal(rank_median(fake.sources, count, 0, params, out), ST_OK);
        assert_memory_equal(out, model_find(v, "median")->data, params * sizeof out[0]);
        for (size_t trim = 0; 2 * trim < count; trim++) {
            char name[32];
            (void)snprintf(name, sizeof name, "trimmed.%zu", trim);
            if (model_find(v, name) == NULL)
                continue;
            trims++;
            assert_int_equal(rank_trimmed_mean(fake.sources, count, trim, 0, params, out), ST_OK);
            assert_memory_equal(out, model_find(v, name)->data, params * sizeof out[0]);
        }
        assert_true(trims >= 1);
        model_free(v);
    }
}

#define PARAMS       3001
#define PARTICIPANTS 100

static float *drawn(void)
{
    struct rand r = {3};
    float *params = calloc((size_t)PARTICIPANTS * PARAMS, sizeof params[0]);
    assert_non_null(params);
    for (size_t i = 0; i < (size_t)PARTICIPANTS * PARAMS; i++)
        params[i] = (float)(rand_unit(&r) - 0.5) * (float)rand_below(&r, 3);
    return params;
}

static void order_of_arrival_changes_nothing(void **state)
{
    (void)state;
    float *params = drawn();
    static float first[PARAMS], other[PARAMS];
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    assert_int_equal(rank_trimmed_mean(fake.sources, PARTICIPANTS, 10, 0, PARAMS, first), ST_OK);
    for (uint64_t seed = 0; seed < 5; seed++) {
        fake_sources_shuffle(&fake, seed);
        assert_int_equal(rank_trimmed_mean(fake.sources, PARTICIPANTS, 10, 0, PARAMS, other),
                         ST_OK);
        assert_memory_equal(other, first, sizeof first);
    }
    free(params);
}

static void a_split_changes_nothing(void **state)
{
    (void)state;
    float *params = drawn();
    static float whole[PARAMS], parts[PARAMS];
    const size_t cuts[] = {0, 1, 32, 700, 2047, 3000, PARAMS};
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    assert_int_equal(rank_median(fake.sources, PARTICIPANTS, 0, PARAMS, whole), ST_OK);
    for (size_t i = 0; i + 1 < sizeof cuts / sizeof cuts[0]; i++)
        assert_int_equal(
            rank_median(fake.sources, PARTICIPANTS, cuts[i], cuts[i + 1], parts + cuts[i]), ST_OK);
    assert_memory_equal(parts, whole, sizeof whole);
    free(params);
}

static void fewer_than_half_cannot_move_the_median_out(void **state)
{
    (void)state;
    struct rand r = {4};
    for (int n = 0; n < 200; n++) {
        float values[21];
        for (size_t k = 0; k < 21; k++)
            values[k] = k < 10 ? (float)(rand_unit(&r) * 6e38 - 3e38) : (float)rand_unit(&r);
        float median = median_of(values, 21);
        assert_true(median >= 0 && median < 1);
    }
}

static void a_value_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        float out[2];
        fake_sources_of(&fake, (float[]){1, 2, 3, bad[i], 5, 6}, 3, 2);
        assert_int_equal(rank_median(fake.sources, 3, 0, 2, out), ST_NOT_FINITE);
        assert_int_equal(rank_trimmed_mean(fake.sources, 3, 1, 0, 2, out), ST_NOT_FINITE);
        /* The coordinate beside it has nothing to do with it. */
        assert_int_equal(rank_median(fake.sources, 3, 0, 1, out), ST_OK);
        assert_true(out[0] == 3.0f);
    }
}

static void values_anywhere_in_memory_give_the_same_bytes(void **state)
{
    (void)state;
    enum { COUNT = 10, SIZE = 1000 };
    static struct fake_scattered scattered;
    float *params = drawn(), whole[SIZE], out[SIZE];
    fake_sources_of(&fake, params, COUNT, SIZE);
    assert_int_equal(rank_median(fake.sources, COUNT, 0, SIZE, whole), ST_OK);
    fake_sources_scatter(&fake, &scattered);
    assert_int_equal(rank_median(fake.sources, COUNT, 0, SIZE, out), ST_OK);
    assert_memory_equal(out, whole, sizeof whole);
    free(params);
}

static void differences_are_added_to_their_base_first(void **state)
{
    (void)state;
    const float base[] = {100, 200}, differences[] = {1, -1, 3, -3, 2, -2};
    float out[2];
    fake_sources_of(&fake, differences, 3, 2);
    fake.sources[0].base = fake.sources[1].base = fake.sources[2].base = base;
    assert_int_equal(rank_median(fake.sources, 3, 0, 2, out), ST_OK);
    assert_true(out[0] == 102.0f && out[1] == 198.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(median_by_hand),
        cmocka_unit_test(trimmed_mean_by_hand),
        cmocka_unit_test(minus_zero_stands_before_zero),
        cmocka_unit_test(participants_who_agree_are_not_rounded),
        cmocka_unit_test(both_are_those_of_numpy_to_the_bit),
        cmocka_unit_test(order_of_arrival_changes_nothing),
        cmocka_unit_test(a_split_changes_nothing),
        cmocka_unit_test(fewer_than_half_cannot_move_the_median_out),
        cmocka_unit_test(a_value_that_is_not_finite_is_refused),
        cmocka_unit_test(values_anywhere_in_memory_give_the_same_bytes),
        cmocka_unit_test(differences_are_added_to_their_base_first),
    };
    return cmocka_run_group_tests_name("aggregate/rank", tests, NULL, NULL);
}
