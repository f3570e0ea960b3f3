/* Checks asynchronous.c, and what a round's and an experiment's start make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/experiment_start.h"

#define HEX "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CARRIED(round, staleness, who)                                                             \
    "{\"round_id\":\"" round "\",\"model_uri\":\"fl/models/m_v1\",\"model_digest\":\"" HEX         \
    "\",\"staleness\":" staleness ",\"participants\":" who "}"
#define START(participants, more)                                                                  \
    "{\"round_id\":\"r-3\",\"model_uri\":\"fl/models/m_v3\",\"task_wasm_image\":\"i\","            \
    "\"participants\":" participants more "}"
#define ASYNCHRONOUS(fields) ",\"asynchronous\":{\"staleness_max\":4" fields "}"
#define TWO_ROUNDS                                                                                 \
    ",\"carried\":[" CARRIED("r-1", "2", "[\"a\",\"b\"]") "," CARRIED("r-2", "1", "[\"c\"]") "]"

static struct round_start read_start(const char *text)
{
    struct round_start start;
    struct id id;
    struct why why = {""};
    if (round_start_decode(view_text(text), &start, &id, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    return start;
}

static void expect_refused(const char *text, const char *sentence)
{
    struct round_start start = {.k_of_n = 77};
    struct id id;
    struct why why = {""};
    assert_int_equal(round_start_decode(view_text(text), &start, &id, &why), ST_INVALID);
    assert_string_equal(why.text, sentence);
    assert_int_equal(start.k_of_n, 77); /* untouched */
    assert_string_equal(id.text, "r-3");
}

static void nothing_said_is_a_round_of_one_base(void **state)
{
    (void)state;
    struct round_start start = read_start(START("[\"a\"]", ""));
    assert_false(start.asynchronous.is_on);
    assert_int_equal(start.asynchronous.carried_count, 0);
    assert_int_equal(round_start_count(&start), 1);
    char *text = round_start_encode(&start);
    assert_null(strstr(text, "asynchronous"));
    free(text);
    round_start_done(&start);
}

static void what_is_carried_is_read_and_found(void **state)
{
    (void)state;
    struct round_start start = read_start(START("[\"d\"]", ASYNCHRONOUS(TWO_ROUNDS)));
    const struct asynchronous *a = &start.asynchronous;
    assert_true(a->is_on);
    assert_int_equal(a->staleness_max, 4);
    assert_int_equal(a->carried_count, 2);
    assert_int_equal(asynchronous_count(a), 3);
    assert_int_equal(round_start_count(&start), 4);
    assert_int_equal(start.k_of_n, 3); /* the default, of all four */
    const struct id r1 = {"r-1"}, r2 = {"r-2"}, who_b = {"b"}, who_d = {"d"};
    assert_ptr_equal(asynchronous_find(a, &r1, &who_b), &a->carried[0]);
    assert_ptr_equal(asynchronous_find(a, NULL, &who_b), &a->carried[0]);
    assert_null(asynchronous_find(a, &r2, &who_b));
    assert_null(asynchronous_find(a, NULL, &who_d));
    assert_int_equal(a->carried[1].staleness, 1);
    assert_string_equal(a->carried[0].model_uri, "fl/models/m_v1");
    struct id *ids = NULL;
    assert_int_equal(round_start_ids(&start, &ids), ST_OK);
    assert_string_equal(ids[0].text, "d");
    assert_string_equal(ids[3].text, "c");
    free(ids);
    round_start_done(&start);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const char *const texts[] = {START("[\"d\"]", ASYNCHRONOUS(TWO_ROUNDS)),
                                 START("[]", ASYNCHRONOUS(TWO_ROUNDS)),
                                 START("[\"d\"]", ASYNCHRONOUS(""))};
    for (size_t i = 0; i < 3; i++) {
        struct round_start start = read_start(texts[i]);
        char *text = round_start_encode(&start);
        struct round_start again = read_start(text);
        char *text_again = round_start_encode(&again);
        assert_string_equal(text, text_again);
        assert_int_equal(again.asynchronous.carried_count, start.asynchronous.carried_count);
        assert_int_equal(again.participant_count, start.participant_count);
        free(text);
        free(text_again);
        round_start_done(&again);
        round_start_done(&start);
    }
}

