/* Checks start, stop and results: ours, Propeller's as captured, what must be
 * refused, and what bytes from a guest may do to a result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/task_msg.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct refusal {
    const char *text;
    enum status status;
    const char *word; /* of the sentence */
};

static json_t *parsed(const char *text)
{
    json_t *object = NULL;
    assert_int_equal(jsn_parse(view_text(text), JSON_SIZE_MAX, &object, NULL), ST_OK);
    return object;
}

static const char *text_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- start ---- */

static struct start_msg start_decoded(const char *text)
{
    struct start_msg msg;
    struct id id;
    struct why why = {""};
    enum status status = start_msg_decode(view_text(text), &msg, &id, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(status, ST_OK);
    assert_true(id_equal(&id, &msg.task_id));
    return msg;
}

static void start_refuses(struct view payload, enum status expected, const char *word,
                          const char *id_known)
{
    struct start_msg msg = {.task_id = {"kept"}, .timeout_s = 77};
    struct id id = {"stale"};
    struct why why = {""};
    assert_int_equal(start_msg_decode(payload, &msg, &id, &why), expected);
    assert_non_null(strstr(why.text, word));
    assert_string_equal(id.text, id_known);
    assert_string_equal(msg.task_id.text, "kept");
    assert_int_equal(msg.timeout_s, 77);
    assert_true(msg.env == NULL && msg.spec == NULL);
}

/* A start with every field of ours; to be ended with start_msg_done(). */
static struct start_msg full_start(void)
{
    return (struct start_msg){
        .task_id = {"t-1"},
        .proplet_id = {"proplet-1"},
        .name = "fl-round-r-1-proplet-1",
        .image_url = "oci://example/client:latest",
        .has_digest = true,
        .image_digest = digest_of(view_text("abc")),
        .image_size = 1234,
        .timeout_s = 60,
        .env = json_pack("{s:s, s:s}", "ROUND_ID", "r-1", "HYPERPARAMS", "{\"lr\":0.1}"),
        .spec = json_pack("{s:s, s:{s:i}}", "mode", "train", "round", "k_of_n", 2),
    };
}

static void our_start_comes_back_whole(void **state)
{
    (void)state;
    struct start_msg sent = full_start();
    char *text = start_msg_encode(&sent, view_of(NULL, 0));
    struct start_msg got = start_decoded(text);

    assert_string_equal(got.task_id.text, "t-1");
    assert_string_equal(got.proplet_id.text, "proplet-1");
    assert_string_equal(got.name, "fl-round-r-1-proplet-1");
    assert_string_equal(got.image_url, "oci://example/client:latest");
    assert_true(got.has_digest && digest_equal(&got.image_digest, &sent.image_digest));
    assert_int_equal(got.image_size, 1234);
    assert_int_equal(got.timeout_s, 60);
    assert_true(json_equal(got.env, sent.env));
    assert_true(json_equal(got.spec, sent.spec));

    char *again = start_msg_encode(&got, view_of(NULL, 0));
    assert_string_equal(again, text);
    free(again);
    free(text);
    start_msg_done(&sent);
    start_msg_done(&got);
    assert_true(got.env == NULL && got.spec == NULL);
    start_msg_done(NULL);
}

static void a_start_has_all_that_propellers_proplets_demand(void **state)
{
    (void)state;
    struct start_msg msg = {.task_id = {"t"}, .name = "add", .timeout_s = 300};
    msg.env = json_object();
    char *text = start_msg_encode(&msg, view_of(NULL, 0));
    assert_string_equal(text, "{\"broadcast\":false,\"cli_args\":null,\"daemon\":false,"
                              "\"encrypted\":false,\"env\":{},\"id\":\"t\",\"latent\":false,"
                              "\"name\":\"add\",\"state\":0,\"timeout_s\":300}");
    free(text);
    start_msg_done(&msg);
}

static void the_module_goes_inline_as_base64(void **state)
{
    (void)state;
    struct start_msg msg = full_start();
    /* RFC 4648: the empty text leaves the field out; then each kind of padding. */
    static const struct {
        const char *bytes;
        size_t size;
        const char *base64;
    } cases[] = {
        {"", 0, NULL},      {"f", 1, "Zg=="},         {"fo", 2, "Zm8="},
        {"foo", 3, "Zm9v"}, {"\0asm", 4, "AGFzbQ=="}, {"\xfb\xff", 2, "+/8="},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = start_msg_encode(&msg, view_of(cases[i].bytes, cases[i].size));
        json_t *object = parsed(text);
        if (cases[i].base64 == NULL)
            assert_null(json_object_get(object, "file"));
        else
            assert_string_equal(text_in(object, "file"), cases[i].base64);
        json_decref(object);
        free(text);
    }
    start_msg_done(&msg);
}

static void propellers_start_is_understood(void **state)
{
    (void)state;
    struct start_msg msg = start_decoded(
        "{\"id\":\"4febc2eb-0000-4000-8000-000000000001\",\"name\":\"add\",\"state\":0,"
        "\"file\":\"AGFzbQEAAAAB\",\"inputs\":[\"3\",\"4\"],\"cli_args\":null,\"broadcast\":false,"
        "\"daemon\":false,\"latent\":false,\"env\":{\"FOO\":\"bar\"},\"encrypted\":false,"
        "\"proplet_id\":\"aaaaaaaa-0000-4000-8000-000000000001\"}");
    assert_string_equal(msg.name, "add");
    assert_string_equal(msg.proplet_id.text, "aaaaaaaa-0000-4000-8000-000000000001");
    assert_string_equal(text_in(msg.env, "FOO"), "bar");
    assert_false(msg.has_digest);
    assert_int_equal(msg.image_size, 0);
    assert_int_equal(msg.timeout_s, TASK_TIMEOUT_S_DEFAULT);
    assert_string_equal(msg.image_url, "");
    assert_null(msg.spec);
    start_msg_done(&msg);
}

static void the_seeds_start_with_nulls_is_understood(void **state)
{
    (void)state;
    /* Keys sorted, null for what is empty, no proplet_id in the first of the two. */
    struct start_msg msg = start_decoded(
        "{\"broadcast\":false,\"cli_args\":null,\"daemon\":false,\"env\":null,\"file\":null,"
        "\"id\":\"t\",\"image_url\":\"oci://example/fl-client-wasm:latest\",\"inputs\":null,"
        "\"monitoring_profile\":null,\"name\":\"fl-round-r-0001-proplet-1\",\"spec\":null,"
        "\"image_digest\":null,\"image_size\":null,\"timeout_s\":null,\"state\":0}");
    assert_string_equal(msg.proplet_id.text, "");
    assert_int_equal(json_object_size(msg.env), 0);
    assert_string_equal(msg.image_url, "oci://example/fl-client-wasm:latest");
    start_msg_done(&msg);
    msg = start_decoded("{\"id\":\"t\",\"proplet_id\":\"\",\"inputs\":[1,2.5,\"3\"]}");
    assert_string_equal(msg.proplet_id.text, "");
    start_msg_done(&msg);
}

static void a_start_without_an_id_cannot_be_reported(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"", ST_MALFORMED, "not JSON"},
        {"[]", ST_MALFORMED, "another kind"},
        {"{\"id\":\"t\"", ST_MALFORMED, "not JSON"},
        {"{}", ST_INVALID, "id is missing"},
        {"{\"id\":null}", ST_INVALID, "id is missing"},
        {"{\"id\":7}", ST_INVALID, "id"},
        {"{\"id\":\"\"}", ST_INVALID, "id"},
        {"{\"id\":\"../t\"}", ST_INVALID, "id"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        start_refuses(view_text(cases[i].text), cases[i].status, cases[i].word, "");
}

static void a_bad_field_of_a_start_is_named_and_its_id_known(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"\"proplet_id\":\"a/b\"", ST_INVALID, "proplet_id"},
        {"\"proplet_id\":7", ST_INVALID, "proplet_id"},
        {"\"name\":7", ST_INVALID, "name"},
        {"\"image_url\":[]", ST_INVALID, "image_url"},
        {"\"image_digest\":\"sha256:00\"", ST_INVALID, "image_digest"},
        {"\"image_digest\":7", ST_INVALID, "image_digest"},
        {"\"image_size\":-1", ST_INVALID, "image_size"},
        {"\"image_size\":67108865", ST_INVALID, "image_size"}, /* 64 MiB and one byte */
        {"\"timeout_s\":0", ST_INVALID, "timeout_s"},
        {"\"timeout_s\":604801", ST_INVALID, "timeout_s"},
        {"\"timeout_s\":1.5", ST_INVALID, "timeout_s"},
        {"\"timeout_s\":\"60\"", ST_INVALID, "timeout_s"},
        {"\"spec\":[]", ST_INVALID, "spec"},
        {"\"env\":[\"A=1\"]", ST_INVALID, "env"},
        {"\"env\":{\"A\":1}", ST_INVALID, "env.A"},
        {"\"env\":{\"A\":null}", ST_INVALID, "env.A"},
        {"\"env\":{\"A=B\":\"1\"}", ST_INVALID, "env"},
        {"\"env\":{\"\":\"1\"}", ST_INVALID, "env"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "{\"id\":\"t-9\",%s}", cases[i].text);
        start_refuses(view_text(text), cases[i].status, cases[i].word, "t-9");
    }
}

