/* Every kernel that this processor has gives the bits of kernel_plain: all
 * dtypes, sizes around every multiple of a vector, bytes at any alignment. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/kernel.h"
#include "base/rand.h"

#define COUNT_MAX 100

static const struct kernel *const plain = &kernel_plain;

/* Bits of every kind, subnormals among them, but nothing that is not finite. */
static void draw_finite(struct rand *r, enum dtype dtype, uint8_t *number)
{
    uint32_t bits = (uint32_t)rand_u64(r);
    if (rand_below(r, 8) == 0)
        bits &= 0x807f83ff; /* an exponent of 0, for every dtype */
    if (dtype == DTYPE_F32 && (bits & 0x7f800000) == 0x7f800000)
        bits &= ~0x40000000u;
    if (dtype == DTYPE_F16 && (bits & 0x7c00) == 0x7c00)
        bits &= ~0x4000u;
    if (dtype == DTYPE_BF16 && (bits & 0x7f80) == 0x7f80)
        bits &= ~0x4000u;
    memcpy(number, &bits, dtype_size(dtype));
}

#define ROOM (4 * COUNT_MAX + 64)

/* Draws count numbers that end shift bytes before the end of room, so that a
 * shift of 0 shows who reads beyond it. */
static const uint8_t *draw(struct rand *r, enum dtype dtype, size_t count, size_t shift,
                           uint8_t room[ROOM])
{
    uint8_t *bytes = room + ROOM - shift - count * dtype_size(dtype);
    for (size_t i = 0; i < count; i++)
        draw_finite(r, dtype, bytes + i * dtype_size(dtype));
    return bytes;
}

/* Calls check(kernel, dtype, count, shift) for all that there is. */
static void for_all(void (*check)(const struct kernel *, enum dtype, size_t, size_t))
{
    for (size_t k = 0; kernel_at(k) != NULL; k++)
        for (enum dtype dtype = 0; dtype < DTYPE_VALUES; dtype++)
            for (size_t count = 0; count <= COUNT_MAX; count++)
                for (size_t shift = 0; shift < 64; shift += count % 2 ? 9 : 16)
                    check(kernel_at(k), dtype, count, shift);
}

static void check_decode(const struct kernel *kernel, enum dtype dtype, size_t count, size_t shift)
{
    struct rand r = {count};
    uint8_t room[ROOM];
    float expected[COUNT_MAX + 1], values[COUNT_MAX + 1];
    const uint8_t *bytes = draw(&r, dtype, count, shift, room);
    expected[count] = values[count] = 77;
    plain->decode[dtype](bytes, 0.3f, count, expected);
    kernel->decode[dtype](bytes, 0.3f, count, values);
    assert_memory_equal(values, expected, (count + 1) * sizeof values[0]);
}

static void check_accumulate(const struct kernel *kernel, enum dtype dtype, size_t count,
                             size_t shift)
{
    for (size_t runs = 1; runs <= KERNEL_RUNS_MAX; runs++) {
        struct rand r = {count * 7 + runs};
        static uint8_t rooms[KERNEL_RUNS_MAX][ROOM];
        struct run run[KERNEL_RUNS_MAX];
        double expected[COUNT_MAX + 1], sums[COUNT_MAX + 1];
        for (size_t k = 0; k < runs; k++)
            run[k] = (struct run){
                .bytes = draw(&r, dtype, count, (shift + k) % 64, rooms[k]),
                .weight = rand_unit(&r) * 1e6,
                .scale = (float)rand_unit(&r),
            };
        for (size_t i = 0; i <= count; i++)
            expected[i] = sums[i] = rand_unit(&r) - 0.5;
        plain->accumulate[dtype](run, runs, count, expected);
        kernel->accumulate[dtype](run, runs, count, sums);
        assert_memory_equal(sums, expected, (count + 1) * sizeof sums[0]);
    }
}

static void check_squares(const struct kernel *kernel, enum dtype dtype, size_t count, size_t shift)
{
    struct rand r = {count};
    uint8_t room[ROOM];
    const uint8_t *bytes = draw(&r, dtype, count, shift, room);
    float model[COUNT_MAX + 1];
    for (size_t i = 0; i < count; i++)
        draw_finite(&r, DTYPE_F32, (uint8_t *)&model[i]);
    for (int with_model = 0; with_model < 2; with_model++) {
        double expected[KERNEL_LANES], lanes[KERNEL_LANES];
        for (size_t i = 0; i < KERNEL_LANES; i++)
            expected[i] = lanes[i] = (double)i;
        plain->squares[dtype](bytes, 0.3f, with_model ? model : NULL, count, expected);
        kernel->squares[dtype](bytes, 0.3f, with_model ? model : NULL, count, lanes);
        assert_memory_equal(lanes, expected, sizeof lanes);
        for (size_t i = 0; i < KERNEL_LANES; i++)
            assert_true(isfinite(lanes[i]) != 0);
    }
}