static void a_copy_stands_alone(void **state)
{
    (void)state;
    struct round_start start = read_start(START("[\"d\"]", ASYNCHRONOUS(TWO_ROUNDS)));
    struct asynchronous copy;
    assert_int_equal(asynchronous_copy(&start.asynchronous, &copy), ST_OK);
    round_start_done(&start);
    assert_int_equal(asynchronous_count(&copy), 3);
    assert_string_equal(copy.carried[0].participants[1].text, "b");
    asynchronous_done(&copy);
    assert_int_equal(copy.carried_count, 0);
    assert_null(copy.carried);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } wrong[] = {
        {START("[\"d\"]", ",\"asynchronous\":true"), "asynchronous is not an object"},
        {START("[\"d\"]", ",\"asynchronous\":{}"), "staleness_max is missing"},
        {START("[\"d\"]", ",\"asynchronous\":{\"staleness_max\":65}"),
         "staleness_max is not a whole number from 0 to 64"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"buffer\":3")),
         "asynchronous has staleness_max, but no buffer"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":{}")),
         "asynchronous: carried is not an array"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":[1]")),
         "asynchronous: carried has something that is no object"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":[" CARRIED("r-1", "5", "[\"a\"]") "]")),
         "staleness is not a whole number from 0 to 4"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":[" CARRIED("r-1", "1", "[]") "]")),
         "participants is empty"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":[{\"round_id\":\"r-1\","
                                       "\"model_uri\":\"fl/models/m_v1\"}]")),
         "asynchronous: carried without model_digest"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":[" CARRIED("r-1", "1", "[\"a\"]") "," CARRIED(
                              "r-1", "1", "[\"b\"]") "]")),
         "asynchronous: a round is carried twice"},
        {START("[\"a\"]", ASYNCHRONOUS(TWO_ROUNDS)), "a is asked, or carried, twice"},
        {START("[\"d\"]", ASYNCHRONOUS(",\"carried\":[" CARRIED("r-1", "1", "[\"a\"]") "," CARRIED(
                              "r-2", "1", "[\"a\"]") "]")),
         "a is asked, or carried, twice"},
        {START("[]", ASYNCHRONOUS("")), "participants is empty"},
        {START("[\"d\"]", ASYNCHRONOUS("") ",\"grace_s\":1"),
         "grace_s does not go with asynchronous: nobody is waited for"},
        {START("[\"d\"]", ASYNCHRONOUS("") ",\"mode\":\"evaluate\""),
         "asynchronous is about training: mode evaluate has no versions"},
        {START("[\"d\"]", ASYNCHRONOUS(TWO_ROUNDS) ",\"k_of_n\":5"),
         "k_of_n is not a whole number from 1 to 4"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_refused(wrong[i].text, wrong[i].sentence);
}

static void more_rounds_than_may_be_carried_are_refused(void **state)
{
    (void)state;
    json_t *array = json_array();
    for (int i = 0; i <= CARRIED_MAX; i++)
        assert_int_equal(json_array_append_new(array, json_pack("{s:i}", "n", i)), 0);
    json_t *object =
        json_pack("{s:{s:i, s:o}}", "asynchronous", "staleness_max", 4, "carried", array);
    struct asynchronous a = {.staleness_max = 9};
    struct why why = {""};
    assert_int_equal(asynchronous_read(object, true, &a, &why), ST_INVALID);
    assert_string_equal(why.text, "asynchronous: more than 64 rounds are carried");
    assert_int_equal(a.staleness_max, 9);
    json_decref(object);
}

static void an_experiment_says_the_limit_and_carries_nothing(void **state)
{
    (void)state;
#define EXPERIMENT(more)                                                                           \
    "{\"experiment_id\":\"e\",\"model_uri\":\"fl/models/m_v0\",\"task_wasm_image\":\"i\","         \
    "\"rounds\":3" more "}"
    struct experiment_start start = {0};
    struct id id;
    struct why why = {""};
    assert_int_equal(
        experiment_start_decode(view_text(EXPERIMENT(ASYNCHRONOUS(""))), &start, &id, &why), ST_OK);
    assert_true(start.asynchronous.is_on);
    assert_int_equal(start.asynchronous.staleness_max, 4);
    char *text = experiment_start_encode(&start);
    assert_non_null(strstr(text, "\"asynchronous\":{\"staleness_max\":4}"));
    free(text);
    experiment_start_done(&start);

    static const struct {
        const char *text, *sentence;
    } wrong[] = {
        {EXPERIMENT(ASYNCHRONOUS(TWO_ROUNDS)), "asynchronous has staleness_max, but no carried"},
        {EXPERIMENT(ASYNCHRONOUS("") ",\"grace_s\":2"),
         "grace_s does not go with asynchronous: nobody is waited for"},
    };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(experiment_start_decode(view_text(wrong[i].text), &start, &id, &why),
                         ST_INVALID);
        assert_string_equal(why.text, wrong[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_a_round_of_one_base),
        cmocka_unit_test(what_is_carried_is_read_and_found),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_copy_stands_alone),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(more_rounds_than_may_be_carried_are_refused),
        cmocka_unit_test(an_experiment_says_the_limit_and_carries_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
