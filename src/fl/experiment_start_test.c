/* Checks experiment_start.c: the defaults, both directions, shares, the ranges, and
 * what cannot become an experiment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/experiment_start.h"

#define BASE                                                                                       \
    "\"experiment_id\":\"e\",\"model_uri\":\"fl/models/m_v1\",\"task_wasm_image\":\"i\","          \
    "\"rounds\":5"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct experiment_start decoded(const char *text)
{
    struct experiment_start s = {0};
    struct id id;
    struct why why = {""};
    if (experiment_start_decode(view_text(text), &s, &id, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    assert_true(id_equal(&id, &s.experiment_id));
    return s;
}

static void what_is_absent_has_its_default(void **state)
{
    (void)state;
    struct experiment_start s = decoded("{" BASE "}");
    assert_string_equal(s.experiment_id.text, "e");
    assert_string_equal(s.model_uri, "fl/models/m_v1");
    assert_string_equal(s.model.name.text, "m");
    assert_int_equal(s.model.version, 1);
    assert_false(s.has_model_digest);
    assert_string_equal(s.image, "i");
    assert_int_equal(json_object_size(s.hyperparams), 0);
    assert_true(s.alive);
    assert_int_equal(s.participant_count, 0);
    assert_null(s.participants);
    assert_true(s.selection.count.all);
    assert_int_equal(s.selection.min, 1);
    assert_int_equal(s.selection.seed, 0);
    assert_false(s.k.all);
    assert_true(s.k.value == 0.8);
    assert_int_equal(s.rounds, 5);
    assert_int_equal(s.timeout_s, 300);
    assert_int_equal(s.grace_s, 0);
    assert_int_equal(s.max_failures, 3);
    assert_int_equal(s.wait_s, 60);
    assert_int_equal(s.evaluation.every, 0);
    assert_int_equal(s.evaluation.participant_count, 0);
    assert_false(s.has_stop);
    experiment_start_done(&s);
    assert_null(s.hyperparams);
    experiment_start_done(&s); /* an ended one may be ended again */
    experiment_start_done(NULL);
}

static void parts_have_their_defaults(void **state)
{
    (void)state;
    struct experiment_start s =
        decoded("{" BASE ",\"participants\":null,\"selection\":{},\"timeout_s\":7,"
                "\"evaluation\":{\"participants\":[\"x\"]},"
                "\"stop\":{\"metric\":\"loss\",\"goal\":\"min\"}}");
    assert_true(s.alive);
    assert_true(s.selection.count.all);
    assert_int_equal(s.selection.min, 1);
    assert_int_equal(s.evaluation.every, 1);
    assert_int_equal(s.evaluation.timeout_s, 7); /* that of training */
    assert_true(s.has_stop);
    assert_int_equal(s.stop.goal, METRIC_MIN);
    assert_false(s.stop.has_target);
    assert_int_equal(s.stop.patience, 0);
    assert_true(s.stop.min_delta == 0);
    experiment_start_done(&s);
}

static const char full[] =
    "{\"aggregation\":{\"rule\":\"median\"},\"evaluation\":{\"every\":2,\"participants\":[\"x\","
    "\"y\"],\"timeout_s\":60},"
    "\"experiment_id\":\"lr-0.5\",\"grace_s\":3600,\"hyperparams\":{\"lr\":0.5},\"k_of_n\":0.75,"
    "\"max_failures\":4,\"model_digest\":\"sha256:" HEX64 "\",\"model_uri\":\"fl/models/m_v7\","
    "\"participants\":[\"b\",\"a\",\"c\",\"d\",\"x\"],\"rounds\":1000000,"
    "\"selection\":{\"count\":3,\"min\":2,\"seed\":9007199254740992},"
    "\"stop\":{\"goal\":\"max\",\"metric\":\"accuracy\",\"min_delta\":0.125,\"patience\":5,"
    "\"target\":0.5},\"task_wasm_image\":\"i:1\",\"timeout_s\":604800,\"wait_s\":604800}";

