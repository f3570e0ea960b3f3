/* Checks rule.c: names, ranges, and every combination that is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregate/krum.h"
#include "aggregate/rule.h"

static const struct rule_round TEN = {.updates_min = 10, .participants = 12};

/* Settings with which a round of ten goes through. */
static struct rule_settings good(enum rule rule)
{
    struct rule_settings s = rule_defaults(rule);
    s.byzantine = 2;
    s.keep = 5;
    s.bound = 1;
    return s;
}

static void refused(const struct rule_settings *s, const struct rule_round *r, const char *sentence)
{
    struct why why = {""};
    assert_int_equal(rule_check(s, r, &why), ST_INVALID);
    assert_string_equal(why.text, sentence);
}

static void names_go_there_and_back(void **state)
{
    (void)state;
    enum rule rule;
    enum weighting weighting;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        assert_int_equal(rule_named(rule_name((enum rule)i), &rule, NULL), ST_OK);
        assert_int_equal(rule, i);
    }
    for (unsigned i = 0; i < WEIGHTING_COUNT; i++) {
        assert_int_equal(weighting_named(weighting_name((enum weighting)i), &weighting, NULL),
                         ST_OK);
        assert_int_equal(weighting, i);
    }
}

static void unknown_names_are_refused_with_those_that_there_are(void **state)
{
    (void)state;
    enum rule rule = RULE_KRUM;
    enum weighting weighting = WEIGHTING_FEDNOVA;
    struct why why = {""};
    assert_int_equal(rule_named("Median", &rule, &why), ST_NOT_FOUND);
    assert_int_equal(rule, RULE_KRUM);
    assert_string_equal(why.text,
                        "there is no rule \"Median\"; there are mean, median, trimmed_mean, krum, "
                        "multi_krum, geometric_median, norm_bound");
    assert_int_equal(weighting_named("", &weighting, &why), ST_NOT_FOUND);
    assert_int_equal(weighting, WEIGHTING_FEDNOVA);
    assert_string_equal(why.text,
                        "there is no weighting \"\"; there are equal, samples, fednova, staleness");
}

static void every_rule_is_taken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        struct rule_settings s = good((enum rule)i);
        struct why why = {""};
        if (rule_check(&s, &TEN, &why) != ST_OK)
            fail_msg("%s: %s", rule_name((enum rule)i), why.text);
    }
}

static void trims_by_hand(void **state)
{
    (void)state;
    assert_int_equal(rule_trim(0.1, 9), 0);
    assert_int_equal(rule_trim(0.1, 10), 1);
    assert_int_equal(rule_trim(0.1, 19), 1);
    assert_int_equal(rule_trim(0.29, 100), 29); /* the product is 28.999999999999996 */
    assert_int_equal(rule_trim(0, 10000), 0);
    for (size_t n = 1; n <= 10000; n++)
        assert_true(2 * rule_trim(RULE_TRIM_MAX, n) < n);
}

static void ranges_are_held(void **state)
{
    (void)state;
    struct rule_settings s = good(RULE_TRIMMED_MEAN);
    s.trim = 0;
    refused(&s, &TEN, "trim is 0, and has to be above 0 and at most 0.49");
    s.trim = 0.5;
    refused(&s, &TEN, "trim is 0.5, and has to be above 0 and at most 0.49");
    s.trim = (double)NAN;
    refused(&s, &TEN, "trim is nan, and has to be above 0 and at most 0.49");

    s = good(RULE_GEOMETRIC_MEDIAN);
    s.smoothing = 0;
    refused(&s, &TEN, "smoothing is 0, and has to be from 1e-12 to 1");
    s = good(RULE_GEOMETRIC_MEDIAN);
    s.iterations = 0;
    refused(&s, &TEN, "iterations is 0, and has to be from 1 to 100");
    s.iterations = 101;
    refused(&s, &TEN, "iterations is 101, and has to be from 1 to 100");

    s = good(RULE_NORM_BOUND);
    s.bound = 0;
    refused(&s, &TEN,
            "bound is 0, and has to be from 1e-09 to 1e+09: the norm that an update's "
            "difference to the base may have");
    s.bound = (double)INFINITY;
    refused(&s, &TEN,
            "bound is inf, and has to be from 1e-09 to 1e+09: the norm that an update's "
            "difference to the base may have");

    s = good(RULE_MEAN);
    s.rule = (enum rule)RULE_COUNT;
    refused(&s, &TEN, "there is no rule 7");
}

