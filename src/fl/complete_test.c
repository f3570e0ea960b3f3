/* Checks complete.c: both directions, with and without a new version, and every
 * refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/complete.h"

/* SHA-256 of "abc", FIPS 180-4's own example. */
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const char completed[] =
    "{\"completed_at\":\"2026-03-01T12:00:00Z\",\"duration_ms\":812,"
    "\"metrics\":{\"accuracy\":0.95,\"loss\":0.25},\"mode\":\"train\",\"model_digest\":\"" ABC
    "\",\"model_topic\":\"fl/models/global_model_v1\","
    "\"model_uri\":\"fl/models/global_model_v0\",\"model_version\":1,\"num_updates\":3,"
    "\"participants\":4,\"reason\":\"k of n\",\"rejected\":{\"late\":1,\"wrong_shape\":2},"
    "\"round_id\":\"r-0001\",\"status\":\"completed\",\"total_samples\":1536,"
    "\"update_bytes\":4096}";

static void every_field_is_read_and_written_again(void **state)
{
    (void)state;
    struct complete c = {0};
    struct why why = {""};
    if (complete_decode(view_text(completed), &c, &why) != ST_OK)
        fail_msg("%s", why.text);
    assert_string_equal(c.round_id.text, "r-0001");
    assert_int_equal(c.outcome, ROUND_COMPLETED);
    assert_string_equal(c.reason, "k of n");
    assert_int_equal(c.mode, ROUND_TRAIN);
    assert_string_equal(c.model_uri, "fl/models/global_model_v0");
    assert_true(c.has_version);
    assert_string_equal(c.model_topic, "fl/models/global_model_v1");
    assert_int_equal(c.model_version, 1);
    assert_int_equal(c.model_digest.bytes[0], 0xba);
    assert_int_equal(c.num_updates, 3);
    assert_int_equal(c.total_samples, 1536);
    assert_int_equal(c.participants, 4);
    assert_int_equal(c.update_bytes, 4096);
    assert_int_equal(c.duration_ms, 812);
    assert_true(metrics_find(&c.metrics, "loss")->value == 0.25);
    assert_int_equal(c.rejected[VERDICT_LATE], 1);
    assert_int_equal(c.rejected[VERDICT_WRONG_SHAPE], 2);
    assert_int_equal(c.rejected[VERDICT_CONFLICT], 0);
    assert_string_equal(c.completed_at, "2026-03-01T12:00:00Z");

    char *text = complete_encode(&c);
    assert_string_equal(text, completed);
    free(text);
}

static void without_a_version_nothing_is_said_about_one(void **state)
{
    (void)state;
    struct complete c = {.outcome = ROUND_EXPIRED, .mode = ROUND_EVALUATE, .model_version = 9};
    assert_int_equal(id_from("r", &c.round_id), ST_OK);
    char *text = complete_encode(&c);
    assert_string_equal(text, "{\"completed_at\":\"\",\"duration_ms\":0,\"metrics\":{},"
                              "\"mode\":\"evaluate\",\"model_uri\":\"\",\"num_updates\":0,"
                              "\"participants\":0,\"reason\":\"\",\"rejected\":{},"
                              "\"round_id\":\"r\",\"status\":\"expired\",\"total_samples\":0,"
                              "\"update_bytes\":0}");
    struct complete again;
    assert_int_equal(complete_decode(view_text(text), &again, NULL), ST_OK);
    assert_false(again.has_version);
    assert_int_equal(again.outcome, ROUND_EXPIRED);
    assert_int_equal(again.mode, ROUND_EVALUATE);
    free(text);
}

static void every_outcome_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"completed", "expired", "failed", "cancelled"};
    for (int i = 0; i < 4; i++) {
        char text[64];
        struct complete c;
        assert_string_equal(round_outcome_name((enum round_outcome)i), names[i]);
        (void)snprintf(text, sizeof text, "{\"round_id\":\"r\",\"status\":\"%s\"}", names[i]);
        assert_int_equal(complete_decode(view_text(text), &c, NULL), ST_OK);
        assert_int_equal(c.outcome, i);
    }
}

