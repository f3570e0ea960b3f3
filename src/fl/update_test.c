/* Checks update.c: the FML demo's own update, the same as safetensors from
 * Python, and one case for each way of not being an update. */
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
#include "fl/update.h"
#include "model/model_file.h"

/* Verbatim from the FML demo's README. */
static const char demo[] = "{\n"
                           "  \"round_id\": \"r-0001\",\n"
                           "  \"base_model_uri\": \"http://...\",\n"
                           "  \"num_samples\": 512,\n"
                           "  \"metrics\": {\"loss\": 0.73},\n"
                           "  \"update\": {\"w\": [0.12, -0.05, 1.01], \"b\": 0.33}\n"
                           "}\n";

static struct update decoded(struct view bytes)
{
    struct update u = {0};
    struct why why = {""};
    if (update_decode(bytes, &u, &why) != UPDATE_FINE)
        fail_msg("%s", why.text);
    return u;
}

/* What both forms of the demo's update say. */
static void assert_is_demo(const struct update *u)
{
    const float w[] = {0.12f, -0.05f, 1.01f};
    assert_string_equal(u->round_id.text, "r-0001");
    assert_string_equal(u->proplet_id.text, "");
    assert_int_equal(u->num_samples, 512);
    assert_int_equal(u->metrics.count, 1);
    assert_true(metrics_find(&u->metrics, "loss")->value == 0.73);
    assert_int_equal(model_tensor_count(u->params), 2);
    assert_int_equal(model_find(u->params, "w")->rank, 1);
    assert_memory_equal(model_find(u->params, "w")->data, w, sizeof w);
    assert_int_equal(model_find(u->params, "b")->rank, 0);
    assert_true(model_find(u->params, "b")->data[0] == 0.33f);
}

static void the_update_of_the_demo_is_read(void **state)
{
    (void)state;
    struct update u = decoded(view_text(demo));
    assert_is_demo(&u);
    assert_string_equal(u.base_model_uri, "http://...");
    update_done(&u);
    assert_null(u.params);
    update_done(&u); /* an ended one may be ended again */
    update_done(NULL);
}

static void an_update_of_python_in_safetensors_is_read(void **state)
{
    (void)state;
    uint8_t buffer[1024];
    FILE *f = fopen("tests/vectors/safetensors/good_update.safetensors", "rb");
    assert_non_null(f);
    size_t size = fread(buffer, 1, sizeof buffer, f);
    assert_int_equal(fclose(f), 0);
    struct update u = decoded(view_of(buffer, size));
    assert_is_demo(&u);
    assert_string_equal(u.base_model_uri, "fl/models/global_model_v0");
    update_done(&u);
}

#define HEAD "\"round_id\":\"r\",\"base_model_uri\":\"fl/models/m_v0\""

static void an_evaluation_has_no_tensors(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" HEAD ",\"num_samples\":7,\"metrics\":{\"accuracy\":0.9}}",
        "{" HEAD ",\"num_samples\":7,\"metrics\":{\"accuracy\":0.9},\"update\":{}}",
        "{" HEAD ",\"num_samples\":7,\"metrics\":{\"accuracy\":0.9},\"update\":null}"};
    for (size_t i = 0; i < 3; i++) {
        struct update u = decoded(view_text(texts[i]));
        assert_int_equal(model_tensor_count(u.params), 0);
        assert_true(metrics_find(&u.metrics, "accuracy")->value == 0.9);
        update_done(&u);
    }
}

static void what_is_optional_may_be_absent_or_there(void **state)
{
    (void)state;
    struct update u = decoded(view_text("{" HEAD ",\"num_samples\":1}"));
    assert_int_equal(u.metrics.count, 0);
    update_done(&u);
    u = decoded(view_text("{" HEAD ",\"num_samples\":1073741824,\"proplet_id\":\"p-1\",\"x\":[]}"));
    assert_string_equal(u.proplet_id.text, "p-1");
    assert_int_equal(u.num_samples, UPDATE_SAMPLES_MAX);
    update_done(&u);
}