static void every_field_is_read_and_written_again(void **state)
{
    (void)state;
    struct experiment_start s = decoded(full);
    assert_true(s.has_model_digest);
    assert_int_equal(s.model_digest.bytes[1], 0x23);
    assert_false(s.alive);
    assert_int_equal(s.participant_count, 5);
    assert_string_equal(s.participants[0].text, "b");
    assert_true(s.selection.count.value == 3);
    assert_int_equal(s.selection.min, 2);
    assert_true(s.selection.seed == UINT64_C(1) << 53);
    assert_true(s.k.value == 0.75);
    assert_int_equal(s.rounds, EXPERIMENT_ROUNDS_MAX);
    assert_int_equal(s.grace_s, 3600);
    assert_int_equal(s.max_failures, 4);
    assert_int_equal(s.wait_s, 604800);
    assert_int_equal(s.evaluation.every, 2);
    assert_int_equal(s.evaluation.participant_count, 2);
    assert_string_equal(s.evaluation.participants[1].text, "y");
    assert_int_equal(s.evaluation.timeout_s, 60);
    assert_string_equal(s.stop.metric, "accuracy");
    assert_int_equal(s.stop.goal, METRIC_MAX);
    assert_true(s.stop.has_target && s.stop.target == 0.5);
    assert_int_equal(s.stop.patience, 5);
    assert_true(s.stop.min_delta == 0.125);
    char *again = experiment_start_encode(&s);
    assert_string_equal(again, full);
    free(again);
    experiment_start_done(&s);
}

static void what_means_the_same_is_the_same_text(void **state)
{
    (void)state;
    struct experiment_start short_one = decoded("{" BASE "}");
    struct experiment_start long_one =
        decoded("{" BASE ",\"participants\":\"alive\",\"grace_s\":0,\"wait_s\":60,"
                "\"selection\":{\"seed\":0,\"count\":\"all\",\"min\":1},\"k_of_n\":0.8,"
                "\"hyperparams\":{},\"evaluation\":null,\"new\":1}");
    char *a = experiment_start_encode(&short_one), *b = experiment_start_encode(&long_one);
    assert_string_equal(a, b);
    free(a);
    free(b);
    experiment_start_done(&short_one);
    experiment_start_done(&long_one);
}

static void numbers_keep_all_their_digits(void **state)
{
    (void)state;
    struct experiment_start s =
        decoded("{" BASE ",\"k_of_n\":0.9999999999,\"hyperparams\":{\"lr\":0.1234567890123},"
                "\"stop\":{\"metric\":\"m\",\"goal\":\"max\",\"target\":0.1,\"min_delta\":1e-17}}");
    char *text = experiment_start_encode(&s);
    struct experiment_start again = decoded(text);
    assert_true(again.k.value == 0.9999999999); /* as 1 it would be one update */
    assert_true(again.stop.target == 0.1);
    assert_true(again.stop.min_delta == 1e-17);
    assert_true(json_real_value(json_object_get(again.hyperparams, "lr")) == 0.1234567890123);
    free(text);
    experiment_start_done(&s);
    experiment_start_done(&again);
}

