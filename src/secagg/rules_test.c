/* Thresholds by hand, and what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "secagg/rules.h"

static void thresholds_are_above_two_thirds_or_one_half(void **state)
{
    (void)state;
    const struct secagg_rules malicious = {.server = SECAGG_SERVER_MALICIOUS};
    const struct secagg_rules curious = {.server = SECAGG_SERVER_CURIOUS};
    assert_int_equal(secagg_threshold(&malicious, 3), 3);
    assert_int_equal(secagg_threshold(&malicious, 10), 7);
    assert_int_equal(secagg_threshold(&malicious, 121), 81);
    assert_int_equal(secagg_threshold(&curious, 10), 6);
    assert_int_equal(secagg_threshold(&curious, 11), 6);
}

/* Two sets of t out of n have more than a third of n in common, and an honest one in it if
 * at most a third is not: it signs one of them only. */
static void no_two_sets_of_survivors_can_both_be_confirmed(void **state)
{
    (void)state;
    const struct secagg_rules malicious = {.server = SECAGG_SERVER_MALICIOUS};
    for (uint32_t n = 3; n <= MEMBERS_MAX; n++)
        assert_true(2 * secagg_threshold(&malicious, n) - n > n / 3);
}

static void expect_refused(struct secagg_rules rules, size_t participants, const char *says)
{
    struct why why = {0};
    assert_int_equal(secagg_rules_check(&rules, participants, &why), ST_INVALID);
    assert_non_null(strstr(why.text, says));
}

static void what_cannot_be_is_refused_with_the_reason(void **state)
{
    (void)state;
    expect_refused((struct secagg_rules){.k_of_n = 2}, 2, "3 to 1024 participants, not 2");
    expect_refused((struct secagg_rules){.k_of_n = 900}, 1025, "not 1025");
    expect_refused((struct secagg_rules){.k_of_n = 6}, 10, "7 to 10 of 10");
    expect_refused((struct secagg_rules){.k_of_n = 11}, 10, "7 to 10 of 10");
    expect_refused((struct secagg_rules){.k_of_n = 5, .server = SECAGG_SERVER_CURIOUS}, 10,
                   "6 to 10 of 10");
    expect_refused((struct secagg_rules){.k_of_n = 2, .server = SECAGG_SERVER_CURIOUS}, 3,
                   "3 to 3 of 3");
    expect_refused((struct secagg_rules){.k_of_n = 7, .neighbours = 3}, 10, "even");
    const struct secagg_rules good = {.k_of_n = 7};
    assert_int_equal(secagg_rules_check(&good, 10, NULL), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_are_above_two_thirds_or_one_half),
        cmocka_unit_test(no_two_sets_of_survivors_can_both_be_confirmed),
        cmocka_unit_test(what_cannot_be_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests_name("secagg/rules", tests, NULL, NULL);
}
