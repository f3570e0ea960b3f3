/* Checks model_json.c: shapes from nesting, what is metadata, the shortest
 * decimals, and every refusal. */
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
#include "base/rand.h"
#include "model/model_json.h"

static enum status read(const char *text, struct model **ret, struct why *why)
{
    json_t *object = NULL;
    assert_int_equal(jsn_parse(view_text(text), JSON_SIZE_MAX, &object, why), ST_OK);
    enum status status = model_from_json(object, ret, why);
    json_decref(object);
    return status;
}

static struct model *readable(const char *text)
{
    struct model *m = NULL;
    struct why why = {""};
    if (read(text, &m, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    return m;
}

static char *written(const struct model *m)
{
    json_t *object = model_to_json(m);
    assert_non_null(object);
    char *text = jsn_text(object);
    assert_non_null(text);
    json_decref(object);
    return text;
}

static void the_model_of_the_demo_is_read(void **state)
{
    (void)state;
    struct model *m = readable("{\"w\": [0.12, -0.05, 1.01], \"b\": 0.33, \"version\": 0}");
    assert_int_equal(model_tensor_count(m), 2);
    assert_string_equal(model_tensor(m, 0)->name, "b"); /* sorted by key */
    assert_int_equal(model_tensor(m, 0)->rank, 0);
    assert_int_equal(model_tensor(m, 1)->rank, 1);
    assert_int_equal(model_tensor(m, 1)->shape[0], 3);
    const float expected[] = {0.33f, 0.12f, -0.05f, 1.01f};
    assert_memory_equal(model_params(m), expected, sizeof expected);
    assert_string_equal(model_meta(m, "version"), "0");
    model_free(m);
}

static void nesting_is_the_shape(void **state)
{
    (void)state;
    struct model *m = readable("{\"t\":[[[1,2]],[[3,4]],[[5,6]]]}");
    const struct tensor *t = model_find(m, "t");
    assert_int_equal(t->rank, 3);
    assert_int_equal(t->shape[0], 3);
    assert_int_equal(t->shape[1], 1);
    assert_int_equal(t->shape[2], 2);
    for (size_t i = 0; i < 6; i++)
        assert_true(t->data[i] == (float)(i + 1));
    char *text = written(m);
    assert_string_equal(text, "{\"t\":[[[1.0,2.0]],[[3.0,4.0]],[[5.0,6.0]]]}");
    free(text);
    model_free(m);
}

static void texts_and_version_are_metadata(void **state)
{
    (void)state;
    static const char text[] = "{\"b\":0.5,\"name\":\"m\",\"round_id\":\"r-1\",\"version\":3}";
    struct model *m = readable(text);
    assert_int_equal(model_tensor_count(m), 1);
    assert_int_equal(model_meta_count(m), 3);
    assert_string_equal(model_meta(m, "name"), "m");
    assert_string_equal(model_meta(m, "version"), "3");
    char *again = written(m);
    assert_string_equal(again, text);
    free(again);
    model_free(m);
}

static void a_version_that_is_no_number_stays_a_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"version\":\"1.2\"}", "{\"version\":\"007\"}",
                                        "{\"version\":\"\"}", "{\"version\":\"9007199254740993\"}"};
    for (size_t i = 0; i < 4; i++) {
        struct model *m = readable(texts[i]);
        char *again = written(m);
        assert_string_equal(again, texts[i]);
        free(again);
        model_free(m);
    }
    struct model *m = readable("{\"version\":\"7\"}");
    char *again = written(m);
    assert_string_equal(again, "{\"version\":7}");
    free(again);
    model_free(m);
}

static void metadata_gives_way_to_a_tensor_of_its_name(void **state)
{
    (void)state;
    struct model *m = readable("{\"w\":[1]}");
    assert_int_equal(model_set_meta(m, "w", "text"), ST_OK);
    char *text = written(m);
    assert_string_equal(text, "{\"w\":[1.0]}");
    free(text);
    model_free(m);
}

static void an_empty_object_is_a_model_without_tensors(void **state)
{
    (void)state;
    struct model *m = readable("{}");
    assert_int_equal(model_tensor_count(m), 0);
    char *text = written(m);
    assert_string_equal(text, "{}");
    free(text);
    model_free(m);
}

