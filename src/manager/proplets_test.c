/* Checks proplets.c with a clock of its own: intervals of 10 s, so silence may
 * last 35 s; given up 15 s after that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "manager/proplets.h"

#define INTERVAL   10000u
#define LOST_AFTER 15000u
#define T0         1000u

static const struct id a = {"a"}, b = {"b"}, c = {"c"};

static int setup(void **state)
{
    struct proplets *t;
    if (proplets_new(2, INTERVAL, LOST_AFTER, &t) != ST_OK)
        return -1;
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    return proplets_free(*state) == NULL ? 0 : -1;
}

static void hear(struct proplets *t, const struct id *id, uint64_t now_ms)
{
    assert_int_equal(proplets_heard(t, id, START_OWN, NULL, now_ms, NULL), ST_OK);
}

static enum proplet_state state_of(struct proplets *t, const struct id *id)
{
    const struct proplet *p = proplets_find(t, id);
    assert_non_null(p);
    return p->state;
}

static void one_that_is_heard_is_registered_and_alive(void **state)
{
    struct proplets *t = *state;
    enum proplet_state was = PROPLET_ALIVE;
    assert_null(proplets_find(t, &a));
    assert_int_equal(proplets_heard(t, &a, START_SHARED, "{\"os\":\"x\"}", T0, &was), ST_OK);
    assert_int_equal(was, PROPLET_LOST);
    const struct proplet *p = proplets_find(t, &a);
    assert_int_equal(p->state, PROPLET_ALIVE);
    assert_int_equal(p->start_topic, START_SHARED);
    assert_int_equal(p->last_seen_ms, T0);
    assert_string_equal(p->metadata, "{\"os\":\"x\"}");
    assert_int_equal(proplets_count(t), 1);
    assert_ptr_equal(proplets_at(t, proplets_index(t, p)), p);
}

static void registering_again_refreshes_what_is_known(void **state)
{
    struct proplets *t = *state;
    enum proplet_state was = PROPLET_LOST;
    assert_int_equal(proplets_heard(t, &a, START_SHARED, "{\"n\":1}", T0, NULL), ST_OK);
    assert_int_equal(proplets_heard(t, &a, START_OWN, "{\"n\":2}", T0 + 1, &was), ST_OK);
    assert_int_equal(was, PROPLET_ALIVE);
    assert_int_equal(proplets_find(t, &a)->start_topic, START_OWN);
    assert_string_equal(proplets_find(t, &a)->metadata, "{\"n\":2}");
    hear(t, &a, T0 + 2); /* a heartbeat brings none and takes none away */
    assert_string_equal(proplets_find(t, &a)->metadata, "{\"n\":2}");
    assert_int_equal(proplets_count(t), 1);
}

static void silence_of_three_and_a_half_intervals_is_forgiven(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    assert_false(proplets_check(t, 0, T0 + 35000));
    assert_int_equal(state_of(t, &a), PROPLET_ALIVE);
    assert_true(proplets_check(t, 0, T0 + 35001));
    assert_int_equal(state_of(t, &a), PROPLET_OFFLINE);
    /* Offline since the moment that the limit passed, whenever that was noticed. */
    assert_int_equal(proplets_find(t, &a)->offline_since_ms, T0 + 35000);
    assert_false(proplets_check(t, 0, T0 + 49999));
    assert_true(proplets_check(t, 0, T0 + 50000));
    assert_int_equal(state_of(t, &a), PROPLET_LOST);
    assert_false(proplets_check(t, 0, T0 + 60000));
}

static void a_late_look_finds_it_lost_at_once(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    assert_true(proplets_check(t, 0, T0 + 50000));
    assert_int_equal(state_of(t, &a), PROPLET_LOST);
}

static void the_last_will_makes_it_offline_at_once(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    assert_true(proplets_gone(t, &a, T0 + 100));
    assert_int_equal(state_of(t, &a), PROPLET_OFFLINE);
    assert_int_equal(proplets_find(t, &a)->offline_since_ms, T0 + 100);
    assert_false(proplets_gone(t, &a, T0 + 200)); /* again: still since then */
    assert_int_equal(proplets_find(t, &a)->offline_since_ms, T0 + 100);
    assert_false(proplets_check(t, 0, T0 + 15099));
    assert_true(proplets_check(t, 0, T0 + 15100));
    assert_int_equal(state_of(t, &a), PROPLET_LOST);
}

static void the_last_will_of_an_unknown_one_registers_nobody(void **state)
{
    struct proplets *t = *state;
    assert_false(proplets_gone(t, &a, T0));
    assert_int_equal(proplets_count(t), 0);
    assert_null(proplets_find(t, &a));
}

