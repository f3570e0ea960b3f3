/* Checks analytic.c against scipy's values of the same formula. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/analytic.h"

struct golden {
    double epsilon, delta, sigma, classic;
};

/* classic: sqrt(2 ln(1.25 / delta)) / epsilon */
static const struct golden GOLDEN[] = {
    {0.5, 1e-5, 7.031827, 9.689611}, {1, 1e-5, 3.730632, 4.844805}, {1, 1e-6, 4.224679, 5.298803},
    {2, 1e-5, 1.993812, 2.422403},   {4, 1e-5, 1.081162, 1.211201}, {8, 1e-6, 0.652935, 0.662350},
};
#define GOLDEN_COUNT (sizeof GOLDEN / sizeof GOLDEN[0])

static double sigma_of(double epsilon, double delta)
{
    double sigma = 0;
    assert_int_equal(analytic_sigma(epsilon, delta, &sigma), ST_OK);
    return sigma;
}

static double epsilon_of(double sigma, double delta)
{
    double epsilon = -1;
    assert_int_equal(analytic_epsilon(sigma, delta, &epsilon), ST_OK);
    return epsilon;
}

static void sigma_is_that_of_scipy_and_not_the_classic_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        const struct golden *g = &GOLDEN[i];
        double sigma = sigma_of(g->epsilon, g->delta);
        assert_true(fabs(sigma - g->sigma) < 1e-6);
        assert_true(sigma < g->classic * 0.99);
    }
}

static void the_three_functions_are_inverses(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        const struct golden *g = &GOLDEN[i];
        double sigma = sigma_of(g->epsilon, g->delta);
        double delta = analytic_delta(g->epsilon, sigma);
        assert_true(delta <= g->delta && delta > g->delta * (1 - 1e-9));
        double epsilon = epsilon_of(sigma, g->delta);
        assert_true(fabs(epsilon - g->epsilon) < 1e-9);
        assert_true(analytic_delta(epsilon, sigma) <= g->delta);
    }
}

/* By hand: delta(0, sigma) = 2 Phi(1 / (2 sigma)) - 1, the total variation. */
static void without_epsilon_it_is_total_variation(void **state)
{
    (void)state;
    for (double sigma = 0.02; sigma < 1e6; sigma *= 3)
        assert_true(fabs(analytic_delta(0, sigma) / erf(1 / (2 * sigma * M_SQRT2)) - 1) < 1e-8);
    assert_true(epsilon_of(1000, 0.001) == 0);
}

static void more_noise_or_more_epsilon_is_less_delta(void **state)
{
    (void)state;
    for (double sigma = 0.02; sigma < 1e5; sigma *= 1.7)
        for (double epsilon = 0.01; epsilon < 1000; epsilon *= 1.7) {
            double delta = analytic_delta(epsilon, sigma);
            assert_true(delta >= 0 && delta <= 1);
            assert_true(analytic_delta(epsilon * 1.01, sigma) <= delta);
            assert_true(analytic_delta(epsilon, sigma * 1.01) <= delta);
        }
}

static void the_smallest_sigma_still_has_an_epsilon(void **state)
{
    (void)state;
    double epsilon = epsilon_of(ANALYTIC_SIGMA_MIN, ANALYTIC_DELTA_MIN);
    /* 1 / (2 sigma^2) = 1250, and 11.5 standard deviations of 1 / sigma = 50 */
    assert_true(epsilon > 1250 + 11 * 50 && epsilon < 1250 + 12 * 50);
}

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    double x = 7;
    assert_int_equal(analytic_sigma(0, 1e-5, &x), ST_INVALID);
    assert_int_equal(analytic_sigma((double)NAN, 1e-5, &x), ST_INVALID);
    assert_int_equal(analytic_sigma(2001, 1e-5, &x), ST_INVALID);
    assert_int_equal(analytic_sigma(1, 1, &x), ST_INVALID);
    assert_int_equal(analytic_sigma(1, 0, &x), ST_INVALID);
    assert_int_equal(analytic_sigma(1, (double)NAN, &x), ST_INVALID);
    assert_int_equal(analytic_sigma(1999, 0.1, &x), ST_LIMIT);
    assert_int_equal(analytic_sigma(1e-6, 1e-12, &x), ST_LIMIT);
    assert_int_equal(analytic_epsilon(0.01, 1e-5, &x), ST_INVALID);
    assert_int_equal(analytic_epsilon((double)NAN, 1e-5, &x), ST_INVALID);
    assert_int_equal(analytic_epsilon(1, 0, &x), ST_INVALID);
    assert_true(x == 7.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigma_is_that_of_scipy_and_not_the_classic_one),
        cmocka_unit_test(the_three_functions_are_inverses),
        cmocka_unit_test(without_epsilon_it_is_total_variation),
        cmocka_unit_test(more_noise_or_more_epsilon_is_less_delta),
        cmocka_unit_test(the_smallest_sigma_still_has_an_epsilon),
        cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("dp/analytic", tests, NULL, NULL);
}
