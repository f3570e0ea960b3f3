/* Checks that an update on disk is whole, its own, or gone. */
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

#include "base/limits.h"
#include "io/file.h"
#include "proplet/update_store.h"

#define BOOT "11111111-1111-4111-8111-111111111111"

static char root[64], folder[96];
static struct update_store *store;

static void open_at(uint64_t now_ms)
{
    assert_int_equal(update_store_open(folder, BOOT, now_ms, &store), ST_OK);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/fml-updates-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(folder, sizeof folder, "%s/updates", root);
    open_at(1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store = update_store_close(store);
    return file_remove_tree(root) != ST_OK;
}

static struct kept_update update_of(const char *task, const char *text)
{
    struct kept_update u = {
        .round = {.text = "r-1"},
        .topic = "fl/rounds/r-1/updates/p-1",
        .digest = digest_of(view_text(text)),
        .size = strlen(text),
        .since_ms = 100,
        .until_ms = 5100,
        .wall_ms = 1,
        .cpu_ms = 2,
        .peak_rss_kb = 3,
    };
    (void)snprintf(u.task.text, sizeof u.task.text, "%s", task);
    return u;
}

static void put(const char *task, const char *text)
{
    struct kept_update u = update_of(task, text);
    assert_int_equal(update_store_put(store, &u, view_text(text)), ST_OK);
}

struct seen {
    size_t whole, damaged;
    struct kept_update last;
    struct id last_damaged;
};

static void note(void *owner, const struct id *task, const struct kept_update *u)
{
    struct seen *s = owner;
    if (u == NULL) {
        s->damaged++;
        s->last_damaged = *task;
        return;
    }
    assert_true(id_equal(task, &u->task));
    s->whole++;
    s->last = *u;
}

static struct seen look_at(uint64_t now_ms)
{
    struct seen seen = {0};
    assert_int_equal(update_store_list(store, note, &seen, now_ms), ST_OK);
    return seen;
}

static struct seen look(void)
{
    return look_at(2000);
}

static void path_of(const char *task, char ret[160])
{
    (void)snprintf(ret, 160, "%s/%s.update", folder, task);
}

static void all_of_it_outlives_a_restart(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    struct kept_update u = update_of("t-1", "the bytes\n");
    put("t-1", "the bytes\n");
    store = update_store_close(store);
    open_at(2000);
    struct seen seen = look();
    assert_int_equal(seen.whole, 1);
    assert_int_equal(seen.damaged, 0);
    assert_string_equal(seen.last.task.text, "t-1");
    assert_string_equal(seen.last.round.text, "r-1");
    assert_string_equal(seen.last.topic, u.topic);
    assert_true(digest_equal(&seen.last.digest, &u.digest));
    assert_int_equal(seen.last.size, 10);
    assert_int_equal(seen.last.since_ms, 100);
    assert_int_equal(seen.last.until_ms, 5100);
    assert_int_equal(seen.last.wall_ms, 1);
    assert_int_equal(seen.last.cpu_ms, 2);
    assert_int_equal(seen.last.peak_rss_kb, 3);
    assert_int_equal(update_store_get(store, &u, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_text("the bytes\n")));
    bytes_done(&bytes);
}

static void no_task_has_two_updates(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    struct kept_update first = update_of("t-1", "first"), second = update_of("t-1", "second");
    put("t-1", "first");
    assert_int_equal(update_store_put(store, &second, view_text("second")), ST_EXISTS);
    assert_int_equal(update_store_get(store, &first, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_text("first")));
    bytes_done(&bytes);
}

static void what_was_removed_is_gone(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    struct kept_update u = update_of("t-1", "x");
    put("t-1", "x");
    update_store_remove(store, &u.task);
    update_store_remove(store, &u.task);
    assert_int_equal(update_store_get(store, &u, &bytes), ST_NOT_FOUND);
    assert_int_equal(look().whole, 0);
}

static void damaged_bytes_are_found_and_never_given(void **state)
{
    (void)state;
    char path[160];
    struct bytes file = {0}, bytes = {0};
    struct kept_update u = update_of("t-1", "the bytes");
    put("t-1", "the bytes");
    put("t-2", "others");
    path_of("t-1", path);
    assert_int_equal(file_read(path, 4096, &file), ST_OK);
    file.data[file.size - 1] ^= 1;
    assert_int_equal(file_write(path, bytes_view(&file)), ST_OK);
    assert_int_equal(update_store_get(store, &u, &bytes), ST_CORRUPT);
    assert_int_equal(bytes.size, 0);
    struct seen seen = look();
    assert_int_equal(seen.whole, 1);
    assert_string_equal(seen.last.task.text, "t-2");
    assert_int_equal(seen.damaged, 1);
    assert_string_equal(seen.last_damaged.text, "t-1");
    assert_int_not_equal(access(path, F_OK), 0);
    bytes_done(&file);
}

static void a_record_under_anothers_name_is_damaged(void **state)
{
    (void)state;
    char from[160], to[160];
    put("t-1", "x");
    path_of("t-1", from);
    path_of("t-2", to);
    assert_int_equal(rename(from, to), 0);
    struct seen seen = look();
    assert_int_equal(seen.whole, 0);
    assert_string_equal(seen.last_damaged.text, "t-2");
}

/* At each step of its writing a crash leaves all of it or nothing. */
static void a_half_written_one_was_never_there(void **state)
{
    (void)state;
    char path[200];
    (void)snprintf(path, sizeof path, "%s/t-1.update.Ab3xYz", folder);
    assert_int_equal(file_write(path, view_text("fml-record-1 half")), ST_OK);
    store = update_store_close(store);
    open_at(2000);
    struct seen seen = look();
    assert_int_equal(seen.whole + seen.damaged, 0);
    assert_int_not_equal(access(path, F_OK), 0);
    put("t-1", "x");
    assert_int_equal(look().whole, 1);
}

static void what_cannot_be_written_is_not_there(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    struct kept_update u = update_of("t-1", "x");
    assert_int_equal(file_remove_tree(folder), ST_OK);
    assert_int_equal(update_store_put(store, &u, view_text("x")), ST_IO);
    assert_int_equal(update_store_get(store, &u, &bytes), ST_NOT_FOUND);
}

static void without_its_clock_it_is_not_kept_longer(void **state)
{
    (void)state;
    char clock[128];
    put("t-1", "x");                      /* since 100, until 5100 */
    update_store_checkpoint(store, 4000); /* 3000 by the lasting clock */
    store = update_store_close(store);
    open_at(4500);
    (void)look_at(4500);
    assert_int_equal(update_store_ms(store, 4500), 3500);
    (void)snprintf(clock, sizeof clock, "%s.clock", folder);
    assert_int_equal(unlink(clock), 0);
    store = update_store_close(store);
    open_at(4500);
    (void)look_at(4500);
    assert_int_equal(update_store_ms(store, 4500), 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_of_it_outlives_a_restart),
        TEST(no_task_has_two_updates),
        TEST(what_was_removed_is_gone),
        TEST(damaged_bytes_are_found_and_never_given),
        TEST(a_record_under_anothers_name_is_damaged),
        TEST(a_half_written_one_was_never_there),
        TEST(what_cannot_be_written_is_not_there),
        TEST(without_its_clock_it_is_not_kept_longer),
    };
    return cmocka_run_group_tests_name("proplet/update_store", tests, NULL, NULL);
}
