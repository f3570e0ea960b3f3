/* Checks fixed.c: right in the mean, never longer than the bound, and back. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dp/fake_random.h"
#include "dp/fit.h"
#include "dp/fixed.h"

#define ANY ((uint64_t)1 << 62) /* no bound on the norm that would matter */

static int64_t encoded(float scale, float x, struct dp_random *r)
{
    int64_t ret = 0;
    assert_int_equal(fixed_encode(scale, ANY, &x, 1, r, &ret), ST_OK);
    return ret;
}

static void whole_numbers_stay_as_they_are(void **state)
{
    (void)state;
    struct rand seed = {1};
    struct dp_random r = fake_random(&seed);
    const float whole[] = {0, -0.0f, 1, -1, 2, -2, 1048575, -1048576};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(encoded(1, whole[i], &r), (int64_t)whole[i]);
        assert_int_equal(encoded(1024, whole[i] / 1024, &r), (int64_t)whole[i]);
    }
}

/* How often x * 8 is rounded up, against how often it should be. */
static double up_deviation(float x, double expected)
{
    struct rand seed = {2};
    struct dp_random r = fake_random(&seed);
    uint64_t counts[2] = {0};
    double below = floor(8 * (double)x);
    for (size_t i = 0; i < 100000; i++) {
        int64_t value = encoded(8, x, &r);
        assert_true(value == (int64_t)below || value == (int64_t)below + 1);
        counts[value - (int64_t)below]++;
    }
    return fit_deviation(counts, (double[]){1 - expected, expected}, 2);
}

static void fractions_are_right_in_the_mean(void **state)
{
    (void)state;
    assert_true(up_deviation(0.0375f, 8 * (double)0.0375f) < FIT_BAD);
    assert_true(up_deviation(-0.0375f, 1 - 8 * (double)0.0375f) < FIT_BAD);
    assert_true(up_deviation(5.09375f, 0.75) < FIT_BAD);
    assert_true(up_deviation(-5.09375f, 0.25) < FIT_BAD);
    assert_true(up_deviation(5.09375f, 0.76) > FIT_BAD);
}

/* A source that says the words of a list. */
struct script {
    const uint64_t *words;
    size_t said;
};

static void say(void *owner, void *bytes, size_t size)
{
    struct script *s = owner;
    assert_int_equal(size, sizeof(uint64_t));
    memcpy(bytes, &s->words[s->said++], size);
}

static int64_t scripted(float x, const uint64_t *words, size_t words_said)
{
    struct script s = {.words = words};
    struct dp_random r = {.fill = say, .owner = &s};
    int64_t value = encoded(1, x, &r);
    assert_int_equal(s.said, words_said);
    return value;
}

/* 2^-127 is 64 zeros, then 62, a one and a zero: up if the drawn number is below. */
static void the_smallest_fraction_is_compared_to_its_last_bit(void **state)
{
    (void)state;
    assert_int_equal(scripted(0x1p-127f, (uint64_t[]){1}, 1), 0);
    assert_int_equal(scripted(0x1p-127f, (uint64_t[]){0, 2}, 2), 0);
    assert_int_equal(scripted(0x1p-127f, (uint64_t[]){0, 1}, 2), 1);
    assert_int_equal(scripted(-0x1p-127f, (uint64_t[]){0, 1}, 2), -1);
    assert_int_equal(scripted(-0x1p-127f, (uint64_t[]){0, 2}, 2), 0);
    assert_int_equal(scripted(0.5f, (uint64_t[]){(uint64_t)1 << 63}, 1), 0);
    assert_int_equal(scripted(0.5f, (uint64_t[]){((uint64_t)1 << 63) - 1}, 1), 1);
}

static uint64_t square_max(float scale, double clip, size_t count, double beta)
{
    uint64_t square = 0;
    assert_int_equal(fixed_square_max(scale, clip, count, beta, &square), ST_OK);
    return square;
}

/* By hand, with sqrt(2 ln(1 / beta)) = 1 for beta = exp(-1/2). */
static void the_bound_by_hand(void **state)
{
    (void)state;
    /* c = 100, d = 10000: min(10000 + 2500 + (100 + 50), 200^2) */
    assert_true(square_max(10, 10, 10000, FIXED_BETA) == 12650);
    /* c = 2, d = 1: min(4 + 1/4 + 2.5, 9) */
    assert_true(square_max(1, 2, 1, FIXED_BETA) == 6);
    /* the same with beta 1e-9: 4.25 + 6.44 * 2.5 is above 9 */
    assert_true(square_max(1, 2, 1, 1e-9) == 9);
    assert_true(fixed_sensitivity(9) >= 3.0 && fixed_sensitivity(9) < 3 + 1e-14);
}

#define COUNT 400