static void check_divide(const struct kernel *kernel, enum dtype dtype, size_t count, size_t shift)
{
    struct rand r = {count + shift * DTYPE_VALUES + dtype};
    double sums[COUNT_MAX];
    float expected[COUNT_MAX + 1], results[COUNT_MAX + 1];
    for (size_t i = 0; i < count; i++)
        sums[i] = (rand_unit(&r) - 0.5) * (i % 3 ? 1 : 1e-38);
    expected[count] = results[count] = 77;
    assert_true(plain->divide(sums, 3, count, expected));
    assert_true(kernel->divide(sums, 3, count, results));
    assert_memory_equal(results, expected, (count + 1) * sizeof results[0]);
}

static void all_kernels_decode_the_same_bits(void **state)
{
    (void)state;
    for_all(check_decode);
}

static void all_kernels_accumulate_the_same_bits(void **state)
{
    (void)state;
    for_all(check_accumulate);
}

static void all_kernels_sum_the_same_squares(void **state)
{
    (void)state;
    for_all(check_squares);
}

static void all_kernels_divide_to_the_same_bits(void **state)
{
    (void)state;
    for_all(check_divide);
}

/* The two dtypes of 16 bits in full, and all of int8. */
static void every_number_of_16_bits_is_decoded(void **state)
{
    (void)state;
    static uint16_t numbers[65536];
    static float expected[65536], values[65536];
    for (size_t i = 0; i < 65536; i++)
        numbers[i] = (uint16_t)i;
    for (size_t k = 0; kernel_at(k) != NULL; k++)
        for (enum dtype dtype = DTYPE_F16; dtype <= DTYPE_I8; dtype++) {
            plain->decode[dtype]((const uint8_t *)numbers, 0.1f, 65536, expected);
            kernel_at(k)->decode[dtype]((const uint8_t *)numbers, 0.1f, 65536, values);
            for (size_t i = 0; i < 65536; i++)
                assert_true(values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i])));
        }
}

static void binary16_is_what_its_standard_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i;
        float value;
        plain->decode[DTYPE_F16]((const uint8_t *)&half, 0, 1, &value);
        int exponent = (int)(i >> 10 & 31), fraction = (int)(i & 1023);
        float expected = exponent == 31 ? (fraction ? NAN : INFINITY)
                         : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                                        : ldexpf((float)fraction, -24);
        expected = i >> 15 ? -expected : expected;
        if (isnan(expected)) {
            assert_true(isnan(value) != 0);
            continue;
        }
        assert_true(value == expected);
        assert_int_equal(signbit(value) != 0, i >> 15);
    }
}

/* At each place of a vector and of the rest. */
static void no_kernel_overlooks_what_is_not_finite(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e39, -1e39};
    for (size_t k = 0; kernel_at(k) != NULL; k++)
        for (size_t at = 0; at < 39; at++)
            for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
                double sums[39] = {0}, lanes[KERNEL_LANES] = {0};
                float values[39] = {0}, results[39];
                sums[at] = bad[b];
                assert_false(kernel_at(k)->divide(sums, 1, 39, results));
                values[at] = (float)bad[b];
                kernel_at(k)->squares[DTYPE_F32]((const uint8_t *)values, 0, NULL, 39, lanes);
                assert_true(isfinite(lanes[at % KERNEL_LANES]) == 0);
            }
}

static void the_best_kernel_is_one_of_them(void **state)
{
    (void)state;
    size_t k = 0;
    while (kernel_at(k) != NULL && kernel_at(k) != kernel_best())
        k++;
    assert_non_null(kernel_at(k));
    assert_null(kernel_at(k + 1));
    print_message("best kernel: %s\n", kernel_best()->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kernels_decode_the_same_bits),
        cmocka_unit_test(all_kernels_accumulate_the_same_bits),
        cmocka_unit_test(all_kernels_sum_the_same_squares),
        cmocka_unit_test(all_kernels_divide_to_the_same_bits),
        cmocka_unit_test(every_number_of_16_bits_is_decoded),
        cmocka_unit_test(binary16_is_what_its_standard_says),
        cmocka_unit_test(no_kernel_overlooks_what_is_not_finite),
        cmocka_unit_test(the_best_kernel_is_one_of_them),
    };
    return cmocka_run_group_tests_name("aggregate/kernel", tests, NULL, NULL);
}
