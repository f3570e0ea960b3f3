/* Compares the fast matrix products with the plain ones over all edges of the
 * block and of the panel, and checks one product by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fml_guest.h"

typedef void product_fn(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);

/* Of sums of k products, each at most 1, in two orders. */
static float tolerance(size_t k)
{
    return 1e-6f * (float)(k + 1);
}

/* Each of its own size, so that a read or write beyond it is seen. */
static float *numbers(size_t count, uint64_t seed)
{
    struct fml_rng r = {seed};
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(2.0 * fml_rng_unit(&r) - 1.0);
    return x;
}

static float largest_difference(product_fn *fast, product_fn *plain, size_t m, size_t n, size_t k)
{
    float *a = numbers(m * k, 1);
    float *b = numbers(k * n, 2);
    float *c = numbers(m * n, 3);
    float *expected = numbers(m * n, 4);
    float largest = 0.0f;

    fast(m, n, k, a, b, c);
    plain(m, n, k, a, b, expected);
    for (size_t i = 0; i < m * n; i++)
        largest = fmaxf(largest, fabsf(c[i] - expected[i]));
    free(a);
    free(b);
    free(c);
    free(expected);
    return largest;
}

static void compare(product_fn *fast, product_fn *plain, const char *name)
{
    /* Around 2 rows, 4 and 16 columns, 128 steps; then the sizes of MNIST. */
    static const size_t ms[] = {1, 2, 3, 5};
    static const size_t ns[] = {1, 3, 4, 5, 8, 9, 12, 13, 16, 17, 33};
    static const size_t ks[] = {0, 1, 2, 127, 128, 129, 300};
    float largest = 0.0f;
    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        for (size_t j = 0; j < sizeof ns / sizeof ns[0]; j++) {
            for (size_t s = 0; s < sizeof ks / sizeof ks[0]; s++) {
                float d = largest_difference(fast, plain, ms[i], ns[j], ks[s]);
                if (!(d <= tolerance(ks[s])))
                    fail_msg("%s: (%zu, %zu, %zu) differs by %g", name, ms[i], ns[j], ks[s],
                             (double)d);
                largest = fmaxf(largest, d);
            }
        }
    }
    float mnist = largest_difference(fast, plain, 32, 64, 784);
    assert_true(mnist <= tolerance(784));
    print_message("%s: largest difference %g, at (32, 64, 784) %g\n", name, (double)largest,
                  (double)mnist);
}

static void products_are_the_plain_ones(void **state)
{
    (void)state;
    compare(fml_matmul, fml_matmul_plain, "a b");
    compare(fml_matmul_ta, fml_matmul_ta_plain, "a^T b");
    compare(fml_matmul_tb, fml_matmul_tb_plain, "a b^T");
}

static void one_product_by_hand(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3, 4, 5, 6};    /* (2, 3) */
    const float b[] = {1, 0, 2, 1, -1, 3};   /* (3, 2) */
    const float at[] = {1, 4, 2, 5, 3, 6};   /* (3, 2) */
    const float bt[] = {1, 2, -1, 0, 1, 3};  /* (2, 3) */
    const float expected[] = {2, 11, 8, 23}; /* 1+4-3, 0+2+9; 4+10-6, 0+5+18 */
    float c[4];
    fml_matmul(2, 2, 3, a, b, c);
    assert_memory_equal(c, expected, sizeof c);
    fml_matmul_ta(2, 2, 3, at, b, c);
    assert_memory_equal(c, expected, sizeof c);
    fml_matmul_tb(2, 2, 3, a, bt, c);
    assert_memory_equal(c, expected, sizeof c);
}

static void without_an_inner_dimension_all_is_zero(void **state)
{
    (void)state;
    float c[6] = {1, 2, 3, 4, 5, 6};
    fml_matmul(2, 3, 0, c, c, c);
    for (size_t i = 0; i < 6; i++)
        assert_true(c[i] == 0.0f);
}

static void a_number_that_is_none_spoils_its_row_only(void **state)
{
    (void)state;
    float a[3 * 5];
    float b[5 * 7];
    float c[3 * 7];
    for (size_t i = 0; i < 15; i++)
        a[i] = 1.0f;
    for (size_t i = 0; i < 35; i++)
        b[i] = 1.0f;
    a[1 * 5 + 2] = NAN;
    fml_matmul(3, 7, 5, a, b, c);
    for (size_t j = 0; j < 7; j++) {
        assert_true(c[j] == 5.0f);
        assert_true(isnan(c[7 + j]));
        assert_true(c[14 + j] == 5.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_the_plain_ones),
        cmocka_unit_test(one_product_by_hand),
        cmocka_unit_test(without_an_inner_dimension_all_is_zero),
        cmocka_unit_test(a_number_that_is_none_spoils_its_row_only),
    };
    return cmocka_run_group_tests_name("guest/matmul", tests, NULL, NULL);
}