static char *start_with_env(size_t count, size_t value_size)
{
    json_t *env = json_object();
    char *value = malloc(value_size + 1);
    assert_non_null(value);
    memset(value, 'v', value_size);
    value[value_size] = '\0';
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "V%zu", i);
        assert_int_equal(json_object_set_new(env, name, json_string(value)), 0);
    }
    free(value);
    json_t *object = json_pack("{s:s, s:o}", "id", "t", "env", env);
    char *text = jsn_text(object);
    json_decref(object);
    return text;
}

static void env_has_64_variables_of_128_kib_at_most(void **state)
{
    (void)state;
    char *text = start_with_env(TASK_ENV_MAX, 3);
    struct start_msg msg = start_decoded(text);
    assert_int_equal(json_object_size(msg.env), 64);
    start_msg_done(&msg);
    free(text);

    text = start_with_env(TASK_ENV_MAX + 1, 3);
    start_refuses(view_text(text), ST_INVALID, "more than 64", "t");
    free(text);

    text = start_with_env(1, TASK_ENV_VALUE_MAX);
    msg = start_decoded(text);
    start_msg_done(&msg);
    free(text);

    text = start_with_env(1, TASK_ENV_VALUE_MAX + 1);
    start_refuses(view_text(text), ST_INVALID, "env.V0", "t");
    free(text);
}