struct refusal {
    const char *text; /* JSON */
    enum update_fault fault;
    const char *sentence;
};

static void assert_refused(struct view bytes, const struct refusal *r)
{
    struct update u = {.num_samples = 77};
    struct why why = {""};
    enum update_fault fault = update_decode(bytes, &u, &why);
    if (fault != r->fault || strstr(why.text, r->sentence) == NULL)
        fail_msg("%s: fault %d: %s", r->text, (int)fault, why.text);
    assert_int_equal(u.num_samples, 77); /* untouched */
    assert_null(u.params);
}

#define N ",\"num_samples\":1"

static void what_is_no_update_is_refused_with_its_code(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"", UPDATE_MALFORMED, "not JSON"},
        {"hello", UPDATE_MALFORMED, "not JSON"},
        {"[]", UPDATE_MALFORMED, "another kind"},
        {"{\"base_model_uri\":\"m\"" N "}", UPDATE_MALFORMED, "round_id is missing"},
        {"{\"round_id\":\"a/b\",\"base_model_uri\":\"m\"" N "}", UPDATE_MALFORMED, "round_id"},
        {"{\"round_id\":3,\"base_model_uri\":\"m\"" N "}", UPDATE_MALFORMED, "round_id"},
        {"{\"round_id\":\"r\"" N "}", UPDATE_MALFORMED, "base_model_uri is missing"},
        {"{\"round_id\":\"r\",\"base_model_uri\":3" N "}", UPDATE_MALFORMED, "base_model_uri"},
        {"{" HEAD N ",\"proplet_id\":\"a b\"}", UPDATE_MALFORMED, "proplet_id is not a name"},
        {"{" HEAD N ",\"metrics\":[1]}", UPDATE_MALFORMED, "metrics is not an object"},
        {"{" HEAD N ",\"metrics\":{\"loss\":\"low\"}}", UPDATE_MALFORMED, "loss is not a number"},
        {"{" HEAD N ",\"update\":[1]}", UPDATE_MALFORMED, "update is not an object"},
        {"{" HEAD N ",\"update\":{\"\":1}}", UPDATE_MALFORMED, "cannot be named"},
        {"{" HEAD N ",\"update\":{\"w\":[1,[2]]}}", UPDATE_WRONG_SHAPE, "ragged"},
        {"{" HEAD N ",\"update\":{\"w\":[]}}", UPDATE_WRONG_SHAPE, "empty array"},
        {"{" HEAD N ",\"update\":{\"w\":[true]}}", UPDATE_WRONG_DTYPE, "not a number"},
        {"{" HEAD N ",\"update\":{\"w\":null}}", UPDATE_WRONG_DTYPE, "not a number"},
        {"{" HEAD N ",\"update\":{\"w\":[[[[[[[[[1]]]]]]]]]}}", UPDATE_TOO_LARGE, "deeper"},
        {"{" HEAD N ",\"update\":{\"w\":[0,1e39]}}", UPDATE_NON_FINITE, "beyond float32"},
        {"{" HEAD N ",\"update\":{\"w\":[0,-1e999]}}", UPDATE_NON_FINITE, "overflow"},
        {"{" HEAD N ",\"metrics\":{\"loss\":1e999}}", UPDATE_NON_FINITE, "overflow"},
        {"{" HEAD N ",\"update\":{\"w\":[NaN]}}", UPDATE_MALFORMED, "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(view_text(cases[i].text), &cases[i]);
}

static void num_samples_is_a_whole_number_in_range(void **state)
{
    (void)state;
    static const char *const values[] = {"0",     "-1",   "1.5", "1.0",  "1e3",
                                         "\"5\"", "null", "[1]", "true", "1073741825"};
    struct refusal r = {"", UPDATE_BAD_NUM_SAMPLES,
                        "num_samples is not a whole number from 1 to 1073741824"};
    char text[256];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        (void)snprintf(text, sizeof text, "{" HEAD ",\"num_samples\":%s}", values[i]);
        r.text = text;
        assert_refused(view_text(text), &r);
    }
    r.text = "{" HEAD "}"; /* missing */
    assert_refused(view_text(r.text), &r);
}

