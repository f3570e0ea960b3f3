/* Checks adaptive.c by hand, and that the split spends what it says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/adaptive.h"
#include "dp/clip.h"

static double next(double clip, double share)
{
    return adaptive_next(clip, share, ADAPTIVE_QUANTILE, ADAPTIVE_RATE);
}

static void the_clip_grows_while_too_few_are_within(void **state)
{
    (void)state;
    assert_true(next(2, 0.5) == 2.0);
    assert_true(fabs(next(2, 1) - 2 * exp(-0.1)) < 1e-15);
    assert_true(fabs(next(2, 0) - 2 * exp(0.1)) < 1e-15);
    assert_true(fabs(adaptive_next(1, 0.3, 0.8, 1) - exp(0.5)) < 1e-15);
}

static void noise_beyond_all_or_none_moves_it_no_further(void **state)
{
    (void)state;
    assert_true(next(2, 7) == next(2, 1) && next(2, -7) == next(2, 0));
}

static void it_stays_a_clip(void **state)
{
    (void)state;
    assert_true(next(CLIP_MAX, 0) == CLIP_MAX && next(CLIP_MIN, 1) == CLIP_MIN);
}

/* A hundred devices with norms 1..100: from far below and far above it comes to the median. */
static void it_finds_the_median(void **state)
{
    (void)state;
    for (double clip = 0.1; clip < 2000; clip *= 19) {
        double c = clip;
        for (int round = 0; round < 300; round++)
            c = next(c, fmin(floor(c), 100) / 100);
        assert_true(c >= 48 && c <= 52);
    }
}

/* By hand: z = 1 and sigma_b = 1: (1 - 1/4)^(-1/2). And both together spend as one with z. */
static void the_split_spends_what_it_says(void **state)
{
    (void)state;
    double z = 0;
    assert_int_equal(adaptive_split(1, 1, &z, NULL), ST_OK);
    assert_true(fabs(z - 2 / sqrt(3)) < 1e-15);
    for (double bits = 0.6; bits < 1e6; bits *= 3) {
        assert_int_equal(adaptive_split(1.1, bits, &z, NULL), ST_OK);
        assert_true(z > 1.1 || bits > 1e5);
        assert_true(fabs(1 / (z * z) + 1 / (4 * bits * bits) - 1 / 1.21) < 1e-12);
    }
    assert_true(adaptive_bit_noise(100) == 5.0);
}

static void refused(double z, double bit_noise, const char *sentence)
{
    double z_delta = 7;
    struct why why = {""};
    assert_int_equal(adaptive_split(z, bit_noise, &z_delta, &why), ST_INVALID);
    assert_string_equal(why.text, sentence);
    assert_true(z_delta == 7.0);
}

static void bits_that_spend_it_all_are_refused(void **state)
{
    (void)state;
    refused(4, 2,
            "noise of 2 on the bits of the clip leaves nothing for updates at noise 4: it has "
            "to be above half of that");
    refused(5, 2,
            "noise of 2 on the bits of the clip leaves nothing for updates at noise 5: it has "
            "to be above half of that");
    refused(0, 1, "noise of 0 on updates and 1 on bits is none");
    refused(1, (double)NAN, "noise of 1 on updates and nan on bits is none");
    refused((double)INFINITY, 1, "noise of inf on updates and 1 on bits is none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clip_grows_while_too_few_are_within),
        cmocka_unit_test(noise_beyond_all_or_none_moves_it_no_further),
        cmocka_unit_test(it_stays_a_clip),
        cmocka_unit_test(it_finds_the_median),
        cmocka_unit_test(the_split_spends_what_it_says),
        cmocka_unit_test(bits_that_spend_it_all_are_refused),
    };
    return cmocka_run_group_tests_name("dp/adaptive", tests, NULL, NULL);
}