static void names_have_255_bytes_at_most(void **state)
{
    (void)state;
    char name[257], text[300];
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    (void)snprintf(text, sizeof text, "{\"id\":\"t\",\"name\":\"%s\"}", name);
    struct start_msg msg = start_decoded(text);
    assert_string_equal(msg.name, name);
    start_msg_done(&msg);

    name[255] = 'n';
    name[256] = '\0';
    (void)snprintf(text, sizeof text, "{\"id\":\"t\",\"name\":\"%s\"}", name);
    start_refuses(view_text(text), ST_INVALID, "name", "t");
    (void)snprintf(text, sizeof text, "{\"id\":\"t\",\"image_url\":\"%s\"}", name);
    start_refuses(view_text(text), ST_INVALID, "image_url", "t");
}

static void a_start_above_1_mib_is_refused(void **state)
{
    (void)state;
    struct bytes large = {0};
    assert_int_equal(bytes_append(&large, view_text("{\"id\":\"t\"}"), SIZE_MAX), ST_OK);
    size_t size = large.size;
    assert_int_equal(bytes_resize(&large, CONTROL_SIZE_MAX + 1), ST_OK);
    memset(large.data + size, ' ', large.size - size);

    start_refuses(bytes_view(&large), ST_LIMIT, "limit", "");
    large.size = CONTROL_SIZE_MAX;
    struct start_msg msg;
    struct id id;
    assert_int_equal(start_msg_decode(bytes_view(&large), &msg, &id, NULL), ST_OK);
    start_msg_done(&msg);
    bytes_done(&large);
}

/* ---- stop ---- */

