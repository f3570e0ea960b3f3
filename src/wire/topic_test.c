/* Checks topic.c against the examples of MQTT 5 section 4.7 and against the
 * core's own names, then what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/topic.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct topic_space space = {{"demo"}, {"fl"}};

struct pair {
    const char *filter, *topic;
};

static void matches_as_in_the_mqtt_specification(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1"},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking"},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"},
        {"sport/#", "sport"},
        {"#", "a"},
        {"#", "/"},
        {"sport/tennis/+", "sport/tennis/player1"},
        {"sport/+", "sport/"},
        {"+/+", "/finance"},
        {"/+", "/finance"},
        {"+/tennis/#", "sport/tennis"},
        {"$SYS/#", "$SYS/"},
        {"$SYS/monitor/+", "$SYS/monitor/Clients"},
        {"fl/rounds/+/updates/+", "fl/rounds/r-0001/updates/proplet-1"},
        {"a//b", "a//b"},
        {"a/+/b", "a//b"},
        {"a/$b/+", "a/$b/c"},
        {"+/$b", "a/$b"},
        {"/", "/"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_true(topic_match(pairs[i].filter, pairs[i].topic));
}

static void does_not_match_more_than_that(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"sport/tennis/+", "sport/tennis/player1/ranking"},
        {"sport/+", "sport"},
        {"+", "/finance"},
        {"#", "$SYS/monitor"},
        {"+/monitor/Clients", "$SYS/monitor/Clients"},
        {"sport", "Sport"},
        {"sport", "sport/"},
        {"sport/", "sport"},
        {"sport/#", "sports"},
        {"sport/#", "sportsman/a"},
        {"a/b/#", "a"},
        {"fl/rounds/+/updates/+", "fl/rounds/r-0001/receipts/proplet-1"},
        {"fl/rounds/+/updates/+", "fl/rounds/r/x/updates/proplet-1"},
        {"ab", "a"},
        {"a", "ab"},
        {"", ""},
        {"#", ""},
        {"", "a"},
        /* Not filters at all: they match nothing beyond their own letters. */
        {"#/a", "b/a"},
        {"a#", "ab"},
        {"a+", "ab"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_false(topic_match(pairs[i].filter, pairs[i].topic));
}

/* Any topic is matched by itself, by itself with any level made '+', and by
 * each of its beginnings with '/#'. */
static void every_topic_is_matched_by_its_own_filters(void **state)
{
    (void)state;
    struct rand r = {7};
    for (int i = 0; i < 2000; i++) {
        char topic[64] = "", plus[64] = "", hash[64] = "";
        uint64_t levels = 1 + rand_below(&r, 6), replaced = rand_below(&r, levels);
        for (uint64_t level = 0; level < levels; level++) {
            char name[3] = {(char)('a' + rand_below(&r, 3)), '\0', '\0'};
            if (rand_below(&r, 4) == 0)
                name[0] = '\0';
            else if (rand_below(&r, 2) == 0)
                name[1] = 'x';
            if (level > 0) {
                strcat(topic, "/");
                strcat(plus, "/");
            }
            if (level == replaced && level > 0)
                strcpy(hash, topic);
            strcat(topic, name);
            strcat(plus, level == replaced ? "+" : name);
        }
        strcat(hash, "#");
        if (topic[0] == '\0')
            continue;
        assert_true(topic_match(topic, topic));
        assert_true(topic_match(plus, topic));
        assert_true(topic_match(hash, topic));
        strcat(topic, "/more");
        assert_true(topic_match(hash, topic));
        assert_false(topic_match(plus, topic));
    }
}

static void good_filters_are_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "#",
        "+",
        "/",
        "//",
        "a",
        "a/#",
        "+/+/#",
        "m/demo/c/fl/#",
        "fl/rounds/+/updates/+",
        "$SYS/#",
        "a b/c",
        "\xc3\xa4/+",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(topic_filter_check(good[i]), ST_OK);
}

static void bad_filters_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "a#", "#a", "a/b#", "a/#/b", "#/", "##", "+a", "a+/b", "++", "a/+#", "a/#+",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(topic_filter_check(bad[i]), ST_INVALID);
}

