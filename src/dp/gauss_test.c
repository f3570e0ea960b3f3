/* Checks gauss.c against the exact probabilities: chi-square, moments, tails, with a
 * stream that is the same in each run; then that the same check finds what is planted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/fake_random.h"
#include "dp/fit.h"
#include "dp/gauss.h"

#define DRAWS    ((size_t)260000)
#define BINS     48  /* those between, and two for the tails */
#define REACH    4.5 /* standard deviations that the bins between cover on either side */
#define PMF_REST 40  /* standard deviations beyond which exp(-x^2 / 2) is 0 in a double */

static double weight(double x, double sigma)
{
    return exp(-x * x / (2 * sigma * sigma));
}

static size_t bin_of(int64_t x, double sigma)
{
    double place = floor((double)x / sigma * (BINS / 2 - 1) / REACH) + BINS / 2;
    return place < 0 ? 0 : place > BINS - 1 ? BINS - 1 : (size_t)place;
}

/* probabilities: (BINS,), of N_Z(0, sigma^2) */
static void exact(double sigma, double *probabilities)
{
    double total = 0, mass[BINS] = {0};
    int64_t end = (int64_t)ceil(PMF_REST * sigma);
    for (int64_t x = -end; x <= end; x++) {
        mass[bin_of(x, sigma)] += weight((double)x, sigma);
        total += weight((double)x, sigma);
    }
    for (size_t i = 0; i < BINS; i++)
        probabilities[i] = mass[i] / total;
}

/* What DRAWS draws of g look like to somebody who expects sigma. */
static double deviation(const struct gauss *g, double sigma, uint64_t seed)
{
    struct rand state = {seed};
    struct dp_random r = fake_random(&state);
    uint64_t counts[BINS] = {0};
    double probabilities[BINS];
    for (size_t i = 0; i < DRAWS; i++)
        counts[bin_of(gauss_draw(g, &r), sigma)]++;
    exact(sigma, probabilities);
    return fit_deviation(counts, probabilities, BINS);
}

static struct gauss with_sigma(double sigma)
{
    struct gauss g;
    assert_int_equal(gauss_of_sigma(sigma, &g), ST_OK);
    return g;
}

static void draws_fit_the_exact_probabilities(void **state)
{
    (void)state;
    const double sigmas[] = {0.5, 1, 10, 1e4};
    for (size_t i = 0; i < 4; i++) {
        struct gauss g = with_sigma(sigmas[i]);
        assert_true(deviation(&g, sigmas[i], i) < FIT_BAD);
    }
}

/* 10 as a fraction whose square needs 128 bits, and as one that is in its lowest terms. */
static void every_form_of_a_fraction_is_the_same(void **state)
{
    (void)state;
    struct gauss g;
    assert_int_equal(gauss_of((uint64_t)10 << 44, (uint64_t)1 << 44, &g), ST_OK);
    assert_true(deviation(&g, 10, 7) < FIT_BAD);
    assert_int_equal(gauss_of(10, 1, &g), ST_OK);
    assert_true(deviation(&g, 10, 8) < FIT_BAD);
    assert_int_equal(gauss_of(10, 3, &g), ST_OK);
    assert_true(deviation(&g, 10.0 / 3, 9) < FIT_BAD);
}

static void two_percent_of_sigma_are_found(void **state)
{
    (void)state;
    const double sigmas[] = {0.5, 1, 10, 1e4};
    for (size_t i = 0; i < 4; i++) {
        struct gauss other = with_sigma(i % 2 == 0 ? sigmas[i] * 1.02 : sigmas[i] / 1.02);
        assert_true(deviation(&other, sigmas[i], i) > FIT_BAD);
    }
}

/* The classic mistake with a sign: zero counted twice. Then a Gaussian that is rounded,
 * which is another distribution where sigma is small. */
static void other_distributions_are_found(void **state)
{
    (void)state;
    struct rand seed = {11};
    struct dp_random r = fake_random(&seed);
    struct gauss g = with_sigma(1);
    uint64_t twice[BINS] = {0}, rounded[BINS] = {0};
    double probabilities[BINS];
    exact(1, probabilities);
    for (size_t i = 0; i < DRAWS; i++) {
        int64_t x = gauss_draw(&g, &r);
        twice[bin_of(x, 1)] += x == 0 ? 2 : 1;
        double u = rand_unit(&seed), v = rand_unit(&seed);
        double normal = sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979 * v);
        rounded[bin_of((int64_t)nearbyint(normal), 1)]++;
    }
    assert_true(fit_deviation(twice, probabilities, BINS) > FIT_BAD);
    assert_true(fit_deviation(rounded, probabilities, BINS) > FIT_BAD);
}

