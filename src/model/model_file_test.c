/* Checks model_file.c: the form is told by content, either way round, and what
 * is too large or not to be written. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model_file.h"

static struct model *small(void)
{
    const struct model_shape shapes[] = {{"b", 0, {0}}, {"w", 1, {2}}};
    struct model *m = NULL;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    model_params_mutable(m)[0] = 0.5f;
    model_params_mutable(m)[2] = -2;
    assert_int_equal(model_set_meta(m, "version", "4"), ST_OK);
    return m;
}

static void each_form_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const enum model_form forms[] = {MODEL_JSON, MODEL_SAFETENSORS};
    for (size_t i = 0; i < 2; i++) {
        struct model *m = small(), *again = NULL;
        struct bytes out = {0};
        enum model_form form = MODEL_JSON;
        assert_int_equal(model_encode(m, forms[i], &out), ST_OK);
        assert_int_equal(model_form_of(bytes_view(&out)), forms[i]);
        assert_int_equal(model_decode(bytes_view(&out), &again, &form, NULL), ST_OK);
        assert_int_equal(form, forms[i]);
        assert_true(model_same_shape(m, again, NULL));
        assert_memory_equal(model_params(again), model_params(m), 3 * sizeof(float));
        assert_string_equal(model_meta(again, "version"), "4");
        bytes_done(&out);
        model_free(again);
        model_free(m);
    }
}

static void is_inspected_without_its_values(void **state)
{
    (void)state;
    static const enum model_form forms[] = {MODEL_JSON, MODEL_SAFETENSORS};
    for (size_t i = 0; i < 2; i++) {
        struct model *m = small(), *texts = NULL;
        struct bytes out = {0};
        enum model_form form;
        size_t params = 0;
        assert_int_equal(model_encode(m, forms[i], &out), ST_OK);
        assert_int_equal(model_inspect(bytes_view(&out), &texts, &form, &params, NULL), ST_OK);
        assert_int_equal(form, forms[i]);
        assert_int_equal(params, 3);
        assert_int_equal(model_tensor_count(texts), 0);
        assert_string_equal(model_meta(texts, "version"), "4");
        texts = model_free(texts);

        struct why why = {0};
        out.size--; /* cut off */
        assert_int_not_equal(model_inspect(bytes_view(&out), &texts, &form, &params, &why), ST_OK);
        assert_true(texts == NULL && why.text[0] != '\0');
        bytes_done(&out);
        model_free(m);
    }
}

static void inspection_finds_what_is_not_finite(void **state)
{
    (void)state;
    struct model *m = small(), *texts = NULL;
    struct bytes out = {0};
    enum model_form form;
    size_t params = 77;
    struct why why = {0};
    model_params_mutable(m)[2] = NAN;
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &out), ST_OK);
    assert_int_equal(model_inspect(bytes_view(&out), &texts, &form, &params, &why), ST_NOT_FINITE);
    assert_string_equal(why.text, "tensor w holds a NaN at index 1");
    assert_true(texts == NULL && params == 77);
    bytes_done(&out);
    model_free(m);
}

static void json_is_never_taken_for_safetensors(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{}", "{\"b\":1}", "{\"w\":[1,2,3],\"b\":0.5}",
                                        "        {\"b\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(model_form_of(view_text(texts[i])), MODEL_JSON);
    assert_int_equal(model_form_of(view_of(NULL, 0)), MODEL_JSON);
}

static void cut_off_safetensors_are_called_so(void **state)
{
    (void)state;
    struct model *m = small(), *again = NULL;
    struct bytes out = {0};
    struct why why;
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &out), ST_OK);
    out.size = 20;
    assert_int_equal(model_form_of(bytes_view(&out)), MODEL_SAFETENSORS);
    assert_int_equal(model_decode(bytes_view(&out), &again, NULL, &why), ST_MALFORMED);
    assert_non_null(strstr(why.text, "cut off"));
    assert_null(again);
    bytes_done(&out);
    model_free(m);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
    } cases[] = {{"", ST_MALFORMED},
                 {"hello", ST_MALFORMED},
                 {"[1,2]", ST_MALFORMED},
                 {"{\"w\":1,\"w\":2}", ST_MALFORMED},
                 {"{\"w\":NaN}", ST_MALFORMED},
                 {"{\"w\":1e999}", ST_NOT_FINITE},
                 {"{\"w\":[1,[2]]}", ST_SHAPE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model *m = NULL;
        enum model_form form = MODEL_SAFETENSORS;
        struct why why = {""};
        assert_int_equal(model_decode(view_text(cases[i].text), &m, &form, &why), cases[i].status);
        assert_string_not_equal(why.text, "");
        assert_null(m);
        assert_int_equal(form, MODEL_SAFETENSORS); /* untouched */
    }
}

static void the_size_is_checked_before_anything_else(void **state)
{
    (void)state;
    static const uint8_t byte = 0; /* a read of the second would trap */
    struct model *m = NULL;
    struct why why;
    assert_int_equal(model_decode(view_of(&byte, MODEL_BYTES_MAX + 1), &m, NULL, &why), ST_LIMIT);
    assert_non_null(strstr(why.text, "1082130433 bytes"));
    assert_null(m);
}

static void what_would_not_be_read_is_not_written(void **state)
{
    (void)state;
    struct bytes out = {0};
    struct model *m = small();
    model_params_mutable(m)[1] = NAN;
    assert_int_equal(model_encode(m, MODEL_JSON, &out), ST_NOT_FINITE);
    assert_int_equal(out.size, 0);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &out), ST_OK);
    bytes_done(&out);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read_as_it_was_written),
        cmocka_unit_test(is_inspected_without_its_values),
        cmocka_unit_test(inspection_finds_what_is_not_finite),
        cmocka_unit_test(json_is_never_taken_for_safetensors),
        cmocka_unit_test(cut_off_safetensors_are_called_so),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(the_size_is_checked_before_anything_else),
        cmocka_unit_test(what_would_not_be_read_is_not_written),
    };
    return cmocka_run_group_tests_name("model/model_file", tests, NULL, NULL);
}
