/* Checks held.c: what is held once, in which order, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "coordinator/held.h"

static const struct id round_1 = {"x-r0001"}, round_2 = {"x-r0002"};

static struct id sender(size_t number)
{
    struct id id = {""};
    (void)snprintf(id.text, sizeof id.text, "d%zu", number);
    return id;
}

static void one_of_a_sender_is_held_for_each_round(void **state)
{
    (void)state;
    struct held_updates h = {0};
    const struct id a = sender(1), b = sender(2);
    assert_true(held_add(&h, &round_1, &a, view_text("u")));
    size_t bytes = h.bytes;
    assert_true(held_add(&h, &round_1, &a, view_text("u"))); /* as it is already */
    assert_int_equal(h.bytes, bytes);
    assert_false(held_add(&h, &round_1, &a, view_text("v")));
    assert_true(held_add(&h, &round_2, &a, view_text("v")));
    assert_true(held_has(&h, &round_1, &a));
    assert_true(held_has(&h, &round_2, &a));
    assert_false(held_has(&h, &round_1, &b));
    held_done(&h);
    assert_int_equal(h.bytes, 0);
    assert_false(held_has(&h, &round_1, &a));
    held_done(&h);
}

static void they_stay_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    enum { COUNT = 5 * HELD_PLACES };
    struct held_updates h = {0};
    for (size_t i = 0; i < COUNT; i++) {
        const struct id id = sender(i * 7919 % COUNT);
        assert_true(held_add(&h, &round_1, &id, view_text("u")));
    }
    size_t i = 0;
    for (const struct held *u = h.first; u != NULL; u = u->next, i++) {
        const struct id id = sender(i * 7919 % COUNT);
        assert_true(id_equal(&u->sender, &id));
        assert_true(held_has(&h, &round_1, &id));
    }
    assert_int_equal(i, COUNT);
    held_done(&h);
}

static void each_costs_more_than_its_bytes(void **state)
{
    (void)state;
    struct held_updates h = {0};
    struct id id = sender(0);
    size_t size = HELD_UPDATES_BYTES_MAX / 8;
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    for (size_t i = 1; i < 8; i++) {
        assert_true(held_add(&h, &round_1, &id, view_of(bytes, size)));
        id = sender(i);
    }
    assert_false(held_add(&h, &round_1, &id, view_of(bytes, size)));
    assert_false(held_has(&h, &round_1, &id));
    size -= 8 * sizeof(struct held);
    assert_true(held_add(&h, &round_1, &id, view_of(bytes, size)));
    assert_int_equal(h.bytes, HELD_UPDATES_BYTES_MAX);
    id = sender(8);
    assert_false(held_add(&h, &round_1, &id, view_text(""))); /* nor does nothing cost nothing */
    held_done(&h);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_a_sender_is_held_for_each_round),
        cmocka_unit_test(they_stay_in_the_order_in_which_they_came),
        cmocka_unit_test(each_costs_more_than_its_bytes),
    };
    return cmocka_run_group_tests_name("coordinator/held", tests, NULL, NULL);
}
