/* Checks that JSON from outside is read within limits, field by field, and
 * that each refusal names its cause and touches nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/jsn.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static json_t *parsed(const char *text)
{
    json_t *object = NULL;
    struct why why;
    assert_int_equal(jsn_parse(view_text(text), JSON_SIZE_MAX, &object, &why), ST_OK);
    return object;
}

static void refuses(struct view text, size_t size_max, enum status expected, const char *word)
{
    json_t *const untouched = (json_t *)(uintptr_t)8;
    json_t *object = untouched;
    struct why why = {""};
    assert_int_equal(jsn_parse(text, size_max, &object, &why), expected);
    assert_ptr_equal(object, untouched);
    assert_non_null(strstr(why.text, word));
    assert_int_equal(jsn_parse(text, size_max, &object, NULL), expected);
}

static void parses_one_object(void **state)
{
    (void)state;
    json_t *object = parsed(" {\"a\":1,\"b\":{\"a\":[2,{}]}} \n");
    assert_int_equal(json_integer_value(json_object_get(object, "a")), 1);
    json_decref(object);
}

static void refuses_what_is_not_one_object(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "{\"a\":}",
        "{} {}",
        "{}x",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":01}",
        "nonsense",
        "{\"a\":NaN}",

        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"\\u0000\":1}",
        "7",
        "\"a\"",
        "null",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(view_text(bad[i]), JSON_SIZE_MAX, ST_MALFORMED, "not JSON");
    refuses(view_of("{}\0", 3), JSON_SIZE_MAX, ST_MALFORMED, "not JSON");
    refuses(view_of(NULL, 0), JSON_SIZE_MAX, ST_MALFORMED, "not JSON");
    refuses(view_text("[{}]"), JSON_SIZE_MAX, ST_MALFORMED, "another kind");
}

static void a_number_too_large_is_told_from_what_is_no_json(void **state)
{
    (void)state;
    refuses(view_text("{\"a\":1e999}"), JSON_SIZE_MAX, ST_NOT_FINITE, "not JSON");
    refuses(view_text("{\"a\":[-1e309]}"), JSON_SIZE_MAX, ST_NOT_FINITE, "not JSON");
    refuses(view_text("{\"a\":99999999999999999999}"), JSON_SIZE_MAX, ST_NOT_FINITE, "not JSON");
    json_decref(parsed("{\"a\":[1e308,9223372036854775807,1e-999]}"));
}

static void refuses_a_key_twice(void **state)
{
    (void)state;
    /* Two readers of one message must not see different values. */
    refuses(view_text("{\"a\":1,\"a\":2}"), JSON_SIZE_MAX, ST_MALFORMED, "duplicate");
    refuses(view_text("{\"b\":{\"a\":1,\"\\u0061\":2}}"), JSON_SIZE_MAX, ST_MALFORMED, "duplicate");
}

static void refuses_one_byte_too_many(void **state)
{
    (void)state;
    json_t *object = NULL;
    assert_int_equal(jsn_parse(view_text("{\"a\":1}"), 7, &object, NULL), ST_OK);
    json_decref(object);
    refuses(view_text("{\"a\":1}"), 6, ST_LIMIT, "7 bytes");
}

/* {"a":[[[...]]]} with `depth` levels in all. */
static void nested(size_t depth, char *ret_text)
{
    char *p = ret_text;
    p += sprintf(p, "{\"a\":");
    memset(p, '[', depth - 1);
    memset(p + depth - 1, ']', depth - 1);
    memcpy(p + 2 * (depth - 1), "}", 2);
}

static void refuses_one_level_too_deep(void **state)
{
    (void)state;
    char text[512];
    nested(JSON_DEPTH_MAX, text);
    json_decref(parsed(text));
    nested(JSON_DEPTH_MAX + 1, text);
    refuses(view_text(text), JSON_SIZE_MAX, ST_MALFORMED, "deeper");
}

