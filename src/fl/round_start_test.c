/* Checks round_start.c: the FML demo's own message, the defaults, the ranges, and
 * what cannot become a round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/round_start.h"

/* Verbatim from the FML demo's README. */
static const char demo[] = "{\n"
                           "  \"round_id\": \"r-0001\",\n"
                           "  \"model_uri\": \"fl/models/global_model_v0\",\n"
                           "  \"task_wasm_image\": \"oci://example/fl-client-wasm:latest\",\n"
                           "  \"participants\": [\"proplet-1\", \"proplet-2\", \"proplet-3\"],\n"
                           "  \"hyperparams\": {\"epochs\": 1, \"lr\": 0.01, \"batch_size\": 16},\n"
                           "  \"k_of_n\": 3,\n"
                           "  \"timeout_s\": 30\n"
                           "}\n";

static struct round_start decoded(const char *text)
{
    struct round_start s = {0};
    struct id id;
    struct why why = {""};
    if (round_start_decode(view_text(text), &s, &id, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    assert_true(id_equal(&id, &s.round_id));
    return s;
}

static void the_message_of_the_demo_is_read(void **state)
{
    (void)state;
    struct round_start s = decoded(demo);
    assert_string_equal(s.round_id.text, "r-0001");
    assert_string_equal(s.model_uri, "fl/models/global_model_v0");
    assert_string_equal(s.model.name.text, "global_model");
    assert_int_equal(s.model.version, 0);
    assert_string_equal(s.image, "oci://example/fl-client-wasm:latest");
    assert_int_equal(s.participant_count, 3);
    assert_string_equal(s.participants[0].text, "proplet-1");
    assert_string_equal(s.participants[2].text, "proplet-3");
    assert_int_equal(s.k_of_n, 3);
    assert_int_equal(s.timeout_s, 30);
    assert_int_equal(s.grace_s, 0);
    assert_int_equal(s.mode, ROUND_TRAIN);
    assert_false(s.has_model_digest);
    char *hyperparams = jsn_text(s.hyperparams);
    assert_string_equal(hyperparams, "{\"batch_size\":16,\"epochs\":1,\"lr\":0.01}");
    free(hyperparams);
    round_start_done(&s);
    assert_null(s.participants);
    round_start_done(&s); /* an ended one may be ended again */
}

#define BASE "\"round_id\":\"r\",\"model_uri\":\"fl/models/m_v1\",\"task_wasm_image\":\"i\","

static void what_is_absent_has_its_default(void **state)
{
    (void)state;
    struct round_start s = decoded("{" BASE "\"participants\":[\"a\",\"b\",\"c\",\"d\"]}");
    assert_int_equal(s.k_of_n, 3);
    assert_int_equal(s.timeout_s, 30);
    assert_int_equal(s.grace_s, 0);
    assert_int_equal(s.mode, ROUND_TRAIN);
    assert_true(json_is_object(s.hyperparams));
    assert_int_equal(json_object_size(s.hyperparams), 0);
    round_start_done(&s);

    s = decoded("{" BASE "\"participants\":[\"a\",\"b\"],\"hyperparams\":null}");
    assert_int_equal(s.k_of_n, 2); /* as many as there are */
    assert_int_equal(json_object_size(s.hyperparams), 0);
    round_start_done(&s);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void every_field_is_read_and_written_again(void **state)
{
    (void)state;
    static const char text[] =
        "{\"grace_s\":3600,\"hyperparams\":{\"lr\":0.1},\"k_of_n\":1,\"mode\":\"evaluate\","
        "\"model_digest\":\"sha256:" HEX64 "\",\"model_uri\":\"fl/models/m_v7\","
        "\"participants\":[\"b\",\"a\"],\"round_id\":\"r-1\",\"task_wasm_image\":\"i:1\","
        "\"timeout_s\":604800}";
    struct round_start s = decoded(text);
    assert_int_equal(s.grace_s, 3600);
    assert_int_equal(s.mode, ROUND_EVALUATE);
    assert_int_equal(s.k_of_n, 1);
    assert_int_equal(s.timeout_s, ROUND_TIMEOUT_S_MAX);
    assert_true(s.has_model_digest);
    assert_int_equal(s.model_digest.bytes[1], 0x23);
    assert_int_equal(s.model.version, 7);
    char *again = round_start_encode(&s);
    assert_string_equal(again, text);
    free(again);
    round_start_done(&s);
}

/* The demo's start with another value of this field; NULL leaves the field out. */
static char *with(const char *key, const char *value)
{
    json_t *object = NULL;
    assert_int_equal(jsn_parse(view_text(demo), CONTROL_SIZE_MAX, &object, NULL), ST_OK);
    (void)json_object_del(object, key); /* the optional ones are not there */
    if (value != NULL) {
        json_t *item = json_loads(value, JSON_DECODE_ANY, NULL);
        assert_non_null(item);
        assert_int_equal(json_object_set_new(object, key, item), 0);
    }
    char *text = jsn_text(object);
    json_decref(object);
    return text;
}

static void what_cannot_become_a_round_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *sentence;
    } cases[] = {
        {"model_uri", NULL, "model_uri is missing"},
        {"model_uri", "\"http://host/model.json\"", "model_uri is not a topic"},
        {"model_uri", "\"fl/models/global_model\"", "model_uri is not a topic"},
        {"model_uri", "7", "model_uri is not a text"},
        {"task_wasm_image", NULL, "task_wasm_image is missing"},
        {"task_wasm_image", "\"\"", "task_wasm_image is empty"},
        {"participants", NULL, "participants is missing"},
        {"participants", "[]", "participants is empty"},
        {"participants", "\"proplet-1\"", "participants is not an array"},
        {"participants", "[\"a\",\"b\",\"a\"]", "participants names a twice"},
        {"participants", "[\"a\",\"b/c\",\"d\"]", "participants[1] is not a name"},
        {"participants", "[\"a\",\"b\",3]", "participants[2] is not a name"},
        {"participants", "[\"\",\"b\",\"c\"]", "participants[0] is not a name"},
        {"hyperparams", "[1]", "hyperparams is not an object"},
        {"k_of_n", "0", "k_of_n is not a whole number from 1 to 3"},
        {"k_of_n", "4", "k_of_n is not a whole number from 1 to 3"},
        {"k_of_n", "-1", "k_of_n is not a whole number"},
        {"k_of_n", "1.5", "k_of_n is not a whole number"},
        {"k_of_n", "\"3\"", "k_of_n is not a whole number"},
        {"timeout_s", "0", "timeout_s is not a whole number from 1 to 604800"},
        {"timeout_s", "604801", "timeout_s is not a whole number"},
        {"grace_s", "3601", "grace_s is not a whole number from 0 to 3600"},
        {"grace_s", "-1", "grace_s is not a whole number"},
        {"mode", "\"test\"", "mode is neither train nor evaluate"},
        {"mode", "1", "mode is not a text"},
        {"model_digest", "\"sha256:abc\"", "model_digest is not sha256:"},
        {"model_digest", "\"md5:" HEX64 "\"", "model_digest is not sha256:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = with(cases[i].key, cases[i].value);
        struct round_start s = {.k_of_n = 77};
        struct id id = {""};
        struct why why = {""};
        enum status status = round_start_decode(view_text(text), &s, &id, &why);
        if (status != ST_INVALID || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", text, status_name(status), why.text);
        assert_string_equal(id.text, "r-0001"); /* so that it can be told */
        assert_int_equal(s.k_of_n, 77);         /* untouched */
        free(text);
    }
}

static void without_a_round_id_there_is_none_to_tell(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
    } cases[] = {{"", ST_MALFORMED},
                 {"[]", ST_MALFORMED},
                 {"{\"round_id\":\"r\"", ST_MALFORMED},
                 {"{}", ST_INVALID},
                 {"{\"round_id\":5}", ST_INVALID},
                 {"{\"round_id\":\"a/b\"}", ST_INVALID},
                 {"{\"round_id\":\"r\",\"k_of_n\":1e999}", ST_NOT_FINITE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct round_start s;
        struct id id = {"before"};
        struct why why = {""};
        assert_int_equal(round_start_decode(view_text(cases[i].text), &s, &id, &why),
                         cases[i].status);
        assert_string_equal(id.text, "");
        assert_string_not_equal(why.text, "");
    }
}

static void texts_that_are_too_long_are_refused(void **state)
{
    (void)state;
    char value[300];
    memset(value, 'i', sizeof value - 1);
    value[0] = '"';
    value[257] = '"'; /* 256 letters: one more than fits with its end */
    value[258] = '\0';
    char *text = with("task_wasm_image", value);
    struct round_start s;
    struct id id;
    assert_int_equal(round_start_decode(view_text(text), &s, &id, NULL), ST_INVALID);
    free(text);

    value[256] = '"';
    value[257] = '\0';
    text = with("task_wasm_image", value);
    s = decoded(text);
    assert_int_equal(strlen(s.image), 255);
    round_start_done(&s);
    free(text);
}

/* A start with count participants, of which the last may repeat the first. */
static char *crowd(size_t count, bool repeat)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "p%zu", repeat && i == count - 1 ? 0 : i);
        assert_int_equal(json_array_append_new(array, json_string(name)), 0);
    }
    char *value = jsn_text(array), *text = with("participants", value);
    json_decref(array);
    free(value);
    return text;
}

