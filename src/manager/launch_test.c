/* Checks launch.c and template.c: from a rule and a message to what a task gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manager/launch.h"
#include "manager/template.h"

static const char rules_text[] =
    "{\"launch\":[{\"topic\":\"jobs/start\",\"id\":\"job\",\"participants\":\"who\","
    "\"image\":\"image\",\"timeout_s\":{\"field\":\"limit\",\"default\":30},"
    "\"name\":\"job-{id}-{proplet}\","
    "\"env\":{\"JOB\":\"job\",\"INPUT\":\"input\","
    "\"OPTIONS\":{\"field\":\"options\",\"default\":{}}},"
    "\"spec\":{\"job\":{\"id\":\"$job\",\"limit\":{\"$field\":\"limit\",\"default\":30},"
    "\"extra\":\"$extra\"},"
    "\"input\":{\"topic\":\"$input\","
    "\"digest\":{\"$field\":\"input_digest\",\"default\":{\"$pin\":\"input\"}}}}}]}";

#define HEAD "{\"job\":\"j1\",\"who\":[\"p1\",\"p2\"],\"image\":\"tool\",\"input\":\"inputs/a\""

struct fixture {
    struct rules *rules;
    struct ring *pins;
};

static int setup(void **state)
{
    static struct fixture f;
    struct why why;
    if (rules_parse(view_text(rules_text), &f.rules, &why) != ST_OK ||
        ring_new(4, &f.pins) != ST_OK)
        return -1;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rules_free(f->rules);
    ring_free(f->pins);
    return 0;
}

static enum status read(const struct fixture *f, const char *text, struct launch *ret,
                        struct why *why)
{
    return launch_read(&f->rules->launches[0], f->pins, view_text(text), ret, why);
}

static const char *env(const struct launch *l, const char *variable)
{
    return json_string_value(json_object_get(l->env, variable));
}

static void assert_json(const json_t *value, const char *expected)
{
    char *text = jsn_text(value);
    assert_string_equal(text, expected);
    free(text);
}

static void the_shortest_message_gets_the_defaults(void **state)
{
    struct launch l;
    struct why why;
    assert_int_equal(read(*state, HEAD "}", &l, &why), ST_OK);
    assert_string_equal(l.id.text, "j1");
    assert_int_equal(l.participant_count, 2);
    assert_string_equal(l.participants[0].text, "p1");
    assert_string_equal(l.participants[1].text, "p2");
    assert_string_equal(l.image, "tool");
    assert_string_equal(l.image_ref.name, "tool:latest");
    assert_int_equal(l.timeout_s, 30);
    assert_int_equal(json_object_size(l.env), 3);
    assert_string_equal(env(&l, "JOB"), "j1");
    assert_string_equal(env(&l, "INPUT"), "inputs/a");
    assert_string_equal(env(&l, "OPTIONS"), "{}");
    /* Neither the extra field nor the digest is known: both are left out. */
    assert_json(l.spec, "{\"input\":{\"topic\":\"inputs/a\"},\"job\":{\"id\":\"j1\","
                        "\"limit\":30}}");
    launch_done(&l);
    launch_done(NULL);
}

static void values_that_are_no_texts_become_compact_json(void **state)
{
    struct launch l;
    struct why why;
    assert_int_equal(read(*state,
                          HEAD ",\"options\":{ \"rate\": 0.01, \"b\": [1, true] },"
                               "\"limit\":7,\"extra\":[null]}",
                          &l, &why),
                     ST_OK);
    assert_string_equal(env(&l, "OPTIONS"), "{\"b\":[1,true],\"rate\":0.01}");
    assert_int_equal(l.timeout_s, 7);
    assert_json(json_object_get(l.spec, "job"), "{\"extra\":[null],\"id\":\"j1\",\"limit\":7}");
    launch_done(&l);
}

static void a_pinned_topic_brings_its_digest(void **state)
{
    struct fixture *f = *state;
    struct launch l;
    struct why why;
    struct digest d = digest_of(view_text(""));
    assert_int_equal(ring_put(f->pins, "inputs/a", &d), ST_OK);
    assert_int_equal(read(f, HEAD "}", &l, &why), ST_OK);
    /* SHA-256 of nothing, FIPS 180-4. */
    assert_json(json_object_get(l.spec, "input"),
                "{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852"
                "b855\",\"topic\":\"inputs/a\"}");
    launch_done(&l);
}

static void the_message_says_it_better_than_a_pin(void **state)
{
    struct fixture *f = *state;
    struct launch l;
    struct why why;
    struct digest d = digest_of(view_text(""));
    assert_int_equal(ring_put(f->pins, "inputs/a", &d), ST_OK);
    assert_int_equal(read(f, HEAD ",\"input_digest\":\"own\"}", &l, &why), ST_OK);
    assert_json(json_object_get(l.spec, "input"), "{\"digest\":\"own\",\"topic\":\"inputs/a\"}");
    launch_done(&l);
}