static void brackets_within_texts_are_not_depth(void **state)
{
    (void)state;
    char text[512] = "{\"a\":\"\\\"";
    memset(text + strlen(text), '[', 200);
    memcpy(text + 8 + 200, "\\\\\"}", 5);
    json_decref(parsed(text));
    /* An escaped quote does not end a text: what follows the real end counts. */
    refuses(view_text("{\"a\":\"\\\"\",\"b\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), 1000,
            ST_MALFORMED, "deeper");
}

static void a_long_flood_of_brackets_is_refused_without_recursion(void **state)
{
    (void)state;
    struct bytes flood = {0};
    assert_int_equal(bytes_resize(&flood, (size_t)4 << 20), ST_OK);
    memset(flood.data, '[', flood.size);
    refuses(bytes_view(&flood), JSON_SIZE_MAX, ST_MALFORMED, "deeper");
    bytes_done(&flood);
}

/* {"a":[item,item,...]} with count of them, checked against the limit. */
static enum status parse_many(const char *item, size_t count, struct why *why)
{
    struct bytes text = {0};
    json_t *object = NULL;
    assert_int_equal(bytes_append(&text, view_text("{\"a\":["), JSON_SIZE_MAX), ST_OK);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_int_equal(bytes_append(&text, view_text(","), JSON_SIZE_MAX), ST_OK);
        assert_int_equal(bytes_append(&text, view_text(item), JSON_SIZE_MAX), ST_OK);
    }
    assert_int_equal(bytes_append(&text, view_text("]}"), JSON_SIZE_MAX), ST_OK);
    enum status status = jsn_parse(bytes_view(&text), JSON_SIZE_MAX, &object, why);
    json_decref(object);
    bytes_done(&text);
    return status;
}

/* Small in bytes, large in memory: one object or array too many is refused. */
static void objects_and_arrays_are_limited(void **state)
{
    (void)state;
    struct why why = {""};
    assert_int_equal(parse_many("{}", JSON_OBJECTS_MAX - 1, &why), ST_OK);
    assert_int_equal(parse_many("{}", JSON_OBJECTS_MAX, &why), ST_LIMIT);
    assert_string_equal(why.text, "JSON with more than 65536 objects");
    assert_int_equal(parse_many("[]", JSON_ARRAYS_MAX - 1, &why), ST_OK);
    assert_int_equal(parse_many("[]", JSON_ARRAYS_MAX, &why), ST_LIMIT);
    assert_string_equal(why.text, "JSON with more than 1048576 arrays");
    assert_int_equal(parse_many("\"{[\"", JSON_OBJECTS_MAX, &why), ST_OK);
}

static void text_is_compact_sorted_and_stable(void **state)
{
    (void)state;
    json_t *object = parsed("{ \"lr\":0.1, \"epochs\" : 1, \"b\":[true,null,{\"y\":1,\"x\":-2}] }");
    char *text = jsn_text(object);
    assert_string_equal(text, "{\"b\":[true,null,{\"x\":-2,\"y\":1}],\"epochs\":1,\"lr\":0.1}");
    free(text);
    json_decref(object);
}

static void text_keeps_every_float32(void **state)
{
    (void)state;
    static const float values[] = {0.1f,           1.0f / 3, 16777217.0f, 1.17549435e-38f,
                                   3.40282347e38f, -0.73f,   1e-45f};
    for (size_t i = 0; i < COUNT(values); i++) {
        json_t *object = json_pack("{s:f}", "v", (double)values[i]);
        char *text = jsn_text(object);
        json_t *again = parsed(text);
        assert_true((float)json_real_value(json_object_get(again, "v")) == values[i]);
        json_decref(again);
        json_decref(object);
        free(text);
    }
}

static void string_carries_any_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } cases[] = {
        {"", 0, ""},
        {"plain \n\x01", 8, "plain \n\x01"},
        {"a\0b", 3, "a?b"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"x\xff", 2, "x?"},
        {"\xc3", 1, "?"},           /* cut */
        {"\xe2\x82z", 3, "??z"},    /* cut, then a letter that must survive */
        {"\xc0\x80", 2, "??"},      /* overlong zero */
        {"\xe0\x9f\xbf", 3, "???"}, /* overlong */
        {"\xf0\x8f\xbf\xbf", 4, "????"},
        {"\xed\xa0\x80", 3, "???"},                                          /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "????"},                                     /* above U+10FFFF */
        {"\xed\x9f\xbf\xf4\x8f\xbf\xbf", 7, "\xed\x9f\xbf\xf4\x8f\xbf\xbf"}, /* the last ones */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *string = jsn_string(view_of(cases[i].bytes, cases[i].size));
        assert_non_null(string);
        assert_string_equal(json_string_value(string), cases[i].text);
        json_decref(string);
    }
    json_t *empty = jsn_string(view_of(NULL, 0));
    assert_string_equal(json_string_value(empty), "");
    json_decref(empty);
}

