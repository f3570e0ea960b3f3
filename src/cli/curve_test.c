/* What gnuplot gets to read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/curve.h"

static char *script_of(const struct curve *curves, size_t count, const char *png)
{
    struct bytes out = {0};
    assert_int_equal(curve_script(curves, count, png, &out), ST_OK);
    char *text = text_of(bytes_view(&out));
    assert_non_null(text);
    bytes_done(&out);
    return text;
}

static void points_are_numbered_from_one_and_gaps_left_out(void **state)
{
    (void)state;
    const double values[] = {0.5, NAN, 0.75};
    const struct curve curve = {"federated", values, 3};
    char *text = script_of(&curve, 1, "/tmp/a.png");
    assert_non_null(strstr(text, "$curve0 << END\n1 0.500000\n3 0.750000\nEND\n"));
    assert_non_null(strstr(text, "title 'federated'\n"));
    assert_non_null(strstr(text, "set output '/tmp/a.png'"));
    free(text);
}

static void a_curve_without_points_is_not_plotted(void **state)
{
    (void)state;
    const double values[] = {0.5}, none[] = {NAN};
    const struct curve curves[] = {{"one", values, 1}, {"two", none, 1}, {"three", NULL, 0}};
    char *text = script_of(curves, 3, "a.png");
    assert_null(strstr(text, "two"));
    assert_null(strstr(text, "three"));
    free(text);
}

static void quotes_cannot_leave_their_text(void **state)
{
    (void)state;
    const double values[] = {0.5};
    const struct curve curve = {"a'; system('x", values, 1};
    char *text = script_of(&curve, 1, "/tmp/o'b.png");
    assert_non_null(strstr(text, "'a''; system(''x'"));
    assert_non_null(strstr(text, "'/tmp/o''b.png'"));
    free(text);
}

static void nothing_to_draw_is_refused(void **state)
{
    (void)state;
    const double none[] = {NAN, NAN};
    const struct curve curve = {"x", none, 2};
    struct bytes out = {0};
    assert_int_equal(curve_script(&curve, 1, "a.png", &out), ST_INVALID);
    assert_int_equal(curve_script(NULL, 0, "a.png", &out), ST_INVALID);
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_numbered_from_one_and_gaps_left_out),
        cmocka_unit_test(a_curve_without_points_is_not_plotted),
        cmocka_unit_test(quotes_cannot_leave_their_text),
        cmocka_unit_test(nothing_to_draw_is_refused),
    };
    return cmocka_run_group_tests_name("cli/curve", tests, NULL, NULL);
}
