/* Lists of ids from the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/ids.h"

static void list_keeps_its_order(void **state)
{
    (void)state;
    struct ids list = {0};
    assert_int_equal(ids_parse("c,a,b", &list, NULL), ST_OK);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].text, "c");
    assert_string_equal(list.items[2].text, "b");
    ids_done(&list);
}

static void wrong_lists_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "a,", ",a", "a,,b", "a b", "a/b", "+", ".a", "a,b,a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ids list = {0};
        struct why why = {""};
        assert_int_equal(ids_parse(wrong[i], &list, &why), ST_INVALID);
        assert_true(strlen(why.text) > 0);
        assert_null(list.items);
        assert_int_equal(list.count, 0);
    }
}

static void adding_twice_is_once(void **state)
{
    (void)state;
    struct ids list = {0};
    struct id a;
    assert_int_equal(id_from("a", &a), ST_OK);
    assert_int_equal(ids_add(&list, &a), ST_OK);
    assert_int_equal(ids_add(&list, &a), ST_OK);
    assert_int_equal(list.count, 1);
    assert_true(ids_have(&list, &a));
    ids_done(&list);
    assert_int_equal(list.count, 0);
}

static void list_has_a_limit(void **state)
{
    (void)state;
    struct ids list = {.items = calloc(ROUND_PARTICIPANTS_MAX, sizeof(struct id)),
                       .count = ROUND_PARTICIPANTS_MAX};
    struct id a;
    assert_int_equal(id_from("a", &a), ST_OK);
    assert_int_equal(ids_add(&list, &a), ST_LIMIT);
    assert_int_equal(list.count, ROUND_PARTICIPANTS_MAX);
    ids_done(&list);
}

static void subtraction_leaves_the_rest_in_order(void **state)
{
    (void)state;
    struct ids list = {0}, others = {0};
    assert_int_equal(ids_parse("a,b,c,d", &list, NULL), ST_OK);
    assert_int_equal(ids_parse("c,a,x", &others, NULL), ST_OK);
    ids_subtract(&list, &others);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].text, "b");
    assert_string_equal(list.items[1].text, "d");
    assert_int_equal(others.count, 3);
    ids_done(&list);
    ids_done(&others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_keeps_its_order),
        cmocka_unit_test(wrong_lists_are_refused_with_a_sentence),
        cmocka_unit_test(adding_twice_is_once),
        cmocka_unit_test(list_has_a_limit),
        cmocka_unit_test(subtraction_leaves_the_rest_in_order),
    };
    return cmocka_run_group_tests_name("cli/ids", tests, NULL, NULL);
}
