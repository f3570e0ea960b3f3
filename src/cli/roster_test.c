/* Who is alive, by the manager's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/roster.h"

static enum status alive_in(const char *text, struct ids *ret)
{
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    struct why why = {""};
    enum status status = roster_alive(answer, ret, &why);
    assert_true(status == ST_OK || strlen(why.text) > 0);
    json_decref(answer);
    return status;
}

static void only_the_living_are_listed(void **state)
{
    (void)state;
    struct ids list = {0};
    assert_int_equal(alive_in("{\"proplets\":[{\"proplet_id\":\"a\",\"alive\":true},"
                              "{\"proplet_id\":\"b\",\"alive\":false},"
                              "{\"proplet_id\":\"c\",\"alive\":true,\"tasks\":3}]}",
                              &list),
                     ST_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].text, "a");
    assert_string_equal(list.items[1].text, "c");
    ids_done(&list);
}

static void nobody_is_an_empty_list(void **state)
{
    (void)state;
    struct ids list = {0};
    assert_int_equal(alive_in("{\"proplets\":[]}", &list), ST_OK);
    assert_int_equal(list.count, 0);
    ids_done(&list);
}

static void other_answers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"error\":\"busy\"}",
        "{\"proplets\":{}}",
        "{\"proplets\":[1]}",
        "{\"proplets\":[{\"proplet_id\":\"a\",\"alive\":true},{\"proplet_id\":\"b\"}]}",
        "{\"proplets\":[{\"proplet_id\":\"a/b\",\"alive\":true}]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ids list = {0};
        assert_int_equal(alive_in(wrong[i], &list), ST_INVALID);
        assert_null(list.items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_living_are_listed),
        cmocka_unit_test(nobody_is_an_empty_list),
        cmocka_unit_test(other_answers_are_refused),
    };
    return cmocka_run_group_tests_name("cli/roster", tests, NULL, NULL);
}
