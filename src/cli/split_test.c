/* The split: what each example's fate may be, and the draws behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/split.h"

#define COUNT   2000u
#define DEVICES 7u

static void make_labels(uint8_t labels[COUNT])
{
    for (uint32_t i = 0; i < COUNT; i++)
        labels[i] = (uint8_t)(i * 7 % 10);
}

static void every_example_goes_to_one_device_and_none_is_empty(void **state)
{
    (void)state;
    static const double alphas[] = {SPLIT_ALPHA_MIN, 0.05, 0.3, 1, 100, SPLIT_ALPHA_MAX};
    uint8_t labels[COUNT];
    make_labels(labels);
    for (size_t a = 0; a < sizeof alphas / sizeof alphas[0]; a++) {
        uint32_t device[COUNT], sizes[DEVICES] = {0};
        memset(device, 0xff, sizeof device);
        assert_int_equal(split_by_label(labels, COUNT, DEVICES, alphas[a], 1, device, NULL), ST_OK);
        uint32_t sum = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_in_range(device[i], 0, DEVICES - 1); /* none was left out */
            sizes[device[i]]++;
        }
        for (uint32_t d = 0; d < DEVICES; d++) {
            assert_true(sizes[d] >= 1);
            sum += sizes[d];
        }
        assert_int_equal(sum, COUNT);
    }
}

static void as_many_devices_as_examples_get_one_each(void **state)
{
    (void)state;
    static const uint8_t labels[] = {3, 3, 3, 3, 1};
    uint32_t device[5];
    bool seen[5] = {false};
    assert_int_equal(split_by_label(labels, 5, 5, 0.01, 9, device, NULL), ST_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_false(seen[device[i]]);
        seen[device[i]] = true;
    }
}

static void the_seed_decides(void **state)
{
    (void)state;
    uint8_t labels[COUNT];
    uint32_t a[COUNT], b[COUNT], c[COUNT];
    make_labels(labels);
    assert_int_equal(split_by_label(labels, COUNT, DEVICES, 0.3, 1, a, NULL), ST_OK);
    assert_int_equal(split_by_label(labels, COUNT, DEVICES, 0.3, 1, b, NULL), ST_OK);
    assert_int_equal(split_by_label(labels, COUNT, DEVICES, 0.3, 2, c, NULL), ST_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
}

/* The largest share of one label on one device, averaged over labels. */
static double skew(double alpha)
{
    uint8_t labels[COUNT];
    uint32_t device[COUNT], counts[10][DEVICES] = {{0}};
    make_labels(labels);
    assert_int_equal(split_by_label(labels, COUNT, DEVICES, alpha, 5, device, NULL), ST_OK);
    for (uint32_t i = 0; i < COUNT; i++)
        counts[labels[i]][device[i]]++;
    double sum = 0;
    for (size_t l = 0; l < 10; l++) {
        uint32_t most = 0;
        for (size_t d = 0; d < DEVICES; d++)
            most = counts[l][d] > most ? counts[l][d] : most;
        sum += (double)most / (COUNT / 10);
    }
    return sum / 10;
}

static void small_alpha_is_skewed_and_large_is_even(void **state)
{
    (void)state;
    assert_true(skew(0.01) > 0.9);           /* nearly all of a label on one device */
    assert_true(skew(1e5) < 1.0 / 7 + 0.02); /* a seventh each */
}

/* Gamma(a, 1) has mean a and variance a. With n draws the mean's deviation is
 * sqrt(a / n); five of them are allowed, and the seed is fixed. */
static void gamma_draws_have_their_mean_and_variance(void **state)
{
    (void)state;
    static const double alphas[] = {0.3, 1, 4.5};
    const int n = 20000;
    for (size_t a = 0; a < sizeof alphas / sizeof alphas[0]; a++) {
        struct rand r = {42};
        double sum = 0, squares = 0;
        for (int i = 0; i < n; i++) {
            double x = exp(split_log_gamma_draw(alphas[a], &r));
            sum += x;
            squares += x * x;
        }
        double mean = sum / n;
        double variance = squares / n - mean * mean;
        assert_true(fabs(mean - alphas[a]) < 5 * sqrt(alphas[a] / n));
        assert_true(fabs(variance - alphas[a]) < 0.1 * alphas[a]);
    }
}

static void shares_sum_to_one_even_where_gamma_underflows(void **state)
{
    (void)state;
    struct rand r = {3};
    for (int i = 0; i < 1000; i++) {
        double shares[DEVICES], sum = 0;
        split_dirichlet_draw(SPLIT_ALPHA_MIN, DEVICES, &r, shares);
        for (size_t d = 0; d < DEVICES; d++) {
            assert_true(shares[d] >= 0 && shares[d] <= 1);
            sum += shares[d];
        }
        assert_true(fabs(sum - 1) < 1e-12);
    }
}

static void impossible_splits_are_refused(void **state)
{
    (void)state;
    static const uint8_t labels[] = {1, 2, 3};
    uint32_t device[3] = {77, 77, 77};
    struct why why = {""};
    assert_int_equal(split_by_label(labels, 3, 0, 0.3, 1, device, &why), ST_INVALID);
    assert_int_equal(split_by_label(labels, 3, SPLIT_DEVICES_MAX + 1, 0.3, 1, device, &why),
                     ST_INVALID);
    assert_int_equal(split_by_label(labels, 3, 4, 0.3, 1, device, &why), ST_INVALID);
    assert_int_equal(split_by_label(labels, 3, 2, 0, 1, device, &why), ST_INVALID);
    assert_int_equal(split_by_label(labels, 3, 2, (double)NAN, 1, device, &why), ST_INVALID);
    assert_int_equal(split_by_label(labels, 3, 2, 1e7, 1, device, &why), ST_INVALID);
    assert_true(strlen(why.text) > 0);
    assert_int_equal(device[0] + device[1] + device[2], 3 * 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_goes_to_one_device_and_none_is_empty),
        cmocka_unit_test(as_many_devices_as_examples_get_one_each),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(small_alpha_is_skewed_and_large_is_even),
        cmocka_unit_test(gamma_draws_have_their_mean_and_variance),
        cmocka_unit_test(shares_sum_to_one_even_where_gamma_underflows),
        cmocka_unit_test(impossible_splits_are_refused),
    };
    return cmocka_run_group_tests_name("cli/split", tests, NULL, NULL);
}