static void one_that_returns_is_alive_again(void **state)
{
    struct proplets *t = *state;
    enum proplet_state was = PROPLET_ALIVE;
    hear(t, &a, T0);
    assert_true(proplets_gone(t, &a, T0));
    assert_int_equal(proplets_heard(t, &a, START_OWN, NULL, T0 + 14000, &was), ST_OK);
    assert_int_equal(was, PROPLET_OFFLINE);
    assert_false(proplets_check(t, 0, T0 + 15000));
    assert_int_equal(state_of(t, &a), PROPLET_ALIVE);
    assert_int_equal(proplets_find(t, &a)->offline_since_ms, 0);
}

static void who_was_not_listened_to_is_excused(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    hear(t, &b, T0);
    assert_true(proplets_gone(t, &b, T0));
    proplets_excuse(t, T0 + 100000);
    assert_false(proplets_check(t, 0, T0 + 135000));
    assert_int_equal(state_of(t, &a), PROPLET_ALIVE);
    assert_false(proplets_check(t, 1, T0 + 114999));
    assert_int_equal(state_of(t, &b), PROPLET_OFFLINE); /* not alive, but not lost yet */
    assert_true(proplets_check(t, 1, T0 + 115000));
}

static void one_that_is_expected_gets_the_time_of_a_silence(void **state)
{
    struct proplets *t = *state;
    assert_int_equal(proplets_expect(t, &a, START_OWN, T0), ST_OK);
    assert_int_equal(state_of(t, &a), PROPLET_EXPECTED);
    assert_true(proplet_present(proplets_find(t, &a)));
    assert_false(proplets_check(t, 0, T0 + 35000));
    assert_true(proplets_check(t, 0, T0 + 35001));
    assert_int_equal(state_of(t, &a), PROPLET_OFFLINE);
    assert_false(proplet_present(proplets_find(t, &a)));
}

static void who_is_expected_may_come_or_go(void **state)
{
    struct proplets *t = *state;
    enum proplet_state was;
    assert_int_equal(proplets_expect(t, &a, START_SHARED, T0), ST_OK);
    assert_int_equal(proplets_expect(t, &b, START_OWN, T0), ST_OK);
    assert_int_equal(proplets_expect(t, &c, START_OWN, T0), ST_LIMIT);
    assert_int_equal(proplets_heard(t, &a, START_OWN, NULL, T0, &was), ST_OK);
    assert_int_equal(was, PROPLET_EXPECTED);
    assert_int_equal(proplets_expect(t, &a, START_SHARED, T0 + 1), ST_OK); /* known better */
    assert_int_equal(state_of(t, &a), PROPLET_ALIVE);
    assert_int_equal(proplets_find(t, &a)->start_topic, START_OWN);
    assert_true(proplets_gone(t, &b, T0));
    assert_int_equal(state_of(t, &b), PROPLET_OFFLINE);
}

static void a_clock_that_is_behind_ends_nothing(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    assert_false(proplets_check(t, 0, 0));
    assert_int_equal(state_of(t, &a), PROPLET_ALIVE);
}

static void a_full_table_refuses_and_keeps_who_is_there(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    hear(t, &b, T0);
    assert_int_equal(proplets_heard(t, &c, START_OWN, "{}", T0, NULL), ST_LIMIT);
    assert_int_equal(proplets_count(t), 2);
    assert_null(proplets_find(t, &c));
    assert_int_equal(state_of(t, &a), PROPLET_ALIVE);
    assert_int_equal(state_of(t, &b), PROPLET_ALIVE);
}

static void who_is_lost_the_longest_makes_room(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    hear(t, &b, T0 + 5000);
    assert_true(proplets_check(t, 0, T0 + 90000));
    assert_true(proplets_check(t, 1, T0 + 90000));
    hear(t, &c, T0 + 90000);
    assert_null(proplets_find(t, &a));
    assert_int_equal(state_of(t, &b), PROPLET_LOST);
    assert_int_equal(state_of(t, &c), PROPLET_ALIVE);
    assert_int_equal(proplets_count(t), 2);
}

