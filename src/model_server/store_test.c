/* Checks store.c in a folder of its own: what was stored is there after a
 * restart, and nothing that was damaged is handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/jsn.h"
#include "io/file.h"
#include "model_server/store.h"

struct fixture {
    char folder[64];
    struct store *store;
};

static void reopen(struct fixture *f)
{
    struct why why = {0};
    f->store = store_close(f->store);
    assert_int_equal(store_open(f->folder, &f->store, &why), ST_OK);
}

static int setup(void **state)
{
    static struct fixture f;
    (void)snprintf(f.folder, sizeof f.folder, "/tmp/fml-store-test-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    f.store = NULL;
    reopen(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->store = store_close(f->store);
    return file_remove_tree(f->folder) == ST_OK ? 0 : -1;
}

static struct version facts(const char *name, uint64_t version)
{
    struct version v = {.ref.version = version, .form = MODEL_JSON, .created_at = "now"};
    assert_int_equal(id_from(name, &v.ref.name), ST_OK);
    return v;
}

static enum status add(struct fixture *f, const char *name, uint64_t version, const char *text)
{
    struct version v = facts(name, version);
    const struct version *stored;
    return store_add(f->store, &v, view_text(text), &stored);
}

static const struct version *find(struct fixture *f, const char *name, uint64_t version)
{
    struct version v = facts(name, version);
    return store_find(f->store, &v.ref);
}

static enum status read_text(struct fixture *f, const char *name, uint64_t version, char ret[64])
{
    const struct version *v = find(f, name, version);
    assert_non_null(v);
    struct bytes bytes = {0};
    enum status status = store_read(f->store, v, &bytes);
    if (status == ST_OK)
        (void)snprintf(ret, 64, "%.*s", (int)bytes.size, (const char *)bytes.data);
    else
        assert_null(bytes.data); /* nothing of it is handed out */
    bytes_done(&bytes);
    return status;
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, name);
    assert_int_equal(file_write(path, view_text(text)), ST_OK);
}

static bool is_there(struct fixture *f, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return access(path, F_OK) == 0;
}

static void stored_versions_are_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    char text[64];
    struct version st = facts("m", 2);
    const struct version *stored;
    st.form = MODEL_SAFETENSORS;
    assert_int_equal(id_from("r-7", &st.round_id), ST_OK);
    assert_int_equal(store_count(f->store), 0);
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(store_add(f->store, &st, view_text("two"), &stored), ST_OK);
    assert_int_equal(add(f, "n", 1, "three"), ST_OK);
    assert_true(is_there(f, "m_v1.json") && is_there(f, "m_v2.safetensors"));

    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(store_count(f->store), 3);
        assert_int_equal(store_at(f->store, 0)->ref.version, 1); /* oldest first */
        assert_string_equal(store_at(f->store, 2)->ref.name.text, "n");
        const struct version *v = find(f, "m", 2);
        struct digest digest = digest_of(view_text("two"));
        assert_int_equal(v->form, MODEL_SAFETENSORS);
        assert_int_equal(v->size, 3);
        assert_int_equal(v->ordinal, 2);
        assert_true(digest_equal(&v->digest, &digest));
        assert_string_equal(v->round_id.text, "r-7");
        assert_string_equal(v->created_at, "now");
        assert_ptr_equal(store_newest(f->store, &v->ref.name), v);
        assert_int_equal(read_text(f, "m", 1, text), ST_OK);
        assert_string_equal(text, "one");
        assert_null(find(f, "m", 3));
        reopen(f);
    }
}

static void version_never_changes(void **state)
{
    struct fixture *f = *state;
    char text[64];
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 1, "other"), ST_EXISTS);
    assert_int_equal(store_count(f->store), 1);
    assert_int_equal(read_text(f, "m", 1, text), ST_OK);
    assert_string_equal(text, "one");
}

static void changed_byte_is_never_served_and_can_be_repaired(void **state)
{
    struct fixture *f = *state;
    char text[64];
    static const char *const damages[] = {"onf", "on", "", "one more"};
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 2, "two"), ST_OK);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        write_file(f, "m_v1.json", damages[i]);
        assert_int_equal(read_text(f, "m", 1, text), ST_CORRUPT);
        reopen(f);
        assert_int_equal(read_text(f, "m", 1, text), ST_CORRUPT);
        assert_int_equal(read_text(f, "m", 2, text), ST_OK); /* the others are served */
        assert_int_equal(add(f, "m", 1, "onf"), ST_EXISTS);
        assert_int_equal(add(f, "m", 1, "one"), ST_OK);
        assert_int_equal(read_text(f, "m", 1, text), ST_OK);
        assert_string_equal(text, "one");
        assert_int_equal(store_count(f->store), 2);
    }
}

static void missing_file_is_not_found_and_can_be_repaired(void **state)
{
    struct fixture *f = *state;
    char text[64], path[128];
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    (void)snprintf(path, sizeof path, "%s/m_v1.json", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_text(f, "m", 1, text), ST_NOT_FOUND);
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(read_text(f, "m", 1, text), ST_OK);
}