static void reads_each_kind_of_field(void **state)
{
    (void)state;
    json_t *object = parsed("{\"id\":\"r-1\",\"s\":\"text\",\"n\":7,\"t\":true,\"f\":false,"
                            "\"o\":{\"x\":1},\"a\":[1,2]}");
    struct id id;
    const char *text;
    uint64_t number;
    bool yes = false, no = true;
    json_t *inner, *array;

    assert_int_equal(jsn_id(object, "id", JSN_REQUIRED, &id, NULL), ST_OK);
    assert_string_equal(id.text, "r-1");
    assert_int_equal(jsn_str(object, "s", JSN_REQUIRED, 4, &text, NULL), ST_OK);
    assert_string_equal(text, "text");
    assert_int_equal(jsn_uint(object, "n", JSN_REQUIRED, 7, 7, &number, NULL), ST_OK);
    assert_int_equal(number, 7);
    assert_int_equal(jsn_bool(object, "t", JSN_REQUIRED, &yes, NULL), ST_OK);
    assert_int_equal(jsn_bool(object, "f", JSN_REQUIRED, &no, NULL), ST_OK);
    assert_true(yes && !no);
    assert_int_equal(jsn_object(object, "o", JSN_REQUIRED, &inner, NULL), ST_OK);
    assert_int_equal(json_object_size(inner), 1);
    assert_int_equal(jsn_array(object, "a", JSN_REQUIRED, 2, &array, NULL), ST_OK);
    assert_int_equal(json_array_size(array), 2);
    json_decref(object);
}

/* One call of each getter on one field, each with a value that must stay. */
static void all_give(const json_t *object, const char *key, enum jsn_need need,
                     enum status expected, unsigned but)
{
    struct id id = {"kept"};
    const char *text = "kept";
    uint64_t number = 77;
    bool yes = true;
    json_t *inner = NULL, *array = NULL;
    struct why why;

    for (unsigned kind = 0; kind < 6; kind++) {
        if (kind == but)
            continue;
        why_set(&why, "untouched");
        enum status status = kind == 0   ? jsn_id(object, key, need, &id, &why)
                             : kind == 1 ? jsn_str(object, key, need, 100, &text, &why)
                             : kind == 2 ? jsn_uint(object, key, need, 0, 100, &number, &why)
                             : kind == 3 ? jsn_bool(object, key, need, &yes, &why)
                             : kind == 4 ? jsn_object(object, key, need, &inner, &why)
                                         : jsn_array(object, key, need, 100, &array, &why);
        assert_int_equal(status, expected);
        if (expected == ST_OK)
            assert_string_equal(why.text, "untouched");
        else
            assert_true(strncmp(why.text, key, strlen(key)) == 0);
    }
    assert_string_equal(id.text, "kept");
    assert_string_equal(text, "kept");
    assert_true(number == 77 && yes && inner == NULL && array == NULL);
}

static void absent_or_null_is_fine_unless_required(void **state)
{
    (void)state;
    json_t *object = parsed("{\"null\":null}");
    all_give(object, "absent", JSN_OPTIONAL, ST_OK, 99);
    all_give(object, "null", JSN_OPTIONAL, ST_OK, 99);
    all_give(object, "absent", JSN_REQUIRED, ST_INVALID, 99);
    all_give(object, "null", JSN_REQUIRED, ST_INVALID, 99);
    json_decref(object);
}

static void another_type_is_refused_even_if_optional(void **state)
{
    (void)state;
    json_t *object = parsed("{\"text\":\"not an id\",\"number\":7,\"bool\":false,\"object\":{},"
                            "\"array\":[],\"real\":7.0}");
    all_give(object, "text", JSN_OPTIONAL, ST_INVALID, 1);
    all_give(object, "number", JSN_OPTIONAL, ST_INVALID, 2);
    all_give(object, "bool", JSN_OPTIONAL, ST_INVALID, 3);
    all_give(object, "object", JSN_OPTIONAL, ST_INVALID, 4);
    all_give(object, "array", JSN_OPTIONAL, ST_INVALID, 5);
    all_give(object, "real", JSN_OPTIONAL, ST_INVALID, 99); /* 7.0 is not a count */
    json_decref(object);
}

static void out_of_range_is_refused(void **state)
{
    (void)state;
    json_t *object = parsed("{\"n\":8,\"minus\":-1,\"s\":\"12345\",\"a\":[1,2,3],"
                            "\"big\":9223372036854775807}");
    uint64_t number = 77;
    const char *text = "kept";
    json_t *array = NULL;
    struct why why;

    assert_int_equal(jsn_uint(object, "n", JSN_OPTIONAL, 9, 10, &number, &why), ST_INVALID);
    assert_string_equal(why.text, "n is not a whole number from 9 to 10");
    assert_int_equal(jsn_uint(object, "n", JSN_OPTIONAL, 1, 7, &number, &why), ST_INVALID);
    assert_int_equal(jsn_uint(object, "minus", JSN_OPTIONAL, 0, UINT64_MAX, &number, &why),
                     ST_INVALID);
    assert_true(number == 77);
    assert_int_equal(jsn_uint(object, "big", JSN_OPTIONAL, 0, UINT64_MAX, &number, &why), ST_OK);
    assert_true(number == INT64_MAX);
    assert_int_equal(jsn_str(object, "s", JSN_OPTIONAL, 4, &text, &why), ST_INVALID);
    assert_string_equal(text, "kept");
    assert_int_equal(jsn_array(object, "a", JSN_OPTIONAL, 2, &array, &why), ST_INVALID);
    assert_null(array);
    json_decref(object);
}

