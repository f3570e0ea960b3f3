/* Checks every sorting network of this processor against the plain reference, and
 * the reference against columns worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/columns.h"
#include "base/rand.h"

#define ROWS_MAX 300
#define STRIDE   (COLUMNS_STRIP + 3)

static void floats_and_keys_have_the_same_order(void **state)
{
    (void)state;
    const float ascending[] = {-3.4028234e38f, -1, -1e-45f, -0.0f, 0.0f, 1e-45f, 1, 3.4028234e38f};
    enum { COUNT = sizeof ascending / sizeof ascending[0] };
    for (size_t n = 0; columns_at(n) != NULL; n++) {
        int32_t keys[COUNT];
        assert_true(columns_at(n)->keys(ascending, COUNT, keys));
        for (size_t i = 1; i < COUNT; i++)
            assert_true(keys[i - 1] < keys[i]);
    }
}

static void what_is_not_finite_is_found(void **state)
{
    (void)state;
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t n = 0; columns_at(n) != NULL; n++)
        for (size_t b = 0; b < 4; b++)
            for (size_t at = 0; at < 67; at++) {
                float values[67] = {0};
                int32_t keys[67];
                assert_true(columns_at(n)->keys(values, 67, keys));
                values[at] = bad[b];
                assert_false(columns_at(n)->keys(values, 67, keys));
            }
}

static void the_reference_sorts_and_sums_by_hand(void **state)
{
    (void)state;
    float values[3][COLUMNS_STRIP] = {{3, -0.0f}, {-1, 0.0f}, {2, -0.0f}};
    int32_t strip[3][COLUMNS_STRIP];
    double sums[COLUMNS_STRIP];
    for (size_t row = 0; row < 3; row++)
        assert_true(columns_plain.keys(values[row], COLUMNS_STRIP, strip[row]));
    columns_plain.sort(strip[0], 3, COLUMNS_STRIP, 0, 3);
    columns_plain.sum(strip[0], COLUMNS_STRIP, 0, 1, sums);
    assert_true(sums[0] == -1.0);
    columns_plain.sum(strip[0], COLUMNS_STRIP, 1, 3, sums);
    assert_true(sums[0] == 5.0); /* 2 + 3 */
    /* -0, -0, 0 */
    columns_plain.sum(strip[0], COLUMNS_STRIP, 0, 2, sums);
    assert_true(sums[1] == 0.0 && signbit(sums[1]));
    columns_plain.sum(strip[0], COLUMNS_STRIP, 2, 3, sums);
    assert_true(sums[1] == 0.0 && !signbit(sums[1]));
}

/* Few different keys, so that there are many ties, and the largest one, which is
 * what stands for rows that do not exist; or all of them. */
static int32_t draw(struct rand *r, bool few)
{
    if (!few)
        return (int32_t)(rand_u64(r) >> 32);
    static const int32_t keys[] = {INT32_MAX, INT32_MIN, 0, -1, 7};
    return keys[rand_below(r, 5)];
}

static void compare(const struct columns *kernel, size_t rows, size_t first, size_t last,
                    struct rand *r)
{
    static int32_t given[ROWS_MAX * STRIDE], expected[ROWS_MAX * STRIDE], sorted[ROWS_MAX * STRIDE];
    bool few = rand_below(r, 2) == 0;
    size_t size = rows * STRIDE * sizeof given[0];
    for (size_t i = 0; i < rows * STRIDE; i++)
        given[i] = draw(r, few);
    memcpy(expected, given, size);
    memcpy(sorted, given, size);
    columns_plain.sort(expected, rows, STRIDE, first, last);
    kernel->sort(sorted, rows, STRIDE, first, last);
    for (size_t row = first; row < last; row++)
        assert_memory_equal(sorted + row * STRIDE, expected + row * STRIDE,
                            COLUMNS_STRIP * sizeof given[0]);
    /* What lies beside the strip belongs to others. */
    for (size_t row = 0; row < rows; row++)
        assert_memory_equal(sorted + row * STRIDE + COLUMNS_STRIP,
                            given + row * STRIDE + COLUMNS_STRIP,
                            (STRIDE - COLUMNS_STRIP) * sizeof given[0]);
}

static void every_network_sorts_as_the_reference(void **state)
{
    (void)state;
    struct rand r = {1};
    for (size_t n = 1; columns_at(n) != NULL; n++)
        for (size_t rows = 1; rows <= ROWS_MAX; rows += rows < 140 ? 1 : 16) {
            compare(columns_at(n), rows, 0, rows, &r);
            compare(columns_at(n), rows, (rows - 1) / 2, rows / 2 + 1, &r);
            size_t first = (size_t)rand_below(&r, rows);
            compare(columns_at(n), rows, first, first + 1 + (size_t)rand_below(&r, rows - first),
                    &r);
        }
}

static void every_network_sums_as_the_reference(void **state)
{
    (void)state;
    enum { ROWS = 37 };
    struct rand r = {2};
    float values[COLUMNS_STRIP];
    int32_t strip[ROWS * STRIDE];
    double expected[COLUMNS_STRIP], sums[COLUMNS_STRIP];
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t c = 0; c < COLUMNS_STRIP; c++)
            values[c] = (float)(rand_unit(&r) * 2e30 - 1e30) * (float)rand_below(&r, 2);
        assert_true(columns_plain.keys(values, COLUMNS_STRIP, strip + row * STRIDE));
    }
    for (size_t n = 1; columns_at(n) != NULL; n++)
        for (size_t first = 0; first < ROWS; first++) {
            columns_plain.sum(strip, STRIDE, first, ROWS, expected);
            columns_at(n)->sum(strip, STRIDE, first, ROWS, sums);
            assert_memory_equal(sums, expected, sizeof sums);
        }
}

static void the_best_is_the_last_of_all(void **state)
{
    (void)state;
    size_t count = 0;
    while (columns_at(count) != NULL)
        print_message("%s\n", columns_at(count++)->name);
    assert_true(count >= 2);
    assert_ptr_equal(columns_at(0), &columns_plain);
    assert_ptr_equal(columns_at(count - 1), columns_best());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_and_keys_have_the_same_order),
        cmocka_unit_test(what_is_not_finite_is_found),
        cmocka_unit_test(the_reference_sorts_and_sums_by_hand),
        cmocka_unit_test(every_network_sorts_as_the_reference),
        cmocka_unit_test(every_network_sums_as_the_reference),
        cmocka_unit_test(the_best_is_the_last_of_all),
    };
    return cmocka_run_group_tests_name("aggregate/columns", tests, NULL, NULL);
}