static void too_much_metadata_is_refused_whole(void **state)
{
    struct proplets *t = *state;
    static char large[PROPLET_METADATA_MAX + 2];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(proplets_heard(t, &a, START_OWN, large, T0, NULL), ST_LIMIT);
    assert_int_equal(proplets_count(t), 0);
    large[PROPLET_METADATA_MAX] = '\0';
    assert_int_equal(proplets_heard(t, &a, START_OWN, large, T0, NULL), ST_OK);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(proplet_state_name(PROPLET_ALIVE), "alive");
    assert_string_equal(proplet_state_name(PROPLET_EXPECTED), "expected");
    assert_string_equal(proplet_state_name(PROPLET_OFFLINE), "offline");
    assert_string_equal(proplet_state_name(PROPLET_LOST), "lost");
    assert_null(proplets_free(NULL));
}

static void what_is_recorded_is_restored_in_its_slots(void **state)
{
    struct proplets *t = *state;
    const struct proplet there = {
        .id = a, .state = PROPLET_EXPECTED, .start_topic = START_SHARED, .metadata = "{}"};
    const struct proplet gone = {.id = b, .state = PROPLET_OFFLINE, .start_topic = START_OWN};
    assert_int_equal(proplets_restore(t, &there, T0), ST_OK);
    assert_int_equal(proplets_restore(t, &there, T0), ST_EXISTS);
    assert_int_equal(proplets_restore(t, &gone, T0), ST_OK);
    const struct proplet more = {.id = c, .state = PROPLET_LOST};
    assert_int_equal(proplets_restore(t, &more, T0), ST_LIMIT);
    assert_string_equal(proplets_at(t, 0)->id.text, "a");
    assert_int_equal(proplets_at(t, 0)->start_topic, START_SHARED);
    assert_string_equal(proplets_at(t, 0)->metadata, "{}");
    assert_int_equal(state_of(t, &a), PROPLET_EXPECTED);
    assert_int_equal(proplets_count(t), 2);
    assert_int_equal(proplets_changes(t)->count, 0);
    /* Who was offline has the whole time again to come back. */
    assert_false(proplets_check(t, 1, T0 + LOST_AFTER - 1));
    assert_true(proplets_check(t, 1, T0 + LOST_AFTER));
    assert_int_equal(state_of(t, &b), PROPLET_LOST);
}

static size_t changes_now(struct proplets *t)
{
    size_t count = proplets_changes(t)->count;
    changes_clear(proplets_changes(t));
    return count;
}

static void only_what_is_recorded_of_a_device_is_a_change(void **state)
{
    struct proplets *t = *state;
    hear(t, &a, T0);
    hear(t, &b, T0);
    assert_int_equal(changes_now(t), 2);
    hear(t, &a, T0 + 10); /* a heartbeat is none */
    assert_int_equal(changes_now(t), 0);
    assert_int_equal(proplets_heard(t, &a, START_OWN, "{}", T0, NULL), ST_OK);
    assert_int_equal(changes_now(t), 1);
    assert_int_equal(proplets_heard(t, &a, START_OWN, "{}", T0, NULL), ST_OK);
    assert_int_equal(changes_now(t), 0);
    assert_int_equal(proplets_heard(t, &a, START_SHARED, NULL, T0, NULL), ST_OK);
    assert_int_equal(proplets_changes(t)->list[0], 0);
    assert_int_equal(changes_now(t), 1);
    assert_true(proplets_gone(t, &b, T0));
    assert_int_equal(proplets_changes(t)->list[0], 1);
    assert_int_equal(changes_now(t), 1);
    assert_true(proplets_check(t, 1, T0 + LOST_AFTER));
    assert_int_equal(changes_now(t), 1);
    hear(t, &b, T0);
    hear(t, &b, T0);
    assert_int_equal(changes_now(t), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_is_heard_is_registered_and_alive),
        TEST(registering_again_refreshes_what_is_known),
        TEST(silence_of_three_and_a_half_intervals_is_forgiven),
        TEST(a_late_look_finds_it_lost_at_once),
        TEST(the_last_will_makes_it_offline_at_once),
        TEST(the_last_will_of_an_unknown_one_registers_nobody),
        TEST(one_that_returns_is_alive_again),
        TEST(who_was_not_listened_to_is_excused),
        TEST(one_that_is_expected_gets_the_time_of_a_silence),
        TEST(who_is_expected_may_come_or_go),
        TEST(a_clock_that_is_behind_ends_nothing),
        TEST(a_full_table_refuses_and_keeps_who_is_there),
        TEST(who_is_lost_the_longest_makes_room),
        TEST(too_much_metadata_is_refused_whole),
        TEST(states_have_names),
        TEST(what_is_recorded_is_restored_in_its_slots),
        TEST(only_what_is_recorded_of_a_device_is_a_change),
    };
    return cmocka_run_group_tests_name("manager/proplets", tests, NULL, NULL);
}
