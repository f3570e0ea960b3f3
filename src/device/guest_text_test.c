/* Checks that nothing a guest prints leaves as anything but one safe text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "device/guest_text.h"

static void a_line_has_no_control_bytes(void **state)
{
    (void)state;
    char line[64];
    guest_text_line(view_text("  first\r\n\tsecond \x1b[31m caf\xc3\xa9\n\n"), line, sizeof line);
    assert_string_equal(line, "first second [31m caf??");
}

static void a_line_keeps_the_end(void **state)
{
    (void)state;
    char line[6];
    guest_text_line(view_text("0123456789"), line, sizeof line);
    assert_string_equal(line, "56789");
    guest_text_line(view_text(""), line, sizeof line);
    assert_string_equal(line, "");
    guest_text_line(view_text("abc"), line, 1);
    assert_string_equal(line, "");
}

static void utf8_passes_unchanged(void **state)
{
    (void)state;
    const char *text = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89\n";
    json_t *value = guest_text_json(view_text(text));
    assert_string_equal(json_string_value(value), text);
    json_decref(value);
}

static void what_is_not_utf8_is_a_question_mark(void **state)
{
    (void)state;
    /* zero byte; lone continuation; overlong '/'; surrogate; above 10FFFF; cut short */
    static const char bytes[] = "a\0b\x80"
                                "c\xc0\xaf"
                                "d\xed\xa0\x80"
                                "e\xf4\x90\x80\x80"
                                "f\xe2\x82";
    json_t *value = guest_text_json(view_of(bytes, sizeof bytes - 1));
    assert_string_equal(json_string_value(value), "a?b?c??d???e????f??");
    json_decref(value);
}

static void long_output_is_cut_between_characters(void **state)
{
    (void)state;
    /* One byte, then two-byte characters: the limit falls inside one. */
    size_t size = RESULTS_SIZE_MAX + 11;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    bytes[0] = 'x';
    for (size_t i = 1; i + 1 < size; i += 2)
        memcpy(bytes + i, "\xc3\xa9", 2);
    json_t *value = guest_text_json(view_of(bytes, size));
    assert_non_null(value);
    assert_int_equal(json_string_length(value), RESULTS_SIZE_MAX - 1);
    json_decref(value);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_no_control_bytes),
        cmocka_unit_test(a_line_keeps_the_end),
        cmocka_unit_test(utf8_passes_unchanged),
        cmocka_unit_test(what_is_not_utf8_is_a_question_mark),
        cmocka_unit_test(long_output_is_cut_between_characters),
    };
    return cmocka_run_group_tests_name("proplet/guest_text", tests, NULL, NULL);
}
