/* Checks compression.c: what is read, what it stands for, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fl/compression.h"

static enum status read_text(const char *text, struct compression *ret, struct why *why)
{
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    enum status status = compression_read(object, ret, why);
    json_decref(object);
    return status;
}

static void nothing_said_is_no_compression(void **state)
{
    (void)state;
    const char *const texts[] = {"{}", "{\"compression\":{}}", "{\"compression\":null}",
                                 "{\"compression\":{\"dtype\":\"float32\",\"top_k\":1}}"};
    for (size_t i = 0; i < 4; i++) {
        struct compression c = {DTYPE_I8, 0.5};
        assert_int_equal(read_text(texts[i], &c, NULL), ST_OK);
        assert_true(compression_is_none(&c));
    }
}

static void each_part_may_be_said_alone(void **state)
{
    (void)state;
    struct compression c;
    assert_int_equal(read_text("{\"compression\":{\"dtype\":\"int8\"}}", &c, NULL), ST_OK);
    assert_true(c.dtype == DTYPE_I8 && c.top_k == 0 && !compression_is_none(&c));
    assert_int_equal(read_text("{\"compression\":{\"dtype\":\"float16\"}}", &c, NULL), ST_OK);
    assert_int_equal(c.dtype, DTYPE_F16);
    assert_int_equal(read_text("{\"compression\":{\"dtype\":\"bfloat16\"}}", &c, NULL), ST_OK);
    assert_int_equal(c.dtype, DTYPE_BF16);
    assert_int_equal(read_text("{\"compression\":{\"top_k\":0.01}}", &c, NULL), ST_OK);
    assert_true(c.dtype == DTYPE_F32 && c.top_k == 0.01 && !compression_is_none(&c));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (size_t dtype = 0; dtype < DTYPE_VALUES; dtype++) {
        const struct compression c = {(enum dtype)dtype, 0.1};
        json_t *object = json_object();
        assert_int_equal(compression_set(object, &c), 0);
        struct compression read = {0};
        assert_int_equal(compression_read(object, &read, NULL), ST_OK);
        assert_true(read.dtype == c.dtype && read.top_k == c.top_k);
        json_decref(object);
    }
    json_t *object = json_object();
    assert_int_equal(compression_set(object, &(struct compression){0}), 0);
    assert_int_equal(json_object_size(object), 0);
    json_decref(object);
}

static void what_it_is_not_is_refused_by_name(void **state)
{
    (void)state;
    const struct {
        const char *text, *sentence;
    } wrong[] = {
        {"{\"compression\":\"int8\"}", "compression is not an object"},
        {"{\"compression\":{\"dtype\":8}}", "dtype is not a text"},
        {"{\"compression\":{\"dtype\":\"int4\"}}",
         "compression: dtype is none of float32, float16, bfloat16 and int8"},
        {"{\"compression\":{\"top_k\":0}}", "compression: top_k is not above 0 and at most 1"},
        {"{\"compression\":{\"top_k\":-1}}", "compression: top_k is not above 0 and at most 1"},
        {"{\"compression\":{\"top_k\":1.01}}", "compression: top_k is not above 0 and at most 1"},
        {"{\"compression\":{\"top_k\":\"1\"}}", "top_k is not a number"},
        {"{\"compression\":{\"topk\":0.1}}", "compression has dtype and top_k, but no topk"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct compression c = {DTYPE_BF16, 0.25};
        struct why why = {""};
        assert_int_not_equal(read_text(wrong[i].text, &c, &why), ST_OK);
        assert_string_equal(why.text, wrong[i].sentence);
        assert_true(c.dtype == DTYPE_BF16 && c.top_k == 0.25);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_no_compression),
        cmocka_unit_test(each_part_may_be_said_alone),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_it_is_not_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("fl/compression", tests, NULL, NULL);
}
