/* Checks model_json.c: the forms of the FML demo's models, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fml_guest.h"

static struct fml_model *decode(const char *text)
{
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_decode(text, strlen(text), &m), FML_OK);
    return m;
}

static void refuses(enum fml_status expected, const char *text)
{
    struct fml_model *m = NULL;
    enum fml_status status = fml_model_decode(text, strlen(text), &m);
    if (status != expected)
        fail_msg("%s: %s, not %s", text, fml_status_name(status), fml_status_name(expected));
    assert_null(m);
}

static void reads_the_demos_model(void **state)
{
    (void)state;
    struct fml_model *m = decode("{\"w\":[0.12,-0.05,1.01],\"b\":0.33,\"version\":3}");
    const struct fml_tensor *w = fml_model_find(m, "w");
    assert_int_equal(fml_model_tensor_count(m), 2);
    assert_int_equal(w->rank, 1);
    assert_int_equal(w->count, 3);
    assert_true(w->data[0] == 0.12f && w->data[1] == -0.05f && w->data[2] == 1.01f);
    assert_int_equal(fml_model_find(m, "b")->rank, 0);
    assert_true(fml_model_find(m, "b")->data[0] == 0.33f);
    assert_string_equal(fml_model_text(m, "version"), "3");
    fml_model_free(m);
}

/* "{"b":1}" has 7 bytes: too short to hold a safetensors length. */
static void reads_the_shortest_model(void **state)
{
    (void)state;
    struct fml_model *m = decode("{\"b\":1}");
    assert_true(fml_model_find(m, "b")->data[0] == 1.0f);
    fml_model_free(m);
}

static void nested_arrays_are_rows(void **state)
{
    (void)state;
    struct fml_model *m =
        decode("{\"note\":\"hi\",\"w\":[[[1,2],[3,4],[5,6]],[[7,8],[9,10],[11,12]]],\"v\":[0]}");
    const struct fml_tensor *w = fml_model_find(m, "w");
    assert_int_equal(w->rank, 3);
    assert_int_equal(w->shape[0], 2);
    assert_int_equal(w->shape[1], 3);
    assert_int_equal(w->shape[2], 2);
    for (size_t i = 0; i < 12; i++)
        assert_true(w->data[i] == (float)(i + 1));
    assert_true(fml_model_find(m, "v")->data[0] == 0.0f);
    assert_string_equal(fml_model_text(m, "note"), "hi");
    fml_model_free(m);
}

static void uneven_arrays_are_refused(void **state)
{
    (void)state;
    refuses(FML_SHAPE, "{\"w\":[[1,2],[3]]}");
    refuses(FML_SHAPE, "{\"w\":[[1,2],3]}");
    refuses(FML_SHAPE, "{\"w\":[1,[2]]}");
    refuses(FML_SHAPE, "{\"w\":[]}");
    refuses(FML_SHAPE, "{\"w\":[[],[]]}");
}

static void values_that_are_no_float32_are_refused(void **state)
{
    (void)state;
    refuses(FML_SHAPE, "{\"w\":true}");
    refuses(FML_SHAPE, "{\"w\":null}");
    refuses(FML_SHAPE, "{\"w\":[1,\"2\"]}");
    refuses(FML_SHAPE, "{\"w\":{\"a\":1}}");
    refuses(FML_SHAPE, "{\"w\":1e39}");
    refuses(FML_TYPE, "{\"version\":1.5}");
    refuses(FML_TYPE, "{\"version\":[1]}");
}

static void too_many_dimensions_are_refused(void **state)
{
    (void)state;
    struct fml_model *m = decode("{\"w\":[[[[[[[[1]]]]]]]]}");
    assert_int_equal(fml_model_find(m, "w")->rank, 8);
    fml_model_free(m);
    refuses(FML_LIMIT, "{\"w\":[[[[[[[[[1]]]]]]]]]}");
}

static void what_is_no_model_is_refused(void **state)
{
    (void)state;
    refuses(FML_MALFORMED, "");
    refuses(FML_MALFORMED, "not a model at all");
    refuses(FML_MALFORMED, "[1,2,3]");
    refuses(FML_INVALID, "{\"w\":1,\"w\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_demos_model),
        cmocka_unit_test(reads_the_shortest_model),
        cmocka_unit_test(nested_arrays_are_rows),
        cmocka_unit_test(uneven_arrays_are_refused),
        cmocka_unit_test(values_that_are_no_float32_are_refused),
        cmocka_unit_test(too_many_dimensions_are_refused),
        cmocka_unit_test(what_is_no_model_is_refused),
    };
    return cmocka_run_group_tests_name("guest/model_json", tests, NULL, NULL);
}
