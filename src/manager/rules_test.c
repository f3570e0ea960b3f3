/* Checks rules.c: what a rules file may say, and that every slip in one is found
 * when it is read and not when a message comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "manager/rules.h"

static const char good[] =
    "{\"launch\":[{\"topic\":\"jobs/start\",\"id\":\"job\",\"participants\":\"who\","
    "\"image\":\"image\",\"timeout_s\":{\"field\":\"limit\",\"default\":30},"
    "\"name\":\"job-{id}-{proplet}\","
    "\"env\":{\"JOB\":\"job\",\"OPTIONS\":{\"field\":\"options\",\"default\":{}}},"
    "\"spec\":{\"id\":\"$job\"}}],"
    "\"forward\":[{\"from\":\"jobs/+/outputs/+\",\"to\":\"outputs\","
    "\"properties\":{\"job\":1,\"sender\":2}}],"
    "\"close\":[{\"topic\":\"jobs/+/done\",\"id\":1}],"
    "\"pin\":[{\"topic\":\"inputs/+\",\"property\":\"digest\"}]}";

static void reads_every_kind(void **state)
{
    (void)state;
    struct rules *r;
    struct why why;
    assert_int_equal(rules_parse(view_text(good), &r, &why), ST_OK);

    assert_int_equal(r->launch_count, 1);
    const struct launch_rule *l = &r->launches[0];
    assert_string_equal(l->topic, "jobs/start");
    assert_string_equal(l->id, "job");
    assert_string_equal(l->participants, "who");
    assert_string_equal(l->image, "image");
    assert_string_equal(l->timeout_s.field, "limit");
    assert_int_equal(json_integer_value(l->timeout_s.fallback), 30);
    assert_string_equal(l->name, "job-{id}-{proplet}");
    assert_int_equal(l->env_count, 2);
    assert_string_equal(l->env[0].variable, "JOB");
    assert_string_equal(l->env[0].value.field, "job");
    assert_null(l->env[0].value.fallback);
    assert_true(json_is_object(l->env[1].value.fallback));
    assert_true(json_is_object(l->spec));

    assert_int_equal(r->forward_count, 1);
    const struct forward_rule *f = &r->forwards[0];
    assert_string_equal(f->from, "jobs/+/outputs/+");
    assert_string_equal(f->to, "outputs");
    assert_int_equal(f->property_count, 2);
    assert_string_equal(f->properties[0].key, "job");
    assert_int_equal(f->properties[0].level, 1); /* jobs is 0 */
    assert_string_equal(f->properties[1].key, "sender");
    assert_int_equal(f->properties[1].level, 3);

    assert_int_equal(r->close_count, 1);
    assert_int_equal(r->closes[0].level, 1);
    assert_int_equal(r->pin_count, 1);
    assert_string_equal(r->pins[0].property, "digest");
    assert_null(rules_free(r));
    assert_null(rules_free(NULL));
}

static void a_file_without_rules_is_one(void **state)
{
    (void)state;
    struct rules *r;
    struct why why;
    assert_int_equal(rules_parse(view_text("{}"), &r, &why), ST_OK);
    assert_int_equal(r->launch_count + r->forward_count + r->close_count + r->pin_count, 0);
    rules_free(r);
}

static void the_built_in_file_is_good(void **state)
{
    (void)state;
    struct rules *r;
    struct why why;
    struct view text = view_of(rules_default_text, rules_default_size);
    assert_int_equal(rules_parse(text, &r, &why), ST_OK);
    assert_int_equal(r->launch_count, 1);
    assert_int_equal(r->forward_count, 1);
    assert_int_equal(r->close_count, 1);
    assert_int_equal(r->pin_count, 1);
    rules_free(r);
}

/* good with the first `old` replaced by `new` must be refused with status, and
 * the sentence must hold `said`. */
static void refuses(const char *old, const char *new, enum status status, const char *said)
{
    char text[2048];
    struct rules *r = NULL;
    struct why why = {""};
    const char *at = strstr(good, old);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, new, at + strlen(old));
    assert_int_equal(rules_parse(view_text(text), &r, &why), status);
    assert_null(r);
    if (strstr(why.text, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, said);
}

static void refuses_keys_that_mean_nothing(void **state)
{
    (void)state;
    refuses("\"launch\":", "\"launches\":", ST_INVALID, "unknown key launches");
    refuses("\"id\":\"job\"", "\"ids\":\"job\"", ST_INVALID, "launch rule 1: unknown key ids");
    refuses("\"to\":", "\"into\":", ST_INVALID, "forward rule 1: unknown key into");
    refuses("\"topic\":\"jobs/+/done\"", "\"filter\":\"x\"", ST_INVALID, "close rule 1");
    refuses("\"property\":", "\"key\":", ST_INVALID, "pin rule 1: unknown key key");
    refuses("\"default\":30", "\"else\":30", ST_INVALID, "unknown key else");
}

