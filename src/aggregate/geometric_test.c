/* Checks geometric.c against numpy (tests/vectors/aggregate/make.py made the file)
 * and by hand, then that neither order nor sections change a bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/fake_sources.h"
#include "aggregate/fold.h"
#include "aggregate/geometric.h"
#include "base/rand.h"

static struct fake_sources fake;

/* backwards: the sections in falling order. */
static void geometric_median(size_t count, size_t params, double smoothing, int iterations,
                             bool backwards, float *out)
{
    struct geometric *g = NULL;
    assert_int_equal(geometric_new(fake.sources, count, params, smoothing, &g), ST_OK);
    size_t sections = geometric_section_count(g);
    for (int n = 0; n < iterations; n++) {
        for (size_t s = 0; s < sections; s++)
            assert_int_equal(geometric_measure(g, backwards ? sections - 1 - s : s), ST_OK);
        geometric_next(g);
    }
    assert_int_equal(fold_mean(geometric_sources(g), count, 0, params, out), ST_OK);
    assert_null(geometric_free(g));
}

static void one_iteration_by_hand(void **state)
{
    (void)state;
    float out[2];
    fake_sources_of(&fake, (float[]){-3, 4, 5, -2, 1, 1}, 3, 2);
    /* The mean is (1, 1), distances 5, 5, 0: the last one gets 1 / 0.5. Weights 0.2 : 0.2 : 2. */
    geometric_median(3, 2, 0.5, 1, false, out);
    assert_true(out[0] == (float)((0.1 * -3 + 0.1 * 5 + 1 * 1) / 1.2));
    assert_true(out[1] == (float)((0.1 * 4 + 0.1 * -2 + 1 * 1) / 1.2));
}

static void participants_who_agree_are_not_rounded(void **state)
{
    (void)state;
    const float agreed[] = {0.1f, 1e-45f, -3.4028234e38f};
    float params[7][3], out[3];
    for (size_t k = 0; k < 7; k++)
        memcpy(params[k], agreed, sizeof agreed);
    fake_sources_of(&fake, params[0], 7, 3);
    geometric_median(7, 3, 1e-6, 3, false, out);
    assert_memory_equal(out, agreed, sizeof agreed);
}

static void it_is_that_of_numpy_to_the_bit(void **state)
{
    (void)state;
    struct model *v = test_vectors("geometric");
    const struct tensor *updates = model_find(v, "updates");
    size_t count = updates->shape[0], params = updates->shape[1];
    float out[256];
    fake_sources_of(&fake, updates->data, count, params);
    for (size_t k = 0; k < count; k++)
        fake.sources[k].weight = (double)model_find(v, "weights")->data[k];
    const char *const names[] = {"iterations.0", "iterations.1", "iterations.2", "iterations.3"};
    for (int n = 0; n <= 3; n++) {
        geometric_median(count, params, 1e-6, n, false, out);
        assert_memory_equal(out, model_find(v, names[n])->data, params * sizeof out[0]);
    }
    model_free(v);
}

#define PARTICIPANTS 20
#define PARAMS       5003

static float *drawn(void)
{
    struct rand r = {2};
    float *params = calloc((size_t)PARTICIPANTS * PARAMS, sizeof params[0]);
    assert_non_null(params);
    for (size_t k = 0; k < PARTICIPANTS; k++)
        for (size_t i = 0; i < PARAMS; i++)
            params[k * PARAMS + i] = (float)(rand_unit(&r) - 0.5) * (k < 9 ? 1e30f : 1);
    return params;
}

static void sections_in_any_order_give_the_same_bytes(void **state)
{
    (void)state;
    float *params = drawn();
    static float first[PARAMS], other[PARAMS];
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    geometric_median(PARTICIPANTS, PARAMS, 1e-6, 3, false, first);
    geometric_median(PARTICIPANTS, PARAMS, 1e-6, 3, true, other);
    assert_memory_equal(other, first, sizeof first);
    free(params);
}

