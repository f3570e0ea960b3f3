/* Checks what is remembered of ended tasks, for how long, and over restarts: the
 * test drops the history and opens another on its folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "proplet/history.h"
#include "device/limits.h"

static struct id numbered(size_t n)
{
    struct id id = {0};
    (void)snprintf(id.text, sizeof id.text, "task-%zu", n);
    return id;
}

static char *text(const char *content)
{
    char *copy = strdup(content);
    assert_non_null(copy);
    return copy;
}

static char root[64], folder[96];
static struct history *h;

static char *say_damaged(void *owner, const struct id *task)
{
    char said[96];
    (void)owner;
    (void)snprintf(said, sizeof said, "damaged %s", task->text);
    return text(said);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/fml-history-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(folder, sizeof folder, "%s/results", root);
    return history_open(folder, say_damaged, NULL, &h) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    h = history_free(h);
    return file_remove_tree(root) != ST_OK;
}

static void restart(void)
{
    h = history_free(h);
    assert_int_equal(history_open(folder, say_damaged, NULL, &h), ST_OK);
}

static void add(size_t n, const char *content)
{
    struct id id = numbered(n);
    assert_int_equal(history_add(h, &id, text(content)), ST_OK);
}

static const char *find(size_t n)
{
    struct id id = numbered(n);
    return history_find(h, &id);
}

/* What was handed out by history_send(). */
static char sent[256];
static enum status send_status;

static enum status record_send(void *owner, const char *results)
{
    (void)owner;
    if (send_status != ST_OK)
        return send_status;
    (void)strncat(sent, results, sizeof sent - strlen(sent) - 1);
    (void)strncat(sent, ";", sizeof sent - strlen(sent) - 1);
    return ST_OK;
}

static const char *sends(enum status status)
{
    sent[0] = '\0';
    send_status = status;
    history_send(h, record_send, NULL);
    return sent;
}

static void path_of(size_t n, const char *suffix, char ret[192])
{
    (void)snprintf(ret, 192, "%s/task-%zu%s", folder, n, suffix);
}

static void results_are_found_by_task(void **state)
{
    (void)state;
    add(1, "first");
    add(2, "second");
    assert_string_equal(find(1), "first");
    assert_string_equal(find(2), "second");
    assert_null(find(3));
}

static void the_last_256_are_remembered(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTORY_TASKS_MAX + 10; i++)
        add(i, "x");
    for (size_t life = 0; life < 2; life++) {
        assert_int_equal(history_count(h), 256);
        assert_null(find(9));
        assert_non_null(find(10));
        assert_non_null(find(265));
        restart();
    }
}

static void long_results_push_out_the_oldest(void **state)
{
    (void)state;
    struct id ids[] = {numbered(1), numbered(2)};
    size_t size = HISTORY_BYTES_MAX / 2;
    for (size_t i = 0; i < 2; i++) {
        char *large = calloc(1, size + 1);
        assert_non_null(large);
        memset(large, 'x', size);
        assert_int_equal(history_add(h, &ids[i], large), ST_OK);
    }
    assert_int_equal(history_count(h), 2);
    add(3, "y");
    for (size_t life = 0; life < 2; life++) {
        assert_int_equal(history_count(h), 2);
        assert_null(find(1));
        assert_string_equal(find(3), "y");
        restart();
    }
}

static void results_wait_until_they_are_acknowledged(void **state)
{
    (void)state;
    add(1, "a");
    add(2, "b");
    assert_int_equal(history_waiting(h), 2);
    assert_string_equal(sends(ST_NOMEM), "");
    assert_string_equal(sends(ST_OK), "a;b;");
    assert_string_equal(sends(ST_OK), ""); /* under way */
    add(3, "c");
    assert_int_equal(history_waiting(h), 3);
    history_acknowledged(h);
    assert_int_equal(history_waiting(h), 1);
    assert_string_equal(sends(ST_OK), "c;");
}

