/* The index of models: read, chosen from, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/index.h"

#define DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define ENTRY(topic)                                                                               \
    "{\"topic\":\"" topic "\",\"digest\":\"" DIGEST "\",\"size\":12,\"form\":\"json\","            \
    "\"name\":\"x\",\"version\":1,\"round_id\":\"r-1\",\"created_at\":\"2026-01-01T00:00:00Z\"}"

static const char three[] = "{\"models\":[" ENTRY("fl/models/global_model_v0") "," ENTRY(
    "fl/models/other_v9") "," ENTRY("fl/models/global_model_v1") "]}";

static void entries_are_read_in_their_order(void **state)
{
    (void)state;
    struct model_index index = {0};
    assert_int_equal(index_decode(view_text(three), &index, NULL), ST_OK);
    assert_int_equal(index.count, 3);
    assert_string_equal(index.models[1].ref.name.text, "other");
    assert_int_equal(index.models[1].ref.version, 9);
    assert_int_equal(index.models[0].size, 12);
    assert_string_equal(index.models[0].form, "json");
    assert_string_equal(index.models[0].round_id, "r-1");
    assert_string_equal(index_newest(&index)->topic, "fl/models/global_model_v1");
    index_done(&index);
}

static void models_are_chosen_by_topic_name_or_version(void **state)
{
    (void)state;
    struct model_index index = {0};
    assert_int_equal(index_decode(view_text(three), &index, NULL), ST_OK);
    assert_ptr_equal(index_choose(&index, "fl/models/other_v9"), &index.models[1]);
    assert_ptr_equal(index_choose(&index, "other_v9"), &index.models[1]);
    /* A bare version is one of the newest model's name. */
    assert_ptr_equal(index_choose(&index, "0"), &index.models[0]);
    assert_ptr_equal(index_choose(&index, "v1"), &index.models[2]);
    assert_null(index_choose(&index, "9"));
    assert_null(index_choose(&index, "v"));
    assert_null(index_choose(&index, ""));
    assert_null(index_choose(&index, "fl/models/none_v1"));
    index_done(&index);
}

#define VERSION(name, n, digit, more)                                                              \
    "{\"topic\":\"fl/models/" name "_v" #n "\",\"digest\":\"sha256:" digit                         \
    "000000000000000000000000000000000000000000000000000000000000000\",\"size\":1" more "}"
#define CHANNEL(name, channel, n)                                                                  \
    "{\"model\":\"" name "\",\"channel\":\"" channel "\",\"version\":" #n "}"

static const char channels[] = "{\"models\":[" VERSION("m", 0, "a", "") "," VERSION(
    "m", 1, "b",
    ",\"parent\":\"fl/models/m_v0\",\"contributors\":8,\"samples\":40,"
    "\"metrics\":{\"loss\":0.5}") "," VERSION("m", 2, "c",
                                              ",\"deleted_at\":\"now\"") "," VERSION("n", 7, "d",
                                                                                     "") "," VERSION("m",
                                                                                                     3,
                                                                                                     "a",
                                                                                                     "") "],\"channels\":[" CHANNEL("m",
                                                                                                                                    "latest",
                                                                                                                                    1) "," CHANNEL("m",
                                                                                                                                                   "stable",
                                                                                                                                                   1) "," CHANNEL("n",
                                                                                                                                                                  "latest",
                                                                                                                                                                  7) "," CHANNEL("n",
                                                                                                                                                                                 "lost",
                                                                                                                                                                                 9) "]}";

static void models_are_chosen_by_channel_and_digest(void **state)
{
    (void)state;
    struct model_index index = {0};
    assert_int_equal(index_decode(view_text(channels), &index, NULL), ST_OK);
    assert_ptr_equal(index_choose(&index, "m@stable"), &index.models[1]);
    assert_ptr_equal(index_choose(&index, "@latest"), &index.models[1]);
    assert_ptr_equal(index_choose(&index, "n@latest"), &index.models[3]);
    /* After a rollback the default is not the newest. */
    assert_ptr_equal(index_newest(&index), &index.models[4]);
    assert_ptr_equal(index_choose(&index, NULL), &index.models[1]);
    assert_ptr_equal(index_choose(&index, "sha256:b0000000"), &index.models[1]);
    assert_null(index_choose(&index, "sha256:b000000"));      /* too short */
    assert_non_null(index_choose(&index, "sha256:a0000000")); /* the same bytes twice */
    assert_null(index_choose(&index, "m@none"));
    assert_null(index_choose(&index, "n@lost"));
    assert_null(index_choose(&index, "m@"));
    assert_null(index_choose(&index, "a/b@latest"));
    assert_null(index_choose(&index, "2")); /* deleted */
    char text[64];
    index_channels_of(&index, &index.models[1], text, sizeof text);
    assert_string_equal(text, "latest, stable");
    index_channels_of(&index, &index.models[0], text, sizeof text);
    assert_string_equal(text, "");
    index_done(&index);
}

static void lineage_is_read(void **state)
{
    (void)state;
    struct model_index index = {0};
    assert_int_equal(index_decode(view_text(channels), &index, NULL), ST_OK);
    assert_string_equal(index.models[1].parent, "fl/models/m_v0");
    assert_int_equal(index.models[1].contributors, 8);
    assert_int_equal(index.models[1].samples, 40);
    assert_string_equal(index.models[1].metrics, "{\"loss\":0.5}");
    assert_string_equal(index.models[0].parent, "");
    assert_true(index.models[2].deleted);
    assert_false(index.models[1].deleted);
    index_done(&index);
}

static void an_empty_index_has_no_newest(void **state)
{
    (void)state;
    struct model_index index = {0};
    assert_int_equal(index_decode(view_text("{\"models\":[]}"), &index, NULL), ST_OK);
    assert_null(index_newest(&index));
    assert_null(index_choose(&index, "0"));
    index_done(&index);
}

static void what_is_no_index_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "{}",
        "{\"models\":{}}",
        "{\"models\":[7]}",
        "{\"models\":[{}]}",
        "{\"models\":[" ENTRY("fl/rounds/start") "]}",
        "{\"models\":[" ENTRY("fl/models/global_model_v01") "]}",
        "{\"models\":[{\"topic\":\"fl/models/a_v1\",\"digest\":\"md5:0\",\"size\":1}]}",
        "{\"models\":[{\"topic\":\"fl/models/a_v1\",\"digest\":\"" DIGEST "\",\"size\":-1}]}",
        "{\"models\":[],\"channels\":[{}]}",
        "{\"models\":[],\"channels\":[{\"model\":\"a/b\",\"channel\":\"x\",\"version\":1}]}",
        "{\"models\":[" ENTRY("fl/models/a_v1") ",{\"topic\":\"fl/models/a_v2\"}]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct model_index index = {.count = 42};
        struct why why = {""};
        assert_int_not_equal(index_decode(view_text(wrong[i]), &index, &why), ST_OK);
        assert_int_equal(index.count, 42);
        assert_true(strlen(why.text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read_in_their_order),
        cmocka_unit_test(models_are_chosen_by_topic_name_or_version),
        cmocka_unit_test(models_are_chosen_by_channel_and_digest),
        cmocka_unit_test(lineage_is_read),
        cmocka_unit_test(an_empty_index_has_no_newest),
        cmocka_unit_test(what_is_no_index_is_refused),
    };
    return cmocka_run_group_tests_name("cli/index", tests, NULL, NULL);
}
