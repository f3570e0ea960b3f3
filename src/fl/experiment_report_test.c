/* Checks experiment_report.c: rows and states in both directions, with and without each
 * part, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/experiment_report.h"

/* SHA-256 of "abc", FIPS 180-4's own example. */
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

#define COMPLETE(round, mode)                                                                      \
    "{\"completed_at\":\"2026-03-01T12:00:00Z\",\"duration_ms\":8,\"metrics\":{\"loss\":0.25},"    \
    "\"mode\":\"" mode "\",\"model_uri\":\"fl/models/m_v0\",\"num_updates\":3,"                    \
    "\"participants\":4,\"reason\":\"k_of_n\",\"rejected\":{},\"round_id\":\"" round "\","         \
    "\"status\":\"completed\",\"total_samples\":15,\"update_bytes\":96}"

static const char full_row[] = "{\"evaluate\":" COMPLETE(
    "e-e0002", "evaluate") ","
                           "\"experiment_id\":\"e\",\"model_topic\":\"fl/models/"
                           "m_v1\",\"reason\":\"no_evaluator\","
                           "\"round\":2,\"train\":" COMPLETE("e-r0002", "train") "}";

static void a_row_is_read_and_written_again(void **state)
{
    (void)state;
    struct experiment_row row = {0};
    struct why why = {""};
    if (experiment_row_decode(view_text(full_row), &row, &why) != ST_OK)
        fail_msg("%s", why.text);
    assert_string_equal(row.experiment_id.text, "e");
    assert_int_equal(row.round, 2);
    assert_true(row.has_train && row.has_evaluate);
    assert_string_equal(row.train.round_id.text, "e-r0002");
    assert_string_equal(row.evaluate.round_id.text, "e-e0002");
    assert_int_equal(row.evaluate.mode, ROUND_EVALUATE);
    assert_string_equal(row.reason, "no_evaluator");
    assert_string_equal(row.model_topic, "fl/models/m_v1");
    char *text = experiment_row_encode(&row);
    assert_string_equal(text, full_row);
    free(text);
}

static void a_row_says_only_what_there_was(void **state)
{
    (void)state;
    struct experiment_row row = {.experiment_id = {"e"}, .round = 1, .model_topic = "t"}, again;
    char *text = experiment_row_encode(&row);
    assert_string_equal(text, "{\"experiment_id\":\"e\",\"model_topic\":\"t\",\"round\":1}");
    assert_int_equal(experiment_row_decode(view_text(text), &again, NULL), ST_OK);
    assert_false(again.has_train);
    assert_false(again.has_evaluate);
    assert_string_equal(again.reason, "");
    free(text);
}

static const char full_state[] =
    "{\"at\":\"2026-03-01T12:00:00Z\","
    "\"best\":{\"model_topic\":\"fl/models/m_v2\",\"round\":3,\"value\":0.75},\"completed\":4,"
    "\"duration_ms\":812,\"experiment_id\":\"e\",\"metrics\":{\"accuracy\":0.5},"
    "\"model_digest\":\"" ABC "\",\"model_topic\":\"fl/models/m_v4\","
    "\"reason\":\"no_improvement\",\"round\":5,\"rounds\":9,\"state\":\"ended\","
    "\"status\":\"completed\",\"update_bytes\":4096}";

static void a_state_is_read_and_written_again(void **state)
{
    (void)state;
    struct experiment_state s = {0};
    struct why why = {""};
    if (experiment_state_decode(view_text(full_state), &s, &why) != ST_OK)
        fail_msg("%s", why.text);
    assert_string_equal(s.experiment_id.text, "e");
    assert_int_equal(s.phase, EXPERIMENT_DONE);
    assert_int_equal(s.outcome, ROUND_COMPLETED);
    assert_string_equal(s.reason, "no_improvement");
    assert_int_equal(s.round, 5);
    assert_int_equal(s.rounds, 9);
    assert_int_equal(s.completed, 4);
    assert_string_equal(s.model_topic, "fl/models/m_v4");
    assert_true(s.has_model_digest);
    assert_int_equal(s.model_digest.bytes[0], 0xba);
    assert_int_equal(s.update_bytes, 4096);
    assert_true(metrics_find(&s.metrics, "accuracy")->value == 0.5);
    assert_true(s.has_best && s.best == 0.75);
    assert_int_equal(s.best_round, 3);
    assert_string_equal(s.best_model_topic, "fl/models/m_v2");
    assert_int_equal(s.duration_ms, 812);
    assert_string_equal(s.at, "2026-03-01T12:00:00Z");
    char *text = experiment_state_encode(&s);
    assert_string_equal(text, full_state);
    free(text);
}

static void while_it_runs_no_end_is_said(void **state)
{
    (void)state;
    struct experiment_state s = {.experiment_id = {"e"},
                                 .outcome = ROUND_CANCELLED,
                                 .reason = "not yet",
                                 .round = 1,
                                 .rounds = 2,
                                 .model_topic = "fl/models/m_v0"},
                            again;
    char *text = experiment_state_encode(&s);
    assert_string_equal(text, "{\"at\":\"\",\"completed\":0,\"duration_ms\":0,"
                              "\"experiment_id\":\"e\",\"metrics\":{},"
                              "\"model_topic\":\"fl/models/m_v0\",\"round\":1,\"rounds\":2,"
                              "\"state\":\"running\",\"update_bytes\":0}");
    assert_int_equal(experiment_state_decode(view_text(text), &again, NULL), ST_OK);
    assert_int_equal(again.phase, EXPERIMENT_RUNNING);
    assert_string_equal(again.reason, "");
    assert_false(again.has_best);
    assert_false(again.has_model_digest);
    free(text);
}