static void damaged_index_is_a_named_error(void **state)
{
    struct fixture *f = *state;
#define ENTRY                                                                                      \
    "\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\","      \
    "\"size\":3,\"form\":\"json\"}"
    static const char *const damages[] = {
        "",
        "{",
        "{}",
        "{\"models\":7}",
        "{\"models\":[7]}",
        "{\"models\":[{\"name\":\"../m\",\"version\":1," ENTRY "]}",
        "{\"models\":[{\"name\":\"m\",\"version\":-1," ENTRY "]}",
        "{\"models\":[{\"name\":\"m\",\"version\":1,\"digest\":\"x\",\"size\":3,\"form\":\"json\"}]"
        "}",
        "{\"models\":[{\"name\":\"m\",\"version\":1," ENTRY ",{\"name\":\"m\",\"version\":1," ENTRY
        "]}",
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct store *store = NULL;
        struct why why = {0};
        write_file(f, "index.json", damages[i]);
        assert_int_equal(store_open(f->folder, &store, &why), ST_CORRUPT);
        assert_null(store);
        assert_non_null(strstr(why.text, "index.json is damaged"));
    }
    write_file(f, "index.json", "{\"models\":[{\"name\":\"m\",\"version\":1," ENTRY "]}");
    reopen(f);
    assert_int_equal(store_count(f->store), 1);
}

static void folder_that_cannot_be_one_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct store *store = NULL;
    struct why why = {0};
    write_file(f, "file", "x");
    (void)snprintf(path, sizeof path, "%s/file", f->folder);
    assert_int_equal(store_open(path, &store, &why), ST_IO);
    assert_null(store);
    assert_true(strlen(why.text) > 0);
}

static void full_index_takes_no_more(void **state)
{
    struct fixture *f = *state;
    json_t *array = json_array();
    for (int i = 0; i < MODEL_VERSIONS_MAX; i++)
        assert_int_equal(
            json_array_append_new(
                array, json_pack("{s:s, s:i, s:i, s:s, s:s}", "name", "m", "version", i, "size", 1,
                                 "form", "json", "digest",
                                 "sha256:000000000000000000000000000000000000000000000000000000000"
                                 "0000000")),
            0);
    json_t *object = json_pack("{s:O}", "models", array);
    char *text = json_dumps(object, JSON_COMPACT);
    write_file(f, "index.json", text);
    free(text);
    reopen(f);
    assert_int_equal(store_count(f->store), MODEL_VERSIONS_MAX);
    assert_int_equal(add(f, "n", 0, "one"), ST_LIMIT);
    assert_int_equal(store_count(f->store), MODEL_VERSIONS_MAX);
    assert_false(is_there(f, "n_v0.json"));
    char *index = store_index(f->store);
    assert_true(strlen(index) < MODEL_INDEX_SIZE_MAX);
    free(index);

    (void)json_array_append_new(array, json_pack("{s:s}", "name", "m"));
    text = json_dumps(object, JSON_COMPACT);
    write_file(f, "index.json", text);
    struct store *store = NULL;
    struct why why = {0};
    assert_int_equal(store_open(f->folder, &store, &why), ST_CORRUPT);
    free(text);
    json_decref(object);
    json_decref(array);
}

static void index_that_cannot_be_written_leaves_all_as_it_was(void **state)
{
    struct fixture *f = *state;
    char path[128], text[64];
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    (void)snprintf(path, sizeof path, "%s/index.json", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* in the way of the rename */

    assert_int_not_equal(add(f, "m", 2, "two"), ST_OK);
    assert_int_equal(store_count(f->store), 1);
    assert_null(find(f, "m", 2));
    assert_false(is_there(f, "m_v2.json"));
    assert_int_equal(read_text(f, "m", 1, text), ST_OK);

    assert_int_equal(rmdir(path), 0);
    assert_int_equal(add(f, "m", 2, "two, but other"), ST_OK); /* the number is still free */
    reopen(f);
    assert_int_equal(store_count(f->store), 2);
}

static void file_that_is_not_ours_is_not_overwritten(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct bytes bytes = {0};
    write_file(f, "m_v1.json", "somebody's");
    assert_int_equal(add(f, "m", 1, "one"), ST_EXISTS);
    assert_int_equal(store_count(f->store), 0);
    (void)snprintf(path, sizeof path, "%s/m_v1.json", f->folder);
    assert_int_equal(file_read(path, 64, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_text("somebody's")));
    bytes_done(&bytes);
    /* What a crash between file and index left behind is taken as it is. */
    assert_int_equal(add(f, "m", 1, "somebody's"), ST_OK);
    assert_int_equal(store_count(f->store), 1);
}

static void index_text_is_what_the_protocol_says(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    char *text = store_index(f->store);
    json_t *object = json_loads(text, 0, NULL);
    json_t *v = json_array_get(json_object_get(object, "models"), 0);
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text("one"));
    digest_text(&d, digest);
    assert_string_equal(json_string_value(json_object_get(v, "name")), "m");
    assert_int_equal(json_integer_value(json_object_get(v, "version")), 1);
    assert_string_equal(json_string_value(json_object_get(v, "topic")), "fl/models/m_v1");
    assert_string_equal(json_string_value(json_object_get(v, "digest")), digest);
    assert_int_equal(json_integer_value(json_object_get(v, "size")), 3);
    assert_string_equal(json_string_value(json_object_get(v, "form")), "json");
    assert_null(json_object_get(v, "round_id")); /* no round made it */
    assert_string_equal(json_string_value(json_object_get(v, "created_at")), "now");
    json_decref(object);
    free(text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(stored_versions_are_there_after_a_restart),
        CASE(version_never_changes),
        CASE(changed_byte_is_never_served_and_can_be_repaired),
        CASE(missing_file_is_not_found_and_can_be_repaired),
        CASE(damaged_index_is_a_named_error),
        CASE(folder_that_cannot_be_one_is_refused),
        CASE(full_index_takes_no_more),
        CASE(index_that_cannot_be_written_leaves_all_as_it_was),
        CASE(file_that_is_not_ours_is_not_overwritten),
        CASE(index_text_is_what_the_protocol_says),
    };
    return cmocka_run_group_tests_name("model_server/store", tests, NULL, NULL);
}
