/* Checks lookup.c: what is put is found, what is removed is not, also where
 * slots share a bucket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "manager/lookup.h"

#define COUNT 500u

static void finds_what_was_put_and_nothing_else(void **state)
{
    (void)state;
    struct lookup *l;
    uint32_t slot = 7;
    assert_int_equal(lookup_new(3, &l), ST_OK);
    lookup_put(l, 2, "a");
    lookup_put(l, 0, "b");
    assert_true(lookup_find(l, "a", &slot));
    assert_int_equal(slot, 2);
    assert_true(lookup_find(l, "b", &slot));
    assert_int_equal(slot, 0);
    slot = 7;
    assert_false(lookup_find(l, "c", &slot));
    assert_int_equal(slot, 7);
    assert_null(lookup_free(l));
}

static void removing_half_leaves_the_other_half(void **state)
{
    (void)state;
    struct lookup *l;
    static char keys[COUNT][16];
    uint32_t slot;
    assert_int_equal(lookup_new(COUNT, &l), ST_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "key-%u", i);
        lookup_put(l, i, keys[i]);
    }
    for (uint32_t i = 0; i < COUNT; i += 2)
        lookup_remove(l, i);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(lookup_find(l, keys[i], &slot), i % 2 == 1);
        if (i % 2 == 1)
            assert_int_equal(slot, i);
    }
    lookup_free(l);
}

static void a_removed_slot_takes_a_new_key(void **state)
{
    (void)state;
    struct lookup *l;
    uint32_t slot;
    assert_int_equal(lookup_new(1, &l), ST_OK);
    lookup_remove(l, 0); /* nothing there: ignored */
    lookup_put(l, 0, "old");
    lookup_remove(l, 0);
    lookup_put(l, 0, "new");
    assert_false(lookup_find(l, "old", &slot));
    assert_true(lookup_find(l, "new", &slot));
    lookup_free(l);
    assert_null(lookup_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put_and_nothing_else),
        cmocka_unit_test(removing_half_leaves_the_other_half),
        cmocka_unit_test(a_removed_slot_takes_a_new_key),
    };
    return cmocka_run_group_tests_name("manager/lookup", tests, NULL, NULL);
}
