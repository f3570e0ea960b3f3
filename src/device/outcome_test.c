/* Checks what is said of how a task ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/outcome.h"
#include "wire/task_msg.h"

static const struct id task = {"t-1"}, proplet = {"p-1"};

static json_t *read_text(char *text)
{
    assert_non_null(text);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    free(text);
    return object;
}

static const char *text_field(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void what_was_completed_has_results_and_no_error(void **state)
{
    (void)state;
    struct digest digest = {{1, 2}};
    json_t *results = outcome_update("fl/rounds/r/updates/p-1", &digest, 77);
    const struct outcome o = {.reason = "completed",
                              .detail = "of no meaning",
                              .results = results,
                              .wall_ms = 5,
                              .cpu_ms = 4,
                              .peak_rss_kb = 3};
    assert_false(outcome_failed(&o));
    json_t *said = read_text(outcome_text(&o, &task, &proplet));
    assert_string_equal(text_field(said, "task_id"), "t-1");
    assert_string_equal(text_field(said, "proplet_id"), "p-1");
    assert_string_equal(text_field(said, "reason"), "completed");
    assert_true(json_is_null(json_object_get(said, "error")));
    const json_t *update = json_object_get(said, "results");
    assert_string_equal(text_field(update, "update_topic"), "fl/rounds/r/updates/p-1");
    assert_int_equal(strncmp(text_field(update, "update_digest"), "sha256:0102", 11), 0);
    assert_int_equal(json_integer_value(json_object_get(update, "update_bytes")), 77);
    const json_t *usage = json_object_get(said, "usage");
    assert_int_equal(json_integer_value(json_object_get(usage, "wall_ms")), 5);
    assert_int_equal(json_integer_value(json_object_get(usage, "cpu_ms")), 4);
    assert_int_equal(json_integer_value(json_object_get(usage, "peak_rss_kb")), 3);
    json_decref(said);
    json_decref(results);
}

static void what_failed_says_why(void **state)
{
    (void)state;
    const struct outcome o = {.reason = "trap", .detail = "unreachable"};
    assert_true(outcome_failed(&o));
    json_t *said = read_text(outcome_text(&o, &task, &proplet));
    assert_string_equal(text_field(said, "reason"), "trap");
    assert_string_equal(text_field(said, "error"), "unreachable");
    json_decref(said);
}

static void of_a_protected_round_only_the_reason_is_said(void **state)
{
    (void)state;
    struct outcome o = {.reason = "exit_status",
                        .detail = "exit status 42; it said: the patient is ill",
                        .wall_ms = 5,
                        .cpu_ms = 4,
                        .peak_rss_kb = 3};
    outcome_hush(&o);
    assert_string_equal(o.reason, "exit_status");
    char *text = outcome_text(&o, &task, &proplet);
    assert_null(strstr(text, "42"));
    assert_null(strstr(text, "patient"));
    json_t *said = read_text(text);
    assert_non_null(strstr(text_field(said, "error"), "protected"));
    assert_string_equal(text_field(said, "results"), "");
    assert_null(json_object_get(said, "usage"));
    json_decref(said);

    o = (struct outcome){.reason = "completed", .detail = "x", .wall_ms = 5};
    outcome_hush(&o);
    said = read_text(outcome_text(&o, &task, &proplet));
    assert_true(json_is_null(json_object_get(said, "error")));
    assert_null(json_object_get(said, "usage"));
    json_decref(said);
}

static void the_detail_is_of_the_sandbox_and_then_of_the_guest(void **state)
{
    (void)state;
    char detail[DETAIL_SIZE];
    struct sandbox_result r = {.err = view_text("  the last\nwords\n")};
    (void)strcpy(r.detail, "exit status 3");
    outcome_guest_failed(&r, detail);
    assert_int_equal(strncmp(detail, "exit status 3; it said: ", 24), 0);
    assert_non_null(strstr(detail, "words"));
    assert_null(strchr(detail, '\n'));
    r.err = view_of(NULL, 0);
    outcome_guest_failed(&r, detail);
    assert_string_equal(detail, "exit status 3");

    /* However much both say, it fits, and the guest has its part. */
    char much[4096];
    memset(much, 'x', sizeof much);
    r.err = view_of(much, sizeof much);
    memset(r.detail, 'y', sizeof r.detail - 1);
    r.detail[sizeof r.detail - 1] = '\0';
    outcome_guest_failed(&r, detail);
    assert_true(strlen(detail) < DETAIL_SIZE);
    assert_non_null(strstr(detail, "yyy; it said: xxx"));
}

static void only_what_nobody_could_read_is_held_back(void **state)
{
    (void)state;
    char detail[DETAIL_SIZE] = "untouched";
    static const char *const sent[] = {
        "{\"round_id\":\"r\",\"base_model_uri\":\"fl/models/m_v0\",\"num_samples\":1,"
        "\"update\":{\"w\":[1]}}",
        /* The coordinator says what is wrong with it. */
        "{\"round_id\":\"r\",\"base_model_uri\":\"fl/models/m_v0\",\"num_samples\":0,"
        "\"update\":{\"w\":[1]}}"};
    assert_null(outcome_unreadable(view_text(sent[0]), detail));
    assert_null(outcome_unreadable(view_text(sent[1]), detail));
    assert_string_equal(detail, "untouched");
    assert_string_equal(outcome_unreadable(view_text("no update"), detail), "malformed");
    assert_int_equal(strncmp(detail, "malformed: ", 11), 0);
    assert_true(strlen(detail) > 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_completed_has_results_and_no_error),
        cmocka_unit_test(what_failed_says_why),
        cmocka_unit_test(of_a_protected_round_only_the_reason_is_said),
        cmocka_unit_test(the_detail_is_of_the_sandbox_and_then_of_the_guest),
        cmocka_unit_test(only_what_nobody_could_read_is_held_back),
    };
    return cmocka_run_group_tests_name("device/outcome", tests, NULL, NULL);
}
