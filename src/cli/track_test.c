/* No row is missing and none is shown twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/track.h"

static struct track fresh(void)
{
    return (struct track){.experiment_id = {"run"}};
}

static bool row(struct track *t, uint32_t round)
{
    const struct experiment_row r = {.experiment_id = {"run"}, .round = round};
    return track_row(t, &r);
}

static void rows_are_shown_once_and_in_order(void **state)
{
    (void)state;
    struct track t = fresh();
    assert_true(row(&t, 1));
    assert_true(row(&t, 2));
    assert_false(row(&t, 2));
    assert_false(row(&t, 1));
    assert_true(row(&t, 3));
    assert_int_equal(t.shown, 3);
    assert_false(t.behind);
}

static void a_gap_is_noticed_and_filled_from_an_answer(void **state)
{
    (void)state;
    struct track t = fresh();
    assert_true(row(&t, 1));
    assert_false(row(&t, 4)); /* 2 and 3 were lost */
    assert_true(t.behind);
    assert_int_equal(t.shown, 1);
    t.behind = false; /* an answer with all after 1 */
    assert_true(row(&t, 2));
    assert_true(row(&t, 3));
    assert_true(row(&t, 4));
    assert_false(row(&t, 4));
    assert_false(t.behind);
}

static void rows_of_another_experiment_change_nothing(void **state)
{
    (void)state;
    struct track t = fresh();
    const struct experiment_row other = {.experiment_id = {"run-2"}, .round = 1};
    assert_false(track_row(&t, &other));
    const struct experiment_row later = {.experiment_id = {"run-2"}, .round = 9};
    assert_false(track_row(&t, &later));
    assert_int_equal(t.shown, 0);
    assert_false(t.behind);
}

static void an_end_is_final_and_asks_for_what_was_missed(void **state)
{
    (void)state;
    struct track t = fresh();
    struct experiment_state s = {.experiment_id = {"run"}, .round = 2, .rounds = 9};
    track_state(&t, &s);
    assert_true(t.known);
    assert_false(track_ended(&t));
    assert_false(t.behind);
    s.phase = EXPERIMENT_DONE;
    s.round = 3;
    track_state(&t, &s);
    assert_true(track_ended(&t));
    assert_true(t.behind);
    s.phase = EXPERIMENT_RUNNING; /* one that was under way for longer */
    s.round = 2;
    track_state(&t, &s);
    assert_true(track_ended(&t));
    assert_int_equal(t.state.round, 3);
    struct track other = fresh();
    s.experiment_id = (struct id){"run-2"};
    track_state(&other, &s);
    assert_false(other.known);
}

static void rounds_are_told_by_their_ids(void **state)
{
    (void)state;
    struct track t = fresh();
    assert_true(track_start(&t, &(struct id){"run-r0007"}, 5));
    assert_int_equal(t.now.round, 7);
    assert_int_equal(t.now.mode, ROUND_TRAIN);
    assert_int_equal(t.now.asked, 5);
    assert_true(track_start(&t, &(struct id){"run-e1000000"}, 1));
    assert_int_equal(t.now.round, 1000000);
    assert_int_equal(t.now.mode, ROUND_EVALUATE);
    static const char *const others[] = {"run",       "run-",       "run-r",        "run-x0001",
                                         "run-r1x",   "run2-r0001", "ru",           "run-r00000001",
                                         "run-r0000", "other",      "run-run-r0001"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct id id = {0};
        (void)strcpy(id.text, others[i]);
        assert_false(track_start(&t, &id, 5));
        assert_int_equal(t.now.round, 1000000);
    }
}

static void counts_are_of_the_round_under_way_and_never_above_those_asked(void **state)
{
    (void)state;
    struct track t = fresh();
    const struct id first = {"run-r0001"}, second = {"run-r0002"};
    assert_false(track_accepted(&t, &first));
    assert_true(track_start(&t, &first, 2));
    assert_true(track_accepted(&t, &first));
    assert_true(track_failed(&t, &first));
    assert_false(track_accepted(&t, &second));
    assert_true(track_accepted(&t, &first));
    assert_true(track_accepted(&t, &first)); /* said again */
    assert_int_equal(t.now.accepted, 2);
    assert_int_equal(t.now.failed, 1);
    assert_false(track_start(&t, &first, 2)); /* the same start again begins nothing */
    assert_int_equal(t.now.accepted, 2);
    assert_true(track_start(&t, &second, 3));
    assert_int_equal(t.now.accepted, 0);
    assert_int_equal(t.now.failed, 0);
}

static void a_row_ends_its_round_and_no_later_one(void **state)
{
    (void)state;
    struct track t = fresh();
    assert_true(track_start(&t, &(struct id){"run-e0001"}, 1));
    assert_true(row(&t, 1));
    assert_string_equal(t.now.round_id.text, "");
    assert_true(track_start(&t, &(struct id){"run-r0003"}, 2));
    assert_true(row(&t, 2)); /* comes late */
    assert_string_equal(t.now.round_id.text, "run-r0003");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_shown_once_and_in_order),
        cmocka_unit_test(a_gap_is_noticed_and_filled_from_an_answer),
        cmocka_unit_test(rows_of_another_experiment_change_nothing),
        cmocka_unit_test(an_end_is_final_and_asks_for_what_was_missed),
        cmocka_unit_test(rounds_are_told_by_their_ids),
        cmocka_unit_test(a_row_ends_its_round_and_no_later_one),
        cmocka_unit_test(counts_are_of_the_round_under_way_and_never_above_those_asked),
    };
    return cmocka_run_group_tests_name("cli/track", tests, NULL, NULL);
}