static void what_is_no_tensor_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *sentence;
    } cases[] = {
        {"{\"w\":[]}", ST_SHAPE, "empty array"},
        {"{\"w\":[[1],[]]}", ST_SHAPE, "ragged"},
        {"{\"w\":[[1,2],[3]]}", ST_SHAPE, "ragged"},
        {"{\"w\":[[1],[2,3]]}", ST_SHAPE, "ragged"},
        {"{\"w\":[1,[2]]}", ST_SHAPE, "ragged"},
        {"{\"w\":[[1],2]}", ST_SHAPE, "ragged"},
        {"{\"w\":[[[[[[[[[1]]]]]]]]]}", ST_LIMIT, "nested deeper than the limit of 8"},
        {"{\"w\":null}", ST_TYPE, "not a number"},
        {"{\"w\":true}", ST_TYPE, "not a number"},
        {"{\"w\":{\"a\":1}}", ST_TYPE, "not a number"},
        {"{\"w\":[1,\"2\"]}", ST_TYPE, "not a number"},
        {"{\"w\":[[1],\"2\"]}", ST_TYPE, "not a number"},
        {"{\"w\":[null]}", ST_TYPE, "not a number"},
        {"{\"w\":3.5e38}", ST_NOT_FINITE, "beyond float32"},
        {"{\"w\":[0,-1e300]}", ST_NOT_FINITE, "beyond float32"},
        {"{\"\":1}", ST_INVALID, "cannot be named"},
        {"{\"__metadata__\":1}", ST_INVALID, "cannot be named"},
        {"{\"version\":-1}", ST_TYPE, "version"},
        {"{\"version\":1.5}", ST_TYPE, "version"},
        {"{\"version\":[1]}", ST_TYPE, "version"},
        {"{\"version\":9007199254740993}", ST_TYPE, "version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model *m = NULL;
        struct why why = {""};
        enum status status = read(cases[i].text, &m, &why);
        if (status != cases[i].status || strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s: %s", cases[i].text, status_name(status), why.text);
        assert_null(m);
    }
}

static void names_and_texts_are_limited(void **state)
{
    (void)state;
    struct model *m = NULL;
    struct why why;
    json_t *object = json_object();
    char name[TENSOR_NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(json_object_set_new(object, name, json_integer(1)), 0);
    assert_int_equal(model_from_json(object, &m, &why), ST_LIMIT);
    json_object_clear(object);

    for (int i = 0; i <= METADATA_MAX; i++) {
        (void)snprintf(name, sizeof name, "k%d", i);
        assert_int_equal(json_object_set_new(object, name, json_string("v")), 0);
    }
    assert_int_equal(model_from_json(object, &m, &why), ST_LIMIT);
    assert_non_null(strstr(why.text, "more than 64 texts"));
    json_object_clear(object);

    for (int i = 0; i <= TENSORS_MAX; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(json_object_set_new(object, name, json_integer(i)), 0);
    }
    assert_int_equal(model_from_json(object, &m, &why), ST_LIMIT);
    assert_non_null(strstr(why.text, "more than 4096 tensors"));
    assert_null(m);
    json_decref(object);
}

/* The one value of a model as its JSON prints it. */
static void assert_prints(float value, const char *expected)
{
    struct model *m = NULL;
    assert_int_equal(model_new(&(struct model_shape){"b", 0, {0}}, 1, &m), ST_OK);
    model_params_mutable(m)[0] = value;
    char *text = written(m), whole[64];
    (void)snprintf(whole, sizeof whole, "{\"b\":%s}", expected);
    assert_string_equal(text, whole);
    free(text);
    model_free(m);
}

static void decimals_are_the_shortest(void **state)
{
    (void)state;
    assert_prints(0.1f, "0.1");
    assert_prints(0.33f, "0.33");
    assert_prints(1, "1.0");
    assert_prints(-0.0f, "-0.0");
    assert_prints(16777216, "16777216.0"); /* 2^24 */
    assert_prints(1.0f / 3, "0.33333334");
    assert_prints(FLT_MAX, "3.4028235e38");
    assert_prints(0x1p-149f, "1e-45"); /* the smallest of all */
    assert_prints(0x1.000002p0f, "1.0000001");
}

static void every_float_is_read_as_it_was_written(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    struct model *m = NULL, *again = NULL;
    struct rand r = {5};
    assert_int_equal(model_new(&(struct model_shape){"w", 1, {COUNT}}, 1, &m), ST_OK);
    for (size_t i = 0; i < COUNT;) {
        uint32_t bits = (uint32_t)rand_u64(&r);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) /* any size, also subnormal ones */
            model_params_mutable(m)[i++] = value;
    }
    char *text = written(m);
    assert_int_equal(read(text, &again, NULL), ST_OK);
    assert_memory_equal(model_params(m), model_params(again), COUNT * sizeof(float));
    free(text);
    model_free(again);
    model_free(m);
}

static void the_largest_float_is_the_limit(void **state)
{
    (void)state;
    /* FLT_MAX is 3.40282346...e38; what rounds to it is taken. */
    struct model *m = readable("{\"b\":3.4028235e38}");
    assert_true(model_params(m)[0] == FLT_MAX);
    model_free(m);
    m = NULL;
    assert_int_equal(read("{\"b\":3.4028236e38}", &m, NULL), ST_NOT_FINITE);
    assert_null(m);
}

static void values_that_are_not_finite_have_no_json(void **state)
{
    (void)state;
    struct model *m = readable("{\"w\":[1,2]}");
    model_params_mutable(m)[1] = NAN;
    assert_null(model_to_json(m));
    model_params_mutable(m)[1] = INFINITY;
    assert_null(model_to_json(m));
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_of_the_demo_is_read),
        cmocka_unit_test(nesting_is_the_shape),
        cmocka_unit_test(texts_and_version_are_metadata),
        cmocka_unit_test(a_version_that_is_no_number_stays_a_text),
        cmocka_unit_test(metadata_gives_way_to_a_tensor_of_its_name),
        cmocka_unit_test(an_empty_object_is_a_model_without_tensors),
        cmocka_unit_test(what_is_no_tensor_is_refused),
        cmocka_unit_test(names_and_texts_are_limited),
        cmocka_unit_test(decimals_are_the_shortest),
        cmocka_unit_test(every_float_is_read_as_it_was_written),
        cmocka_unit_test(the_largest_float_is_the_limit),
        cmocka_unit_test(values_that_are_not_finite_have_no_json),
    };
    return cmocka_run_group_tests_name("model/model_json", tests, NULL, NULL);
}
