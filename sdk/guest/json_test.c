/* Checks json.c: what it reads, and that what jsmn lets pass is refused here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static struct fml_json read_json(const char *text)
{
    struct fml_json j = {0};
    assert_int_equal(fml_json_read(&j, text, strlen(text), "test"), FML_OK);
    return j;
}

static void refuses_with(enum fml_status expected, const char *text)
{
    struct fml_json j = {0};
    enum fml_status status = fml_json_read(&j, text, strlen(text), "test");
    if (status != expected)
        fail_msg("%s: %s, not %s", text, fml_status_name(status), fml_status_name(expected));
    assert_null(j.tokens);
    assert_non_null(strstr(fml_why(), "test"));
}

static void finds_members_behind_containers(void **state)
{
    (void)state;
    double value = 0.0;
    struct fml_json j = read_json(" {\"a\":[1,[2,3],{\"b\":4}],\"c\":{\"b\":5},\"b\":-6.5e-1} \n");
    int b = fml_json_find(&j, 0, "b");
    assert_true(fml_json_real(&j, b, &value));
    assert_true(value == -0.65);
    int c = fml_json_find(&j, 0, "c");
    assert_true(fml_json_real(&j, fml_json_find(&j, c, "b"), &value));
    assert_true(value == 5.0);
    assert_int_equal(fml_json_find(&j, 0, "d"), -1);
    assert_int_equal(fml_json_find(&j, b, "b"), -1);
    fml_json_done(&j);
}

static void whole_numbers_are_whole(void **state)
{
    (void)state;
    uint64_t value = 99;
    struct fml_json j = read_json("{\"a\":12,\"b\":1.5,\"c\":-1,\"d\":9007199254740992,"
                                  "\"e\":9007199254740994,\"f\":\"1\",\"g\":2e1,\"h\":true}");
    assert_false(fml_json_integer(&j, fml_json_find(&j, 0, "b"), &value));
    assert_false(fml_json_integer(&j, fml_json_find(&j, 0, "c"), &value));
    assert_false(fml_json_integer(&j, fml_json_find(&j, 0, "e"), &value));
    assert_false(fml_json_integer(&j, fml_json_find(&j, 0, "f"), &value));
    assert_false(fml_json_integer(&j, fml_json_find(&j, 0, "h"), &value));
    assert_false(fml_json_integer(&j, fml_json_find(&j, 0, "g"), &value));
    assert_false(fml_json_whole(&j, fml_json_find(&j, 0, "b"), &value));
    assert_false(fml_json_whole(&j, fml_json_find(&j, 0, "c"), &value));
    assert_false(fml_json_whole(&j, fml_json_find(&j, 0, "f"), &value));
    assert_int_equal(value, 99);
    assert_true(fml_json_integer(&j, fml_json_find(&j, 0, "a"), &value));
    assert_int_equal(value, 12);
    assert_true(fml_json_whole(&j, fml_json_find(&j, 0, "g"), &value));
    assert_int_equal(value, 20);
    assert_true(fml_json_integer(&j, fml_json_find(&j, 0, "d"), &value));
    assert_true(value == (uint64_t)1 << 53);
    fml_json_done(&j);
}

static void a_number_beyond_double_is_none(void **state)
{
    (void)state;
    double value = 3.0;
    struct fml_json j = read_json("{\"a\":1e999}");
    assert_false(fml_json_real(&j, fml_json_find(&j, 0, "a"), &value));
    assert_true(value == 3.0);
    fml_json_done(&j);
}

static void texts_lose_their_escapes(void **state)
{
    (void)state;
    char text[64];
    struct fml_json j = read_json("{\"a\":\"q\\\"b\\\\s\\/n\\n\\u00fc\\u20AC\\ud83d\\ude00\"}");
    assert_true(fml_json_text(&j, fml_json_find(&j, 0, "a"), text, sizeof text));
    assert_string_equal(text, "q\"b\\s/n\nü€😀");
    fml_json_done(&j);
}

static void texts_that_are_none_are_refused(void **state)
{
    (void)state;
    char text[8] = "before";
    struct fml_json j =
        read_json("{\"zero\":\"a\\u0000b\",\"half\":\"\\ud83d\",\"low\":\"\\ude00x\","
                  "\"pair\":\"\\ud83d\\u0041\",\"long\":\"12345678\",\"number\":5}");
    static const char *const keys[] = {"zero", "half", "low", "pair", "long", "number"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_false(fml_json_text(&j, fml_json_find(&j, 0, keys[i]), text, sizeof text));
    fml_json_done(&j);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     " ",   "[]",     "1",         "\"a\"", "nul",
                                        "{",    "{]",  "{\"a\"", "{\"a\":}",  "}",     "{} {}",
                                        "{}[]", "{}1", "x{}",    "{\"a\":1}}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refuses_with(FML_MALFORMED, texts[i]);
}

/* jsmn alone takes each of these. */
static void what_jsmn_lets_pass_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\"}",       "{\"a\",\"b\":1}", "{\"a\":\"b\":1}", "{\"a\":[\"b\":1]}",
        "{\"a\":01}",    "{\"a\":1.}",      "{\"a\":-}",       "{\"a\":1e}",
        "{\"a\":truth}", "{\"a\":nan}",     "{\"a\":[]:1}",    "{\"a\":0x10}",
        "{\"a\":{1}}",   "{\"a\":1:2}",     "{\"a\":1-2}",     "{\"a\":1 \"b\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refuses_with(FML_MALFORMED, texts[i]);
}

static void a_zero_byte_is_refused(void **state)
{
    (void)state;
    struct fml_json j = {0};
    assert_int_equal(fml_json_read(&j, "{}\0", 3, "test"), FML_MALFORMED);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    char text[256] = "{\"a\":";
    for (int i = 0; i < 100; i++)
        strcat(text, "[");
    strcat(text, "1");
    for (int i = 0; i < 100; i++)
        strcat(text, "]");
    strcat(text, "}");
    refuses_with(FML_LIMIT, text);
}

static void size_has_a_limit(void **state)
{
    (void)state;
    struct fml_json j = {0};
    assert_int_equal(fml_json_read(&j, "{}", FML_JSON_SIZE_MAX + 1, "test"), FML_LIMIT);
    assert_null(j.tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_behind_containers),
        cmocka_unit_test(whole_numbers_are_whole),
        cmocka_unit_test(a_number_beyond_double_is_none),
        cmocka_unit_test(texts_lose_their_escapes),
        cmocka_unit_test(texts_that_are_none_are_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(what_jsmn_lets_pass_is_refused),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(size_has_a_limit),
    };
    return cmocka_run_group_tests_name("guest/json", tests, NULL, NULL);
}
