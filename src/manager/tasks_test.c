/* Checks tasks.c: each way from state to state, that an end is final, and who
 * goes first when the table is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "manager/tasks.h"

#define LIMIT 5000u

static const struct id launch = {"launch"}, device = {"device"};

static int setup(void **state)
{
    struct tasks *t;
    if (tasks_new(3, &t) != ST_OK)
        return -1;
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    return tasks_free(*state) == NULL ? 0 : -1;
}

static struct id id_of_number(int n)
{
    struct id id = {""};
    (void)snprintf(id.text, sizeof id.text, "t%d", n);
    return id;
}

static void add(struct tasks *t, int n)
{
    struct id id = id_of_number(n);
    assert_int_equal(tasks_add(t, &id, &launch, &device, LIMIT), ST_OK);
}

static enum status change(struct tasks *t, int n, enum task_state state, const char *reason)
{
    struct id id = id_of_number(n);
    return tasks_change(t, &id, state, reason, NULL, 100);
}

static const struct task *find(struct tasks *t, int n)
{
    struct id id = id_of_number(n);
    return tasks_find(t, &id);
}

static void a_new_task_is_pending(void **state)
{
    struct tasks *t = *state;
    add(t, 1);
    const struct task *task = find(t, 1);
    assert_int_equal(task->state, TASK_PENDING);
    assert_string_equal(task->launch_id.text, "launch");
    assert_string_equal(task->proplet_id.text, "device");
    assert_string_equal(task->reason, "");
    assert_false(task_ended(task));
    assert_false(task_due(task, UINT64_MAX)); /* no deadline before it runs */
}

static void a_running_task_is_due_at_its_limit(void **state)
{
    struct tasks *t = *state;
    add(t, 1);
    assert_int_equal(change(t, 1, TASK_RUNNING, "started"), ST_OK);
    assert_int_equal(find(t, 1)->deadline_ms, 5100); /* 100 + 5000 */
    assert_false(task_due(find(t, 1), 5099));
    assert_true(task_due(find(t, 1), 5100));
    assert_int_equal(change(t, 1, TASK_COMPLETED, "completed"), ST_OK);
    assert_false(task_due(find(t, 1), 5100));
}

static void an_end_is_final(void **state)
{
    struct tasks *t = *state;
    const enum task_state all[] = {TASK_RUNNING, TASK_COMPLETED, TASK_FAILED};
    add(t, 1);
    add(t, 2);
    assert_int_equal(change(t, 1, TASK_COMPLETED, "completed"), ST_OK); /* from PENDING */
    assert_int_equal(change(t, 2, TASK_FAILED, "trap"), ST_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(change(t, 1, all[i], "later"), ST_EXISTS);
        assert_int_equal(change(t, 2, all[i], "later"), ST_EXISTS);
    }
    assert_int_equal(find(t, 1)->state, TASK_COMPLETED);
    assert_string_equal(find(t, 1)->reason, "completed");
    assert_int_equal(find(t, 2)->state, TASK_FAILED);
    assert_string_equal(find(t, 2)->reason, "trap");
}

static void running_twice_does_not_move_the_deadline(void **state)
{
    struct tasks *t = *state;
    struct id id = id_of_number(1);
    add(t, 1);
    assert_int_equal(change(t, 1, TASK_RUNNING, "started"), ST_OK);
    assert_int_equal(tasks_change(t, &id, TASK_RUNNING, "again", NULL, 900), ST_EXISTS);
    assert_int_equal(find(t, 1)->deadline_ms, 5100);
    assert_string_equal(find(t, 1)->reason, "started");
}

static void an_unknown_task_is_not_made(void **state)
{
    struct tasks *t = *state;
    assert_int_equal(change(t, 1, TASK_COMPLETED, "completed"), ST_NOT_FOUND);
    assert_null(find(t, 1));
    assert_int_equal(tasks_room(t), 3);
}

static void an_id_is_given_once(void **state)
{
    struct tasks *t = *state;
    struct id id = id_of_number(1), other = {"other"};
    add(t, 1);
    assert_int_equal(tasks_add(t, &id, &other, &other, 1), ST_EXISTS);
    assert_string_equal(find(t, 1)->launch_id.text, "launch");
    assert_int_equal(tasks_room(t), 2);
}

