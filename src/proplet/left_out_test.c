/* Checks left_out.c: what is kept after an accepted update, what is forgotten after another,
 * what a crash leaves, and that only so many models are kept. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "proplet/left_out.h"

static char state_dir[64];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(state_dir, "/tmp/fml-left-out-XXXXXX");
    return mkdtemp(state_dir) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(state_dir) != ST_OK;
}

static struct id name(const char *text)
{
    struct id id;
    assert_int_equal(id_from(text, &id), ST_OK);
    return id;
}

static struct left_out begin(const char *model, const char *task)
{
    struct left_out l;
    const struct id m = name(model), t = name(task);
    assert_int_equal(left_out_begin(state_dir, &m, &t, &l), ST_OK);
    return l;
}

static void settle(const char *task, bool accepted)
{
    const struct id t = name(task);
    left_out_settle(state_dir, &t, accepted);
}

static void holds(const char *path, const char *text)
{
    struct bytes b = {0};
    if (text == NULL) {
        assert_int_equal(access(path, F_OK), -1);
        return;
    }
    assert_int_equal(file_read(path, 100, &b), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_text(text)));
    bytes_done(&b);
}

static void an_accepted_update_leaves_what_it_left_out(void **state)
{
    (void)state;
    struct left_out l = begin("m", "t1");
    assert_true(l.used);
    holds(l.before, NULL);
    assert_int_equal(file_write(l.after, view_text("one")), ST_OK);
    settle("t2", true); /* of another task: nothing */
    holds(l.after, "one");
    settle("t1", true);
    holds(l.after, NULL);
    holds(l.before, "one");
    settle("t1", true); /* its receipt came twice */
    holds(l.before, "one");
}

static void another_one_leaves_what_was_there_before(void **state)
{
    (void)state;
    struct left_out l = begin("m", "t1");
    assert_int_equal(file_write(l.before, view_text("old")), ST_OK);
    assert_int_equal(file_write(l.after, view_text("new")), ST_OK);
    settle("t1", false);
    holds(l.after, NULL);
    holds(l.before, "old");
}

static void one_update_of_a_model_carries_it_at_a_time(void **state)
{
    (void)state;
    struct left_out first = begin("m", "t1");
    assert_true(begin("m", "t2").used); /* the first has made nothing yet */
    assert_int_equal(file_write(first.after, view_text("1")), ST_OK);
    assert_false(begin("m", "t2").used);
    assert_true(begin("other", "t2").used);
    settle("t1", true);
    assert_true(begin("m", "t2").used);
    /* A name with a dot is a name like others. */
    assert_int_equal(file_write(begin("m.v2", "t.3").after, view_text("3")), ST_OK);
    settle("t.3", true);
    holds(begin("m.v2", "t4").before, "3");
}

static bool is_t1(void *owner, const struct id *task)
{
    (void)owner;
    return strcmp(task->text, "t1") == 0;
}

static void files_of_tasks_without_an_update_go(void **state)
{
    (void)state;
    left_out_sweep(state_dir, is_t1, NULL); /* nothing there is fine */
    struct left_out first = begin("m", "t1"), second = begin("n", "t2");
    assert_int_equal(file_write(first.after, view_text("1")), ST_OK);
    assert_int_equal(file_write(second.after, view_text("2")), ST_OK);
    assert_int_equal(file_write(second.before, view_text("old")), ST_OK);
    left_out_sweep(state_dir, is_t1, NULL);
    holds(first.after, "1");
    holds(second.after, NULL);
    holds(second.before, "old");
}

static void the_model_that_was_not_trained_for_the_longest_time_is_forgotten(void **state)
{
    (void)state;
    struct left_out l[LEFT_OUT_MODELS_MAX];
    char folder[PROPLET_PATH_SIZE];
    for (size_t i = 0; i < LEFT_OUT_MODELS_MAX; i++) {
        char model[8];
        (void)snprintf(model, sizeof model, "m%zu", i);
        l[i] = begin(model, "t");
        assert_int_equal(file_write(i == 3 ? l[i].after : l[i].before, view_text("x")), ST_OK);
        /* Older, the later it is made; that at 3 is the oldest but one, and waits. */
        (void)snprintf(folder, sizeof folder, "%s/left_out/%s", state_dir, model);
        const time_t at = 1000000 - (time_t)i - (i == 3 ? 100 : 0);
        const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
        assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
    }
    assert_true(begin("m2", "t").used); /* not a new one: nothing goes */
    holds(l[LEFT_OUT_MODELS_MAX - 1].before, "x");
    assert_true(begin("new", "t").used);
    for (size_t i = 0; i < LEFT_OUT_MODELS_MAX; i++)
        holds(i == 3 ? l[i].after : l[i].before, i == LEFT_OUT_MODELS_MAX - 1 ? NULL : "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_accepted_update_leaves_what_it_left_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_one_leaves_what_was_there_before, setup, teardown),
        cmocka_unit_test_setup_teardown(one_update_of_a_model_carries_it_at_a_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(files_of_tasks_without_an_update_go, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_model_that_was_not_trained_for_the_longest_time_is_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests_name("proplet/left_out", tests, NULL, NULL);
}
