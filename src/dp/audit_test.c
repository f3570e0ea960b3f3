/* A black-box audit of the whole: clip, whole numbers, sum, noise. It looks at a mechanism
 * from outside, a few 100,000 times with one device's update and as often with zeros in its
 * place, and computes how private it can be at most. A right mechanism is never found
 * to be worse than it says; each of the planted mistakes is.
 *
 * Source: Ding et al. 2018, arXiv:1805.10559, and Jagielski et al. 2020, arXiv:2006.07709:
 * for every event E, epsilon >= log((P(E | D) - delta) / P(E | D')), with the one
 * probability from below and the other from above (Clopper and Pearson 1934). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/clip.h"
#include "dp/distributed.h"
#include "dp/fake_random.h"
#include "dp/fixed.h"
#include "dp/gauss.h"
#include "dp/rdp.h"

#define RUNS  200000
#define Z     2.0
#define CLIP  1.0
#define SCALE 64.0f
#define DELTA 1e-5

enum mistake {
    NONE,
    HALF_OF_SIGMA,
    CLIP_AFTER_NOISE,
    NO_CLIP,
    SAME_NOISE_TWICE,
    SPLIT_AMONG_ALL, /* the noise, instead of among the fewest that are summed */
};

struct mechanism {
    enum mistake mistake;
    unsigned releases; /* 1 or 2, each of an update of its own */
    uint32_t devices;  /* that are summed, each with its share of the noise */
    uint32_t dropped;  /* that began too */
};

/* Of this the last one is audited. It is ten times as long as it may be. */
static const float updates[] = {0.3f, -0.7f, 0.9f, 10};

/* The mechanism, from real functions */

static uint64_t norm_bound(void)
{
    uint64_t square_max = 0;
    assert_int_equal(fixed_square_max(SCALE, CLIP, 1, FIXED_BETA, &square_max), ST_OK);
    return square_max;
}

static float clipped(float x)
{
    struct clip c = {0};
    assert_int_equal(clip_add(&c, &x, 1), ST_OK);
    clip_apply(&x, 1, clip_factor(&c, CLIP));
    return x;
}

static int64_t encoded(float x, uint64_t square_max, struct dp_random *r)
{
    int64_t whole = 0;
    assert_int_equal(fixed_encode(SCALE, square_max, &x, 1, r, &whole), ST_OK);
    return whole;
}

/* What one device sends. */
static int64_t contribution(const struct mechanism *m, float x, int64_t noise, struct dp_random *r)
{
    const uint64_t no_bound = (uint64_t)1 << 62;
    if (m->mistake == NO_CLIP)
        return encoded(x, no_bound, r) + noise;
    if (m->mistake == CLIP_AFTER_NOISE) {
        int64_t noisy = encoded(x, no_bound, r) + noise;
        return encoded(clipped((float)noisy / SCALE), norm_bound(), r);
    }
    return encoded(clipped(x), norm_bound(), r) + noise;
}

static double sigma_whole(void)
{
    return Z * fixed_sensitivity(norm_bound());
}

static struct gauss share(const struct mechanism *m)
{
    uint32_t among = m->devices + (m->mistake == SPLIT_AMONG_ALL ? m->dropped : 0);
    double sigma = distributed_share(sigma_whole(), among);
    struct gauss g;
    assert_int_equal(gauss_of_sigma(m->mistake == HALF_OF_SIGMA ? sigma / 2 : sigma, &g), ST_OK);
    return g;
}

/* What is seen: the sum, and of two releases with opposite updates the difference. */
static double run(const struct mechanism *m, const struct gauss *g, bool there, struct dp_random *r)
{
    int64_t seen = 0, noise[4];
    for (unsigned release = 0; release < m->releases; release++) {
        float sign = release == 0 ? 1 : -1;
        for (uint32_t i = 0; i < m->devices; i++) {
            bool audited = i + 1 == m->devices;
            float x = audited ? (there ? updates[3] : 0) : updates[i];
            if (release == 0 || m->mistake != SAME_NOISE_TWICE)
                noise[i] = gauss_draw(g, r);
            int64_t sent = contribution(m, sign * x, noise[i], r);
            seen += release == 0 ? sent : -sent;
        }
    }
    return (double)seen;
}

/* What the right mechanism promises. */
static double stated(const struct mechanism *m)
{
    struct rdp spent = {0};
    struct distributed d = {
        .sigma = distributed_share(sigma_whole(), m->devices),
        .sensitivity = fixed_sensitivity(norm_bound()),
        .devices = m->devices,
        .count = 1,
    };
    double epsilon = 0;
    assert_int_equal(distributed_add(&spent, &d, m->releases), ST_OK);
    assert_int_equal(rdp_epsilon(&spent, DELTA, &epsilon), ST_OK);
    return epsilon;
}

/* The statistics */

/* P(X <= k) of a binomial, for a p above k / n, where terms only shrink on the way down. */
static double binomial_tail(double k, double n, double p)
{
    double term =
        exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p));
    double sum = 0;
    for (double i = k; i >= 0 && term > sum * 1e-17; i--) {
        sum += term;
        term *= i / (n - i + 1) * (1 - p) / p;
    }
    return sum;
}