static void stop_comes_back_with_and_without_a_proplet(void **state)
{
    (void)state;
    struct stop_msg msg = {{"t-1"}, {"proplet-1"}}, got;
    char *text = stop_msg_encode(&msg);
    assert_string_equal(text, "{\"id\":\"t-1\",\"proplet_id\":\"proplet-1\"}");
    assert_int_equal(stop_msg_decode(view_text(text), &got, NULL), ST_OK);
    assert_true(id_equal(&got.task_id, &msg.task_id));
    assert_true(id_equal(&got.proplet_id, &msg.proplet_id));
    free(text);

    msg.proplet_id = (struct id){""};
    text = stop_msg_encode(&msg);
    assert_string_equal(text, "{\"id\":\"t-1\"}");
    assert_int_equal(stop_msg_decode(view_text(text), &got, NULL), ST_OK);
    assert_string_equal(got.proplet_id.text, "");
    free(text);

    assert_int_equal(
        stop_msg_decode(view_text("{\"broadcast\":true,\"id\":\"t\",\"proplet_id\":null}"), &got,
                        NULL),
        ST_OK);
    assert_string_equal(got.task_id.text, "t");
}

static void a_bad_stop_is_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"", ST_MALFORMED, "not JSON"},
        {"{}", ST_INVALID, "id is missing"},
        {"{\"id\":\"#\"}", ST_INVALID, "id"},
        {"{\"id\":\"t\",\"proplet_id\":\"a b\"}", ST_INVALID, "proplet_id"},
        {"{\"id\":\"t\",\"proplet_id\":[]}", ST_INVALID, "proplet_id"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stop_msg msg = {{"kept"}, {"kept"}};
        struct why why;
        assert_int_equal(stop_msg_decode(view_text(cases[i].text), &msg, &why), cases[i].status);
        assert_non_null(strstr(why.text, cases[i].word));
        assert_string_equal(msg.task_id.text, "kept");
    }
}

/* ---- results ---- */

