/* Checks distances.c and krum.c against numpy (tests/vectors/aggregate/make.py made
 * the file) and by hand, then that neither order nor sections change a bit. */
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
#include "aggregate/krum.h"
#include "base/rand.h"

static struct fake_sources fake;

static struct distances *distances_of(const struct source *sources, size_t count,
                                      size_t param_count)
{
    struct distances *d = NULL;
    assert_int_equal(distances_new(count, param_count, &d), ST_OK);
    for (size_t section = 0; section < distances_section_count(d); section++)
        assert_int_equal(distances_add(d, sources, section), ST_OK);
    return d;
}

static void distances_by_hand(void **state)
{
    (void)state;
    fake_sources_of(&fake, (float[]){0, 0, 3, 4, -3e38f, 1}, 3, 2);
    struct distances *d = distances_of(fake.sources, 3, 2);
    assert_int_equal(distances_source_count(d), 3);
    assert_true(distances_squared(d, 0, 1) == 25.0);
    assert_true(distances_squared(d, 1, 0) == 25.0);
    assert_true(distances_squared(d, 1, 1) == 0.0);
    double most = (double)-3e38f;
    assert_true(distances_squared(d, 2, 0) == most * most + 1);
    assert_null(distances_free(d));
    assert_null(distances_free(NULL));
}

static void equal_updates_have_no_distance(void **state)
{
    (void)state;
    struct rand r = {1};
    float params[2][1000];
    for (size_t i = 0; i < 1000; i++)
        params[0][i] = params[1][i] = (float)(rand_unit(&r) * 1e6);
    fake_sources_of(&fake, params[0], 2, 1000);
    struct distances *d = distances_of(fake.sources, 2, 1000);
    assert_true(distances_squared(d, 0, 1) == 0.0);
    distances_free(d);
}

static void rounding_makes_no_distance_negative(void **state)
{
    (void)state;
    /* Updates that differ in the last place of one value. */
    struct rand r = {3};
    static float params[200][50];
    for (size_t k = 0; k < 200; k++) {
        for (size_t i = 0; i < 50; i++)
            params[k][i] = k == 0 ? (float)rand_unit(&r) : params[0][i];
        params[k][k % 50] = nextafterf(params[k][k % 50], k < 100 ? 0 : 1);
    }
    fake_sources_of(&fake, params[0], 200, 50);
    struct distances *d = distances_of(fake.sources, 200, 50);
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < 200; j++)
            assert_true(distances_squared(d, i, j) >= 0);
    distances_free(d);
}

#define PARTICIPANTS 21
#define PARAMS       9001

/* All but five around a point; these around another one. */
static float *drawn(void)
{
    struct rand r = {2};
    float *params = calloc((size_t)PARTICIPANTS * PARAMS, sizeof params[0]);
    assert_non_null(params);
    for (size_t k = 0; k < PARTICIPANTS; k++)
        for (size_t i = 0; i < PARAMS; i++)
            params[k * PARAMS + i] = (float)(rand_unit(&r) - 0.5) + (k % 4 == 3 ? 0.7f : 0);
    return params;
}

static void distances_are_those_of_a_sum_of_squares(void **state)
{
    (void)state;
    float *params = drawn();
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    struct distances *d = distances_of(fake.sources, PARTICIPANTS, PARAMS);
    assert_true(distances_section_count(d) > 1);
    for (size_t i = 0; i < PARTICIPANTS; i++)
        for (size_t j = 0; j < PARTICIPANTS; j++) {
            long double expected = 0;
            for (size_t k = 0; k < PARAMS; k++) {
                long double x = params[i * PARAMS + k];
                x -= (long double)params[j * PARAMS + k];
                expected += x * x;
            }
            /* Squared norms are below 9001 * 1.2^2. */
            assert_true(fabsl(distances_squared(d, i, j) - expected) <= 13000e-13L);
        }
    distances_free(d);
    free(params);
}

static void sections_in_any_order_give_the_same_bits(void **state)
{
    (void)state;
    float *params = drawn();
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    struct distances *d = distances_of(fake.sources, PARTICIPANTS, PARAMS), *other = NULL;
    assert_int_equal(distances_new(PARTICIPANTS, PARAMS, &other), ST_OK);
    for (size_t section = distances_section_count(other); section-- > 0;)
        assert_int_equal(distances_add(other, fake.sources, section), ST_OK);
    for (size_t i = 0; i < PARTICIPANTS; i++)
        for (size_t j = 0; j < PARTICIPANTS; j++)
            assert_true(distances_squared(d, i, j) == distances_squared(other, i, j));
    distances_free(other);
    distances_free(d);
    free(params);
}

