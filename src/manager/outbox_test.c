/* Checks outbox.c: the order, what is new, sent, taken and gone, and its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/outbox.h"

static const struct id task = {"t1"};

static int setup(void **state)
{
    struct outbox *o;
    if (outbox_new(&o) != ST_OK)
        return -1;
    *state = o;
    return 0;
}

static int teardown(void **state)
{
    return outbox_free(*state) == NULL ? 0 : -1;
}

static void add(struct outbox *o, const char *text)
{
    assert_int_equal(outbox_add(o, OUTGOING_EVENT, &task, "a/b", strdup(text)), ST_OK);
}

static void messages_are_in_the_order_of_being_made(void **state)
{
    struct outbox *o = *state;
    assert_null(outbox_first(o));
    add(o, "one");
    assert_int_equal(outbox_add(o, OUTGOING_START, &task, "a/c", strdup("two")), ST_OK);
    const struct outgoing *out = outbox_first(o);
    assert_string_equal(out->text, "one");
    assert_string_equal(out->topic, "a/b");
    assert_int_equal(out->kind, OUTGOING_EVENT);
    assert_false(out->recorded);
    assert_string_equal(out->next->text, "two");
    assert_string_equal(out->next->topic, "a/c");
    assert_string_equal(out->next->task_id.text, "t1");
    assert_true(out->next->number > out->number);
    assert_null(out->next->next);
    assert_int_equal(outbox_new_count(o), 2);
    assert_int_equal(outbox_count(o), 2);
    assert_int_equal(outbox_bytes(o), 6);
}

static void what_the_broker_took_goes_with_the_next_recording(void **state)
{
    struct outbox *o = *state;
    add(o, "one");
    add(o, "two");
    add(o, "three");
    outbox_recorded(o);
    assert_int_equal(outbox_new_count(o), 0);
    assert_true(outbox_first(o)->recorded);
    outbox_first(o)->sent_as = 4;
    outbox_first(o)->next->sent_as = 7;
    outbox_taken(o, 3);
    assert_int_equal(outbox_gone_count(o), 0);
    outbox_taken(o, 6); /* the third was not sent at all */
    outbox_taken(o, 6);
    assert_int_equal(outbox_gone_count(o), 1);
    assert_int_equal(outbox_count(o), 3);
    outbox_recorded(o);
    assert_int_equal(outbox_count(o), 2);
    assert_int_equal(outbox_gone_count(o), 0);
    assert_int_equal(outbox_bytes(o), 8);
    assert_string_equal(outbox_first(o)->text, "two");
    /* What is added then comes last. */
    add(o, "four");
    assert_string_equal(outbox_first(o)->next->next->text, "four");
}

static void an_emptied_one_can_be_filled_again(void **state)
{
    struct outbox *o = *state;
    add(o, "one");
    outbox_end(o, outbox_first(o));
    outbox_end(o, outbox_first(o));
    assert_int_equal(outbox_gone_count(o), 1);
    outbox_recorded(o);
    assert_null(outbox_first(o));
    assert_int_equal(outbox_count(o), 0);
    assert_int_equal(outbox_bytes(o), 0);
    add(o, "two");
    assert_string_equal(outbox_first(o)->text, "two");
    assert_int_equal(outbox_first(o)->number, 2);
}

static void restored_ones_come_first_and_in_order(void **state)
{
    struct outbox *o = *state;
    assert_int_equal(outbox_restore(o, 5, OUTGOING_STOP, &task, "a", "five"), ST_OK);
    assert_int_equal(outbox_restore(o, 9, OUTGOING_EVENT, &task, "a", "nine"), ST_OK);
    assert_int_equal(outbox_restore(o, 9, OUTGOING_EVENT, &task, "a", "nine"), ST_INVALID);
    assert_int_equal(outbox_count(o), 2);
    assert_int_equal(outbox_new_count(o), 0);
    assert_true(outbox_first(o)->recorded);
    add(o, "ten");
    assert_int_equal(outbox_first(o)->next->next->number, 10);
    assert_int_equal(outbox_new_count(o), 1);
}

static void a_full_one_and_no_text_are_refused(void **state)
{
    struct outbox *o = *state;
    assert_int_equal(outbox_add(o, OUTGOING_EVENT, &task, "a", NULL), ST_NOMEM);
    assert_int_equal(outbox_count(o), 0);
    for (int i = 0; i < OUTGOING_MAX; i++)
        add(o, "x");
    assert_int_equal(outbox_add(o, OUTGOING_EVENT, &task, "a", strdup("y")), ST_LIMIT);
    assert_int_equal(outbox_count(o), OUTGOING_MAX);
    assert_int_equal(outbox_bytes(o), OUTGOING_MAX);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_in_the_order_of_being_made),
        TEST(what_the_broker_took_goes_with_the_next_recording),
        TEST(an_emptied_one_can_be_filled_again),
        TEST(restored_ones_come_first_and_in_order),
        TEST(a_full_one_and_no_text_are_refused),
    };
    return cmocka_run_group_tests_name("manager/outbox", tests, NULL, NULL);
}