static struct results_msg results_decoded(const char *text)
{
    struct results_msg msg;
    struct why why = {""};
    enum status status = results_msg_decode(view_text(text), &msg, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(status, ST_OK);
    return msg;
}

static void our_results_come_back_whole(void **state)
{
    (void)state;
    struct results_msg sent = {
        .task_id = {"t-1"},
        .proplet_id = {"proplet-1"},
        .results = json_pack("{s:s}", "update_topic", "fl/rounds/r-1/updates/proplet-1"),
        .reason = "completed",
        .wall_ms = 1200,
        .cpu_ms = 1100,
        .peak_rss_kb = 65536,
    };
    char *text = results_msg_encode(&sent);
    assert_string_equal(
        text, "{\"error\":null,\"proplet_id\":\"proplet-1\",\"reason\":\"completed\",\"results\":"
              "{\"update_topic\":\"fl/rounds/r-1/updates/proplet-1\"},\"task_id\":\"t-1\","
              "\"usage\":{\"cpu_ms\":1100,\"peak_rss_kb\":65536,\"wall_ms\":1200}}");
    struct results_msg got = results_decoded(text);
    assert_false(got.failed);
    assert_string_equal(got.reason, "completed");
    assert_string_equal(got.error, "");
    assert_true(json_equal(got.results, sent.results));
    assert_true(got.wall_ms == 1200 && got.cpu_ms == 1100 && got.peak_rss_kb == 65536);
    free(text);
    results_msg_done(&sent);
    results_msg_done(&got);
    assert_null(got.results);
    results_msg_done(NULL);
}

static void a_failure_comes_back_with_its_code(void **state)
{
    (void)state;
    struct results_msg sent = {.task_id = {"t"}, .proplet_id = {"p"}, .failed = true};
    strcpy(sent.error, "the guest used more than 64 MiB");
    strcpy(sent.reason, "memory_limit");
    char *text = results_msg_encode(&sent);
    struct results_msg got = results_decoded(text);
    assert_true(got.failed);
    assert_string_equal(got.error, "the guest used more than 64 MiB");
    assert_string_equal(got.reason, "memory_limit");
    assert_string_equal(json_string_value(got.results), "");
    results_msg_done(&got);
    free(text);
}

static void what_goes_out_never_contradicts_itself(void **state)
{
    (void)state;
    static const struct {
        bool failed;
        const char *error, *reason, *error_out, *reason_out;
    } cases[] = {
        {true, "", "deadline", "deadline", "deadline"},
        {true, "", "", "failed", "failed"},
        {true, "it broke", "completed", "it broke", "failed"},
        {true, "it broke", "Not A Code", "it broke", "failed"},
        {false, "leftover", "deadline", "", "completed"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct results_msg msg = {.task_id = {"t"}, .failed = cases[i].failed};
        strcpy(msg.error, cases[i].error);
        strcpy(msg.reason, cases[i].reason);
        char *text = results_msg_encode(&msg);
        struct results_msg got = results_decoded(text);
        assert_int_equal(got.failed, cases[i].failed);
        assert_string_equal(got.error, cases[i].error_out);
        assert_string_equal(got.reason, cases[i].reason_out);
        results_msg_done(&got);
        free(text);
    }
}

static void an_error_of_any_bytes_can_be_sent(void **state)
{
    (void)state;
    struct results_msg msg = {.task_id = {"t"}, .failed = true};
    strcpy(msg.reason, "trap");
    strcpy(msg.error, "panic: \xff\xfe \"quoted\"\n\x01");
    char *text = results_msg_encode(&msg);
    assert_non_null(text);
    struct results_msg got = results_decoded(text);
    assert_string_equal(got.error, "panic: ?? \"quoted\"\n\x01");
    results_msg_done(&got);
    free(text);
}

static void a_long_error_is_cut_between_characters(void **state)
{
    (void)state;
    char error[700], text[800];
    memset(error, 'e', sizeof error);
    memcpy(error + 510, "\xc3\xa4", 2); /* 511 bytes fit: the cut would be within it */
    error[699] = '\0';
    (void)snprintf(text, sizeof text, "{\"task_id\":\"t\",\"error\":\"%s\"}", error);
    struct results_msg got = results_decoded(text);
    assert_true(got.failed);
    assert_int_equal(strlen(got.error), 510);
    char *again = results_msg_encode(&got);
    assert_non_null(again);
    free(again);
    results_msg_done(&got);
}

static void propellers_results_are_understood(void **state)
{
    (void)state;
    struct results_msg got = results_decoded(
        "{\"task_id\":\"t\",\"proplet_id\":\"p\",\"results\":\"42\",\"error\":null}");
    assert_false(got.failed);
    assert_string_equal(got.reason, "completed");
    assert_string_equal(json_string_value(got.results), "42");
    assert_true(got.wall_ms == 0 && got.cpu_ms == 0 && got.peak_rss_kb == 0);
    results_msg_done(&got);

    got = results_decoded("{\"task_id\":\"t\",\"proplet_id\":\"p\",\"results\":\"\","
                          "\"error\":\"Timeout waiting for binary chunks\"}");
    assert_true(got.failed);
    assert_string_equal(got.reason, "failed");
    assert_string_equal(got.error, "Timeout waiting for binary chunks");
    results_msg_done(&got);

    got = results_decoded("{\"task_id\":\"t\",\"results\":\"1,2\",\"error\":\"\"}"); /* embedded */
    assert_false(got.failed);
    assert_string_equal(got.proplet_id.text, "");
    results_msg_done(&got);

    got = results_decoded("{\"task_id\":\"t\",\"proplet_id\":null,\"results\":null,\"error\":null,"
                          "\"reason\":null,\"usage\":null}");
    assert_false(got.failed);
    assert_null(got.results);
    results_msg_done(&got);
}

static void the_sender_is_found_inside_propellers_results_of_learning(void **state)
{
    (void)state;
    struct results_msg got = results_decoded(
        "{\"task_id\":\"t\",\"results\":{\"format\":\"f32-delta\",\"metrics\":{},"
        "\"num_samples\":1,\"proplet_id\":\"aaaa\",\"round_id\":\"r-0001\",\"task_id\":\"t\","
        "\"update_b64\":\"e30=\"},\"error\":null}");
    assert_string_equal(got.proplet_id.text, "aaaa");
    assert_string_equal(text_in(got.results, "round_id"), "r-0001");
    results_msg_done(&got);

    /* What stands outside wins; something else inside is opaque, not an error. */
    got = results_decoded(
        "{\"task_id\":\"t\",\"proplet_id\":\"outer\",\"results\":{\"proplet_id\":\"inner\"}}");
    assert_string_equal(got.proplet_id.text, "outer");
    results_msg_done(&got);
    got = results_decoded("{\"task_id\":\"t\",\"results\":{\"proplet_id\":[\"a/b\"]}}");
    assert_string_equal(got.proplet_id.text, "");
    results_msg_done(&got);
}

static void bad_results_are_refused_by_name(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"nonsense", ST_MALFORMED, "not JSON"},
        {"{}", ST_INVALID, "task_id is missing"},
        {"{\"task_id\":\"a/b\"}", ST_INVALID, "task_id"},
        {"{\"task_id\":\"t\",\"proplet_id\":\"+\"}", ST_INVALID, "proplet_id"},
        {"{\"task_id\":\"t\",\"results\":7}", ST_INVALID, "results"},
        {"{\"task_id\":\"t\",\"results\":[]}", ST_INVALID, "results"},
        {"{\"task_id\":\"t\",\"error\":{}}", ST_INVALID, "error"},
        {"{\"task_id\":\"t\",\"reason\":7}", ST_INVALID, "reason"},
        {"{\"task_id\":\"t\",\"reason\":\"\"}", ST_INVALID, "reason"},
        {"{\"task_id\":\"t\",\"error\":\"e\",\"reason\":\"Out of Memory\"}", ST_INVALID, "reason"},
        {"{\"task_id\":\"t\",\"error\":\"e\",\"reason\":\"completed\"}", ST_INVALID, "contradicts"},
        {"{\"task_id\":\"t\",\"error\":null,\"reason\":\"trap\"}", ST_INVALID, "contradicts"},
        {"{\"task_id\":\"t\",\"usage\":1}", ST_INVALID, "usage"},
        {"{\"task_id\":\"t\",\"usage\":{\"wall_ms\":-1}}", ST_INVALID, "wall_ms"},
        {"{\"task_id\":\"t\",\"usage\":{\"cpu_ms\":1.5}}", ST_INVALID, "cpu_ms"},
        {"{\"task_id\":\"t\",\"usage\":{\"peak_rss_kb\":\"1\"}}", ST_INVALID, "peak_rss_kb"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct results_msg msg = {.task_id = {"kept"}, .wall_ms = 77};
        struct why why;
        assert_int_equal(results_msg_decode(view_text(cases[i].text), &msg, &why), cases[i].status);
        assert_non_null(strstr(why.text, cases[i].word));
        assert_string_equal(msg.task_id.text, "kept");
        assert_true(msg.wall_ms == 77 && msg.results == NULL);
    }
    struct bytes large = {0};
    struct results_msg msg;
    assert_int_equal(bytes_resize(&large, CONTROL_SIZE_MAX + 1), ST_OK);
    assert_int_equal(results_msg_decode(bytes_view(&large), &msg, NULL), ST_LIMIT);
    struct stop_msg stop;
    assert_int_equal(stop_msg_decode(bytes_view(&large), &stop, NULL), ST_LIMIT);
    bytes_done(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_start_comes_back_whole),
        cmocka_unit_test(a_start_has_all_that_propellers_proplets_demand),
        cmocka_unit_test(the_module_goes_inline_as_base64),
        cmocka_unit_test(propellers_start_is_understood),
        cmocka_unit_test(the_seeds_start_with_nulls_is_understood),
        cmocka_unit_test(a_start_without_an_id_cannot_be_reported),
        cmocka_unit_test(a_bad_field_of_a_start_is_named_and_its_id_known),
        cmocka_unit_test(env_has_64_variables_of_128_kib_at_most),
        cmocka_unit_test(names_have_255_bytes_at_most),
        cmocka_unit_test(a_start_above_1_mib_is_refused),
        cmocka_unit_test(stop_comes_back_with_and_without_a_proplet),
        cmocka_unit_test(a_bad_stop_is_refused),
        cmocka_unit_test(our_results_come_back_whole),
        cmocka_unit_test(a_failure_comes_back_with_its_code),
        cmocka_unit_test(what_goes_out_never_contradicts_itself),
        cmocka_unit_test(an_error_of_any_bytes_can_be_sent),
        cmocka_unit_test(a_long_error_is_cut_between_characters),
        cmocka_unit_test(propellers_results_are_understood),
        cmocka_unit_test(the_sender_is_found_inside_propellers_results_of_learning),
        cmocka_unit_test(bad_results_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("wire/task_msg", tests, NULL, NULL);
}
