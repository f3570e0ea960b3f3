/* Numbers and tables for people, and what must not reach a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

static void bytes_have_fitting_units(void **state)
{
    (void)state;
    char t[TEXT_SIZE];
    assert_string_equal(text_bytes(0, t), "0 B");
    assert_string_equal(text_bytes(999, t), "999 B");
    assert_string_equal(text_bytes(1000, t), "1.0 kB");
    assert_string_equal(text_bytes(203900, t), "203.9 kB");
    assert_string_equal(text_bytes(999960, t), "1.0 MB"); /* not "1000.0 kB" */
    assert_string_equal(text_bytes(UINT64_C(3200000000), t), "3.2 GB");
    assert_string_equal(text_bytes(UINT64_MAX, t), "18446744.1 TB");
}

static void seconds_have_fitting_units(void **state)
{
    (void)state;
    char t[TEXT_SIZE];
    assert_string_equal(text_seconds(0.84, t), "0.8 s");
    assert_string_equal(text_seconds(99.9, t), "99.9 s");
    assert_string_equal(text_seconds(200, t), "3 min 20 s");
    assert_string_equal(text_seconds(7500, t), "2 h 5 min");
    assert_string_equal(text_seconds(-1, t), "-");
    assert_string_equal(text_seconds((double)NAN, t), "-");
}

static void ratio_that_was_not_measured_is_a_dash(void **state)
{
    (void)state;
    char t[TEXT_SIZE];
    assert_string_equal(text_ratio(0.94984, t), "0.9498");
    assert_string_equal(text_ratio((double)NAN, t), "-");
}

static void control_bytes_become_question_marks(void **state)
{
    (void)state;
    char t[] = "a\x1b[2Jb\nc\x7f"
               "d\xc2\x9b"
               "e\xc3\xa4";
    text_make_safe(t);
    assert_string_equal(t, "a?[2Jb?c?d??e\xc3\xa4");
}

static char *printed(const struct table *t)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    table_print(t, out);
    (void)fclose(out);
    return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    struct table *t = table_new((const char *const[]){"A", "LONG", "C", NULL});
    assert_non_null(t);
    table_row(t, (const char *const[]){"\xc3\xa4\xc3\xa4\xc3\xa4", "x", "1"}); /* 3 letters */
    table_row(t, (const char *const[]){"b", "\x1b", "2"});
    assert_int_equal(table_count(t), 2);
    char *text = printed(t);
    assert_string_equal(text, "A    LONG  C\n\xc3\xa4\xc3\xa4\xc3\xa4  x     1\nb    ?     2\n");
    free(text);
    assert_null(table_free(t));
    assert_null(table_free(NULL));
}

static void a_long_cell_is_cut(void **state)
{
    (void)state;
    char cell[1000];
    memset(cell, 'x', sizeof cell - 1);
    cell[sizeof cell - 1] = '\0';
    struct table *t = table_new((const char *const[]){"A", NULL});
    table_row(t, (const char *const[]){cell});
    char *text = printed(t);
    assert_int_equal(strlen(text), 2 + TABLE_CELL_MAX + 1);
    free(text);
    (void)table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_fitting_units),
        cmocka_unit_test(seconds_have_fitting_units),
        cmocka_unit_test(ratio_that_was_not_measured_is_a_dash),
        cmocka_unit_test(control_bytes_become_question_marks),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(a_long_cell_is_cut),
    };
    return cmocka_run_group_tests_name("cli/text", tests, NULL, NULL);
}