static void a_reason_that_quotes_a_peer_can_be_sent(void **state)
{
    (void)state;
    struct complete c = {.outcome = ROUND_FAILED, .reason = "not JSON near '\xc3'"}, again;
    assert_int_equal(id_from("r", &c.round_id), ST_OK);
    char *text = complete_encode(&c);
    assert_non_null(text);
    assert_int_equal(complete_decode(view_text(text), &again, NULL), ST_OK);
    assert_string_equal(again.reason, "not JSON near '?'");
    free(text);
}

static void codes_that_are_not_known_are_left_out(void **state)
{
    (void)state;
    struct complete c;
    assert_int_equal(complete_decode(view_text("{\"round_id\":\"r\",\"status\":\"failed\","
                                               "\"rejected\":{\"tired\":3,\"late\":1},\"new\":{}}"),
                                     &c, NULL),
                     ST_OK);
    assert_int_equal(c.rejected[VERDICT_LATE], 1);
    for (int v = 0; v < VERDICT_LATE; v++)
        assert_int_equal(c.rejected[v], 0);
}

#define R "\"round_id\":\"r\",\"status\":\"completed\""

static void bad_messages_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *sentence;
    } cases[] = {
        {"nothing", ST_MALFORMED, "not JSON"},
        {"{\"status\":\"failed\"}", ST_INVALID, "round_id is missing"},
        {"{\"round_id\":\"r\"}", ST_INVALID, "status is missing"},
        {"{\"round_id\":\"r\",\"status\":\"done\"}", ST_INVALID, "status is not completed"},
        {"{" R ",\"mode\":\"x\"}", ST_INVALID, "mode is neither"},
        {"{" R ",\"num_updates\":-1}", ST_INVALID, "num_updates is not a whole number"},
        {"{" R ",\"total_samples\":1.5}", ST_INVALID, "total_samples is not a whole number"},
        {"{" R ",\"duration_ms\":\"1\"}", ST_INVALID, "duration_ms is not a whole number"},
        {"{" R ",\"update_bytes\":9007199254740993}", ST_INVALID, "update_bytes is not"},
        {"{" R ",\"rejected\":[]}", ST_INVALID, "rejected is not an object"},
        {"{" R ",\"rejected\":{\"late\":-1}}", ST_INVALID, "late is not a whole number"},
        {"{" R ",\"metrics\":{\"loss\":\"low\"}}", ST_INVALID, "loss is not a number"},
        {"{" R ",\"metrics\":7}", ST_INVALID, "metrics is not an object"},
        {"{" R ",\"model_topic\":\"fl/models/m_v1\"}", ST_INVALID, "model_version is missing"},
        {"{" R ",\"model_version\":1,\"model_digest\":\"" ABC "\"}", ST_INVALID,
         "model_topic is missing"},
        {"{" R ",\"model_topic\":\"t\",\"model_version\":1,\"model_digest\":\"x\"}", ST_INVALID,
         "model_digest is not"},
        {"{" R ",\"completed_at\":\"a time that is longer than any in RFC 3339\"}", ST_INVALID,
         "completed_at"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct complete c = {.num_updates = 77};
        struct why why = {""};
        enum status status = complete_decode(view_text(cases[i].text), &c, &why);
        if (status != cases[i].status || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", cases[i].text, status_name(status), why.text);
        assert_int_equal(c.num_updates, 77); /* untouched */
    }
}

static void a_message_that_is_too_large_is_not_parsed(void **state)
{
    (void)state;
    static const uint8_t byte = '{'; /* a read of the second would trap */
    struct complete c;
    assert_int_equal(complete_decode(view_of(&byte, CONTROL_SIZE_MAX + 1), &c, NULL), ST_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read_and_written_again),
        cmocka_unit_test(without_a_version_nothing_is_said_about_one),
        cmocka_unit_test(every_outcome_has_a_name),
        cmocka_unit_test(a_reason_that_quotes_a_peer_can_be_sent),
        cmocka_unit_test(codes_that_are_not_known_are_left_out),
        cmocka_unit_test(bad_messages_are_refused_with_a_reason),
        cmocka_unit_test(a_message_that_is_too_large_is_not_parsed),
    };
    return cmocka_run_group_tests_name("fl/complete", tests, NULL, NULL);
}