static void local_steps_are_a_whole_number_or_not_said(void **state)
{
    (void)state;
    static const char *const values[] = {"0", "-1", "1.5", "\"5\"", "[1]", "1073741825"};
    struct refusal r = {"", UPDATE_BAD_LOCAL_STEPS,
                        "local_steps is not a whole number from 1 to 1073741824"};
    char text[256];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        (void)snprintf(text, sizeof text, "{" HEAD ",\"num_samples\":1,\"local_steps\":%s}",
                       values[i]);
        r.text = text;
        assert_refused(view_text(text), &r);
    }
    struct update u = decoded(view_text("{" HEAD ",\"num_samples\":1}"));
    assert_int_equal(u.local_steps, 0);
    update_done(&u);
    u = decoded(view_text("{" HEAD ",\"num_samples\":1,\"local_steps\":1073741824}"));
    assert_int_equal(u.local_steps, UPDATE_STEPS_MAX);
    for (enum model_form form = MODEL_JSON; form <= MODEL_SAFETENSORS; form++) {
        struct bytes again = {0};
        assert_int_equal(update_encode(&u, form, &again), ST_OK);
        struct update read = decoded(bytes_view(&again));
        assert_int_equal(read.local_steps, UPDATE_STEPS_MAX);
        update_done(&read);
        bytes_done(&again);
    }
    update_done(&u);
}

/* A safetensors update whose metadata has this value instead; NULL: the key is
 * not set at all. */
static struct bytes binary(const char *key, const char *value, float w)
{
    static const char *const facts[][2] = {
        {"round_id", "r"},    {"base_model_uri", "fl/models/m_v0"}, {"num_samples", "5"},
        {"local_steps", "7"}, {"metrics", "{\"loss\":0.5}"},        {"proplet_id", "p"}};
    struct model *m = NULL;
    struct bytes out = {0};
    assert_int_equal(model_new(&(struct model_shape){"w", 1, {1}}, 1, &m), ST_OK);
    model_params_mutable(m)[0] = w;
    for (size_t i = 0; i < 6; i++) {
        const char *text = strcmp(key, facts[i][0]) == 0 ? value : facts[i][1];
        if (text != NULL)
            assert_int_equal(model_set_meta(m, facts[i][0], text), ST_OK);
    }
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &out), ST_OK);
    model_free(m);
    return out;
}