static void ten_thousand_take_part_but_not_one_more(void **state)
{
    (void)state;
    char *text = crowd(ROUND_PARTICIPANTS_MAX, false);
    struct round_start s = decoded(text);
    assert_int_equal(s.participant_count, ROUND_PARTICIPANTS_MAX);
    assert_string_equal(s.participants[9999].text, "p9999"); /* the order is kept */
    round_start_done(&s);
    free(text);

    struct id id;
    struct why why;
    text = crowd(ROUND_PARTICIPANTS_MAX, true);
    assert_int_equal(round_start_decode(view_text(text), &s, &id, &why), ST_INVALID);
    assert_string_equal(why.text, "participants names p0 twice");
    free(text);
    text = crowd(ROUND_PARTICIPANTS_MAX + 1, false);
    assert_int_equal(round_start_decode(view_text(text), &s, &id, &why), ST_INVALID);
    assert_string_equal(why.text, "participants is not an array of at most 10000 entries");
    free(text);
}

static void a_message_that_is_too_large_is_not_parsed(void **state)
{
    (void)state;
    static const uint8_t byte = '{'; /* a read of the second would trap */
    struct round_start s;
    struct id id;
    assert_int_equal(round_start_decode(view_of(&byte, CONTROL_SIZE_MAX + 1), &s, &id, NULL),
                     ST_LIMIT);
    assert_string_equal(id.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_message_of_the_demo_is_read),
        cmocka_unit_test(what_is_absent_has_its_default),
        cmocka_unit_test(every_field_is_read_and_written_again),
        cmocka_unit_test(what_cannot_become_a_round_is_refused_with_a_reason),
        cmocka_unit_test(without_a_round_id_there_is_none_to_tell),
        cmocka_unit_test(texts_that_are_too_long_are_refused),
        cmocka_unit_test(ten_thousand_take_part_but_not_one_more),
        cmocka_unit_test(a_message_that_is_too_large_is_not_parsed),
    };
    return cmocka_run_group_tests_name("fl/round_start", tests, NULL, NULL);
}