static void a_filter_has_16_levels_and_511_bytes_at_most(void **state)
{
    (void)state;
    assert_int_equal(topic_filter_check("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), ST_OK);
    assert_int_equal(topic_filter_check("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), ST_INVALID);
    assert_int_equal(topic_filter_check("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/"), ST_INVALID);

    char longest[TOPIC_SIZE_MAX + 1];
    memset(longest, 'a', sizeof longest);
    longest[TOPIC_SIZE_MAX] = '\0';
    assert_int_equal(topic_filter_check(longest), ST_INVALID);
    longest[TOPIC_SIZE_MAX - 1] = '\0';
    assert_int_equal(topic_filter_check(longest), ST_OK);
}

static void levels_are_counted_from_0(void **state)
{
    (void)state;
    struct view level;
    assert_int_equal(topic_level("fl/rounds/r-1/updates/p-1", 0, &level), ST_OK);
    assert_true(view_equal(level, view_text("fl")));
    assert_int_equal(topic_level("fl/rounds/r-1/updates/p-1", 2, &level), ST_OK);
    assert_true(view_equal(level, view_text("r-1")));
    assert_int_equal(topic_level("fl/rounds/r-1/updates/p-1", 4, &level), ST_OK);
    assert_true(view_equal(level, view_text("p-1")));
    assert_int_equal(topic_level("a//", 1, &level), ST_OK);
    assert_int_equal(level.size, 0);
    assert_int_equal(topic_level("a//", 2, &level), ST_OK);
    assert_int_equal(level.size, 0);
}

static void a_level_that_is_not_there_changes_nothing(void **state)
{
    (void)state;
    struct view level = view_text("kept");
    assert_int_equal(topic_level("fl/rounds", 2, &level), ST_NOT_FOUND);
    assert_int_equal(topic_level("", 1, &level), ST_NOT_FOUND);
    assert_int_equal(topic_level("a", 4000000000u, &level), ST_NOT_FOUND);
    assert_true(view_equal(level, view_text("kept")));
}

static void core_topics_are_propellers(void **state)
{
    (void)state;
    struct topic topic;
    topic_make(&space, &topic, "control/proplet/create", NULL);
    assert_string_equal(topic.text, "m/demo/c/fl/control/proplet/create");
    topic_make(&space, &topic, "control/manager/start", "proplet-1", NULL);
    assert_string_equal(topic.text, "m/demo/c/fl/control/manager/start/proplet-1");
    topic_make(&space, &topic, "registry/part", "p", "00ff", "17", NULL);
    assert_string_equal(topic.text, "m/demo/c/fl/registry/part/p/00ff/17");
    topic_make(&space, &topic, NULL);
    assert_string_equal(topic.text, "m/demo/c/fl");
}

static void the_longest_ids_fit(void **state)
{
    (void)state;
    struct topic_space long_space;
    struct topic topic;
    char text[ID_SIZE_MAX + 1];
    memset(text, 'x', ID_SIZE_MAX);
    text[ID_SIZE_MAX] = '\0';
    assert_int_equal(id_from(text, &long_space.domain), ST_OK);
    assert_int_equal(id_from(text, &long_space.channel), ST_OK);
    topic_make(&long_space, &topic, "control/manager/start", text, NULL);
    assert_int_equal(strlen(topic.text), 2 + 64 + 3 + 64 + 1 + 21 + 1 + 64);
}

static void rest_is_what_follows_the_prefix(void **state)
{
    (void)state;
    assert_string_equal(topic_rest(&space, "m/demo/c/fl/control/proplet/alive"),
                        "control/proplet/alive");
    assert_string_equal(topic_rest(&space, "m/demo/c/fl/x"), "x");
}

static void other_spaces_have_no_rest(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "m",
        "m/demo/c/fl",
        "m/demo/c/fl/",
        "m/demo/c/fl2/control",
        "m/demo2/c/fl/control",
        "m/demo/c/f",
        "M/demo/c/fl/control",
        "fl/rounds/start",
        "/m/demo/c/fl/control",
    };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_null(topic_rest(&space, others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_as_in_the_mqtt_specification),
        cmocka_unit_test(does_not_match_more_than_that),
        cmocka_unit_test(every_topic_is_matched_by_its_own_filters),
        cmocka_unit_test(good_filters_are_accepted),
        cmocka_unit_test(bad_filters_are_refused),
        cmocka_unit_test(a_filter_has_16_levels_and_511_bytes_at_most),
        cmocka_unit_test(levels_are_counted_from_0),
        cmocka_unit_test(a_level_that_is_not_there_changes_nothing),
        cmocka_unit_test(core_topics_are_propellers),
        cmocka_unit_test(the_longest_ids_fit),
        cmocka_unit_test(rest_is_what_follows_the_prefix),
        cmocka_unit_test(other_spaces_have_no_rest),
    };
    return cmocka_run_group_tests_name("wire/topic", tests, NULL, NULL);
}
