/* Checks rdp.c against values of dp-accounting 0.6.0, then that spending adds up. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/analytic.h"
#include "dp/rdp.h"

static double epsilon_at(const struct rdp *r, double delta)
{
    double epsilon = -1;
    assert_int_equal(rdp_epsilon(r, delta, &epsilon), ST_OK);
    return epsilon;
}

static double epsilon_after(double z, double q, uint32_t releases, double delta)
{
    struct rdp r = {0};
    assert_int_equal(rdp_add_gaussian(&r, z, q, releases), ST_OK);
    return epsilon_at(&r, delta);
}

struct golden {
    double q, z;
    uint32_t releases;
    double delta, epsilon, truth; /* the last: by privacy loss distributions, nearly tight */
};

static void epsilon_is_that_of_dp_accounting(void **state)
{
    (void)state;
    const struct golden golden[] = {
        {.01, 1.1, 1000, 1e-5, 1.7118, 1.5154}, {.01, 1.1, 10000, 1e-5, 5.6320, 5.1926},
        {.1, 1.0, 100, 1e-5, 7.9039, 7.0466},   {1, 5, 1, 1e-5, 0.7945, 0.7255},
        {1, 10, 100, 1e-5, 4.7285, 4.3772},     {.001, .8, 5000, 1e-6, 1.5923, 0.7336},
    };
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        const struct golden *g = &golden[i];
        double epsilon = epsilon_after(g->z, g->q, g->releases, g->delta);
        assert_true(fabs(epsilon / g->epsilon - 1) < 1e-3);
        assert_true(epsilon > g->truth);
    }
}

static void orders_ascend_without_gaps(void **state)
{
    (void)state;
    assert_true(rdp_order(0) == 1.1 && rdp_order(9) == 2.0 && rdp_order(98) == 10.9);
    assert_true(rdp_order(99) == 11.0 && rdp_order(152) == 64.0 && rdp_order(153) == 72.0);
    assert_true(rdp_order(176) == 256.0 && rdp_order(177) == 512.0 && rdp_order(178) == 1024.0);
    for (size_t i = 1; i < RDP_ORDERS; i++)
        assert_true(rdp_order(i) > rdp_order(i - 1));
}

/* (alpha - 1) rdp is convex in alpha (a logarithm of moments). What is computed in two
 * ways, by a sum at 3, 4, 5 and by an integral beside them, lies on one such curve. */
static void between_whole_orders_the_curve_is_convex(void **state)
{
    (void)state;
    const double zs[] = {0.2, 0.7, 1.1, 4, 50}, qs[] = {0.001, 0.1, 0.9};
    for (size_t i = 0; i < 15; i++) {
        struct rdp r = {0};
        assert_int_equal(rdp_add_gaussian(&r, zs[i / 3], qs[i % 3], 1), ST_OK);
        for (size_t k = 1; k + 1 < RDP_FINE; k++) {
            double left = r.at[k - 1] * (rdp_order(k - 1) - 1);
            double here = r.at[k] * (rdp_order(k) - 1);
            double right = r.at[k + 1] * (rdp_order(k + 1) - 1);
            assert_true(here <= (left + right) / 2 * (1 + 1e-9) + 1e-12);
            assert_true(here > left - 1e-12);
        }
    }
}

/* By hand, order 2: log(1 + q^2 (exp(1 / z^2) - 1)). */
static void order_two_by_hand(void **state)
{
    (void)state;
    struct rdp r = {0};
    assert_int_equal(rdp_add_gaussian(&r, 2, 0.25, 3), ST_OK);
    assert_true(fabs(r.at[9] - 3 * log1p(0.0625 * expm1(0.25))) < 1e-10);
}

static void sampling_of_all_is_no_sampling(void **state)
{
    (void)state;
    struct rdp nearly = {0}, all = {0};
    assert_int_equal(rdp_add_gaussian(&nearly, 1.5, 1 - 1e-9, 1), ST_OK);
    assert_int_equal(rdp_add_gaussian(&all, 1.5, 1, 1), ST_OK);
    for (size_t i = 0; i < RDP_ORDERS; i++) {
        assert_true(all.at[i] == rdp_order(i) / 4.5);
        assert_true(fabs(nearly.at[i] / all.at[i] - 1) < 1e-6);
    }
}

