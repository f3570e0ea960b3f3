/* Drives the model server by messages: what it publishes and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/file.h"
#include "model_server/server.h"

#define SENT_MAX 64

/* What was published, oldest first. */
static struct {
    char topic[FL_TOPIC_SIZE];
    char text[2048];
    char digest[DIGEST_TEXT_SIZE];
    bool retain;
} sent[SENT_MAX];
static size_t sent_count;
static char folder[64];

static enum status publish(void *owner, const struct mqtt_message *m)
{
    (void)owner;
    assert_true(sent_count < SENT_MAX);
    const char *digest = mqtt_message_property(m, "digest");
    (void)snprintf(sent[sent_count].topic, FL_TOPIC_SIZE, "%s", m->topic);
    (void)snprintf(sent[sent_count].text, sizeof sent[0].text, "%.*s", (int)m->payload.size,
                   (const char *)m->payload.data);
    (void)snprintf(sent[sent_count].digest, DIGEST_TEXT_SIZE, "%s", digest == NULL ? "" : digest);
    sent[sent_count++].retain = m->retain;
    return ST_OK;
}

static struct server *open_server(const char *initial, uint64_t retain)
{
    struct server *s = NULL;
    struct why why;
    const struct server_settings settings = {
        .folder = folder, .initial = view_text(initial), .retain = retain};
    const struct server_out out = {.publish = publish};
    assert_int_equal(server_new(&settings, &out, &s, &why), ST_OK);
    return s;
}

static int setup(void **state)
{
    (void)strcpy(folder, "/tmp/fml-server-XXXXXX");
    assert_non_null(mkdtemp(folder));
    sent_count = 0;
    *state = open_server("", 256);
    return 0;
}

static int teardown(void **state)
{
    server_free(*state);
    return file_remove_tree(folder) == ST_OK ? 0 : -1;
}

static void receive(struct server *s, const char *text, const char *name, const char *version)
{
    struct mqtt_message m = {.topic = FL_MODEL_PUBLISH, .payload = view_text(text)};
    if (name != NULL)
        m.properties[m.property_count++] = (struct mqtt_property){"name", name};
    if (version != NULL)
        m.properties[m.property_count++] = (struct mqtt_property){"version", version};
    server_message(s, &m);
}

static void expect_refusal(const char *code)
{
    json_t *body;
    assert_int_equal(sent_count, 1);
    assert_string_equal(sent[0].topic, FL_MODEL_REFUSED);
    assert_false(sent[0].retain);
    assert_int_equal(jsn_parse(view_text(sent[0].text), 2048, &body, NULL), ST_OK);
    assert_string_equal(json_string_value(json_object_get(body, "code")), code);
    assert_true(json_string_length(json_object_get(body, "reason")) > 5);
    json_decref(body);
    sent_count = 0;
}

static size_t stored_versions(struct server *s)
{
    json_t *body;
    sent_count = 0;
    server_connected(s);
    assert_int_equal(jsn_parse(view_text(sent[sent_count - 1].text), 2048, &body, NULL), ST_OK);
    size_t count = json_array_size(json_object_get(body, "models"));
    json_decref(body);
    sent_count = 0;
    return count;
}

static void at_a_connect_v0_and_the_index_are_retained(void **state)
{
    server_connected(*state);
    assert_int_equal(sent_count, 2);
    assert_string_equal(sent[0].topic, "fl/models/global_model_v0");
    assert_string_equal(sent[0].text, "{\"b\":0,\"version\":0,\"w\":[0,0,0]}");
    assert_true(sent[0].retain && sent[1].retain);
    struct digest d = digest_of(view_text(sent[0].text));
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&d, digest);
    assert_string_equal(sent[0].digest, digest);
    assert_string_equal(sent[1].topic, FL_MODEL_INDEX);
}

static void a_new_version_goes_out_as_it_came(void **state)
{
    receive(*state, "{\"w\":[1, 2],\"b\":0.5,\"version\":1}", NULL, NULL);
    assert_int_equal(sent_count, 2);
    assert_string_equal(sent[0].topic, "fl/models/global_model_v1");
    assert_string_equal(sent[0].text, "{\"w\":[1, 2],\"b\":0.5,\"version\":1}");
    assert_string_equal(sent[1].topic, FL_MODEL_INDEX);
}

static void properties_name_it(void **state)
{
    receive(*state, "{\"w\":1}", "other", "12");
    assert_string_equal(sent[0].topic, "fl/models/other_v12");
    sent_count = 0;
    receive(*state, "{\"w\":1,\"version\":3}", NULL, "4");
    expect_refusal("invalid");
    assert_int_equal(stored_versions(*state), 2);
}

