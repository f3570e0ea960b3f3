/* Checks what a start may say of its aggregation, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round/rule_read.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* text: of the object, or NULL; n participants of which k are needed */
static enum status read_text(const char *text, size_t n, uint32_t k, enum round_mode mode,
                             struct rule_settings *ret, struct why *why)
{
    struct round_start start = {.participant_count = n, .k_of_n = k, .mode = mode};
    if (text != NULL) {
        start.aggregation = json_loads(text, 0, NULL);
        assert_non_null(start.aggregation);
    }
    enum status status = rule_read(&start, ret, why);
    json_decref(start.aggregation);
    return status;
}

static void is_the_mean_by_samples_if_nothing_is_said(void **state)
{
    (void)state;
    struct rule_settings s;
    static const char *const same[] = {NULL, "{}", "{\"rule\":\"mean\"}", "{\"who\":\"knows\"}"};
    for (size_t i = 0; i < COUNT(same); i++) {
        assert_int_equal(read_text(same[i], 1, 1, ROUND_TRAIN, &s, NULL), ST_OK);
        assert_int_equal(s.rule, RULE_MEAN);
        assert_int_equal(s.weighting, WEIGHTING_SAMPLES);
    }
}

static enum status read_asynchronous(const char *text, struct rule_settings *ret, struct why *why)
{
    struct round_start start = {.participant_count = 9,
                                .k_of_n = 5,
                                .mode = ROUND_TRAIN,
                                .aggregation = json_loads(text, 0, NULL),
                                .asynchronous = {.is_on = true, .staleness_max = 4}};
    assert_non_null(start.aggregation);
    enum status status = rule_read(&start, ret, why);
    json_decref(start.aggregation);
    return status;
}

