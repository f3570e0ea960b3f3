/* Checks narrow.c: every float16 there and back, ties, limits, and that the rounding of int8
 * is right in the mean. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compress/narrow.h"

static void each_float16_comes_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half <= 0xffff; half++) {
        float value = float16_value((uint16_t)half);
        if (isnan(value))
            assert_true(isnan(float16_value(float16_of(value))));
        else
            assert_int_equal(float16_of(value), half);
    }
}

static void float16_values_are_those_of_the_standard(void **state)
{
    (void)state;
    assert_true(float16_value(0x3c00) == 1);
    assert_true(float16_value(0xc000) == -2);
    assert_true(float16_value(0x7bff) == 65504);
    assert_true(float16_value(0x0001) == 0x1p-24f);
    assert_true(float16_value(0x0400) == 0x1p-14f);
    assert_true(isinf(float16_value(0x7c00)));
}

/* Between two neighbours: below the middle down, above up, in the middle to the even one. */
static void float16_rounds_to_the_nearest_and_ties_to_even(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7bff; half++) {
        float low = float16_value((uint16_t)half), high = float16_value((uint16_t)(half + 1));
        float middle = low + (high - low) / 2; /* exact in float32 */
        assert_int_equal(float16_of(middle), half % 2 == 0 ? half : half + 1);
        assert_int_equal(float16_of(nextafterf(middle, 0)), half);
        assert_int_equal(float16_of(nextafterf(middle, 1e9f)), half + 1);
        assert_int_equal(float16_of(-middle), 0x8000 | (half % 2 == 0 ? half : half + 1));
    }
    assert_int_equal(float16_of(65519.99f), 0x7bff);
    assert_int_equal(float16_of(65520), 0x7c00);
    assert_int_equal(float16_of(-FLT_MAX), 0xfc00);
    assert_int_equal(float16_of(FLT_TRUE_MIN), 0);
}

static void bfloat16_is_the_upper_half_rounded(void **state)
{
    (void)state;
    for (uint32_t upper = 0; upper < 0x7f7f; upper++) {
        float low = bfloat16_value((uint16_t)upper), high = bfloat16_value((uint16_t)(upper + 1));
        assert_int_equal(bfloat16_of(low), upper);
        float middle = low + (high - low) / 2;
        assert_int_equal(bfloat16_of(middle), upper % 2 == 0 ? upper : upper + 1);
        assert_int_equal(bfloat16_of(nextafterf(middle, INFINITY)), upper + 1);
    }
    assert_true(isinf(bfloat16_value(bfloat16_of(FLT_MAX))));
    assert_true(isnan(bfloat16_value(bfloat16_of(NAN))));
}

static void a_scale_is_above_0_whatever_it_is_for(void **state)
{
    (void)state;
    assert_true(int8_scale(127) == 1);
    assert_true(int8_scale(0) == FLT_MIN);
    assert_true(int8_scale(FLT_TRUE_MIN) == FLT_MIN);
    assert_true(isfinite(int8_scale(FLT_MAX)));
}

static void int8_is_one_of_the_two_neighbours_and_right_in_the_mean(void **state)
{
    (void)state;
    enum { TRIES = 40000 };
    const float values[] = {0, 0.25f, -0.25f, 1, -1, 12.75f, -126.9f, 127, -127};
    struct rand r = {7};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double sum = 0;
        for (size_t k = 0; k < TRIES; k++) {
            int8_t q = int8_of(values[i], 1, &r);
            assert_true((float)q >= floorf(values[i]) && (float)q <= ceilf(values[i]));
            sum += q;
        }
        /* Each draw has a deviation of at most 1/2: 6 deviations of the mean. */
        assert_true(fabs(sum / TRIES - (double)values[i]) < 6 * 0.5 / sqrt(TRIES));
    }
    for (size_t k = 0; k < 1000; k++) { /* where the scale is rounded down */
        float largest = 1 + (float)k * 0x1p-10f, scale = int8_scale(largest);
        assert_int_equal(int8_of(largest, scale, &r) >= 126, 1);
        assert_true(int8_of(-largest, scale, &r) >= -INT8_LEVELS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_float16_comes_back),
        cmocka_unit_test(float16_values_are_those_of_the_standard),
        cmocka_unit_test(float16_rounds_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(bfloat16_is_the_upper_half_rounded),
        cmocka_unit_test(a_scale_is_above_0_whatever_it_is_for),
        cmocka_unit_test(int8_is_one_of_the_two_neighbours_and_right_in_the_mean),
    };
    return cmocka_run_group_tests_name("compress/narrow", tests, NULL, NULL);
}
