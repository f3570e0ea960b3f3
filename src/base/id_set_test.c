/* Checks id_set.c: who is in it, and who is in it twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/id_set.h"

static struct id id(const char *text)
{
    struct id made;
    assert_int_equal(id_from(text, &made), ST_OK);
    return made;
}

static void it_has_what_it_was_made_from_and_nothing_else(void **state)
{
    (void)state;
    const struct id ids[] = {id("c"), id("a"), id("b2"), id("b")};
    struct id_set set;
    assert_int_equal(id_set_new(ids, 4, &set), ST_OK);
    for (size_t i = 0; i < 4; i++)
        assert_true(id_set_has(&set, &ids[i]));
    const struct id others[] = {id("0"), id("b1"), id("b22"), id("A"), id("d")};
    for (size_t i = 0; i < 5; i++)
        assert_false(id_set_has(&set, &others[i]));
    assert_null(id_set_twice(&set));
    assert_string_equal(ids[0].text, "c"); /* the list keeps its order */
    id_set_done(&set);
    id_set_done(&set); /* an ended one may be ended again */
    id_set_done(NULL);
}

static void nothing_is_in_an_empty_one(void **state)
{
    (void)state;
    struct id_set set;
    const struct id a = id("a");
    assert_int_equal(id_set_new(NULL, 0, &set), ST_OK);
    assert_false(id_set_has(&set, &a));
    assert_null(id_set_twice(&set));
    id_set_unify(&set);
    assert_int_equal(set.count, 0);
    id_set_done(&set);
}

static void what_is_there_twice_is_found_and_can_be_left_once(void **state)
{
    (void)state;
    const struct id ids[] = {id("b"), id("a"), id("b"), id("c"), id("b"), id("c")};
    struct id_set set;
    assert_int_equal(id_set_new(ids, 6, &set), ST_OK);
    assert_string_equal(id_set_twice(&set)->text, "b");
    id_set_unify(&set);
    assert_int_equal(set.count, 3);
    assert_null(id_set_twice(&set));
    for (size_t i = 0; i < 6; i++)
        assert_true(id_set_has(&set, &ids[i]));
    id_set_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_what_it_was_made_from_and_nothing_else),
        cmocka_unit_test(nothing_is_in_an_empty_one),
        cmocka_unit_test(what_is_there_twice_is_found_and_can_be_left_once),
    };
    return cmocka_run_group_tests_name("base/id_set", tests, NULL, NULL);
}