static void a_full_table_drops_no_task_that_runs(void **state)
{
    struct tasks *t = *state;
    struct id id = id_of_number(4);
    add(t, 1);
    add(t, 2);
    add(t, 3);
    assert_int_equal(tasks_room(t), 0);
    assert_int_equal(tasks_add(t, &id, &launch, &device, LIMIT), ST_LIMIT);
    assert_null(tasks_find(t, &id));
    for (int n = 1; n <= 3; n++)
        assert_non_null(find(t, n));
}

static void the_one_that_ended_first_is_forgotten_first(void **state)
{
    struct tasks *t = *state;
    add(t, 1);
    add(t, 2);
    add(t, 3);
    assert_int_equal(change(t, 3, TASK_FAILED, "trap"), ST_OK);
    assert_int_equal(change(t, 1, TASK_COMPLETED, "completed"), ST_OK);
    assert_int_equal(tasks_room(t), 2);
    add(t, 4);
    assert_null(find(t, 3));
    assert_non_null(find(t, 1));
    add(t, 5);
    assert_null(find(t, 1));
    assert_non_null(find(t, 2)); /* the oldest of all, but it has not ended */
    assert_int_equal(tasks_room(t), 0);
}

static void the_newest_come_first(void **state)
{
    struct tasks *t = *state;
    const struct task *newest[3];
    assert_int_equal(tasks_newest(t, newest, 3), 0);
    add(t, 1);
    add(t, 2);
    add(t, 3);
    assert_int_equal(change(t, 2, TASK_FAILED, "trap"), ST_OK);
    add(t, 4); /* in the place of 2 */
    assert_int_equal(tasks_newest(t, newest, 3), 3);
    assert_string_equal(newest[0]->id.text, "t4");
    assert_string_equal(newest[1]->id.text, "t3");
    assert_string_equal(newest[2]->id.text, "t1");
    assert_int_equal(tasks_newest(t, newest, 1), 1);
    assert_string_equal(newest[0]->id.text, "t4");
}

static void a_walk_meets_each_once(void **state)
{
    struct tasks *t = *state;
    size_t cursor = 0;
    assert_null(tasks_next(t, &cursor));
    add(t, 1);
    add(t, 2);
    int met = 0;
    for (const struct task *task; (task = tasks_next(t, &cursor)) != NULL; met++)
        assert_int_equal(change(t, task->id.text[1] - '0', TASK_FAILED, "trap"), ST_OK);
    assert_int_equal(met, 2);
}

static void an_excuse_moves_deadlines_only_back(void **state)
{
    struct tasks *t = *state;
    add(t, 1);
    add(t, 2);
    assert_int_equal(change(t, 1, TASK_RUNNING, "started"), ST_OK); /* due at 5100 */
    tasks_excuse(t, 5000, 50);
    assert_int_equal(find(t, 1)->deadline_ms, 5100);
    tasks_excuse(t, 9000, 1000);
    assert_int_equal(find(t, 1)->deadline_ms, 10000);
    assert_int_equal(find(t, 2)->deadline_ms, 0);
}

static void a_closed_task_waits_for_its_result_only_once(void **state)
{
    struct tasks *t = *state;
    struct id one = id_of_number(1), none = id_of_number(2);
    add(t, 1);
    assert_int_equal(tasks_close(t, &one, 300), ST_EXISTS); /* it does not run yet */
    assert_false(find(t, 1)->closing);
    assert_int_equal(change(t, 1, TASK_RUNNING, "started"), ST_OK);
    assert_int_equal(tasks_close(t, &none, 300), ST_NOT_FOUND);
    assert_int_equal(tasks_close(t, &one, 300), ST_OK);
    assert_int_equal(tasks_close(t, &one, 900), ST_EXISTS);
    assert_false(task_due(find(t, 1), 299));
    assert_true(task_due(find(t, 1), 300));
    assert_int_equal(change(t, 1, TASK_COMPLETED, "completed"), ST_OK);
    assert_int_equal(tasks_close(t, &one, 900), ST_EXISTS);
}

static void a_long_detail_is_cut_between_characters(void **state)
{
    struct tasks *t = *state;
    struct id id = id_of_number(1);
    char detail[600];
    /* 254 letters and then two-byte characters: 255 bytes would cut the first. */
    memset(detail, 'x', 254);
    for (size_t i = 254; i < 598; i += 2)
        memcpy(detail + i, "\xc3\xa9", 2);
    detail[598] = '\0';
    add(t, 1);
    assert_int_equal(tasks_change(t, &id, TASK_FAILED, "trap", detail, 0), ST_OK);
    assert_int_equal(strlen(find(t, 1)->detail), 254);
}