/* Sources stand in the order of ids, whatever came first: so it is enough that the
 * result is near the same when ids are given to other updates, and the same when
 * they are not. */
static void who_sent_what_changes_at_most_the_last_places(void **state)
{
    (void)state;
    float *params = drawn();
    static float first[PARAMS], other[PARAMS];
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    geometric_median(PARTICIPANTS, PARAMS, 1e-6, 3, false, first);
    float most = 0;
    for (size_t i = 0; i < PARAMS; i++)
        most = fmaxf(most, fabsf(first[i]));
    fake_sources_shuffle(&fake, 1);
    geometric_median(PARTICIPANTS, PARAMS, 1e-6, 3, false, other);
    for (size_t i = 0; i < PARAMS; i++)
        assert_true(fabsf(other[i] - first[i]) <= 1e-5f * most);
    free(params);
}

static void less_than_half_cannot_carry_it_away(void **state)
{
    (void)state;
    float params[11], out;
    for (size_t k = 0; k < 11; k++)
        params[k] = k < 5 ? 1e6f : (float)k / 10;
    fake_sources_of(&fake, params, 11, 1);
    geometric_median(11, 1, 1e-6, 100, false, &out);
    assert_true(out >= 0.5f && out <= 1.1f);
}

static void what_is_not_finite_is_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct geometric *g = NULL;
        fake_sources_of(&fake, (float[]){1, 2, bad[i]}, 3, 1);
        assert_int_equal(geometric_new(fake.sources, 3, 1, 1e-6, &g), ST_OK);
        assert_int_equal(geometric_measure(g, 0), ST_NOT_FINITE);
        geometric_free(g);
    }
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    struct geometric *g = NULL;
    fake_sources_of(&fake, (float[]){1, 2, 3}, 3, 1);
    assert_int_equal(geometric_new(fake.sources, 3, 1, 0, &g), ST_INVALID);
    assert_int_equal(geometric_new(fake.sources, 3, 1, (double)NAN, &g), ST_INVALID);
    assert_int_equal(geometric_new(fake.sources, 3, 1, (double)INFINITY, &g), ST_INVALID);
    assert_int_equal(geometric_new(fake.sources, 0, 1, 1, &g), ST_INVALID);
    assert_int_equal(geometric_new(fake.sources, 3, 0, 1, &g), ST_INVALID);
    assert_int_equal(geometric_new(fake.sources, 3, MODEL_PARAMS_MAX + 1, 1, &g), ST_INVALID);
    assert_int_equal(geometric_new(fake.sources, ROUND_PARTICIPANTS_MAX + 1, 1, 1, &g), ST_LIMIT);
    assert_null(g);
    assert_null(geometric_free(NULL));
}

static void values_anywhere_in_memory_give_the_same_bytes(void **state)
{
    (void)state;
    enum { COUNT = 10, SIZE = 1000 };
    static struct fake_scattered scattered;
    float *params = drawn(), whole[SIZE], out[SIZE];
    fake_sources_of(&fake, params, COUNT, SIZE);
    geometric_median(COUNT, SIZE, 1e-6, 2, false, whole);
    fake_sources_scatter(&fake, &scattered);
    geometric_median(COUNT, SIZE, 1e-6, 2, false, out);
    assert_memory_equal(out, whole, sizeof whole);
    free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_iteration_by_hand),
        cmocka_unit_test(participants_who_agree_are_not_rounded),
        cmocka_unit_test(it_is_that_of_numpy_to_the_bit),
        cmocka_unit_test(sections_in_any_order_give_the_same_bytes),
        cmocka_unit_test(who_sent_what_changes_at_most_the_last_places),
        cmocka_unit_test(less_than_half_cannot_carry_it_away),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(values_anywhere_in_memory_give_the_same_bytes),
    };
    return cmocka_run_group_tests_name("aggregate/geometric", tests, NULL, NULL);
}
