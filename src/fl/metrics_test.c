/* Checks metrics.c: reading, means worked by hand, limits. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/jsn.h"
#include "fl/metrics.h"

static enum status read(const char *text, struct metrics *ret, struct why *why)
{
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    enum status status = metrics_decode(object, ret, why);
    json_decref(object);
    return status;
}

static struct metrics metrics_of(const char *text)
{
    struct metrics m;
    assert_int_equal(read(text, &m, NULL), ST_OK);
    return m;
}

static double value_of(const struct metrics *m, const char *name)
{
    const struct metric *metric = metrics_find(m, name);
    assert_non_null(metric);
    return metric->value;
}

static void numbers_are_read_by_name(void **state)
{
    (void)state;
    struct metrics m = metrics_of("{\"loss\":0.73,\"steps\":12,\"delta\":-1e-9}");
    assert_int_equal(m.count, 3);
    assert_true(value_of(&m, "loss") == 0.73);
    assert_true(value_of(&m, "steps") == 12);
    assert_true(value_of(&m, "delta") == -1e-9);
    assert_true(metrics_find(&m, "loss")->weight == 1);
    assert_null(metrics_find(&m, "accuracy"));
}

static void none_are_none(void **state)
{
    (void)state;
    struct metrics m = {.count = 5};
    assert_int_equal(metrics_decode(NULL, &m, NULL), ST_OK);
    assert_int_equal(m.count, 0);
    m = metrics_of("{}");
    assert_int_equal(m.count, 0);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct metrics m = metrics_of("{\"loss\":0.73,\"accuracy\":1}");
    json_t *object = metrics_encode(&m);
    char *text = jsn_text(object);
    assert_string_equal(text, "{\"accuracy\":1.0,\"loss\":0.73}");
    free(text);
    json_decref(object);
}

static void bad_metrics_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct metrics m = {.count = 5};
    struct why why;
    assert_int_equal(read("{\"loss\":\"low\"}", &m, &why), ST_TYPE);
    assert_string_equal(why.text, "metric loss is not a number");
    assert_int_equal(read("{\"loss\":null}", &m, &why), ST_TYPE);
    assert_int_equal(read("{\"\\u001b[2J\":1}", &m, &why), ST_INVALID);
    assert_string_equal(why.text, "a metric's name holds a control character");
    assert_int_equal(read("{\"loss\x7f\":1}", &m, &why), ST_INVALID);
    assert_int_equal(read("{\"loss\":[0.5]}", &m, &why), ST_TYPE);
    assert_int_equal(read("{\"\":1}", &m, &why), ST_LIMIT);
    assert_int_equal(m.count, 5); /* untouched */
}

static void names_and_numbers_of_metrics_are_limited(void **state)
{
    (void)state;
    struct metrics m = {.count = 5};
    json_t *object = json_object();
    char name[METRIC_NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[METRIC_NAME_MAX + 1] = '\0';
    assert_int_equal(json_object_set_new(object, name, json_integer(1)), 0);
    assert_int_equal(metrics_decode(object, &m, NULL), ST_LIMIT);
    json_object_clear(object);

    for (int i = 0; i < METRICS_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%d", i);
        assert_int_equal(json_object_set_new(object, name, json_integer(i)), 0);
    }
    assert_int_equal(metrics_decode(object, &m, NULL), ST_OK);
    assert_int_equal(m.count, METRICS_MAX);
    assert_int_equal(json_object_set_new(object, "one more", json_integer(1)), 0);
    assert_int_equal(metrics_decode(object, &m, NULL), ST_LIMIT);
    assert_int_equal(m.count, METRICS_MAX);
    json_decref(object);
}

static void means_are_weighted_by_samples(void **state)
{
    (void)state;
    struct metrics total = {0};
    struct metrics a = metrics_of("{\"loss\":1}"), b = metrics_of("{\"loss\":5}");
    metrics_add(&total, &a, 1);
    metrics_add(&total, &b, 3);
    assert_int_equal(total.count, 1);
    assert_true(value_of(&total, "loss") == 4.0); /* (1*1 + 3*5) / 4 */
    assert_true(metrics_find(&total, "loss")->weight == 4.0);
}

static void a_mean_is_over_those_who_reported(void **state)
{
    (void)state;
    struct metrics total = {0};
    struct metrics a = metrics_of("{\"loss\":1,\"accuracy\":0.5}"), b = metrics_of("{\"loss\":2}");
    metrics_add(&total, &a, 10);
    metrics_add(&total, &b, 10);
    assert_true(value_of(&total, "loss") == 1.5);
    assert_true(value_of(&total, "accuracy") == 0.5);
    assert_true(metrics_find(&total, "accuracy")->weight == 10);
}

static void means_of_the_largest_numbers_stay_finite(void **state)
{
    (void)state;
    struct metrics total = {0};
    struct metrics most = {1, {{"x", DBL_MAX, 1}}}, least = {1, {{"x", -DBL_MAX, 1}}};
    for (int i = 0; i < 100; i++)
        metrics_add(&total, &most, 1e9 / 3);
    assert_true(isfinite(value_of(&total, "x")));
    for (int i = 0; i < 200; i++)
        metrics_add(&total, &least, 1e9 / 7);
    assert_true(isfinite(value_of(&total, "x")));
}

static void names_beyond_the_limit_are_ignored(void **state)
{
    (void)state;
    struct metrics total = {0};
    for (int i = 0; i < METRICS_MAX; i++) {
        struct metrics one = {1, {{"", i, 1}}};
        (void)snprintf(one.items[0].name, sizeof one.items[0].name, "m%d", i);
        metrics_add(&total, &one, 1);
    }
    struct metrics more = metrics_of("{\"one more\":1,\"m3\":5}");
    metrics_add(&total, &more, 1);
    assert_int_equal(total.count, METRICS_MAX);
    assert_null(metrics_find(&total, "one more"));
    assert_true(value_of(&total, "m3") == 4.0); /* (3 + 5) / 2 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_by_name),
        cmocka_unit_test(none_are_none),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(bad_metrics_are_refused_with_a_reason),
        cmocka_unit_test(names_and_numbers_of_metrics_are_limited),
        cmocka_unit_test(means_are_weighted_by_samples),
        cmocka_unit_test(a_mean_is_over_those_who_reported),
        cmocka_unit_test(means_of_the_largest_numbers_stay_finite),
        cmocka_unit_test(names_beyond_the_limit_are_ignored),
    };
    return cmocka_run_group_tests_name("fl/metrics", tests, NULL, NULL);
}
