/* Checks receipt.c: the stable codes, both directions, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/receipt.h"

static struct receipt made(enum verdict verdict, const char *reason)
{
    struct receipt r = {.verdict = verdict, .update_digest = digest_of(view_text("abc"))};
    assert_int_equal(id_from("r-0001", &r.round_id), ST_OK);
    assert_int_equal(id_from("proplet-1", &r.proplet_id), ST_OK);
    (void)snprintf(r.reason, sizeof r.reason, "%s", reason);
    return r;
}

/* SHA-256 of "abc", FIPS 180-4's own example. */
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void an_accepted_update_is_told_so(void **state)
{
    (void)state;
    struct receipt r = made(VERDICT_ACCEPTED, "");
    char *text = receipt_encode(&r);
    assert_string_equal(text, "{\"code\":\"accepted\",\"proplet_id\":\"proplet-1\","
                              "\"reason\":\"The update was counted\",\"round_id\":\"r-0001\","
                              "\"status\":\"accepted\",\"update_digest\":\"" ABC "\"}");
    free(text);
}

static void codes_are_those_of_the_protocol(void **state)
{
    (void)state;
    static const char *const codes[VERDICT_COUNT] = {
        "accepted",        "malformed",       "too_large",        "unknown_round", "wrong_round",
        "not_participant", "wrong_sender",    "wrong_base_model", "wrong_shape",   "wrong_dtype",
        "non_finite",      "bad_num_samples", "bad_local_steps",  "conflict",      "late",
        "stale",           "unprotected",     "norm_exceeded",    "bad_signature", "not_stored"};
    for (int v = 0; v < VERDICT_COUNT; v++) {
        assert_string_equal(verdict_code((enum verdict)v), codes[v]);
        assert_true(strlen(verdict_sentence((enum verdict)v)) > 10);
    }
}

static void every_verdict_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int v = 0; v < VERDICT_COUNT; v++) {
        struct receipt r = made((enum verdict)v, "because"), again = {0};
        char *text = receipt_encode(&r);
        assert_int_equal(receipt_decode(view_text(text), &again, NULL), ST_OK);
        assert_true(id_equal(&again.round_id, &r.round_id));
        assert_true(id_equal(&again.proplet_id, &r.proplet_id));
        assert_int_equal(again.verdict, v);
        assert_string_equal(again.reason, "because");
        assert_true(digest_equal(&again.update_digest, &r.update_digest));
        free(text);
    }
}

static void a_reason_that_quotes_a_peer_can_be_sent(void **state)
{
    (void)state;
    struct receipt r = made(VERDICT_WRONG_SHAPE, "tensor \"\xff\x01\n\" is missing"), again;
    char *text = receipt_encode(&r);
    assert_non_null(text);
    assert_int_equal(receipt_decode(view_text(text), &again, NULL), ST_OK);
    assert_string_equal(again.reason, "tensor \"?\x01\n\" is missing");
    free(text);
}

#define R   "\"round_id\":\"r\","
#define P   "\"proplet_id\":\"p\","
#define OK  "\"status\":\"accepted\",\"code\":\"accepted\","
#define DIG "\"update_digest\":\"" ABC "\""

static void bad_receipts_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *sentence;
    } cases[] = {
        {"", ST_MALFORMED, "not JSON"},
        {"[]", ST_MALFORMED, "another kind"},
        {"{" P OK DIG "}", ST_INVALID, "round_id is missing"},
        {"{" R OK DIG "}", ST_INVALID, "proplet_id is missing"},
        {"{" R P DIG "}", ST_INVALID, "code is missing"},
        {"{" R P OK "\"reason\":\"x\"}", ST_INVALID, "update_digest is missing"},
        {"{" R P OK "\"update_digest\":\"sha256:ab\"}", ST_INVALID, "update_digest is not"},
        {"{" R P OK "\"reason\":7," DIG "}", ST_INVALID, "reason is not a text"},
        {"{" R P "\"code\":\"late\",\"status\":\"accepted\"," DIG "}", ST_INVALID, "does not fit"},
        {"{" R P "\"code\":\"accepted\",\"status\":\"rejected\"," DIG "}", ST_INVALID,
         "does not fit"},
        {"{" R P "\"code\":\"not_stored\",\"status\":\"rejected\"," DIG "}", ST_INVALID,
         "does not fit"},
        {"{" R P "\"code\":\"tired\",\"status\":\"rejected\"," DIG "}", ST_INVALID,
         "code tired is not known"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct receipt r = {.verdict = VERDICT_LATE};
        struct why why = {""};
        enum status status = receipt_decode(view_text(cases[i].text), &r, &why);
        if (status != cases[i].status || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", cases[i].text, status_name(status), why.text);
        assert_int_equal(r.verdict, VERDICT_LATE); /* untouched */
        assert_string_equal(r.round_id.text, "");
    }
}

static void a_reason_is_at_most_255_bytes(void **state)
{
    (void)state;
    char text[1024], reason[257] = {0};
    struct receipt r = {0};
    memset(reason, 'x', 256);
    (void)snprintf(text, sizeof text, "{" R P OK "\"reason\":\"%s\"," DIG "}", reason);
    assert_int_equal(receipt_decode(view_text(text), &r, NULL), ST_INVALID);
    reason[255] = '\0';
    (void)snprintf(text, sizeof text, "{" R P OK "\"reason\":\"%s\"," DIG "}", reason);
    assert_int_equal(receipt_decode(view_text(text), &r, NULL), ST_OK);
    assert_string_equal(r.reason, reason);
}

static void a_receipt_that_is_too_large_is_not_parsed(void **state)
{
    (void)state;
    static const uint8_t byte = '{'; /* a read of the second would trap */
    struct receipt r;
    assert_int_equal(receipt_decode(view_of(&byte, CONTROL_SIZE_MAX + 1), &r, NULL), ST_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_update_is_told_so),
        cmocka_unit_test(codes_are_those_of_the_protocol),
        cmocka_unit_test(every_verdict_is_read_as_it_was_written),
        cmocka_unit_test(a_reason_that_quotes_a_peer_can_be_sent),
        cmocka_unit_test(bad_receipts_are_refused_with_a_reason),
        cmocka_unit_test(a_reason_is_at_most_255_bytes),
        cmocka_unit_test(a_receipt_that_is_too_large_is_not_parsed),
    };
    return cmocka_run_group_tests_name("fl/receipt", tests, NULL, NULL);
}