static void safetensors_are_held_to_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        float w;
        struct refusal refusal;
    } cases[] = {
        {"round_id", NULL, 0, {"", UPDATE_MALFORMED, "round_id is missing"}},
        {"round_id", "a/b", 0, {"", UPDATE_MALFORMED, "round_id is not a name"}},
        {"base_model_uri", NULL, 0, {"", UPDATE_MALFORMED, "base_model_uri is missing"}},
        {"proplet_id", "", 0, {"", UPDATE_MALFORMED, "proplet_id is not a name"}},
        {"num_samples", NULL, 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"num_samples", "", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"num_samples", "0", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"num_samples", "-5", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"num_samples", "1.5", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"num_samples", " 5", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"num_samples", "1073741825", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"local_steps", "0", 0, {"", UPDATE_BAD_LOCAL_STEPS, "local_steps"}},
        {"local_steps", "", 0, {"", UPDATE_BAD_LOCAL_STEPS, "local_steps"}},
        {"local_steps", "2 ", 0, {"", UPDATE_BAD_LOCAL_STEPS, "local_steps"}},
        {"local_steps", "1073741825", 0, {"", UPDATE_BAD_LOCAL_STEPS, "local_steps"}},
        {"num_samples", "18446744073709551617", 0, {"", UPDATE_BAD_NUM_SAMPLES, "num_samples"}},
        {"metrics", "loss", 0, {"", UPDATE_MALFORMED, "metrics: not JSON"}},
        {"metrics", "[]", 0, {"", UPDATE_MALFORMED, "metrics: "}},
        {"metrics", "{\"loss\":\"x\"}", 0, {"", UPDATE_MALFORMED, "metric loss is not a number"}},
        {"metrics", "{\"loss\":1e999}", 0, {"", UPDATE_NON_FINITE, "metrics: "}},
        {"", "", NAN, {"", UPDATE_NON_FINITE, "tensor w holds a NaN at index 0"}},
        {"", "", -INFINITY, {"", UPDATE_NON_FINITE, "tensor w holds an infinity"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes b = binary(cases[i].key, cases[i].value, cases[i].w);
        assert_refused(bytes_view(&b), &cases[i].refusal);
        bytes_done(&b);
    }
    struct bytes b = binary("metrics", NULL, 1);
    struct update u = decoded(bytes_view(&b));
    assert_int_equal(u.metrics.count, 0);
    assert_string_equal(u.proplet_id.text, "p");
    update_done(&u);
    bytes_done(&b);
}

static void damaged_safetensors_have_their_codes(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"bad_dtype_f16", UPDATE_WRONG_DTYPE, "only F32"},
        {"bad_truncated_data", UPDATE_MALFORMED, "cut off"},
        {"bad_header_too_long", UPDATE_TOO_LARGE, "longer than the limit"},
        {"bad_hole", UPDATE_MALFORMED, "hole"},
        {"bad_zero_elements", UPDATE_MALFORMED, "dimension of 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t buffer[1024];
        char path[128];
        (void)snprintf(path, sizeof path, "tests/vectors/safetensors/%s.safetensors",
                       cases[i].text);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t size = fread(buffer, 1, sizeof buffer, f);
        assert_int_equal(fclose(f), 0);
        assert_refused(view_of(buffer, size), &cases[i]);
    }
}

static void the_size_is_checked_before_anything_else(void **state)
{
    (void)state;
    static const uint8_t byte = '{'; /* a read of the second would trap */
    const struct refusal message = {"", UPDATE_TOO_LARGE, "1082130433 bytes"};
    assert_refused(view_of(&byte, (size_t)MODEL_BYTES_MAX + 1), &message);
}

static void json_has_a_smaller_limit(void **state)
{
    (void)state;
    struct bytes b = {0};
    const struct refusal r = {"", UPDATE_TOO_LARGE, "16777217 bytes of JSON"};
    assert_int_equal(bytes_resize(&b, JSON_SIZE_MAX + 1), ST_OK);
    memset(b.data, ' ', b.size);
    assert_refused(bytes_view(&b), &r);
    bytes_done(&b);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const enum model_form forms[] = {MODEL_JSON, MODEL_SAFETENSORS};
    struct update u = decoded(view_text(demo));
    assert_int_equal(model_set_meta(u.params, "note", "no part of an update"), ST_OK);
    for (size_t i = 0; i < 2; i++) {
        struct bytes out = {0};
        assert_int_equal(update_encode(&u, forms[i], &out), ST_OK);
        assert_int_equal(model_form_of(bytes_view(&out)), forms[i]);
        struct update again = decoded(bytes_view(&out));
        assert_is_demo(&again);
        assert_string_equal(again.base_model_uri, "http://...");
        assert_null(model_meta(again.params, "note"));
        update_done(&again);
        bytes_done(&out);
    }
    update_done(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_update_of_the_demo_is_read),
        cmocka_unit_test(an_update_of_python_in_safetensors_is_read),
        cmocka_unit_test(an_evaluation_has_no_tensors),
        cmocka_unit_test(what_is_optional_may_be_absent_or_there),
        cmocka_unit_test(what_is_no_update_is_refused_with_its_code),
        cmocka_unit_test(num_samples_is_a_whole_number_in_range),
        cmocka_unit_test(local_steps_are_a_whole_number_or_not_said),
        cmocka_unit_test(safetensors_are_held_to_the_same),
        cmocka_unit_test(damaged_safetensors_have_their_codes),
        cmocka_unit_test(the_size_is_checked_before_anything_else),
        cmocka_unit_test(json_has_a_smaller_limit),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests_name("fl/update", tests, NULL, NULL);
}
