/* Checks that a version is durable, never changes, and is served whole or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"
#include "model_server/store.h"

static char folder[64];

static int setup(void **state)
{
    struct why why;
    struct store *s;
    (void)strcpy(folder, "/tmp/fml-store-XXXXXX");
    assert_non_null(mkdtemp(folder));
    if (store_open(folder, &s, &why) != ST_OK)
        return -1;
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    store_close(*state);
    return file_remove_tree(folder) == ST_OK ? 0 : -1;
}

static struct stored_version version_of(uint64_t number)
{
    struct stored_version v = {.form = MODEL_JSON, .created_at = "2026-11-24T00:00:00.000Z"};
    assert_int_equal(id_from("global_model", &v.ref.name), ST_OK);
    v.ref.version = number;
    return v;
}

static void put(struct store *s, uint64_t number, const char *text, enum status expected)
{
    struct stored_version v = version_of(number);
    assert_int_equal(store_put(s, &v, view_text(text)), expected);
}

static void expect(struct store *s, uint64_t number, const char *text)
{
    struct bytes b = {0};
    struct stored_version v = version_of(number);
    const struct stored_version *found = store_find(s, &v.ref);
    assert_non_null(found);
    assert_int_equal(store_get(s, found, &b), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_text(text)));
    bytes_done(&b);
}

static void write_raw(const char *file, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_int_equal(file_write(path, view_text(text)), ST_OK);
}

static void a_version_is_there_after_a_restart(void **state)
{
    struct why why;
    put(*state, 0, "{\"w\":0}", ST_OK);
    put(*state, 7, "{\"w\":7}", ST_OK);
    store_close(*state);
    assert_int_equal(store_open(folder, (struct store **)state, &why), ST_OK);
    assert_int_equal(store_count(*state), 2);
    assert_int_equal(store_at(*state, 1)->ref.version, 7);
    expect(*state, 0, "{\"w\":0}");
    expect(*state, 7, "{\"w\":7}");
}

static void a_version_never_changes(void **state)
{
    put(*state, 1, "{\"w\":1}", ST_OK);
    put(*state, 1, "{\"w\":2}", ST_EXISTS);
    put(*state, 1, "{\"w\":1}", ST_OK);
    assert_int_equal(store_count(*state), 1);
    expect(*state, 1, "{\"w\":1}");
}

static void a_damaged_file_is_not_served_and_is_mended_by_the_same_bytes(void **state)
{
    struct bytes b = {0};
    put(*state, 1, "{\"w\":1}", ST_OK);
    put(*state, 2, "{\"w\":2}", ST_OK);
    write_raw("global_model_v1.json", "{\"w\":9}");
    assert_int_equal(store_get(*state, store_at(*state, 0), &b), ST_CORRUPT);
    write_raw("global_model_v1.json", "{\"w\":1}, and more");
    assert_int_equal(store_get(*state, store_at(*state, 0), &b), ST_CORRUPT);
    assert_int_equal(b.size, 0);
    expect(*state, 2, "{\"w\":2}");
    put(*state, 1, "{\"w\":1}", ST_OK);
    expect(*state, 1, "{\"w\":1}");
}

static void a_damaged_index_opens_nothing_and_is_left_as_it_is(void **state)
{
    static const char *const damaged[] = {
        "{",
        "{}",
        "{\"models\":[1]}",
        "{\"models\":[{\"name\":\"global_model\",\"version\":0}]}",
        "{\"models\":[{\"name\":\"../x\",\"version\":0,\"digest\":\"sha256:00\",\"size\":1,"
        "\"form\":\"json\"}]}",
        "",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct store *other = NULL;
        struct why why = {{0}};
        struct bytes b = {0};
        char path[160];
        write_raw("index.json", damaged[i]);
        assert_int_equal(store_open(folder, &other, &why), ST_CORRUPT);
        assert_null(other);
        assert_non_null(strstr(why.text, "index.json"));
        (void)snprintf(path, sizeof path, "%s/index.json", folder);
        assert_int_equal(file_read(path, 1000, &b), ST_OK);
        assert_true(view_equal(bytes_view(&b), view_text(damaged[i])));
        bytes_done(&b);
    }
    (void)state;
}

static void what_cannot_be_written_is_not_there(void **state)
{
    char path[160];
    struct stored_version v = version_of(3);
    (void)snprintf(path, sizeof path, "%s/global_model_v3.json", folder);
    assert_int_equal(mkdir(path, 0700), 0); /* a folder in the way of the file */
    put(*state, 3, "{\"w\":3}", ST_IO);
    assert_null(store_find(*state, &v.ref));
    (void)snprintf(path, sizeof path, "%s/index.json", folder);
    assert_int_equal(mkdir(path, 0700), 0); /* and one in the way of the index */
    put(*state, 4, "{\"w\":4}", ST_IO);
    assert_int_equal(store_count(*state), 0);
}

static void the_index_says_what_is_there(void **state)
{
    struct stored_version v = version_of(1);
    assert_int_equal(id_from("r-1", &v.round_id), ST_OK);
    put(*state, 0, "{\"w\":0}", ST_OK);
    assert_int_equal(store_put(*state, &v, view_text("{\"w\":1}")), ST_OK);
    json_t *index = store_index(*state);
    json_t *models = json_object_get(index, "models");
    assert_int_equal(json_array_size(models), 2);
    json_t *first = json_array_get(models, 0), *second = json_array_get(models, 1);
    assert_null(json_object_get(first, "round_id"));
    assert_string_equal(json_string_value(json_object_get(second, "round_id")), "r-1");
    assert_string_equal(json_string_value(json_object_get(second, "topic")),
                        "fl/models/global_model_v1");
    assert_string_equal(json_string_value(json_object_get(second, "form")), "json");
    assert_int_equal(json_integer_value(json_object_get(second, "size")), 7);
    json_decref(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_version_is_there_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_never_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_damaged_file_is_not_served_and_is_mended_by_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_index_opens_nothing_and_is_left_as_it_is, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_says_what_is_there, setup, teardown),
    };
    return cmocka_run_group_tests_name("model_server/store", tests, NULL, NULL);
}
