/* Task events as the manager sends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/task_event.h"

static enum status decode(const char *text, struct task_event *ret)
{
    return task_event_decode(view_text(text), ret, NULL);
}

static void all_fields_are_read(void **state)
{
    (void)state;
    struct task_event e;
    assert_int_equal(decode("{\"task_id\":\"t1\",\"launch_id\":\"r1\",\"proplet_id\":\"p1\","
                            "\"state\":\"failed\",\"reason\":\"trap\",\"detail\":\"x\",\"new\":1}",
                            &e),
                     ST_OK);
    assert_string_equal(e.task_id.text, "t1");
    assert_string_equal(e.launch_id.text, "r1");
    assert_string_equal(e.proplet_id.text, "p1");
    assert_string_equal(e.state, "failed");
    assert_string_equal(e.reason, "trap");
    assert_string_equal(e.detail, "x");
}

static void a_task_outside_of_launches_is_read(void **state)
{
    (void)state;
    struct task_event e;
    assert_int_equal(decode("{\"task_id\":\"t1\",\"state\":\"running\"}", &e), ST_OK);
    assert_string_equal(e.launch_id.text, "");
    assert_string_equal(e.reason, "");
}

static void a_long_detail_is_cut(void **state)
{
    (void)state;
    char text[2000];
    struct task_event e;
    (void)snprintf(text, sizeof text,
                   "{\"task_id\":\"t\",\"state\":\"failed\",\"detail\":\"%01000d\"}", 0);
    assert_int_equal(decode(text, &e), ST_OK);
    assert_int_equal(strlen(e.detail), sizeof e.detail - 1);
}

static void what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"task_id\":\"t1\"}",
                                        "{\"state\":\"running\"}",
                                        "{\"task_id\":\"a/b\",\"state\":\"running\"}",
                                        "{\"task_id\":\"t1\",\"state\":7}",
                                        "{\"task_id\":\"t1\",\"state\":\"much longer than any\"}",
                                        "{\"task_id\":\"t1\",\"state\":\"failed\",\"detail\":[]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct task_event e = {.state = "mine"};
        assert_int_not_equal(decode(wrong[i], &e), ST_OK);
        assert_string_equal(e.state, "mine");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_are_read),
        cmocka_unit_test(a_task_outside_of_launches_is_read),
        cmocka_unit_test(a_long_detail_is_cut),
        cmocka_unit_test(what_is_no_event_is_refused),
    };
    return cmocka_run_group_tests_name("cli/task_event", tests, NULL, NULL);
}