static void names_are_filled_in_and_cut(void **state)
{
    struct fixture *f = *state;
    struct launch l = {.id = {"j1"}};
    struct id p = {"p1"};
    struct launch_rule rule = f->rules->launches[0];
    char name[LAUNCH_NAME_SIZE];
    launch_name(&rule, &l, &p, name);
    assert_string_equal(name, "job-j1-p1");
    rule.name = "{other}{proplet}{id";
    launch_name(&rule, &l, &p, name);
    assert_string_equal(name, "{other}p1{id");
    /* 60 * 64 letters do not fit into 255. */
    memset(l.id.text, 'x', ID_SIZE_MAX);
    rule.name = "{id}{id}{id}{id}{id}";
    launch_name(&rule, &l, &p, name);
    assert_int_equal(strlen(name), LAUNCH_NAME_SIZE - 1);
}

static void refuses(const struct fixture *f, const char *text, enum status status, const char *said)
{
    struct launch l = {.timeout_s = 77};
    struct why why = {""};
    assert_int_equal(read(f, text, &l, &why), status);
    assert_int_equal(l.timeout_s, 77); /* untouched */
    if (strstr(why.text, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, said);
}

static void refuses_what_is_missing(void **state)
{
    refuses(*state, "{}", ST_INVALID, "job is missing");
    refuses(*state, "{\"job\":\"j\"}", ST_INVALID, "who is missing");
    refuses(*state, "{\"job\":\"j\",\"who\":[\"p\"]}", ST_INVALID, "image is missing");
    refuses(*state, "{\"job\":\"j\",\"who\":[\"p\"],\"image\":\"t\"}", ST_INVALID,
            "input is missing");
    refuses(*state, "{\"job\":\"j\",\"who\":[\"p\"],\"image\":\"t\",\"input\":null}", ST_INVALID,
            "input is missing");
}

static void refuses_what_is_wrong(void **state)
{
    refuses(*state, "{\"job\":\"a/b\",\"who\":[\"p\"]}", ST_INVALID, "job is not a name");
    refuses(*state, "{\"job\":\"j\",\"who\":[]}", ST_INVALID, "who is empty");
    refuses(*state, "{\"job\":\"j\",\"who\":\"p\"}", ST_INVALID, "who is not an array");
    refuses(*state, "{\"job\":\"j\",\"who\":[7]}", ST_INVALID, "not a name");
    refuses(*state, "{\"job\":\"j\",\"who\":[\"p/+\"]}", ST_INVALID, "not a name");
    refuses(*state, "{\"job\":\"j\",\"who\":[\"p\",\"q\",\"p\"]}", ST_INVALID, "holds p twice");
    refuses(*state, "{\"job\":\"j\",\"who\":[\"p\"],\"image\":\"a b\"}", ST_INVALID, "image");
    refuses(*state, HEAD ",\"limit\":0}", ST_INVALID, "limit is not a whole number");
    refuses(*state, HEAD ",\"limit\":604801}", ST_INVALID, "limit is not a whole number");
    refuses(*state, HEAD ",\"limit\":\"5\"}", ST_INVALID, "limit is not a whole number");
    refuses(*state, HEAD, ST_MALFORMED, "not JSON");
    refuses(*state, HEAD ",\"job\":\"j2\"}", ST_MALFORMED, "not JSON"); /* a key twice */
}

/* HEAD, then ,"key":"xxx…" with size letters. To be freed. */
static char *message_with(const char *key, size_t size)
{
    char *text = malloc(size + 256);
    assert_non_null(text);
    int at = sprintf(text, "%s,\"%s\":\"", HEAD, key);
    memset(text + at, 'x', size);
    strcpy(text + at + size, "\"}");
    return text;
}

static void refuses_what_is_too_large(void **state)
{
    struct launch l;
    struct why why;
    char *text = message_with("options", TASK_ENV_VALUE_MAX);
    assert_int_equal(read(*state, text, &l, &why), ST_OK);
    launch_done(&l);
    free(text);
    text = message_with("options", TASK_ENV_VALUE_MAX + 1);
    refuses(*state, text, ST_LIMIT, "options is longer");
    free(text);
    text = message_with("extra", CONTROL_SIZE_MAX - 4096);
    refuses(*state, text, ST_LIMIT, "too large for the starts");
    free(text);
    text = message_with("unused", CONTROL_SIZE_MAX);
    refuses(*state, text, ST_LIMIT, "limit");
    free(text);
}

static void refuses_what_would_nest_too_deep(void **state)
{
    struct launch l;
    struct why why;
    char text[512] = HEAD ",\"extra\":";
    /* In the start it lies in spec and job: 3 levels and 29 make 32. */
    strcat(text, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}");
    assert_int_equal(read(*state, text, &l, &why), ST_OK);
    launch_done(&l);
    strcpy(text, HEAD ",\"extra\":");
    strcat(text, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}");
    refuses(*state, text, ST_LIMIT, "nested too deep");
}

static void ten_thousand_participants_are_the_limit(void **state)
{
    struct launch l;
    struct why why;
    for (int count = LAUNCH_PARTICIPANTS_MAX; count <= LAUNCH_PARTICIPANTS_MAX + 1; count++) {
        char *text = malloc(256 + (size_t)count * 10);
        assert_non_null(text);
        char *at = text + sprintf(text, "{\"job\":\"j\",\"image\":\"t\",\"input\":\"i\",\"who\":[");
        for (int i = 0; i < count; i++)
            at += sprintf(at, "%s\"p%d\"", i == 0 ? "" : ",", i);
        strcpy(at, "]}");
        if (count == LAUNCH_PARTICIPANTS_MAX) {
            assert_int_equal(read(*state, text, &l, &why), ST_OK);
            assert_int_equal(l.participant_count, count);
            launch_done(&l);
        } else {
            refuses(*state, text, ST_INVALID, "who is not an array of at most 10000");
        }
        free(text);
    }
}

static void fills(const char *template, const char *expected)
{
    json_t *t = json_loads(template, JSON_DECODE_ANY, NULL);
    json_t *message = json_pack("{s:i, s:s, s:n}", "n", 5, "topic", "inputs/a", "nothing");
    json_t *filled = NULL;
    struct ring *pins;
    struct why why;
    assert_int_equal(ring_new(1, &pins), ST_OK);
    assert_int_equal(template_check(t, &why), ST_OK);
    assert_int_equal(template_fill(t, message, pins, &filled), ST_OK);
    if (expected == NULL)
        assert_null(filled);
    else
        assert_json(filled, expected);
    json_decref(filled);
    json_decref(message);
    json_decref(t);
    ring_free(pins);
}

static void a_template_is_filled_in_everywhere(void **state)
{
    (void)state;
    fills("\"$n\"", "5");
    fills("\"n\"", "\"n\"");
    fills("\"$$n\"", "\"$n\"");
    fills("7", "7");
    fills("[\"$n\",\"$absent\",{\"a\":\"$n\"}]", "[5,{\"a\":5}]");
    fills("{\"$field\":\"absent\",\"default\":[\"$n\"]}", "[5]");
    fills("{\"$field\":\"nothing\",\"default\":1}", "1");
    fills("{\"$field\":\"n\",\"default\":1}", "5");
    fills("{\"$field\":\"absent\"}", NULL);
    fills("{\"a\":{\"$pin\":\"topic\"},\"b\":{\"$pin\":\"n\"}}", "{}");
}

/* The built-in rules and the message of the document that they serve are data:
 * default_rules_example.json holds one and what must come out. */
static void the_built_in_rules_read_their_example(void **state)
{
    struct fixture *f = *state;
    struct why why;
    struct rules *rules;
    struct launch l;
    json_t *example = json_load_file("src/manager/default_rules_example.json", 0, NULL);
    assert_non_null(example);
    struct view text = view_of(rules_default_text, rules_default_size);
    assert_int_equal(rules_parse(text, &rules, &why), ST_OK);
    assert_string_equal(rules->launches[0].topic,
                        json_string_value(json_object_get(example, "topic")));

    char *message = jsn_text(json_object_get(example, "message"));
    assert_int_equal(launch_read(&rules->launches[0], f->pins, view_text(message), &l, &why),
                     ST_OK);
    char name[LAUNCH_NAME_SIZE];
    launch_name(&rules->launches[0], &l, &l.participants[0], name);
    assert_string_equal(name, json_string_value(json_object_get(example, "name")));
    assert_int_equal(l.timeout_s, json_integer_value(json_object_get(example, "timeout_s")));
    assert_true(json_equal(l.env, json_object_get(example, "env")));
    assert_true(json_equal(l.spec, json_object_get(example, "spec")));
    launch_done(&l);
    rules_free(rules);
    free(message);
    json_decref(example);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_shortest_message_gets_the_defaults),
        TEST(values_that_are_no_texts_become_compact_json),
        TEST(a_pinned_topic_brings_its_digest),
        TEST(the_message_says_it_better_than_a_pin),
        TEST(names_are_filled_in_and_cut),
        TEST(refuses_what_is_missing),
        TEST(refuses_what_is_wrong),
        TEST(refuses_what_is_too_large),
        TEST(refuses_what_would_nest_too_deep),
        TEST(ten_thousand_participants_are_the_limit),
        TEST(a_template_is_filled_in_everywhere),
        TEST(the_built_in_rules_read_their_example),
    };
    return cmocka_run_group_tests_name("manager/launch", tests, NULL, NULL);
}