static void the_same_again_is_published_again_and_other_bytes_are_refused(void **state)
{
    receive(*state, "{\"w\":1,\"version\":1}", NULL, NULL);
    sent_count = 0;
    receive(*state, "{\"w\":1,\"version\":1}", NULL, NULL);
    assert_int_equal(sent_count, 1);
    assert_string_equal(sent[0].topic, "fl/models/global_model_v1");
    sent_count = 0;
    receive(*state, "{\"w\":2,\"version\":1}", NULL, NULL);
    expect_refusal("version_exists");
    receive(*state, "{\"w\":666,\"version\":0}", NULL, NULL);
    expect_refusal("version_exists");
    assert_int_equal(stored_versions(*state), 2);
}

static void each_refusal_has_its_code_and_stores_nothing(void **state)
{
    static const struct {
        const char *text, *name, *version, *code;
    } bad[] = {
        {"not json", NULL, "1", "malformed"},
        {"[1]", NULL, "1", "malformed"},
        {"{}", NULL, "1", "malformed"},
        {"{\"version\":1}", NULL, NULL, "malformed"},
        {"{\"w\":[1,[2]]}", NULL, "1", "wrong_shape"},
        {"{\"w\":true}", NULL, "1", "wrong_dtype"},
        {"{\"w\":1e99}", NULL, "1", "non_finite"},
        {"{\"w\":1}", NULL, NULL, "invalid"},
        {"{\"w\":1}", NULL, "-1", "invalid"},
        {"{\"w\":1}", NULL, "01", "invalid"},
        {"{\"w\":1}", NULL, "9007199254740993", "invalid"},
        {"{\"w\":1}", "a/b", "1", "invalid"},
        {"{\"w\":1}", "", "1", "invalid"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        receive(*state, bad[i].text, bad[i].name, bad[i].version);
        expect_refusal(bad[i].code);
    }
    assert_int_equal(stored_versions(*state), 1);
}

static void only_the_newest_are_retained(void **state)
{
    server_free(*state);
    *state = open_server("", 2);
    receive(*state, "{\"w\":1,\"version\":1}", NULL, NULL);
    sent_count = 0;
    receive(*state, "{\"w\":2,\"version\":2}", NULL, NULL);
    assert_int_equal(sent_count, 3);
    assert_string_equal(sent[2].topic, "fl/models/global_model_v0");
    assert_string_equal(sent[2].text, ""); /* cleared */
    assert_true(sent[2].retain);
    sent_count = 0;
    server_connected(*state);
    assert_int_equal(sent_count, 4); /* v1, v2, index, and v0 cleared */
    assert_string_equal(sent[0].topic, "fl/models/global_model_v1");
}

static void an_initial_model_counts_only_in_an_empty_folder(void **state)
{
    server_free(*state);
    *state = open_server("{\"other\":1}", 256); /* the folder has a version 0 */
    server_connected(*state);
    assert_string_equal(sent[0].text, "{\"b\":0,\"version\":0,\"w\":[0,0,0]}");

    assert_int_equal(file_remove_tree(folder), ST_OK);
    server_free(*state);
    sent_count = 0;
    *state = open_server("{\"other\":1}", 256);
    server_connected(*state);
    assert_string_equal(sent[0].text, "{\"other\":1}");
}

static void an_initial_that_is_no_model_is_refused_at_the_start(void **state)
{
    (void)state;
    struct server *s = NULL;
    struct why why = {{0}};
    char other[96];
    (void)snprintf(other, sizeof other, "%s/other", folder);
    const struct server_settings settings = {
        .folder = other, .initial = view_text("{\"w\":1e99}"), .retain = 1};
    const struct server_out out = {.publish = publish};
    assert_int_equal(server_new(&settings, &out, &s, &why), ST_NOT_FINITE);
    assert_null(s);
    assert_true(strlen(why.text) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(at_a_connect_v0_and_the_index_are_retained, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_version_goes_out_as_it_came, setup, teardown),
        cmocka_unit_test_setup_teardown(properties_name_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_same_again_is_published_again_and_other_bytes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(each_refusal_has_its_code_and_stores_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_the_newest_are_retained, setup, teardown),
        cmocka_unit_test_setup_teardown(an_initial_model_counts_only_in_an_empty_folder, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_initial_that_is_no_model_is_refused_at_the_start, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("model_server/server", tests, NULL, NULL);
}