static void too_few_updates_are_refused_before_the_round(void **state)
{
    (void)state;
    struct rule_round r = {.updates_min = 2, .participants = 100};
    struct rule_settings s = good(RULE_MEDIAN);
    refused(&s, &r, "median needs at least 3 updates, and the round may end with 2");
    s = good(RULE_GEOMETRIC_MEDIAN);
    refused(&s, &r, "geometric_median needs at least 3 updates, and the round may end with 2");
    s = good(RULE_TRIMMED_MEAN);
    r.updates_min = 9;
    refused(&s, &r, "a trim of 0.1 drops none of 9 updates, which the round may end with");
    s = good(RULE_KRUM);
    r.updates_min = 6;
    refused(&s, &r, "Krum against 2 who lie needs at least 7 updates, not 6");
    r.updates_min = 7;
    assert_int_equal(rule_check(&s, &r, NULL), ST_OK);
    s.byzantine = 0;
    refused(&s, &r,
            "krum needs \"byzantine\": how many participants may send anything, at least 1");
    s = good(RULE_MULTI_KRUM);
    s.keep = 6;
    refused(&s, &r, "of 7 updates, 2 of which may lie, 1 to 5 can be kept, not 6");
}

static void too_many_participants_for_krum_are_refused(void **state)
{
    (void)state;
    struct rule_round r = {.updates_min = 10, .participants = DISTANCES_SOURCES_MAX + 1};
    struct rule_settings s = good(RULE_KRUM);
    struct why why = {""};
    assert_int_equal(rule_check(&s, &r, &why), ST_LIMIT);
    assert_string_equal(
        why.text,
        "Krum compares each update with each other: 1001 are more than its limit of 1000");
}

static void rules_that_compare_updates_have_to_see_them(void **state)
{
    (void)state;
    struct rule_round masked = TEN, partial = TEN, asynchronous = TEN;
    masked.masked = partial.partial = asynchronous.asynchronous = true;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        struct rule_settings s = good((enum rule)i);
        bool sum = i == RULE_MEAN || i == RULE_NORM_BOUND;
        assert_int_equal(rule_check(&s, &masked, NULL), i == RULE_MEAN ? ST_OK : ST_INVALID);
        assert_int_equal(rule_check(&s, &partial, NULL), sum ? ST_OK : ST_INVALID);
        assert_int_equal(rule_check(&s, &asynchronous, NULL), sum ? ST_OK : ST_INVALID);
    }
    struct rule_settings s = good(RULE_KRUM);
    refused(&s, &masked,
            "krum does not go with secure aggregation: it judges single updates, and "
            "only their sum is seen");
    refused(&s, &partial,
            "krum does not go with partial updates: it compares whole updates with each other");
    refused(&s, &asynchronous,
            "krum does not go with asynchronous rounds: it compares updates to the same base");
}

static void weightings_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    struct rule_round asynchronous = TEN, partial = TEN;
    asynchronous.asynchronous = partial.partial = true;
    struct rule_settings s = good(RULE_MEDIAN);
    s.weighting = WEIGHTING_SAMPLES;
    refused(&s, &TEN,
            "median does not go with weights, as it looks at each update alike: weighting "
            "has to be equal");
    s = good(RULE_GEOMETRIC_MEDIAN);
    s.weighting = WEIGHTING_FEDNOVA;
    refused(&s, &TEN,
            "geometric_median does not go with weighting by fednova, which is defined for "
            "the mean of differences");
    s = good(RULE_MEAN);
    s.weighting = WEIGHTING_FEDNOVA;
    assert_int_equal(rule_check(&s, &TEN, NULL), ST_OK);
    refused(&s, &asynchronous,
            "weighting by fednova is for rounds in which all updates have the same base");
    refused(&s, &partial,
            "mean does not go with fednova and partial updates at once: its weights "
            "are for whole ones");
    s.weighting = WEIGHTING_STALENESS;
    assert_int_equal(rule_check(&s, &asynchronous, NULL), ST_OK);
    refused(&s, &TEN,
            "weighting by staleness is for asynchronous rounds: in this one all updates "
            "have the same base");
    asynchronous.masked = true;
    refused(&s, &asynchronous, "mean does not go with staleness and secure aggregation at once");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_there_and_back),
        cmocka_unit_test(unknown_names_are_refused_with_those_that_there_are),
        cmocka_unit_test(every_rule_is_taken),
        cmocka_unit_test(trims_by_hand),
        cmocka_unit_test(ranges_are_held),
        cmocka_unit_test(too_few_updates_are_refused_before_the_round),
        cmocka_unit_test(too_many_participants_for_krum_are_refused),
        cmocka_unit_test(rules_that_compare_updates_have_to_see_them),
        cmocka_unit_test(weightings_that_mean_nothing_are_refused),
    };
    return cmocka_run_group_tests_name("aggregate/rule", tests, NULL, NULL);
}