static void scores_and_choice_by_hand(void **state)
{
    (void)state;
    /* n = 5, f = 1: the 2 closest others count. */
    fake_sources_of(&fake, (float[]){0, 1, 3, 100, 7}, 5, 1);
    struct distances *d = distances_of(fake.sources, 5, 1);
    double scores[5];
    assert_int_equal(krum_scores(d, 1, scores), ST_OK);
    assert_true(scores[0] == 10.0);          /* 1 + 9 */
    assert_true(scores[1] == 5.0);           /* 1 + 4 */
    assert_true(scores[2] == 13.0);          /* 4 + 9, not 16 */
    assert_true(scores[3] == 8649.0 + 9409); /* 93^2 + 97^2 */
    assert_true(scores[4] == 16.0 + 36);

    struct source chosen[4];
    assert_int_equal(krum_choose(d, 1, 1, fake.sources, chosen), ST_OK);
    assert_string_equal(chosen[0].participant.text, "p001");
    assert_int_equal(krum_choose(d, 1, 4, fake.sources, chosen), ST_OK);
    float mean;
    assert_int_equal(fold_mean(chosen, 4, 0, 1, &mean), ST_OK);
    assert_true(mean == 2.75f); /* (0 + 1 + 3 + 7) / 4 */
    distances_free(d);
}

static void of_equal_scores_the_first_id_is_kept(void **state)
{
    (void)state;
    fake_sources_of(&fake, (float[]){2, 1, 0}, 3, 1);
    struct distances *d = distances_of(fake.sources, 3, 1);
    struct source chosen[2];
    /* f = 0: the closest other counts, which is 1 for all three. */
    assert_int_equal(krum_choose(d, 0, 2, fake.sources, chosen), ST_OK);
    assert_string_equal(chosen[0].participant.text, "p000");
    assert_string_equal(chosen[1].participant.text, "p001");
    distances_free(d);
}

static void chosen_have_equal_weights(void **state)
{
    (void)state;
    fake_sources_of(&fake, (float[]){0, 3, 0}, 3, 1);
    fake.sources[1].weight = 1e9; /* says that it has the most samples */
    struct distances *d = distances_of(fake.sources, 3, 1);
    struct source chosen[3];
    float mean;
    assert_int_equal(krum_choose(d, 0, 3, fake.sources, chosen), ST_OK);
    assert_int_equal(fold_mean(chosen, 3, 0, 1, &mean), ST_OK);
    assert_true(mean == 1.0f);
    distances_free(d);
}

static void krum_is_that_of_numpy(void **state)
{
    (void)state;
    struct model *v = test_vectors("krum");
    const struct tensor *updates = model_find(v, "updates");
    size_t count = updates->shape[0], params = updates->shape[1];
    size_t f = (size_t)model_find(v, "f")->data[0], m = (size_t)model_find(v, "m")->data[0];
    fake_sources_of(&fake, updates->data, count, params);
    struct distances *d = distances_of(fake.sources, count, params);
    double scores[FAKE_SOURCES_MAX];
    assert_int_equal(krum_check(count, f, m, NULL), ST_OK);
    assert_int_equal(krum_scores(d, f, scores), ST_OK);
    for (size_t i = 0; i < count; i++) {
        double expected = (double)model_find(v, "scores")->data[i];
        assert_true(fabs(scores[i] / expected - 1) < 1e-7); /* stored as float32 */
    }
    struct source chosen[FAKE_SOURCES_MAX];
    float out[64];
    assert_int_equal(krum_choose(d, f, 1, fake.sources, chosen), ST_OK);
    assert_int_equal(fold_mean(chosen, 1, 0, params, out), ST_OK);
    assert_memory_equal(out, model_find(v, "krum")->data, params * sizeof out[0]);
    assert_int_equal(krum_choose(d, f, m, fake.sources, chosen), ST_OK);
    assert_int_equal(fold_mean(chosen, m, 0, params, out), ST_OK);
    assert_memory_equal(out, model_find(v, "multi_krum")->data, params * sizeof out[0]);
    distances_free(d);
    model_free(v);
}

/* Multi-Krum's values, and which updates it kept (by their bytes), in that order
 * of participants. */
static void result(float *out, bool *kept, const float *params)
{
    struct source chosen[PARTICIPANTS];
    struct distances *d = distances_of(fake.sources, PARTICIPANTS, PARAMS);
    assert_int_equal(krum_choose(d, 5, 10, fake.sources, chosen), ST_OK);
    memset(kept, 0, PARTICIPANTS * sizeof *kept);
    for (size_t k = 0; k < 10; k++)
        kept[(size_t)((const float *)chosen[k].pieces->bytes - params) / PARAMS] = true;
    assert_int_equal(fold_mean(chosen, 1, 0, PARAMS, out), ST_OK);
    distances_free(d);
}

