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
#include "io/map.h"
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
    struct view bytes = {0};
    enum status status = store_read(f->store, v, &bytes);
    if (status == ST_OK)
        (void)snprintf(ret, 64, "%.*s", (int)bytes.size, (const char *)bytes.data);
    else
        assert_null(bytes.data); /* nothing of it is handed out */
    map_close(&bytes);
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

/* ---- channels and history ---- */

static enum status point(struct fixture *f, const char *channel, uint64_t version)
{
    struct event e = {.kind = EVENT_POINTED,
                      .model = {"m"},
                      .to = version,
                      .at = "then",
                      .who = "ann",
                      .why = "it is better"};
    (void)snprintf(e.channel.text, sizeof e.channel.text, "%s", channel);
    return store_move(f->store, &e);
}

/* UINT64_MAX: there is no such channel. */
static uint64_t pointed(struct fixture *f, const char *channel)
{
    struct id model = {"m"}, name;
    assert_int_equal(id_from(channel, &name), ST_OK);
    const struct channel *c = store_channel(f->store, &model, &name);
    return c == NULL ? UINT64_MAX : c->version;
}

static void latest_moves_with_each_publication_and_others_by_hand(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 5, "five"), ST_OK);
    assert_int_equal(add(f, "n", 9, "nine"), ST_OK);
    assert_int_equal(pointed(f, "latest"), 5);
    assert_int_equal(pointed(f, "stable"), UINT64_MAX);
    assert_int_equal(point(f, "stable", 1), ST_OK);
    assert_int_equal(point(f, "latest", 1), ST_OK);
    assert_int_equal(add(f, "m", 5, "five"), ST_OK); /* the same again moves nothing */
    assert_int_equal(pointed(f, "latest"), 1);
    assert_int_equal(add(f, "m", 2, "two"), ST_OK);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(pointed(f, "latest"), 2);
        assert_int_equal(pointed(f, "stable"), 1);
        assert_int_equal(store_channel_count(f->store), 3);
        assert_string_equal(store_channel_at(f->store, 2)->why, "it is better");
        assert_true(store_is_pointed_at(f->store, find(f, "m", 1)));
        assert_false(store_is_pointed_at(f->store, find(f, "m", 5)));
        reopen(f);
    }
}

static void history_has_a_line_for_each_move_and_loses_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 2, "two"), ST_OK);
    assert_int_equal(point(f, "latest", 1), ST_OK);
    assert_int_equal(point(f, "latest", 1), ST_OK); /* is there already */
    assert_int_equal(point(f, "latest", 7), ST_NOT_FOUND);
    assert_int_equal(point(f, "stable", 2), ST_OK);
    reopen(f);
    assert_int_equal(store_event_count(f->store), 4);
    const struct event *e = store_event_at(f->store, 0);
    assert_int_equal(e->kind, EVENT_PUBLISHED);
    assert_false(e->has_from);
    e = store_event_at(f->store, 2);
    assert_int_equal(e->kind, EVENT_POINTED);
    assert_true(e->has_from && e->from == 2 && e->to == 1);
    assert_string_equal(e->who, "ann");
    assert_string_equal(e->why, "it is better");
    assert_string_equal(e->at, "then");
    assert_string_equal(store_event_at(f->store, 3)->channel.text, "stable");
}

static void deleted_version_leaves_its_record_and_its_number(void **state)
{
    struct fixture *f = *state;
    const struct event what = {.at = "then", .who = "ann", .why = "room"};
    const bool first[2] = {true, false};
    char text[64];
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 2, "two"), ST_OK);
    assert_int_equal(store_delete(f->store, first, &what), ST_OK);
    for (int restart = 0; restart < 2; restart++) {
        assert_false(is_there(f, "m_v1.json"));
        assert_true(version_is_deleted(find(f, "m", 1)));
        assert_int_equal(read_text(f, "m", 1, text), ST_NOT_FOUND);
        assert_int_equal(add(f, "m", 1, "one"), ST_NOT_FOUND);
        assert_int_equal(add(f, "m", 1, "other"), ST_EXISTS);
        assert_int_equal(point(f, "stable", 1), ST_NOT_FOUND);
        assert_int_equal(store_event_at(f->store, 2)->kind, EVENT_DELETED);
        assert_int_equal(store_event_at(f->store, 2)->to, 1);
        assert_int_equal(read_text(f, "m", 2, text), ST_OK);
        reopen(f);
    }
    /* As after a crash between the index and the removal. */
    write_file(f, "m_v1.json", "one");
    reopen(f);
    assert_false(is_there(f, "m_v1.json"));
}