#define ROW   "\"experiment_id\":\"e\",\"round\":1,\"model_topic\":\"t\""
#define STATE "\"experiment_id\":\"e\",\"round\":1,\"rounds\":2,\"model_topic\":\"t\""
#define RUNS  "\"state\":\"running\"," STATE

struct refusal {
    const char *text;
    enum status status;
    const char *sentence;
};

static void bad_rows_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"row", ST_MALFORMED, "not JSON"},
        {"{\"round\":1,\"model_topic\":\"t\"}", ST_INVALID, "experiment_id is missing"},
        {"{\"experiment_id\":\"e\",\"model_topic\":\"t\"}", ST_INVALID, "round is missing"},
        {"{\"experiment_id\":\"e\",\"round\":0}", ST_INVALID, "round is not a whole number"},
        {"{\"experiment_id\":\"e\",\"round\":1}", ST_INVALID, "model_topic is missing"},
        {"{" ROW ",\"train\":[]}", ST_INVALID, "train is not an object"},
        {"{" ROW ",\"train\":{}}", ST_INVALID, "round_id is missing"},
        {"{" ROW ",\"evaluate\":{\"round_id\":\"r\"}}", ST_INVALID, "status is missing"},
        {"{" ROW ",\"reason\":"
         "\"123456789.123456789.123456789.123456789.123456789.123456789.1234\"}",
         ST_INVALID, "reason is longer than 63"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct experiment_row row = {.round = 77};
        struct why why = {""};
        enum status status = experiment_row_decode(view_text(cases[i].text), &row, &why);
        if (status != cases[i].status || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", cases[i].text, status_name(status), why.text);
        assert_int_equal(row.round, 77); /* untouched */
    }
}

static void bad_states_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"[]", ST_MALFORMED, "another kind"},
        {"{\"state\":\"running\"}", ST_INVALID, "experiment_id is missing"},
        {"{" STATE "}", ST_INVALID, "state is missing"},
        {"{" STATE ",\"state\":\"paused\"}", ST_INVALID, "state is neither running nor ended"},
        {"{" STATE ",\"state\":\"ended\"}", ST_INVALID, "status is missing"},
        {"{" STATE ",\"state\":\"ended\",\"status\":\"failed\"}", ST_INVALID, "reason is missing"},
        {"{" STATE ",\"state\":\"ended\",\"status\":\"x\",\"reason\":\"r\"}", ST_INVALID,
         "status is not completed"},
        {"{\"state\":\"running\",\"experiment_id\":\"e\",\"round\":-1}", ST_INVALID,
         "round is not a whole number"},
        {"{\"state\":\"running\",\"experiment_id\":\"e\",\"round\":1,\"rounds\":0}", ST_INVALID,
         "rounds is not a whole number"},
        {"{" RUNS ",\"completed\":-1}", ST_INVALID, "completed is not a whole number"},
        {"{" RUNS ",\"update_bytes\":\"1\"}", ST_INVALID, "update_bytes is not a whole number"},
        {"{" RUNS ",\"duration_ms\":1.5}", ST_INVALID, "duration_ms is not a whole number"},
        {"{" RUNS ",\"model_digest\":\"abc\"}", ST_INVALID, "model_digest is not sha256:"},
        {"{" RUNS ",\"metrics\":[]}", ST_INVALID, "metrics is not an object"},
        {"{" RUNS ",\"metrics\":{\"a\":\"b\"}}", ST_INVALID, "metric a is not a number"},
        {"{" RUNS ",\"best\":1}", ST_INVALID, "best is not an object"},
        {"{" RUNS ",\"best\":{\"round\":1,\"model_topic\":\"t\"}}", ST_INVALID, "value is missing"},
        {"{" RUNS ",\"best\":{\"value\":1,\"round\":0,\"model_topic\":\"t\"}}", ST_INVALID,
         "round is not a whole number"},
        {"{" RUNS ",\"best\":{\"value\":1,\"round\":1}}", ST_INVALID, "model_topic is missing"},
        {"{" RUNS ",\"at\":\"a time that is longer than any in RFC 3339\"}", ST_INVALID, "at is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct experiment_state s = {.rounds = 77};
        struct why why = {""};
        enum status status = experiment_state_decode(view_text(cases[i].text), &s, &why);
        if (status != cases[i].status || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", cases[i].text, status_name(status), why.text);
        assert_int_equal(s.rounds, 77); /* untouched */
    }
}

static void a_message_that_is_too_large_is_not_parsed(void **state)
{
    (void)state;
    static const uint8_t byte = '{'; /* a read of the second would trap */
    struct view large = view_of(&byte, CONTROL_SIZE_MAX + 1);
    struct experiment_row row;
    struct experiment_state s;
    assert_int_equal(experiment_row_decode(large, &row, NULL), ST_LIMIT);
    assert_int_equal(experiment_state_decode(large, &s, NULL), ST_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_read_and_written_again),
        cmocka_unit_test(a_row_says_only_what_there_was),
        cmocka_unit_test(a_state_is_read_and_written_again),
        cmocka_unit_test(while_it_runs_no_end_is_said),
        cmocka_unit_test(bad_rows_are_refused_with_a_reason),
        cmocka_unit_test(bad_states_are_refused_with_a_reason),
        cmocka_unit_test(a_message_that_is_too_large_is_not_parsed),
    };
    return cmocka_run_group_tests_name("fl/experiment_report", tests, NULL, NULL);
}
