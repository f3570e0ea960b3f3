/* Checks topics.c: each topic letter by letter, and the reading of a model's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fl/topics.h"

static struct id id(const char *text)
{
    struct id made;
    assert_int_equal(id_from(text, &made), ST_OK);
    return made;
}

static void topics_of_a_round_are_those_of_the_protocol(void **state)
{
    (void)state;
    struct id round = id("r-0001"), proplet = id("proplet-1");
    char topic[FL_TOPIC_SIZE];
    fl_topic_update(&round, &proplet, topic);
    assert_string_equal(topic, "fl/rounds/r-0001/updates/proplet-1");
    fl_topic_receipt(&round, &proplet, topic);
    assert_string_equal(topic, "fl/rounds/r-0001/receipts/proplet-1");
    fl_topic_complete(&round, topic);
    assert_string_equal(topic, "fl/rounds/r-0001/complete");
    fl_topic_round_state(&round, topic);
    assert_string_equal(topic, "fl/rounds/r-0001/state");
}

static void topics_of_an_experiment_are_those_of_the_protocol(void **state)
{
    (void)state;
    struct id experiment = id("lr-0.1");
    char topic[FL_TOPIC_SIZE];
    fl_topic_experiment_state(&experiment, topic);
    assert_string_equal(topic, "fl/experiments/lr-0.1/state");
    fl_topic_experiment_rows(&experiment, topic);
    assert_string_equal(topic, "fl/experiments/lr-0.1/rows");
}

static void the_longest_names_fit(void **state)
{
    (void)state;
    char text[ID_SIZE_MAX + 1], topic[FL_TOPIC_SIZE];
    memset(text, 'n', ID_SIZE_MAX);
    text[ID_SIZE_MAX] = '\0';
    struct id longest = id(text);
    fl_topic_receipt(&longest, &longest, topic);
    assert_int_equal(strlen(topic), 10 + 64 + 10 + 64); /* fl/rounds/ and /receipts/ */

    fl_topic_channel(&longest, &longest, topic);
    assert_int_equal(strlen(topic), 10 + 64 + 10 + 64); /* fl/models/ and /channels/ */

    struct model_ref ref = {longest, UINT64_C(1) << 53}, again;
    fl_topic_model(&ref, topic);
    assert_int_equal(fl_model_ref_parse(topic, &again), ST_OK);
    assert_true(id_equal(&again.name, &longest));
    assert_true(again.version == UINT64_C(1) << 53);
}

static void a_model_topic_is_read_as_it_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t version;
        const char *topic;
    } cases[] = {{"global_model", 0, "fl/models/global_model_v0"},
                 {"global_model", 10, "fl/models/global_model_v10"},
                 {"m_v1", 2, "fl/models/m_v1_v2"},
                 {"_v", 3, "fl/models/_v_v3"},
                 {"a:b.c", 9007199254740992u, "fl/models/a:b.c_v9007199254740992"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model_ref ref = {id(cases[i].name), cases[i].version}, again;
        char topic[FL_TOPIC_SIZE];
        fl_topic_model(&ref, topic);
        assert_string_equal(topic, cases[i].topic);
        assert_int_equal(fl_model_ref_parse(topic, &again), ST_OK);
        assert_string_equal(again.name.text, cases[i].name);
        assert_true(again.version == cases[i].version);
    }
}

static void other_topics_are_no_model(void **state)
{
    (void)state;
    static const char *const topics[] = {
        "",
        "fl/models/",
        "fl/models/index",
        "fl/models/publish",
        "fl/models/refused",
        "fl/models/m_v",
        "fl/models/_v1",
        "fl/models/m_v01",
        "fl/models/m_v00",
        "fl/models/m_v-1",
        "fl/models/m_v+1",
        "fl/models/m_v 1",
        "fl/models/m_v1 ",
        "fl/models/m_v1a",
        "fl/models/m_v1/",
        "fl/models/a/m_v1",
        "fl/models/.m_v1",
        "fl/models/+_v1",
        "fl/models/m_V1",
        "FL/models/m_v1",
        "/fl/models/m_v1",
        "http://host/fl/models/m_v1",
        "fl/models/m_v9007199254740993", /* 2^53 + 1 */
        "fl/models/m_v99999999999999999999",
    };
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        struct model_ref ref = {{"before"}, 7};
        if (fl_model_ref_parse(topics[i], &ref) != ST_INVALID)
            fail_msg("%s was taken for a model", topics[i]);
        assert_string_equal(ref.name.text, "before");
        assert_true(ref.version == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_of_a_round_are_those_of_the_protocol),
        cmocka_unit_test(topics_of_an_experiment_are_those_of_the_protocol),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(a_model_topic_is_read_as_it_is_written),
        cmocka_unit_test(other_topics_are_no_model),
    };
    return cmocka_run_group_tests_name("fl/topics", tests, NULL, NULL);
}