static void a_share_is_a_fraction_rounded_up_or_a_number(void **state)
{
    (void)state;
    static const struct {
        struct share share;
        size_t of;
        uint32_t expected;
    } cases[] = {
        {{.all = true}, 1, 1},
        {{.all = true}, 10000, 10000},
        {{.value = 0.5}, 10, 5},
        {{.value = 0.5}, 11, 6}, /* 5.5, rounded up */
        {{.value = 0.8}, 5, 4},
        {{.value = 0.8}, 4, 4},    /* 3.2 */
        {{.value = 0.07}, 100, 7}, /* 0.07 * 100 is 7.000000000000001 */
        {{.value = 0.1}, 30, 3},
        {{.value = 1e-300}, 10000, 1}, /* never none */
        {{.value = 0.9999999999}, 10000, 10000},
        {{.value = 1}, 7, 1},
        {{.value = 3}, 7, 3},
        {{.value = 7}, 7, 7},
        {{.value = 10000}, 7, 7}, /* at most as many as there are */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (share_of(&cases[i].share, cases[i].of) != cases[i].expected)
            fail_msg("%g of %zu: %u", cases[i].share.value, cases[i].of,
                     share_of(&cases[i].share, cases[i].of));
}

static void shares_are_read_in_each_form(void **state)
{
    (void)state;
    struct experiment_start s = decoded("{" BASE ",\"k_of_n\":\"all\"}");
    assert_true(s.k.all);
    experiment_start_done(&s);
    s = decoded("{" BASE ",\"k_of_n\":1.0}");
    assert_true(!s.k.all && s.k.value == 1); /* one, not all */
    experiment_start_done(&s);
    s = decoded("{" BASE ",\"k_of_n\":10000,\"selection\":{\"count\":0.25}}");
    assert_true(s.k.value == 10000);
    assert_true(!s.selection.count.all && s.selection.count.value == 0.25);
    experiment_start_done(&s);
}

/* The full start with another value of this field, or of a field within a part of it;
 * NULL leaves the field out. */
static char *with(const char *part, const char *key, const char *value)
{
    json_t *object = NULL;
    assert_int_equal(jsn_parse(view_text(full), CONTROL_SIZE_MAX, &object, NULL), ST_OK);
    json_t *within = part == NULL ? object : json_object_get(object, part);
    (void)json_object_del(within, key);
    if (value != NULL) {
        json_t *item = json_loads(value, JSON_DECODE_ANY, NULL);
        assert_non_null(item);
        assert_int_equal(json_object_set_new(within, key, item), 0);
    }
    char *text = jsn_text_exact(object);
    json_decref(object);
    return text;
}

static void what_cannot_become_an_experiment_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *part, *key, *value, *sentence;
    } cases[] = {
        {NULL, "model_uri", NULL, "model_uri is missing"},
        {NULL, "model_uri", "\"fl/models/m\"", "model_uri is not a topic"},
        {NULL, "model_digest", "\"sha256:abc\"", "model_digest is not sha256:"},
        {NULL, "task_wasm_image", NULL, "task_wasm_image is missing"},
        {NULL, "task_wasm_image", "\"\"", "task_wasm_image is empty"},
        {NULL, "hyperparams", "[1]", "hyperparams is not an object"},
        {NULL, "participants", "\"all\"", "participants is neither \"alive\" nor an array"},
        {NULL, "participants", "5", "participants is neither"},
        {NULL, "participants", "[]", "participants is empty"},
        {NULL, "participants", "[\"a\",\"b\",\"a\"]", "participants names a twice"},
        {NULL, "participants", "[\"a\",\"b/c\"]", "participants[1] is not a name"},
        {NULL, "participants", "[\"a\",\"x\",\"y\"]",
         "selection.min is 2, but only 1 of the participants do not evaluate"},
        {NULL, "rounds", NULL, "rounds is missing"},
        {NULL, "rounds", "0", "rounds is not a whole number from 1 to 1000000"},
        {NULL, "rounds", "1000001", "rounds is not a whole number"},
        {NULL, "rounds", "1.5", "rounds is not a whole number"},
        {NULL, "selection", "[]", "selection is not an object"},
        {"selection", "count", "0", "count is not \"all\", a fraction"},
        {"selection", "count", "-0.5", "count is not \"all\""},
        {"selection", "count", "1.5", "count is not \"all\""},
        {"selection", "count", "10001", "whole number from 1 to 10000"},
        {"selection", "count", "\"some\"", "count is not \"all\""},
        {"selection", "count", "true", "count is not \"all\""},
        {"selection", "count", "1", "selection.count is less than selection.min"},
        {"selection", "min", "0", "min is not a whole number from 1 to 10000"},
        {"selection", "min", "10001", "min is not a whole number"},
        {"selection", "seed", "-1", "seed is not a whole number"},
        {"selection", "seed", "9007199254740993", "seed is not a whole number"},
        {NULL, "k_of_n", "0", "k_of_n is not \"all\""},
        {NULL, "k_of_n", "2.5", "k_of_n is not \"all\""},
        {NULL, "k_of_n", "\"3\"", "k_of_n is not \"all\""},
        {NULL, "timeout_s", "0", "timeout_s is not a whole number from 1 to 604800"},
        {NULL, "grace_s", "3601", "grace_s is not a whole number from 0 to 3600"},
        {NULL, "wait_s", "0", "wait_s is not a whole number from 1 to 604800"},
        {NULL, "wait_s", "604801", "wait_s is not a whole number"},
        {NULL, "max_failures", "0", "max_failures is not a whole number from 1 to 1000000"},
        {NULL, "evaluation", "true", "evaluation is not an object"},
        {"evaluation", "every", "0", "every is not a whole number from 1 to 1000000"},
        {"evaluation", "participants", NULL, "participants is missing"},
        {"evaluation", "participants", "[]", "participants is empty"},
        {"evaluation", "participants", "[\"x\",\"x\"]", "participants names x twice"},
        {"evaluation", "participants", "\"alive\"", "participants is not an array"},
        {"evaluation", "timeout_s", "604801", "timeout_s is not a whole number"},
        {NULL, "stop", "\"never\"", "stop is not an object"},
        {"stop", "metric", NULL, "metric is missing"},
        {"stop", "metric", "\"\"", "metric is empty"},
        {"stop", "metric", "\"a\\u001b[2J\"", "control character"},
        {"stop", "goal", NULL, "goal is missing"},
        {"stop", "goal", "\"up\"", "goal is neither max nor min"},
        {"stop", "target", "\"high\"", "target is not a number"},
        {"stop", "patience", "-1", "patience is not a whole number"},
        {"stop", "min_delta", "-0.1", "min_delta is below 0"},
        {"stop", "min_delta", "\"0\"", "min_delta is not a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = with(cases[i].part, cases[i].key, cases[i].value);
        struct experiment_start s = {.rounds = 77};
        struct id id = {""};
        struct why why = {""};
        enum status status = experiment_start_decode(view_text(text), &s, &id, &why);
        if (status != ST_INVALID || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", text, status_name(status), why.text);
        assert_string_equal(id.text, "lr-0.5"); /* so that it can be told */
        assert_int_equal(s.rounds, 77);         /* untouched */
        free(text);
    }
}

static void without_an_experiment_id_there_is_none_to_tell(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
    } cases[] = {{"", ST_MALFORMED},
                 {"[]", ST_MALFORMED},
                 {"{}", ST_INVALID},
                 {"{\"experiment_id\":5}", ST_INVALID},
                 {"{\"experiment_id\":\"a/b\"}", ST_INVALID},
                 {"{\"experiment_id\":\"e\",\"rounds\":1e999}", ST_NOT_FINITE},
                 {"{\"experiment_id\":\"123456789.123456789.123456789.123456789.123456789\"}",
                  ST_INVALID}}; /* 49 characters */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct experiment_start s;
        struct id id = {"before"};
        struct why why = {""};
        assert_int_equal(experiment_start_decode(view_text(cases[i].text), &s, &id, &why),
                         cases[i].status);
        assert_string_equal(id.text, "");
        assert_string_not_equal(why.text, "");
    }
}