static void refuses_what_is_missing_or_empty(void **state)
{
    (void)state;
    refuses("\"id\":\"job\",", "", ST_INVALID, "id is missing");
    refuses("\"participants\":\"who\",", "", ST_INVALID, "participants is missing");
    refuses("\"image\":\"image\",", "", ST_INVALID, "image is missing");
    refuses("\"timeout_s\":{\"field\":\"limit\",\"default\":30},", "", ST_INVALID, "timeout_s");
    refuses("\"name\":\"job-{id}-{proplet}\",", "", ST_INVALID, "name is missing");
    refuses("\"id\":\"job\"", "\"id\":\"\"", ST_INVALID, "id is empty");
    refuses("\"field\":\"options\",\"default\":{}", "\"field\":\"options\"", ST_INVALID,
            "OPTIONS has no default");
    refuses("\"to\":\"outputs\",", "", ST_INVALID, "to is missing");
    refuses("\"property\":\"digest\"", "\"property\":null", ST_INVALID, "property is missing");
}

static void refuses_wrong_types_and_ranges(void **state)
{
    (void)state;
    refuses("\"launch\":[", "\"launch\":[7,", ST_INVALID, "launch rule 1: not an object");
    refuses("\"default\":30", "\"default\":0", ST_INVALID, "timeout_s");
    refuses("\"default\":30", "\"default\":604801", ST_INVALID, "timeout_s");
    refuses("\"default\":30", "\"default\":\"30\"", ST_INVALID, "timeout_s");
    refuses("{\"JOB\":", "{\"2JOB\":", ST_INVALID, "2JOB");
    refuses("{\"JOB\":", "{\"A=B\":", ST_INVALID, "A=B");
    refuses("{\"id\":\"$job\"}", "[]", ST_INVALID, "spec is not an object");
    refuses("{\"id\":\"$job\"}", "{\"id\":{\"$field\":7}}", ST_INVALID, "$field");
    refuses("{\"id\":\"$job\"}", "{\"id\":{\"$field\":\"x\",\"defalut\":1}}", ST_INVALID, "x");
    refuses("{\"id\":\"$job\"}", "{\"id\":{\"$pin\":\"x\",\"default\":1}}", ST_INVALID, "x");
    refuses("{\"id\":\"$job\"}", "{\"id\":[{\"$pin\":\"\"}]}", ST_INVALID, "$pin");
}

static void refuses_filters_and_wildcards_that_are_none(void **state)
{
    (void)state;
    refuses("jobs/start", "jobs/#/start", ST_INVALID, "topic is not an MQTT topic filter");
    refuses("jobs/+/outputs/+", "jobs/a+/outputs/+", ST_INVALID, "from is not");
    refuses("\"to\":\"outputs\"", "\"to\":\"out/+\"", ST_INVALID, "to has a wildcard");
    refuses("\"sender\":2", "\"sender\":3", ST_INVALID, "sender: the filter has fewer than 3 '+'");
    refuses("\"sender\":2", "\"sender\":0", ST_INVALID, "sender is not a whole number");
    refuses("\"sender\":2", "\"topic\":2", ST_INVALID, "topic cannot be the key");
    refuses("jobs/+/done", "jobs/done", ST_INVALID, "close rule 1: id");
}

static void refuses_a_forward_that_feeds_itself(void **state)
{
    (void)state;
    refuses("\"to\":\"outputs\"", "\"to\":\"jobs/x/outputs/y\"", ST_INVALID,
            "jobs/x/outputs/y would be forwarded again");
}

static void refuses_more_than_the_limits(void **state)
{
    (void)state;
    static char large[RULES_SIZE_MAX + 2];
    struct rules *r = NULL;
    struct why why;
    memset(large, ' ', sizeof large - 1);
    assert_int_equal(rules_parse(view_text(large), &r, &why), ST_LIMIT);

    char many[2048] = "{\"pin\":[";
    for (int i = 0; i < RULES_MAX + 1; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many),
                       "%s{\"topic\":\"a/%d\",\"property\":\"p\"}", i == 0 ? "" : ",", i);
    strcat(many, "]}");
    assert_int_equal(rules_parse(view_text(many), &r, &why), ST_LIMIT);
    assert_non_null(strstr(why.text, "pin has more than 16 rules"));

    refuses("{\"job\":1,\"sender\":2}",
            "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1}", ST_LIMIT,
            "more than 7 properties");
    assert_int_equal(rules_parse(view_text("{\"pin\":["), &r, &why), ST_MALFORMED);
    assert_int_equal(rules_parse(view_text("[]"), &r, &why), ST_MALFORMED);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(a_file_without_rules_is_one),
        cmocka_unit_test(the_built_in_file_is_good),
        cmocka_unit_test(refuses_keys_that_mean_nothing),
        cmocka_unit_test(refuses_what_is_missing_or_empty),
        cmocka_unit_test(refuses_wrong_types_and_ranges),
        cmocka_unit_test(refuses_filters_and_wildcards_that_are_none),
        cmocka_unit_test(refuses_a_forward_that_feeds_itself),
        cmocka_unit_test(refuses_more_than_the_limits),
    };
    return cmocka_run_group_tests_name("manager/rules", tests, NULL, NULL);
}