/* The largest p that k of n are not too few for, at this level. */
static double p_at_most(double k, double n, double level)
{
    double low = k / n, high = 1;
    for (int i = 0; i < 60 && k < n; i++) {
        double middle = (low + high) / 2;
        if (binomial_tail(k, n, middle) > level)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static double p_at_least(double k, double n, double level)
{
    return 1 - p_at_most(n - k, n, level);
}

/* Thresholds are chosen before anything is seen: in units of the promised noise, from what
 * is seen without the device. */
static const double thresholds[] = {-1, 0.25, 1.5, 1.75, 2.5};
#define THRESHOLDS (sizeof thresholds / sizeof thresholds[0])
#define LEVEL      (0.001 / (THRESHOLDS * 8)) /* 99.9 % for all that is computed from them */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* From how often an event was seen in either world. */
static double epsilon_of_event(double here, double there)
{
    double likely = p_at_least(here, RUNS, LEVEL) - DELTA;
    return likely > 0 ? log(likely / p_at_most(there, RUNS, LEVEL)) : 0;
}

/* The largest epsilon of the events "at or above" and "below" a threshold, both ways. */
static double epsilon_at_least(const struct mechanism *m)
{
    struct rand seed = {(uint64_t)m->mistake};
    struct dp_random r = fake_random(&seed);
    struct gauss g = share(m);
    double above[2][THRESHOLDS] = {{0}}, unit = sigma_whole() * sqrt(m->releases), without = 0;
    for (uint32_t i = 0; i + 1 < m->devices; i++)
        without += m->releases * (double)(SCALE * updates[i]);
    for (int there = 0; there < 2; there++)
        for (int i = 0; i < RUNS; i++) {
            double place = (run(m, &g, there == 1, &r) - without) / unit;
            for (size_t k = 0; k < THRESHOLDS; k++)
                above[there][k] += place >= thresholds[k];
        }
    double epsilon = 0;
    for (size_t k = 0; k < THRESHOLDS; k++)
        for (int there = 0; there < 2; there++) {
            double here = above[there][k], other = above[1 - there][k];
            epsilon = larger(epsilon, epsilon_of_event(here, other));
            epsilon = larger(epsilon, epsilon_of_event(RUNS - here, RUNS - other));
        }
    return epsilon;
}

/* The tests */

static void bounds_on_probabilities_by_hand(void **state)
{
    (void)state;
    /* None of n: (1 - p)^n = level. All of n: p^n = level. */
    assert_true(fabs(p_at_most(0, 1000, 0.01) - (1 - pow(0.01, 0.001))) < 1e-12);
    assert_true(fabs(p_at_least(1000, 1000, 0.01) - pow(0.01, 0.001)) < 1e-12);
    assert_true(p_at_most(1000, 1000, 0.01) == 1.0 && p_at_least(0, 1000, 0.01) == 0.0);
    /* One of two: 1 - p^2 = 0.19 */
    assert_true(fabs(p_at_most(1, 2, 0.19) - 0.9) < 1e-12);
}

/* The floor is what makes the audit worth something: it sees about half of epsilon. */
static void found_right(struct mechanism m, double floor_of_power)
{
    double epsilon = epsilon_at_least(&m);
    assert_true(epsilon <= stated(&m));
    assert_true(epsilon > floor_of_power);
}

static void found_wrong(struct mechanism m)
{
    assert_true(epsilon_at_least(&m) > stated(&m));
}

static void one_release_is_as_private_as_it_says(void **state)
{
    (void)state;
    found_right((struct mechanism){.releases = 1, .devices = 1}, 1.0);
}

static void two_releases_are_as_private_as_they_say(void **state)
{
    (void)state;
    found_right((struct mechanism){.releases = 2, .devices = 1}, 1.5);
}

static void shares_of_noise_are_as_private_as_they_say(void **state)
{
    (void)state;
    found_right((struct mechanism){.releases = 1, .devices = 4, .dropped = 12}, 1.0);
}

static void half_of_sigma_is_found(void **state)
{
    (void)state;
    found_wrong((struct mechanism){.mistake = HALF_OF_SIGMA, .releases = 1, .devices = 1});
}

static void a_clip_after_the_noise_is_found(void **state)
{
    (void)state;
    found_wrong((struct mechanism){.mistake = CLIP_AFTER_NOISE, .releases = 1, .devices = 1});
}

static void a_missing_clip_is_found(void **state)
{
    (void)state;
    found_wrong((struct mechanism){.mistake = NO_CLIP, .releases = 1, .devices = 1});
}

static void noise_that_is_used_twice_is_found(void **state)
{
    (void)state;
    found_wrong((struct mechanism){.mistake = SAME_NOISE_TWICE, .releases = 2, .devices = 1});
}

static void noise_split_among_those_who_dropped_is_found(void **state)
{
    (void)state;
    found_wrong(
        (struct mechanism){.mistake = SPLIT_AMONG_ALL, .releases = 1, .devices = 4, .dropped = 12});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_on_probabilities_by_hand),
        cmocka_unit_test(one_release_is_as_private_as_it_says),
        cmocka_unit_test(two_releases_are_as_private_as_they_say),
        cmocka_unit_test(shares_of_noise_are_as_private_as_they_say),
        cmocka_unit_test(half_of_sigma_is_found),
        cmocka_unit_test(a_clip_after_the_noise_is_found),
        cmocka_unit_test(a_missing_clip_is_found),
        cmocka_unit_test(noise_that_is_used_twice_is_found),
        cmocka_unit_test(noise_split_among_those_who_dropped_is_found),
    };
    return cmocka_run_group_tests_name("dp/audit", tests, NULL, NULL);
}