struct moments {
    double mean, variance, beyond; /* the last: the share outside of four sigma */
};

static struct moments drawn(double sigma, uint64_t seed)
{
    struct rand state = {seed};
    struct dp_random r = fake_random(&state);
    struct gauss g = with_sigma(sigma);
    static int64_t draws[DRAWS];
    gauss_fill(&g, &r, draws, DRAWS);
    struct moments m = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        double x = (double)draws[i];
        m.mean += x / (double)DRAWS;
        m.variance += x * x / (double)DRAWS;
        m.beyond += (fabs(x) > 4 * sigma) / (double)DRAWS;
    }
    return m;
}

/* Standard errors: sigma / sqrt(n) of the mean, sigma^2 sqrt(2 / n) of the variance, and of
 * a tail p sqrt(p / n); five of them are one in a million. p is 6.33e-5 beyond 4 sigma. */
static void mean_variance_and_tails_are_right(void **state)
{
    (void)state;
    const double sigmas[] = {100, 1e6, 0x1p40}, n = (double)DRAWS, tail = 6.33e-5;
    for (size_t i = 0; i < 3; i++) {
        double sigma = sigmas[i];
        struct moments m = drawn(sigma, 20 + i);
        assert_true(fabs(m.mean) < 5 * sigma / sqrt(n));
        assert_true(fabs(m.variance / (sigma * sigma) - 1) < 5 * sqrt(2 / n));
        assert_true(fabs(m.beyond - tail) < 5 * sqrt(tail / n));
    }
}

/* By hand: of sigma 1/64 the probability of 1 is exp(-2048). */
static void noise_far_below_one_is_zero(void **state)
{
    (void)state;
    struct rand seed = {30};
    struct dp_random r = fake_random(&seed);
    struct gauss g = with_sigma(0x1p-6), least = with_sigma(GAUSS_SIGMA_MIN);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(gauss_draw(&g, &r), 0);
        assert_int_equal(gauss_draw(&least, &r), 0);
    }
}

static void a_sigma_is_never_made_smaller(void **state)
{
    (void)state;
    struct rand seed = {40};
    for (size_t i = 0; i < 100000; i++) {
        double sigma = ldexp(1 + rand_unit(&seed), (int)rand_below(&seed, 56) - 16);
        struct gauss g = with_sigma(sigma);
        /* Exact: num has at most 41 bits, and den is a power of two. */
        assert_true(gauss_sigma(&g) >= sigma && gauss_sigma(&g) <= sigma * (1 + 0x1p-30));
    }
    struct gauss g = with_sigma(GAUSS_SIGMA_MAX);
    assert_true(g.num == (uint64_t)1 << 40 && g.den == 1);
}

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct gauss g = with_sigma(3), same = g;
    const double sigmas[] = {0, -1, (double)NAN, (double)INFINITY, GAUSS_SIGMA_MIN / 2, 0x1.1p40};
    for (size_t i = 0; i < sizeof sigmas / sizeof sigmas[0]; i++)
        assert_int_equal(gauss_of_sigma(sigmas[i], &g), ST_INVALID);
    assert_int_equal(gauss_of(0, 1, &g), ST_INVALID);
    assert_int_equal(gauss_of(1, 0, &g), ST_INVALID);
    assert_int_equal(gauss_of(GAUSS_PART_MAX + 1, 1, &g), ST_INVALID);
    assert_int_equal(gauss_of(1, GAUSS_PART_MAX + 1, &g), ST_INVALID);
    assert_true(g.num == same.num && g.den == same.den && g.twice_square == same.twice_square);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_fit_the_exact_probabilities),
        cmocka_unit_test(every_form_of_a_fraction_is_the_same),
        cmocka_unit_test(two_percent_of_sigma_are_found),
        cmocka_unit_test(other_distributions_are_found),
        cmocka_unit_test(mean_variance_and_tails_are_right),
        cmocka_unit_test(noise_far_below_one_is_zero),
        cmocka_unit_test(a_sigma_is_never_made_smaller),
        cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("dp/gauss", tests, NULL, NULL);
}
