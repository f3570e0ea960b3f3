/* Checks registration and heartbeat: ours, Propeller's as captured, and what
 * must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/proplet_msg.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct proplet_msg decoded(const char *text)
{
    struct proplet_msg msg;
    struct why why = {""};
    assert_int_equal(proplet_msg_decode(view_text(text), &msg, &why), ST_OK);
    assert_string_equal(why.text, "");
    return msg;
}

static void refuses(struct view payload, enum status expected, const char *word)
{
    struct proplet_msg msg = {.proplet_id = {"kept"}, .offline = true};
    struct why why = {""};
    assert_int_equal(proplet_msg_decode(payload, &msg, &why), expected);
    assert_non_null(strstr(why.text, word));
    assert_string_equal(msg.proplet_id.text, "kept");
    assert_true(msg.offline);
    assert_null(msg.metadata);
}

static void our_create_comes_back(void **state)
{
    (void)state;
    const struct id id = {"proplet-1"};
    json_t *metadata = json_pack("{s:s}", "os", "linux");
    char *text = proplet_create_encode(&id, metadata);
    assert_string_equal(text, "{\"metadata\":{\"os\":\"linux\"},\"namespace\":\"default\","
                              "\"proplet_id\":\"proplet-1\",\"start_topic\":\"own\"}");
    json_decref(metadata);

    struct proplet_msg msg = decoded(text);
    assert_string_equal(msg.proplet_id.text, "proplet-1");
    assert_int_equal(msg.start_topic, START_OWN);
    assert_false(msg.offline);
    assert_string_equal(json_string_value(json_object_get(msg.metadata, "os")), "linux");
    proplet_msg_done(&msg);
    assert_null(msg.metadata);
    free(text);
}

static void create_needs_no_metadata(void **state)
{
    (void)state;
    const struct id id = {"p"};
    char *text = proplet_create_encode(&id, NULL);
    assert_null(strstr(text, "metadata"));
    struct proplet_msg msg = decoded(text);
    assert_null(msg.metadata);
    proplet_msg_done(&msg);
    proplet_msg_done(NULL);
    free(text);
}

static void our_heartbeat_and_will_come_back(void **state)
{
    (void)state;
    const struct id id = {"proplet-1"};
    for (int offline = 0; offline < 2; offline++) {
        char *text = proplet_alive_encode(&id, offline);
        assert_non_null(strstr(text, offline ? "\"status\":\"offline\"" : "\"status\":\"alive\""));
        struct proplet_msg msg = decoded(text);
        assert_string_equal(msg.proplet_id.text, "proplet-1");
        assert_int_equal(msg.offline, offline);
        assert_int_equal(msg.start_topic, START_OWN);
        proplet_msg_done(&msg);
        free(text);
    }
}

static void propellers_registration_is_addressed_on_the_shared_topic(void **state)
{
    (void)state;
    struct proplet_msg msg = decoded(
        "{\"proplet_id\":\"aaaaaaaa-0000-4000-8000-000000000001\",\"namespace\":\"default\","
        "\"metadata\":{\"ip\":\"192.0.2.2\",\"environment\":\"docker\",\"os\":\"linux\","
        "\"total_memory_bytes\":25276514304,\"proplet_version\":\"0.5.0\"}}");
    assert_string_equal(msg.proplet_id.text, "aaaaaaaa-0000-4000-8000-000000000001");
    assert_int_equal(msg.start_topic, START_SHARED);
    assert_int_equal(json_integer_value(json_object_get(msg.metadata, "total_memory_bytes")),
                     25276514304);
    proplet_msg_done(&msg);
}

static void propellers_other_forms_are_read(void **state)
{
    (void)state;
    /* The seed's registration, a heartbeat, the manager's own will, and nulls. */
    struct proplet_msg msg = decoded("{\"proplet_id\":\"p\",\"namespace\":\"default\"}");
    assert_false(msg.offline);
    assert_int_equal(msg.start_topic, START_SHARED);
    proplet_msg_done(&msg);
    msg = decoded("{\"proplet_id\":\"p\",\"status\":\"alive\",\"namespace\":\"embedded\"}");
    assert_false(msg.offline);
    proplet_msg_done(&msg);
    msg = decoded("{\"status\":\"offline\",\"proplet_id\":\"p\"}");
    assert_true(msg.offline);
    proplet_msg_done(&msg);
    msg = decoded("{\"proplet_id\":\"p\",\"status\":null,\"namespace\":null,\"metadata\":null,"
                  "\"start_topic\":null,\"unknown\":[1]}");
    assert_false(msg.offline);
    assert_null(msg.metadata);
    assert_int_equal(msg.start_topic, START_SHARED);
    proplet_msg_done(&msg);
}

static void bad_fields_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"{}", "proplet_id is missing"},
        {"{\"proplet_id\":null}", "proplet_id is missing"},
        {"{\"proplet_id\":\"\"}", "proplet_id"},
        {"{\"proplet_id\":\"a/b\"}", "proplet_id"},
        {"{\"proplet_id\":\"+\"}", "proplet_id"},
        {"{\"proplet_id\":7}", "proplet_id"},
        {"{\"proplet_id\":\"p\",\"status\":1}", "status"},
        {"{\"proplet_id\":\"p\",\"namespace\":{}}", "namespace"},
        {"{\"proplet_id\":\"p\",\"start_topic\":\"m/other\"}", "start_topic"},
        {"{\"proplet_id\":\"p\",\"start_topic\":true}", "start_topic"},
        {"{\"proplet_id\":\"p\",\"metadata\":\"text\"}", "metadata"},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(view_text(bad[i].text), ST_INVALID, bad[i].word);
}

static void what_is_not_json_or_too_large_is_refused(void **state)
{
    (void)state;
    refuses(view_text(""), ST_MALFORMED, "not JSON");
    refuses(view_text("[]"), ST_MALFORMED, "another kind");
    refuses(view_text("{\"proplet_id\":\"p\",\"proplet_id\":\"q\"}"), ST_MALFORMED, "duplicate");
    struct bytes large = {0};
    assert_int_equal(bytes_resize(&large, CONTROL_SIZE_MAX + 1), ST_OK);
    memset(large.data, ' ', large.size);
    refuses(bytes_view(&large), ST_LIMIT, "limit");
    bytes_done(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_create_comes_back),
        cmocka_unit_test(create_needs_no_metadata),
        cmocka_unit_test(our_heartbeat_and_will_come_back),
        cmocka_unit_test(propellers_registration_is_addressed_on_the_shared_topic),
        cmocka_unit_test(propellers_other_forms_are_read),
        cmocka_unit_test(bad_fields_are_refused_by_name),
        cmocka_unit_test(what_is_not_json_or_too_large_is_refused),
    };
    return cmocka_run_group_tests_name("wire/proplet_msg", tests, NULL, NULL);
}