/* Half of all coordinates lie between two whole numbers: one draw in three or so is too long. */
static void no_rounding_is_longer_than_the_bound(void **state)
{
    (void)state;
    struct rand seed = {3};
    struct dp_random r = fake_random(&seed);
    float x[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = i % 2 == 0 ? 0.5f : -0.5f; /* norm 10 */
    uint64_t most = square_max(1, 10, COUNT, 0.999);
    uint64_t longest = 0, shortest = UINT64_MAX;
    for (int round = 0; round < 1000; round++) {
        int64_t ret[COUNT];
        assert_int_equal(fixed_encode(1, most, x, COUNT, &r, ret), ST_OK);
        uint64_t square = 0;
        for (size_t i = 0; i < COUNT; i++)
            square += (uint64_t)(ret[i] * ret[i]);
        longest = square > longest ? square : longest;
        shortest = square < shortest ? square : shortest;
    }
    assert_true(longest <= most && longest + 3 >= most && shortest + 20 < most);
}

/* sqrt(100) of norm, and a bound that only zeros meet. */
static void when_no_draw_is_short_enough_it_is_rounded_towards_zero(void **state)
{
    (void)state;
    struct rand seed = {4};
    struct dp_random r = fake_random(&seed);
    float x[COUNT];
    int64_t ret[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = i == 0 ? -1.5f : 0.5f;
    assert_int_equal(fixed_encode(1, 1, x, COUNT, &r, ret), ST_OK);
    assert_int_equal(ret[0], -1);
    for (size_t i = 1; i < COUNT; i++)
        assert_int_equal(ret[i], 0);
}

static void a_ring_is_read_around_its_centre(void **state)
{
    (void)state;
    assert_true(fixed_centred(0xffffffff, 32) == -1 && fixed_centred(0x7fffffff, 32) == INT32_MAX);
    assert_true(fixed_centred(0x80000000, 32) == INT32_MIN && fixed_centred(0, 32) == 0);
    assert_true(fixed_centred(UINT64_MAX, 64) == -1 && fixed_centred(1, 1) == -1);
    assert_true(fixed_centred((uint64_t)1 << 63, 64) == INT64_MIN);
    assert_true(fixed_centred(0x123456789, 32) == 0x23456789);
}

static void sums_come_back_as_means(void **state)
{
    (void)state;
    float mean[3];
    assert_int_equal(fixed_decode(1024, 4, (int64_t[]){4096, -2048, 1}, 3, mean), ST_OK);
    assert_true(mean[0] == 1.0f && mean[1] == -0.5f && mean[2] == 0x1p-12f);
    assert_int_equal(fixed_decode(0x1p-20f, 0x1p-100, (int64_t[]){INT64_MAX}, 1, mean),
                     ST_NOT_FINITE);
}

static void refused(float scale, double clip, size_t count, double beta, enum status expected)
{
    uint64_t square = 7;
    assert_int_equal(fixed_square_max(scale, clip, count, beta, &square), expected);
    assert_int_equal(square, 7);
}

static void bounds_out_of_range_are_refused(void **state)
{
    (void)state;
    refused(0, 1, 1, 0.5, ST_INVALID);
    refused(NAN, 1, 1, 0.5, ST_INVALID);
    refused(0x1p41f, 1, 1, 0.5, ST_INVALID);
    refused(1, 0, 1, 0.5, ST_INVALID);
    refused(1, (double)NAN, 1, 0.5, ST_INVALID);
    refused(1, 1, 0, 0.5, ST_INVALID);
    refused(1, 1, MODEL_PARAMS_MAX + 1, 0.5, ST_INVALID);
    refused(1, 1, 1, 0, ST_INVALID);
    refused(1, 1, 1, 1, ST_INVALID);
    refused(1, 1, 1, (double)NAN, ST_INVALID);
    refused(1, 0x1p31, 1, 0.5, ST_LIMIT);
    refused(1, (double)INFINITY, 1, 0.5, ST_LIMIT);
}

static void vectors_that_cannot_be_are_refused_and_draw_nothing(void **state)
{
    (void)state;
    struct rand seed = {5};
    struct dp_random r = fake_random(&seed);
    int64_t ret[2] = {7, 7};
    assert_int_equal(fixed_encode(1, ANY, (float[]){1, NAN}, 2, &r, ret), ST_NOT_FINITE);
    assert_int_equal(fixed_encode(1, ANY, (float[]){-INFINITY, 1}, 2, &r, ret), ST_NOT_FINITE);
    assert_int_equal(fixed_encode(4, ANY, (float[]){0, 0x1p30f}, 2, &r, ret), ST_LIMIT);
    assert_int_equal(fixed_encode(0x1p40f, ANY, (float[]){FLT_MAX, 0}, 2, &r, ret), ST_LIMIT);
    assert_int_equal(fixed_encode(1, 24, (float[]){3, 4}, 2, &r, ret), ST_INVALID);
    assert_true(ret[0] == 7 && ret[1] == 7 && seed.state == 5);
    assert_int_equal(fixed_encode(1, 25, (float[]){3, 4}, 2, &r, ret), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_stay_as_they_are),
        cmocka_unit_test(fractions_are_right_in_the_mean),
        cmocka_unit_test(the_smallest_fraction_is_compared_to_its_last_bit),
        cmocka_unit_test(the_bound_by_hand),
        cmocka_unit_test(no_rounding_is_longer_than_the_bound),
        cmocka_unit_test(when_no_draw_is_short_enough_it_is_rounded_towards_zero),
        cmocka_unit_test(a_ring_is_read_around_its_centre),
        cmocka_unit_test(sums_come_back_as_means),
        cmocka_unit_test(bounds_out_of_range_are_refused),
        cmocka_unit_test(vectors_that_cannot_be_are_refused_and_draw_nothing),
    };
    return cmocka_run_group_tests_name("dp/fixed", tests, NULL, NULL);
}