static void order_of_arrival_changes_nothing(void **state)
{
    (void)state;
    float *params = drawn();
    static float first[PARAMS], other[PARAMS];
    bool kept[PARTICIPANTS], kept_other[PARTICIPANTS];
    fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
    result(first, kept, params);
    for (size_t k = 3; k < PARTICIPANTS; k += 4)
        assert_false(kept[k]); /* the five around the other point */
    /* The same updates from other participants: the same ones are kept. (Their mean
     * is summed in the order of ids, so it may differ in the last place.) */
    for (uint64_t seed = 0; seed < 5; seed++) {
        fake_sources_of(&fake, params, PARTICIPANTS, PARAMS);
        fake_sources_shuffle(&fake, seed);
        result(other, kept_other, params);
        assert_memory_equal(kept, kept_other, sizeof kept);
    }
    free(params);
}

static void a_value_that_is_not_finite_is_refused_and_leaves_no_trace(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float good_params[3] = {0, 1, 3}, params[3];
    for (size_t i = 0; i < 3; i++) {
        struct distances *d = NULL;
        memcpy(params, good_params, sizeof params);
        params[1] = bad[i];
        fake_sources_of(&fake, params, 3, 1);
        assert_int_equal(distances_new(3, 1, &d), ST_OK);
        assert_int_equal(distances_add(d, fake.sources, 0), ST_NOT_FINITE);
        fake_sources_of(&fake, good_params, 3, 1);
        assert_int_equal(distances_add(d, fake.sources, 0), ST_OK);
        assert_true(distances_squared(d, 0, 2) == 9.0);
        distances_free(d);
    }
}

static void what_cannot_be_judged_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct why why = {""};
    assert_int_equal(krum_check(7, 2, 5, NULL), ST_OK);
    assert_int_equal(krum_check(6, 2, 1, &why), ST_INVALID);
    assert_string_equal(why.text, "Krum against 2 who lie needs at least 7 updates, not 6");
    assert_int_equal(krum_check(7, 2, 6, &why), ST_INVALID);
    assert_string_equal(why.text, "of 7 updates, 2 of which may lie, 1 to 5 can be kept, not 6");
    assert_int_equal(krum_check(7, 2, 0, &why), ST_INVALID);
    assert_int_equal(krum_check(2, 0, 1, &why), ST_INVALID);
    assert_int_equal(krum_check(7, SIZE_MAX, 1, &why), ST_INVALID);
    assert_int_equal(krum_check(1001, 2, 1, &why), ST_LIMIT);
    assert_string_equal(
        why.text,
        "Krum compares each update with each other: 1001 are more than its limit of 1000");
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    struct distances *d = NULL;
    assert_int_equal(distances_new(0, 1, &d), ST_INVALID);
    assert_int_equal(distances_new(1, 0, &d), ST_INVALID);
    assert_int_equal(distances_new(1, MODEL_PARAMS_MAX + 1, &d), ST_INVALID);
    assert_int_equal(distances_new(DISTANCES_SOURCES_MAX + 1, 1, &d), ST_LIMIT);
    assert_null(d);
}

static void values_anywhere_in_memory_give_the_same_bits(void **state)
{
    (void)state;
    enum { COUNT = 10, SIZE = 1000 };
    static struct fake_scattered scattered;
    float *params = drawn();
    fake_sources_of(&fake, params, COUNT, SIZE);
    struct distances *whole = distances_of(fake.sources, COUNT, SIZE);
    fake_sources_scatter(&fake, &scattered);
    struct distances *d = distances_of(fake.sources, COUNT, SIZE);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            assert_true(distances_squared(d, i, j) == distances_squared(whole, i, j));
    distances_free(whole);
    distances_free(d);
    free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_by_hand),
        cmocka_unit_test(equal_updates_have_no_distance),
        cmocka_unit_test(rounding_makes_no_distance_negative),
        cmocka_unit_test(distances_are_those_of_a_sum_of_squares),
        cmocka_unit_test(sections_in_any_order_give_the_same_bits),
        cmocka_unit_test(scores_and_choice_by_hand),
        cmocka_unit_test(of_equal_scores_the_first_id_is_kept),
        cmocka_unit_test(chosen_have_equal_weights),
        cmocka_unit_test(krum_is_that_of_numpy),
        cmocka_unit_test(order_of_arrival_changes_nothing),
        cmocka_unit_test(a_value_that_is_not_finite_is_refused_and_leaves_no_trace),
        cmocka_unit_test(what_cannot_be_judged_is_refused_with_a_sentence),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(values_anywhere_in_memory_give_the_same_bits),
    };
    return cmocka_run_group_tests_name("aggregate/krum", tests, NULL, NULL);
}
