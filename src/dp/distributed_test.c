/* Checks distributed.c by hand, and against the exact distribution of small sums. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/distributed.h"

static struct rdp counted(struct distributed d, uint32_t releases)
{
    struct rdp r = {0};
    assert_int_equal(distributed_add(&r, &d, releases), ST_OK);
    return r;
}

/* By hand: 10 (exp(-pi^2 / 4) + exp(-pi^2 / 3)) for sigma 1/2 and three devices. */
static void tau_by_hand(void **state)
{
    (void)state;
    assert_true(distributed_tau(0.5, 1) == 0.0);
    double expected = 10 * (exp(-M_PI * M_PI / 4) + exp(-M_PI * M_PI / 3));
    assert_true(fabs(distributed_tau(0.5, 3) / expected - 1) < 1e-14);
}

static void with_much_noise_the_sum_is_as_good_as_one_gaussian(void **state)
{
    (void)state;
    struct distributed d = {.sigma = 100, .sensitivity = 500, .devices = 25, .count = 1000000};
    struct rdp sum = counted(d, 3), one = {0};
    assert_int_equal(rdp_add_gaussian(&one, 1, 1, 3), ST_OK); /* sqrt(25) 100 / 500 */
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(fabs(sum.at[i] / one.at[i] - 1) < 1e-12);
}

static void with_little_noise_it_costs_more_and_grows_with_the_model(void **state)
{
    (void)state;
    struct distributed d = {.sigma = 0.5, .sensitivity = 1, .devices = 4, .count = 1};
    struct rdp small = counted(d, 1), one = {0};
    d.count = 100;
    struct rdp large = counted(d, 1);
    assert_int_equal(rdp_add_gaussian(&one, 1, 1, 1), ST_OK);
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(one.at[i] < small.at[i] && small.at[i] < large.at[i]);
}

#define SUPPORT 40 /* on either side of 0, of each one's noise */
#define WIDTH   (4 * SUPPORT + 1)

/* sum: (WIDTH,), the probabilities of the sum of two discrete Gaussians */
static void convolve(double sigma, double *sum)
{
    double p[2 * SUPPORT + 1], total = 0;
    for (int x = -SUPPORT; x <= SUPPORT; x++)
        total += p[x + SUPPORT] = exp(-x * x / (2 * sigma * sigma));
    for (int x = 0; x <= 2 * SUPPORT; x++)
        for (int y = 0; y <= 2 * SUPPORT; y++)
            sum[x + y] += p[x] * p[y] / (total * total);
}

/* The divergence of two of them, one moved by 1, where neither is nearly 0. */
static void the_exact_divergence_of_small_sums_is_below(void **state)
{
    (void)state;
    const double sigmas[] = {0.5, 0.6, 0.8, 1.5};
    for (size_t i = 0; i < 4; i++) {
        double sum[WIDTH] = {0};
        convolve(sigmas[i], sum);
        struct distributed d = {.sigma = sigmas[i], .sensitivity = 1, .devices = 2, .count = 1};
        struct rdp bound = counted(d, 1);
        for (size_t k = 0; k < 29; k++) { /* orders up to 3.9 */
            double alpha = rdp_order(k), moment = 0;
            for (int x = 1; x < WIDTH; x++)
                if (sum[x] > 1e-250 && sum[x - 1] > 1e-250)
                    moment += sum[x - 1] * pow(sum[x] / sum[x - 1], alpha);
            assert_true(log(moment) / (alpha - 1) <= bound.at[k]);
        }
    }
}

static void shares_make_the_whole(void **state)
{
    (void)state;
    assert_true(distributed_share(12, 16) == 3.0);
}

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    const struct distributed good = {.sigma = 1, .sensitivity = 1, .devices = 2, .count = 1};
    struct distributed bad[7];
    for (size_t i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].sigma = 0.49;
    bad[1].sigma = (double)NAN;
    bad[2].sensitivity = 0;
    bad[3].sensitivity = (double)NAN;
    bad[4].devices = 0;
    bad[5].devices = DISTRIBUTED_DEVICES_MAX + 1;
    bad[6].count = 0;
    struct rdp r = {0};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(distributed_add(&r, &bad[i], 1), ST_INVALID);
    assert_int_equal(distributed_add(&r, &good, RDP_RELEASES_MAX + 1), ST_INVALID);
    struct distributed weak = good;
    weak.sensitivity = 1000; /* z = sqrt(2) / 1000 */
    assert_int_equal(distributed_add(&r, &weak, 1), ST_INVALID);
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(r.at[i] == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tau_by_hand),
        cmocka_unit_test(with_much_noise_the_sum_is_as_good_as_one_gaussian),
        cmocka_unit_test(with_little_noise_it_costs_more_and_grows_with_the_model),
        cmocka_unit_test(the_exact_divergence_of_small_sums_is_below),
        cmocka_unit_test(shares_make_the_whole),
        cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("dp/distributed", tests, NULL, NULL);
}