/* At each step of sending: before, under way, acknowledged. */
static void what_was_not_acknowledged_is_sent_again_after_a_restart(void **state)
{
    (void)state;
    add(2, "a");
    add(1, "b");
    restart();
    assert_int_equal(history_waiting(h), 2);
    assert_string_equal(sends(ST_OK), "a;b;");
    restart();
    assert_string_equal(sends(ST_OK), "a;b;");
    history_acknowledged(h);
    add(3, "c");
    restart();
    assert_int_equal(history_waiting(h), 1);
    assert_string_equal(sends(ST_OK), "c;");
    assert_string_equal(find(2), "a");
    assert_string_equal(find(1), "b");
    assert_int_equal(history_count(h), 3);
}

static void what_nobody_takes_is_not_offered_for_ever(void **state)
{
    (void)state;
    add(1, "too large for the broker");
    assert_string_equal(sends(ST_LIMIT), "");
    assert_int_equal(history_waiting(h), 0);
    restart();
    assert_int_equal(history_waiting(h), 0);
    assert_non_null(find(1));
}

static void numbers_go_on_after_a_restart(void **state)
{
    (void)state;
    add(9, "a");
    restart();
    add(5, "b");
    restart();
    add(7, "c");
    restart();
    assert_string_equal(sends(ST_OK), "a;b;c;");
}

static void a_damaged_record_still_says_that_its_task_ended(void **state)
{
    (void)state;
    char path[192];
    add(1, "first");
    add(2, "second");
    path_of(2, ".waits", path);
    assert_int_equal(truncate(path, 90), 0);
    restart();
    assert_string_equal(find(1), "first");
    assert_string_equal(find(2), "damaged task-2");
    restart(); /* what stands in its place is on the disk */
    assert_string_equal(find(2), "damaged task-2");
    assert_string_equal(sends(ST_OK), "damaged task-2;first;");
}

static void a_record_of_another_task_is_damaged(void **state)
{
    (void)state;
    char from[192], to[192];
    add(1, "first");
    path_of(1, ".waits", from);
    path_of(2, ".waits", to);
    assert_int_equal(rename(from, to), 0);
    restart();
    assert_null(find(1));
    assert_string_equal(find(2), "damaged task-2");
}

static void half_written_records_were_never_there(void **state)
{
    (void)state;
    char path[192];
    path_of(1, ".waits.Ab1xYz", path);
    assert_int_equal(file_write(path, view_text("fml-record-1 half")), ST_OK);
    restart();
    assert_int_equal(history_count(h), 0);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void without_the_disk_they_are_in_memory_until_it_is_back(void **state)
{
    (void)state;
    struct id one = numbered(1);
    assert_int_equal(file_remove_tree(folder), ST_OK);
    assert_int_equal(history_add(h, &one, text("a")), ST_IO);
    assert_int_equal(history_save(h), 1);
    assert_string_equal(find(1), "a");
    assert_string_equal(sends(ST_OK), "a;");
    history_acknowledged(h);
    assert_int_equal(file_make_folder(folder), ST_OK);
    assert_int_equal(history_save(h), 0);
    restart();
    assert_string_equal(find(1), "a");
    assert_int_equal(history_waiting(h), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_are_found_by_task),
        TEST(the_last_256_are_remembered),
        TEST(long_results_push_out_the_oldest),
        TEST(results_wait_until_they_are_acknowledged),
        TEST(what_was_not_acknowledged_is_sent_again_after_a_restart),
        TEST(what_nobody_takes_is_not_offered_for_ever),
        TEST(numbers_go_on_after_a_restart),
        TEST(a_damaged_record_still_says_that_its_task_ended),
        TEST(a_record_of_another_task_is_damaged),
        TEST(half_written_records_were_never_there),
        TEST(without_the_disk_they_are_in_memory_until_it_is_back),
    };
    return cmocka_run_group_tests_name("proplet/history", tests, NULL, NULL);
}