static void states_have_the_names_of_the_protocol(void **state)
{
    (void)state;
    assert_string_equal(task_state_name(TASK_PENDING), "pending");
    assert_string_equal(task_state_name(TASK_RUNNING), "running");
    assert_string_equal(task_state_name(TASK_COMPLETED), "completed");
    assert_string_equal(task_state_name(TASK_FAILED), "failed");
    assert_null(tasks_free(NULL));
}

static size_t changes_now(struct tasks *t)
{
    size_t count = tasks_changes(t)->count;
    changes_clear(tasks_changes(t));
    return count;
}

static void each_change_is_one_to_record(void **state)
{
    struct tasks *t = *state;
    struct id id = id_of_number(1);
    add(t, 1);
    assert_int_equal(change(t, 1, TASK_RUNNING, "started"), ST_OK);
    assert_int_equal(tasks_changes(t)->list[0], 0);
    assert_string_equal(tasks_at(t, 0)->id.text, "t1");
    assert_int_equal(changes_now(t), 1); /* one slot, however often */
    assert_int_equal(change(t, 1, TASK_RUNNING, "again"), ST_EXISTS);
    assert_int_equal(changes_now(t), 0);
    assert_int_equal(tasks_close(t, &id, 9000), ST_OK);
    assert_int_equal(changes_now(t), 1);
    tasks_excuse(t, 8000, 500); /* it has more than that */
    assert_int_equal(changes_now(t), 0);
    tasks_excuse(t, 9000, 500);
    assert_int_equal(changes_now(t), 1);
    assert_int_equal(change(t, 1, TASK_FAILED, "trap"), ST_OK);
    assert_int_equal(changes_now(t), 1);
}

static void restored_tasks_keep_their_order_and_their_ends(void **state)
{
    struct tasks *t = *state, *back;
    const struct task *newest[3];
    for (int n = 1; n <= 3; n++)
        add(t, n);
    assert_int_equal(change(t, 3, TASK_COMPLETED, "completed"), ST_OK);
    add(t, 4); /* into the slot of 3, which had ended */
    assert_int_equal(change(t, 2, TASK_FAILED, "trap"), ST_OK);
    assert_int_equal(change(t, 1, TASK_FAILED, "trap"), ST_OK);

    assert_int_equal(tasks_new(3, &back), ST_OK);
    for (uint32_t slot = 0; slot < 3; slot++)
        assert_int_equal(tasks_restore(back, tasks_at(t, slot)), ST_OK);
    assert_int_equal(tasks_restore(back, tasks_at(t, 0)), ST_EXISTS);
    struct task more = {.id = id_of_number(9)};
    assert_int_equal(tasks_restore(back, &more), ST_LIMIT);
    assert_int_equal(tasks_restored(back), ST_OK);
    assert_int_equal(tasks_changes(back)->count, 0);
    assert_int_equal(tasks_open(back), 1);
    assert_int_equal(tasks_newest(back, newest, 3), 3);
    assert_string_equal(newest[0]->id.text, "t4");
    assert_string_equal(newest[1]->id.text, "t2");
    assert_string_equal(newest[2]->id.text, "t1");
    /* Room is made in the order of their ends. */
    add(back, 5);
    assert_null(find(back, 2));
    add(back, 6);
    assert_null(find(back, 1));
    assert_non_null(find(back, 4));
    assert_int_equal(find(back, 6)->added, 6);
    back = tasks_free(back);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_task_is_pending),
        TEST(a_running_task_is_due_at_its_limit),
        TEST(an_end_is_final),
        TEST(running_twice_does_not_move_the_deadline),
        TEST(an_unknown_task_is_not_made),
        TEST(an_id_is_given_once),
        TEST(a_full_table_drops_no_task_that_runs),
        TEST(the_one_that_ended_first_is_forgotten_first),
        TEST(the_newest_come_first),
        TEST(a_walk_meets_each_once),
        TEST(an_excuse_moves_deadlines_only_back),
        TEST(a_closed_task_waits_for_its_result_only_once),
        TEST(a_long_detail_is_cut_between_characters),
        TEST(states_have_the_names_of_the_protocol),
        TEST(each_change_is_one_to_record),
        TEST(restored_tasks_keep_their_order_and_their_ends),
    };
    return cmocka_run_group_tests_name("manager/tasks", tests, NULL, NULL);
}
