/* Checks every kernel of this processor against the plain reference, and that
 * against products worked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/products.h"
#include "base/rand.h"

#define COUNT_MAX 70
#define WIDTH     PRODUCTS_WIDTH
#define STRIDE    (WIDTH + 3)

static void the_reference_by_hand(void **state)
{
    (void)state;
    float one[WIDTH][2] = {{1, 2}, {3, 4}}, other[WIDTH][2] = {{5, 6}, {0}, {7, 8}};
    const float *one_rows[WIDTH], *other_rows[WIDTH];
    for (size_t i = 0; i < WIDTH; i++) {
        one_rows[i] = one[i];
        other_rows[i] = other[i];
    }
    double a[2 * WIDTH], b[2 * WIDTH], sums[WIDTH * WIDTH] = {100};
    products_plain.pack(one_rows, 2, a);
    products_plain.pack(other_rows, 2, b);
    assert_true(a[0] == 1.0 && a[1] == 3.0 && a[WIDTH] == 2.0 && a[WIDTH + 1] == 4.0);
    products_plain.add(a, b, 2, sums, WIDTH);
    assert_true(sums[0] == 117.0);        /* 100 + 1*5 + 2*6 */
    assert_true(sums[2] == 23.0);         /* 1*7 + 2*8 */
    assert_true(sums[WIDTH] == 39.0);     /* 3*5 + 4*6 */
    assert_true(sums[WIDTH + 2] == 53.0); /* 3*7 + 4*8 */
    assert_true(sums[WIDTH + 1] == 0.0);

    double narrow[WIDTH * WIDTH] = {0};
    products_plain.add_narrow(b, b, 2, narrow, WIDTH);
    assert_true(narrow[2] == 83.0);              /* 5*7 + 6*8 */
    assert_true(narrow[2 * WIDTH + 2] == 113.0); /* 7*7 + 8*8 */
    products_plain.add_narrow(a, a, 2, narrow, WIDTH);
    assert_true(narrow[4] == 0.0);
}

/* Values of very different size, so that an order or a rounding that differs
 * shows. */
static float draw(struct rand *r)
{
    float power = 1;
    for (uint64_t n = rand_below(r, 30); n > 0; n--)
        power *= 10;
    return (float)(rand_unit(r) - 0.5) * power;
}

static void every_kernel_gives_the_bits_of_the_reference(void **state)
{
    (void)state;
    struct rand r = {1};
    static float values[WIDTH][COUNT_MAX];
    static double a[COUNT_MAX * WIDTH], b[COUNT_MAX * WIDTH], packed[COUNT_MAX * WIDTH];
    const float *rows[WIDTH];
    for (size_t i = 0; i < WIDTH; i++)
        rows[i] = values[i];
    for (size_t n = 1; products_at(n) != NULL; n++)
        for (size_t count = 1; count <= COUNT_MAX; count++) {
            for (size_t i = 0; i < WIDTH; i++)
                for (size_t k = 0; k < count; k++)
                    values[i][k] = draw(&r);
            products_plain.pack(rows, count, a);
            products_at(n)->pack(rows, count, packed);
            assert_memory_equal(packed, a, count * WIDTH * sizeof a[0]);

            for (size_t i = 0; i < count * WIDTH; i++)
                b[i] = (double)draw(&r);
            double expected[WIDTH * STRIDE], sums[WIDTH * STRIDE];
            for (size_t i = 0; i < WIDTH * STRIDE; i++)
                expected[i] = sums[i] = (double)draw(&r);
            products_plain.add(a, b, count, expected, STRIDE);
            products_at(n)->add(a, b, count, sums, STRIDE);
            assert_memory_equal(sums, expected, sizeof sums);
            products_plain.add_narrow(a, b, count, expected, STRIDE);
            products_at(n)->add_narrow(a, b, count, sums, STRIDE);
            assert_memory_equal(sums, expected, sizeof sums);
        }
}

static void the_best_is_the_last_of_all(void **state)
{
    (void)state;
    size_t count = 0;
    while (products_at(count) != NULL)
        print_message("%s\n", products_at(count++)->name);
    assert_ptr_equal(products_at(0), &products_plain);
    assert_ptr_equal(products_at(count - 1), products_best());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_by_hand),
        cmocka_unit_test(every_kernel_gives_the_bits_of_the_reference),
        cmocka_unit_test(the_best_is_the_last_of_all),
    };
    return cmocka_run_group_tests_name("aggregate/products", tests, NULL, NULL);
}