static void releases_add_up_in_any_order(void **state)
{
    (void)state;
    struct rdp one = {0}, other = {0}, sum = {0};
    assert_int_equal(rdp_add_gaussian(&one, 1, 0.1, 5), ST_OK);
    assert_int_equal(rdp_add_gaussian(&one, 2, 1, 1), ST_OK);
    assert_int_equal(rdp_add_gaussian(&other, 2, 1, 1), ST_OK);
    assert_int_equal(rdp_add_gaussian(&sum, 1, 0.1, 5), ST_OK);
    rdp_add(&sum, &other);
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(fabs(one.at[i] / sum.at[i] - 1) < 1e-14);
    /* Four releases with z = 2 are one with z = 1. */
    assert_true(fabs(epsilon_after(2, 1, 4, 1e-5) - epsilon_after(1, 1, 1, 1e-5)) < 1e-12);
}

static void more_noise_less_sampling_and_fewer_releases_spend_less(void **state)
{
    (void)state;
    for (double z = 0.3; z < 30; z *= 2.5)
        for (double q = 1e-4; q < 0.9; q *= 7) {
            double epsilon = epsilon_after(z, q, 100, 1e-6);
            assert_true(epsilon_after(z * 1.1, q, 100, 1e-6) <= epsilon);
            assert_true(epsilon_after(z, q * 1.1, 100, 1e-6) >= epsilon);
            assert_true(epsilon_after(z, q, 110, 1e-6) >= epsilon);
            assert_true(epsilon_after(z, q, 100, 1e-5) <= epsilon);
        }
}

/* RDP is a bound; the analytic Gaussian is the truth of one release. */
static void it_is_never_below_the_truth_of_one_release(void **state)
{
    (void)state;
    for (double z = 0.1; z < 200; z *= 1.3) {
        double truth = 0;
        assert_int_equal(analytic_epsilon(z, 1e-6, &truth), ST_OK);
        assert_true(epsilon_after(z, 1, 1, 1e-6) >= truth);
    }
}

static void nothing_released_is_nearly_nothing_spent(void **state)
{
    (void)state;
    struct rdp r = {0};
    assert_int_equal(rdp_check(&r), ST_OK);
    assert_true(epsilon_at(&r, 1e-5) < 0.005); /* what the largest order can say */
    assert_true(epsilon_at(&r, 0.01) == 0.0);
}

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct rdp r = {0};
    assert_int_equal(rdp_add_gaussian(&r, 0.04, 1, 1), ST_INVALID);
    assert_int_equal(rdp_add_gaussian(&r, (double)NAN, 1, 1), ST_INVALID);
    assert_int_equal(rdp_add_gaussian(&r, (double)INFINITY, 1, 1), ST_INVALID);
    assert_int_equal(rdp_add_gaussian(&r, 1, 0, 1), ST_INVALID);
    assert_int_equal(rdp_add_gaussian(&r, 1, 1.1, 1), ST_INVALID);
    assert_int_equal(rdp_add_gaussian(&r, 1, (double)NAN, 1), ST_INVALID);
    assert_int_equal(rdp_add_gaussian(&r, 1, 1, RDP_RELEASES_MAX + 1), ST_INVALID);
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(r.at[i] == 0.0);
    double epsilon = 7;
    assert_int_equal(rdp_epsilon(&r, 0, &epsilon), ST_INVALID);
    assert_int_equal(rdp_epsilon(&r, 1, &epsilon), ST_INVALID);
    assert_int_equal(rdp_epsilon(&r, (double)NAN, &epsilon), ST_INVALID);
    assert_true(epsilon == 7.0);
    r.at[5] = -1e-3;
    assert_int_equal(rdp_check(&r), ST_INVALID);
    r.at[5] = (double)NAN;
    assert_int_equal(rdp_check(&r), ST_NOT_FINITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epsilon_is_that_of_dp_accounting),
        cmocka_unit_test(orders_ascend_without_gaps),
        cmocka_unit_test(between_whole_orders_the_curve_is_convex),
        cmocka_unit_test(order_two_by_hand),
        cmocka_unit_test(sampling_of_all_is_no_sampling),
        cmocka_unit_test(releases_add_up_in_any_order),
        cmocka_unit_test(more_noise_less_sampling_and_fewer_releases_spend_less),
        cmocka_unit_test(it_is_never_below_the_truth_of_one_release),
        cmocka_unit_test(nothing_released_is_nearly_nothing_spent),
        cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("dp/rdp", tests, NULL, NULL);
}