static void asynchronous_rounds_weigh_by_staleness(void **state)
{
    (void)state;
    struct rule_settings s;
    static const struct {
        const char *text;
        enum weighting weighting;
    } good[] = {
        {"{}", WEIGHTING_STALENESS},
        {"{\"rule\":\"norm_bound\",\"bound\":2}", WEIGHTING_STALENESS},
        {"{\"weighting\":\"samples\"}", WEIGHTING_SAMPLES},
        {"{\"weighting\":\"equal\"}", WEIGHTING_EQUAL},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(read_asynchronous(good[i].text, &s, NULL), ST_OK);
        assert_int_equal(s.weighting, good[i].weighting);
    }
    static const char *const wrong[][2] = {
        {"{\"rule\":\"median\"}", "median needs at least 3 updates, and the round may end with 1"},
        {"{\"rule\":\"geometric_median\"}",
         "geometric_median needs at least 3 updates, and the round may end with 1"},
        {"{\"weighting\":\"fednova\"}",
         "weighting by fednova is for rounds in which all updates have the same base"},
        {"{\"partial\":true}", "partial updates do not go with asynchronous: each is to be "
                               "compared with all of what it was trained from"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct why why = {""};
        assert_int_equal(read_asynchronous(wrong[i][0], &s, &why), ST_INVALID);
        assert_string_equal(why.text, wrong[i][1]);
    }
}

static void settings_are_read(void **state)
{
    (void)state;
    struct rule_settings s;
    assert_int_equal(
        read_text("{\"rule\":\"trimmed_mean\",\"trim\":0.25}", 8, 8, ROUND_TRAIN, &s, NULL), ST_OK);
    assert_int_equal(s.rule, RULE_TRIMMED_MEAN);
    assert_true(s.trim == 0.25);
    assert_int_equal(read_text("{\"rule\":\"multi_krum\",\"byzantine\":2,\"keep\":5}", 9, 9,
                               ROUND_TRAIN, &s, NULL),
                     ST_OK);
    assert_int_equal(s.byzantine, 2);
    assert_int_equal(s.keep, 5);
    assert_int_equal(read_text("{\"rule\":\"geometric_median\",\"smoothing\":0.001,"
                               "\"iterations\":7,\"weighting\":\"equal\"}",
                               9, 9, ROUND_TRAIN, &s, NULL),
                     ST_OK);
    assert_true(s.smoothing == 0.001 && s.iterations == 7 && s.weighting == WEIGHTING_EQUAL);
    assert_int_equal(
        read_text("{\"rule\":\"norm_bound\",\"bound\":2}", 1, 1, ROUND_TRAIN, &s, NULL), ST_OK);
    assert_true(s.bound == 2);
    assert_true(!s.partial);
    assert_int_equal(read_text("{\"partial\":true}", 1, 1, ROUND_TRAIN, &s, NULL), ST_OK);
    assert_true(s.rule == RULE_MEAN && s.partial);
    /* Nothing is aggregated in an evaluation. */
    assert_int_equal(read_text("{\"rule\":\"krum\"}", 1, 1, ROUND_EVALUATE, &s, NULL), ST_OK);
}

static void bad_ones_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        uint32_t k;
        const char *word;
    } bad[] = {
        {"{\"rule\":\"average\"}", 9, 9, "mean"},
        {"{\"rule\":7}", 9, 9, "rule"},
        {"{\"rule\":\"trimmed_mean\",\"trim\":\"much\"}", 9, 9, "trim"},
        {"{\"rule\":\"trimmed_mean\",\"trim\":0.5}", 9, 9, "trim"},
        {"{\"rule\":\"krum\",\"byzantine\":-1}", 9, 9, "byzantine"},
        {"{\"rule\":\"krum\",\"byzantine\":2}", 9, 6, "7"}, /* 2f + 3 of k_of_n */
        {"{\"rule\":\"median\",\"weighting\":\"samples\"}", 9, 9, "weight"},
        {"{\"rule\":\"median\",\"weighting\":\"fednova\"}", 9, 9, "fednova"},
        {"{\"rule\":\"norm_bound\",\"bound\":1,\"weighting\":\"fednova\"}", 9, 9, "fednova"},
        {"{\"weighting\":\"fednova\",\"partial\":true}", 9, 9, "partial"},
        {"{\"weighting\":\"staleness\"}", 9, 9, "weighting"},
        {"{\"optimiser\":\"fedadam\"}", 9, 9, "object"},
        {"{\"optimiser\":{}}", 9, 9, "kind"},
        {"{\"optimiser\":{\"kind\":\"adam\"}}", 9, 9, "fedadam"},
        {"{\"optimiser\":{\"kind\":\"fedadam\",\"rate\":\"1\"}}", 9, 9, "rate"},
        {"{\"optimiser\":{\"kind\":\"fedadam\",\"rate\":0}}", 9, 9, "rate"},
        {"{\"optimiser\":{\"kind\":\"fedavgm\",\"beta1\":1}}", 9, 9, "beta1"},
        {"{\"optimiser\":{\"kind\":\"fedyogi\",\"tau\":0}}", 9, 9, "tau"},
        {"{\"rule\":\"norm_bound\"}", 9, 9, "bound"},
        {"{\"partial\":1}", 9, 9, "partial"},
        {"{\"rule\":\"median\",\"partial\":true}", 9, 9, "mean"},
        {"{\"rule\":\"norm_bound\",\"bound\":1,\"partial\":true}", 9, 9, "mean"},
        {"{\"rule\":\"geometric_median\",\"iterations\":101}", 9, 9, "iterations"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rule_settings s = {.keep = 77};
        struct why why = {0};
        assert_int_equal(read_text(bad[i].text, bad[i].n, bad[i].k, ROUND_TRAIN, &s, &why),
                         ST_INVALID);
        if (strstr(why.text, bad[i].word) == NULL)
            fail_msg("%s: %s", bad[i].text, why.text);
        assert_int_equal(s.keep, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_mean_by_samples_if_nothing_is_said),
        cmocka_unit_test(asynchronous_rounds_weigh_by_staleness),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(bad_ones_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests_name("round/rule_read", tests, NULL, NULL);
}