static void index_of_an_older_release_is_read(void **state)
{
    struct fixture *f = *state;
    write_file(f, "index.json",
               "{\"models\":[{\"name\":\"m\",\"version\":0," ENTRY
               ",{\"name\":\"m\",\"version\":3," ENTRY ",{\"name\":\"n\",\"version\":1," ENTRY
               "]}");
    reopen(f);
    assert_int_equal(store_channel_count(f->store), 2);
    assert_int_equal(pointed(f, "latest"), 3);
    assert_int_equal(store_event_count(f->store), 0);
    assert_int_equal(add(f, "m", 4, "four"), ST_OK);
    reopen(f);
    assert_int_equal(pointed(f, "latest"), 4);
    assert_int_equal(store_event_at(f->store, 0)->from, 3);
}

/* A byte that is flipped may leave perfect JSON; it is found all the same. */
static void any_changed_byte_of_the_index_is_found(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct bytes bytes = {0};
    assert_int_equal(add(f, "m", 1, "one"), ST_OK);
    assert_int_equal(add(f, "m", 2, "two"), ST_OK);
    (void)snprintf(path, sizeof path, "%s/index.json", f->folder);
    assert_int_equal(file_read(path, 1 << 20, &bytes), ST_OK);
    for (size_t i = 0; i < bytes.size; i++) {
        struct store *store = NULL;
        bytes.data[i] ^= 1;
        FILE *file = fopen(path, "wb"); /* many, so without fsync */
        assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
        assert_int_equal(fclose(file), 0);
        bytes.data[i] ^= 1;
        enum status status = store_open(f->folder, &store, NULL);
        if (status != ST_CORRUPT)
            fail_msg("byte %zu: %s", i, status_name(status));
        store_close(store);
    }
    bytes_done(&bytes);
}

static void lineage_is_kept(void **state)
{
    struct fixture *f = *state;
    struct version v = facts("m", 2);
    const struct version *stored;
    json_t *metrics = json_pack("{s:f, s:f}", "accuracy", 0.125, "loss", 2.5);
    v.has_parent = true;
    v.parent = (struct model_ref){{"m"}, 1};
    v.contributors = 8;
    v.samples = 4000;
    version_set_metrics(&v, metrics);
    json_decref(metrics);
    assert_int_equal(store_add(f->store, &v, view_text("two"), &stored), ST_OK);
    reopen(f);
    const struct version *kept = find(f, "m", 2);
    assert_true(kept->has_parent && kept->parent.version == 1);
    assert_int_equal(kept->contributors, 8);
    assert_int_equal(kept->samples, 4000);
    assert_string_equal(kept->metrics, "{\"accuracy\":0.125,\"loss\":2.5}");
    char *text = store_index(f->store);
    assert_non_null(strstr(text, "\"parent\":\"fl/models/m_v1\""));
    assert_non_null(strstr(text, "\"contributors\":8"));
    free(text);
}

static void metrics_that_do_not_fit_a_record_are_left_out(void **state)
{
    (void)state;
    struct version v = {0};
    json_t *metrics = json_object();
    char name[METRIC_NAME_MAX + 1];
    memset(name, 'x', METRIC_NAME_MAX);
    name[METRIC_NAME_MAX] = '\0';
    for (int i = 0; i < METRICS_MAX; i++) {
        name[0] = (char)('A' + i);
        assert_int_equal(json_object_set_new(metrics, name, json_real(i)), 0);
    }
    version_set_metrics(&v, metrics);
    json_decref(metrics);
    json_t *kept = json_loads(v.metrics, 0, NULL);
    assert_int_equal(json_object_size(kept), 7); /* 7 * 71 + 1 <= 512: "x{64}":0.0, */
    json_decref(kept);
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
        CASE(file_that_is_not_ours_is_not_overwritten),
        CASE(index_text_is_what_the_protocol_says),
        CASE(latest_moves_with_each_publication_and_others_by_hand),
        CASE(history_has_a_line_for_each_move_and_loses_none),
        CASE(deleted_version_leaves_its_record_and_its_number),
        CASE(index_of_an_older_release_is_read),
        CASE(any_changed_byte_of_the_index_is_found),
        CASE(lineage_is_kept),
        CASE(metrics_that_do_not_fit_a_record_are_left_out),
    };
    return cmocka_run_group_tests_name("model_server/store", tests, NULL, NULL);
}
