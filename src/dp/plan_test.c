/* Checks plan.c: the noise is enough, a little less is not, and what it must refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/plan.h"
#include "dp/rdp.h"

static double planned(struct plan p)
{
    double z = 0;
    struct why why;
    assert_int_equal(plan_noise(&p, &z, &why), ST_OK);
    return z;
}

static double spent(struct plan p, double z)
{
    struct rdp r = {0};
    double epsilon = 0;
    assert_int_equal(rdp_add_gaussian(&r, z, p.q, p.releases), ST_OK);
    assert_int_equal(rdp_epsilon(&r, p.delta, &epsilon), ST_OK);
    return epsilon;
}

static void the_noise_is_enough_and_a_little_less_is_not(void **state)
{
    (void)state;
    const struct plan plans[] = {
        {.epsilon = 1, .delta = 1e-5, .q = 1, .releases = 1},
        {.epsilon = 8, .delta = 1e-6, .q = 1, .releases = 1000},
        {.epsilon = 2, .delta = 1e-5, .q = 0.01, .releases = 1000},
        {.epsilon = 0.1, .delta = 1e-8, .q = 0.1, .releases = 7},
        {.epsilon = 50, .delta = 1e-5, .q = 0.5, .releases = 3},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        double z = planned(plans[i]);
        assert_true(spent(plans[i], z) <= plans[i].epsilon);
        assert_true(spent(plans[i], z * (1 - 1e-6)) > plans[i].epsilon);
    }
}

/* The tables of rdp_test.c, backwards. */
static void known_noise_is_found_again(void **state)
{
    (void)state;
    struct plan p = {.epsilon = 4.7285, .delta = 1e-5, .q = 1, .releases = 100};
    assert_true(fabs(planned(p) - 10) < 0.01);
    p = (struct plan){.epsilon = 1.7118, .delta = 1e-5, .q = 0.01, .releases = 1000};
    assert_true(fabs(planned(p) - 1.1) < 0.001);
}

static void a_plan_that_asks_for_nearly_nothing_gets_the_least(void **state)
{
    (void)state;
    struct plan p = {.epsilon = 1000, .delta = 0.1, .q = 0.001, .releases = 1};
    assert_true(planned(p) == RDP_Z_MIN);
}

static void refused(struct plan p, enum status expected, const char *sentence)
{
    double z = 7;
    struct why why = {""};
    assert_int_equal(plan_noise(&p, &z, &why), expected);
    assert_string_equal(why.text, sentence);
    assert_true(z == 7.0);
}

static void what_cannot_be_is_refused_with_a_sentence(void **state)
{
    (void)state;
    const struct plan good = {.epsilon = 1, .delta = 1e-5, .q = 1, .releases = 10};
    struct plan p = good;
    p.epsilon = 0;
    refused(p, ST_INVALID, "the privacy's epsilon is 0, and has to be from 0.01 to 1000");
    p = good;
    p.delta = (double)NAN;
    refused(p, ST_INVALID, "the privacy's delta is nan, and has to be from 1e-15 to 0.1");
    p = good;
    p.releases = 0;
    refused(p, ST_INVALID, "the privacy's number of releases is 0, and has to be from 1 to 1e+06");
    p = good;
    p.q = 0;
    refused(p, ST_INVALID, "the privacy's sampling is 0, and has to be above 0 and at most 1");
    p = good;
    p.epsilon = 0.01;
    p.delta = 1e-15;
    refused(p, ST_LIMIT,
            "no noise is known to reach epsilon 0.01 at delta 1e-15: the least is 0.026");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_noise_is_enough_and_a_little_less_is_not),
        cmocka_unit_test(known_noise_is_found_again),
        cmocka_unit_test(a_plan_that_asks_for_nearly_nothing_gets_the_least),
        cmocka_unit_test(what_cannot_be_is_refused_with_a_sentence),
    };
    return cmocka_run_group_tests_name("dp/plan", tests, NULL, NULL);
}