static void digests_are_read_in_either_form(void **state)
{
    (void)state;
    json_t *object =
        parsed("{\"d\":\"sha256:"
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
               "\"h\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
               "\"n\":null,\"short\":\"sha256:e3\",\"number\":7}");
    const struct digest nothing = digest_of(view_text(""));
    struct digest d = {{0}}, h = {{0}}, kept = digest_of(view_text("kept")), still = kept;
    struct why why = {""};
    assert_int_equal(jsn_digest(object, "d", JSN_REQUIRED, &d, &why), ST_OK);
    assert_int_equal(jsn_digest(object, "h", JSN_REQUIRED, &h, &why), ST_OK);
    assert_true(digest_equal(&d, &nothing) && digest_equal(&h, &nothing));
    assert_int_equal(jsn_digest(object, "n", JSN_OPTIONAL, &still, &why), ST_OK);
    assert_int_equal(jsn_digest(object, "n", JSN_REQUIRED, &still, &why), ST_INVALID);
    assert_int_equal(jsn_digest(object, "number", JSN_OPTIONAL, &still, &why), ST_INVALID);
    assert_int_equal(jsn_digest(object, "short", JSN_OPTIONAL, &still, &why), ST_INVALID);
    assert_string_equal(why.text, "short is not sha256: and 64 hexadecimal digits");
    assert_true(digest_equal(&still, &kept));
    json_decref(object);
}

static void exact_text_keeps_every_double(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1.0 / 3, 0.9999999999, 1e-300, -2.5, 12345678.123456789};
    for (size_t i = 0; i < COUNT(values); i++) {
        json_t *object = json_pack("{s:f}", "v", values[i]);
        char *text = jsn_text_exact(object);
        json_t *again = parsed(text);
        double v = 0;
        assert_int_equal(jsn_real(again, "v", JSN_REQUIRED, &v, NULL), ST_OK);
        assert_true(v == values[i]);
        json_decref(object);
        json_decref(again);
        free(text);
    }
}

static void a_real_is_any_number_and_nothing_else(void **state)
{
    (void)state;
    json_t *object = parsed("{\"half\":0.5,\"whole\":-3,\"n\":null,\"text\":\"1\"}");
    double v = 7;
    struct why why = {""};
    assert_int_equal(jsn_real(object, "half", JSN_REQUIRED, &v, &why), ST_OK);
    assert_true(v == 0.5);
    assert_int_equal(jsn_real(object, "whole", JSN_REQUIRED, &v, &why), ST_OK);
    assert_true(v == -3);
    assert_int_equal(jsn_real(object, "n", JSN_OPTIONAL, &v, &why), ST_OK);
    assert_int_equal(jsn_real(object, "absent", JSN_OPTIONAL, &v, &why), ST_OK);
    assert_int_equal(jsn_real(object, "n", JSN_REQUIRED, &v, &why), ST_INVALID);
    assert_string_equal(why.text, "n is missing");
    assert_int_equal(jsn_real(object, "text", JSN_OPTIONAL, &v, &why), ST_INVALID);
    assert_string_equal(why.text, "text is not a number");
    assert_true(v == -3); /* untouched */
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_one_object),
        cmocka_unit_test(refuses_what_is_not_one_object),
        cmocka_unit_test(a_number_too_large_is_told_from_what_is_no_json),
        cmocka_unit_test(refuses_a_key_twice),
        cmocka_unit_test(refuses_one_byte_too_many),
        cmocka_unit_test(refuses_one_level_too_deep),
        cmocka_unit_test(brackets_within_texts_are_not_depth),
        cmocka_unit_test(a_long_flood_of_brackets_is_refused_without_recursion),
        cmocka_unit_test(objects_and_arrays_are_limited),
        cmocka_unit_test(text_is_compact_sorted_and_stable),
        cmocka_unit_test(text_keeps_every_float32),
        cmocka_unit_test(string_carries_any_bytes),
        cmocka_unit_test(reads_each_kind_of_field),
        cmocka_unit_test(absent_or_null_is_fine_unless_required),
        cmocka_unit_test(another_type_is_refused_even_if_optional),
        cmocka_unit_test(out_of_range_is_refused),
        cmocka_unit_test(digests_are_read_in_either_form),
        cmocka_unit_test(exact_text_keeps_every_double),
        cmocka_unit_test(a_real_is_any_number_and_nothing_else),
    };
    return cmocka_run_group_tests_name("base/jsn", tests, NULL, NULL);
}