/* A start whose hyperparams are this many bytes as text. */
static char *heavy(size_t size)
{
    size_t filler = size - strlen("{\"a\":\"\"}");
    char *value = malloc(size + 1);
    assert_non_null(value);
    memcpy(value, "{\"a\":\"", 6);
    memset(value + 6, 'x', filler);
    memcpy(value + 6 + filler, "\"}", 3);
    char *text = with(NULL, "hyperparams", value);
    free(value);
    return text;
}

static void hyperparams_leave_room_for_the_round(void **state)
{
    (void)state;
    char *text = heavy(EXPERIMENT_HYPERPARAMS_MAX);
    struct experiment_start s = decoded(text);
    free(text);
    experiment_start_done(&s);

    text = heavy(EXPERIMENT_HYPERPARAMS_MAX + 1);
    struct id id;
    struct why why = {""};
    assert_int_equal(experiment_start_decode(view_text(text), &s, &id, &why), ST_INVALID);
    assert_string_equal(why.text, "hyperparams is longer than 122880 bytes");
    free(text);
}

static void a_message_that_is_too_large_is_not_parsed(void **state)
{
    (void)state;
    static const uint8_t byte = '{'; /* a read of the second would trap */
    struct experiment_start s;
    struct id id;
    assert_int_equal(experiment_start_decode(view_of(&byte, CONTROL_SIZE_MAX + 1), &s, &id, NULL),
                     ST_LIMIT);
    assert_string_equal(id.text, "");
}

static void rounds_are_named_after_their_experiment(void **state)
{
    (void)state;
    struct id experiment = {"e"}, round;
    experiment_round_id(&experiment, ROUND_TRAIN, 1, &round);
    assert_string_equal(round.text, "e-r0001");
    experiment_round_id(&experiment, ROUND_EVALUATE, 12, &round);
    assert_string_equal(round.text, "e-e0012");
    memset(experiment.text, 'e', EXPERIMENT_ID_MAX);
    experiment_round_id(&experiment, ROUND_TRAIN, EXPERIMENT_ROUNDS_MAX, &round);
    assert_int_equal(strlen(round.text), 48 + 9);
    assert_int_equal(id_of(view_text(round.text), &experiment), ST_OK); /* the longest is an id */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_has_its_default),
        cmocka_unit_test(parts_have_their_defaults),
        cmocka_unit_test(every_field_is_read_and_written_again),
        cmocka_unit_test(what_means_the_same_is_the_same_text),
        cmocka_unit_test(numbers_keep_all_their_digits),
        cmocka_unit_test(a_share_is_a_fraction_rounded_up_or_a_number),
        cmocka_unit_test(shares_are_read_in_each_form),
        cmocka_unit_test(what_cannot_become_an_experiment_is_refused_with_a_reason),
        cmocka_unit_test(without_an_experiment_id_there_is_none_to_tell),
        cmocka_unit_test(hyperparams_leave_room_for_the_round),
        cmocka_unit_test(a_message_that_is_too_large_is_not_parsed),
        cmocka_unit_test(rounds_are_named_after_their_experiment),
    };
    return cmocka_run_group_tests_name("fl/experiment_start", tests, NULL, NULL);
}
