/* Checks store.h in a folder of its own: what was committed is there after the
 * store is opened anew, what was not is not; a file that is damaged, foreign or
 * newer is named and left alone; a write that fails changes nothing. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "manager/store.h"

struct fixture {
    char folder[64];
    char path[128];
    struct store *store;
    char text[65536]; /* of all that the store holds, one entry a line */
};

static int setup(void **state)
{
    static struct fixture f;
    struct why why;
    f = (struct fixture){.folder = "/tmp/fml-store-XXXXXX"};
    if (mkdtemp(f.folder) == NULL)
        return -1;
    (void)snprintf(f.path, sizeof f.path, "%s/manager.db", f.folder);
    *state = &f;
    return store_open(f.path, &f.store, &why) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    return file_remove_tree(f->folder) == ST_OK ? 0 : -1;
}

static void reopen(struct fixture *f)
{
    struct why why;
    store_close(f->store);
    assert_int_equal(store_open(f->path, &f->store, &why), ST_OK);
}

/* ---- all that it holds, as text ---- */

static void tell(struct fixture *f, const char *format, ...) PRINTF_LIKE(2, 3);
static void tell(struct fixture *f, const char *format, ...)
{
    size_t at = strlen(f->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->text + at, sizeof f->text - at, format, args);
    va_end(args);
}

static enum status see_clock(void *owner, const char *boot_id, uint64_t now_ms)
{
    tell(owner, "clock %s %llu\n", boot_id, (unsigned long long)now_ms);
    return ST_OK;
}

static enum status see_proplet(void *owner, size_t slot, const struct proplet *p)
{
    tell(owner, "proplet %zu %s %s %s %s\n", slot, p->id.text,
         p->start_topic == START_OWN ? "own" : "shared", proplet_state_name(p->state),
         p->metadata == NULL ? "-" : p->metadata);
    return ST_OK;
}

static enum status see_task(void *owner, size_t slot, const struct task *t)
{
    tell(owner, "task %zu %s %s %s %s %llu %llu %d %llu %llu %s %s\n", slot, t->id.text,
         t->launch_id.text, t->proplet_id.text, task_state_name(t->state),
         (unsigned long long)t->limit_ms, (unsigned long long)t->deadline_ms, t->closing,
         (unsigned long long)t->added, (unsigned long long)t->ended, t->reason, t->detail);
    return ST_OK;
}

static enum status see_launch(void *owner, const char *launch_id)
{
    tell(owner, "launch %s\n", launch_id);
    return ST_OK;
}

static enum status see_image(void *owner, const struct image *image)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&image->digest, digest);
    tell(owner, "image %s %.11s %llu\n", image->name, digest, (unsigned long long)image->size);
    return ST_OK;
}

static enum status see_message(void *owner, const struct outgoing *out)
{
    tell(owner, "message %llu %d %s %s %s\n", (unsigned long long)out->number, out->kind,
         out->task_id.text, out->topic, out->text);
    return ST_OK;
}

static enum status read_all(struct fixture *f, struct store *store, struct why *why)
{
    const struct store_visitor visitor = {.clock = see_clock,
                                          .proplet = see_proplet,
                                          .task = see_task,
                                          .launch = see_launch,
                                          .image = see_image,
                                          .message = see_message,
                                          .owner = f};
    f->text[0] = '\0';
    return store_read(store, &visitor, why);
}

static const char *held(struct fixture *f)
{
    struct why why = {""};
    assert_int_equal(read_all(f, f->store, &why), ST_OK);
    return f->text;
}

/* ---- one of everything ---- */

static const char everything[] = "clock boot-1 1000\n"
                                 "proplet 0 p1 own expected {\"os\":\"x\"}\n"
                                 "proplet 1 p2 shared offline -\n"
                                 "proplet 2 p3 own lost -\n"
                                 "task 0 t1 j1 p1 running 40000 41000 1 1 0 started \n"
                                 "task 1 t2 j1 p2 failed 40000 0 0 2 1 trap it went wrong\n"
                                 "launch j0\nlaunch j1\n"
                                 "image tool:latest sha256:2cf2 5\n"
                                 "message 1 1 t1 m/start/p1 {\"id\":1}\n"
                                 "message 2 0 t2 m/tasks {}\n";

static void put_everything(struct fixture *f)
{
    const struct proplet p1 = {.id = {"p1"},
                               .state = PROPLET_ALIVE,
                               .start_topic = START_OWN,
                               .metadata = "{\"os\":\"x\"}"};
    const struct proplet p2 = {.id = {"p2"}, .state = PROPLET_OFFLINE, .start_topic = START_SHARED};
    const struct proplet p3 = {.id = {"p3"}, .state = PROPLET_LOST, .start_topic = START_OWN};
    const struct task t1 = {.id = {"t1"},
                            .launch_id = {"j1"},
                            .proplet_id = {"p1"},
                            .state = TASK_RUNNING,
                            .limit_ms = 40000,
                            .deadline_ms = 41000,
                            .closing = true,
                            .added = 1,
                            .reason = "started"};
    const struct task t2 = {.id = {"t2"},
                            .launch_id = {"j1"},
                            .proplet_id = {"p2"},
                            .state = TASK_FAILED,
                            .limit_ms = 40000,
                            .added = 2,
                            .ended = 1,
                            .reason = "trap",
                            .detail = "it went wrong"};
    const struct image image = {
        .name = "tool:latest", .digest = digest_of(view_text("hello")), .size = 5};
    char start_topic[] = "m/start/p1", start[] = "{\"id\":1}", topic[] = "m/tasks", event[] = "{}";
    const struct outgoing one = {.number = 1,
                                 .kind = OUTGOING_START,
                                 .task_id = {"t1"},
                                 .topic = start_topic,
                                 .text = start};
    const struct outgoing two = {
        .number = 2, .kind = OUTGOING_EVENT, .task_id = {"t2"}, .topic = topic, .text = event};
    store_begin(f->store);
    store_put_clock(f->store, "boot-1", 1000);
    store_put_proplet(f->store, 0, &p1);
    store_put_proplet(f->store, 1, &p2);
    store_put_proplet(f->store, 2, &p3);
    store_put_task(f->store, 0, &t1);
    store_put_task(f->store, 1, &t2);
    store_put_launch(f->store, "j0");
    store_put_launch(f->store, "j1");
    store_put_images(f->store, &image, 1);
    store_put_message(f->store, &one);
    store_put_message(f->store, &two);
}

static void what_was_committed_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    bool empty = false;
    assert_int_equal(store_empty(f->store, &empty), ST_OK);
    assert_true(empty);
    assert_string_equal(held(f), "");
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    assert_string_equal(held(f), everything);
    reopen(f);
    assert_string_equal(held(f), everything);
    assert_int_equal(store_empty(f->store, &empty), ST_OK);
    assert_false(empty);
}

static void what_was_not_committed_is_not_there(void **state)
{
    struct fixture *f = *state;
    put_everything(f);
    reopen(f);
    assert_string_equal(held(f), "");
}

/* The process ends without a word, with a transaction committed and one open. */
static void a_process_that_is_killed_keeps_what_it_committed(void **state)
{
    struct fixture *f = *state;
    f->store = store_close(f->store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct why why;
        if (store_open(f->path, &f->store, &why) != ST_OK)
            _exit(1);
        put_everything(f);
        if (store_commit(f->store) != ST_OK)
            _exit(1);
        store_begin(f->store);
        store_put_launch(f->store, "j2");
        (void)kill(getpid(), SIGKILL);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    struct why why;
    assert_int_equal(store_open(f->path, &f->store, &why), ST_OK);
    assert_string_equal(held(f), everything);
}

static void a_slot_holds_its_latest(void **state)
{
    struct fixture *f = *state;
    struct task task = {.id = {"t1"},
                        .launch_id = {"j1"},
                        .proplet_id = {"p1"},
                        .state = TASK_RUNNING,
                        .added = 1,
                        .reason = "started"};
    store_begin(f->store);
    store_put_task(f->store, 0, &task);
    task.state = TASK_COMPLETED;
    task.ended = 1;
    store_put_task(f->store, 0, &task);
    assert_int_equal(store_commit(f->store), ST_OK);
    assert_string_equal(held(f), "task 0 t1 j1 p1 completed 0 0 0 1 1 started \n");
    (void)snprintf(task.id.text, sizeof task.id.text, "t2");
    store_begin(f->store);
    store_put_task(f->store, 0, &task);
    assert_int_equal(store_commit(f->store), ST_OK);
    assert_string_equal(held(f), "task 0 t2 j1 p1 completed 0 0 0 1 1 started \n");
}

static void a_message_is_dropped_by_its_number(void **state)
{
    struct fixture *f = *state;
    put_everything(f);
    store_drop_message(f->store, 1);
    store_drop_message(f->store, 77); /* nothing there is fine */
    assert_int_equal(store_commit(f->store), ST_OK);
    assert_null(strstr(held(f), "message 1"));
    assert_non_null(strstr(f->text, "message 2"));
}

/* Once, whoever forgets to look: the store itself forbids it. */
static void a_launch_is_recorded_once(void **state)
{
    struct fixture *f = *state;
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    store_begin(f->store);
    store_put_launch(f->store, "j2");
    store_put_launch(f->store, "j1");
    assert_int_equal(store_commit(f->store), ST_EXISTS);
    assert_string_equal(held(f), everything); /* nothing of it is there, and it goes on */
    store_begin(f->store);
    store_put_launch(f->store, "j2");
    assert_int_equal(store_commit(f->store), ST_OK);
    assert_non_null(strstr(held(f), "launch j1\nlaunch j2\n"));
}

static void of_the_launches_the_newest_are_kept(void **state)
{
    struct fixture *f = *state;
    char id[32];
    static char expected[65536];
    store_begin(f->store);
    for (int i = 0; i < LAUNCHES_SEEN_MAX + 2; i++) {
        (void)snprintf(id, sizeof id, "j%d", i);
        store_put_launch(f->store, id);
    }
    assert_int_equal(store_commit(f->store), ST_OK);
    (void)snprintf(expected, sizeof expected, "launch j2\nlaunch j3\n");
    assert_memory_equal(held(f), expected, strlen(expected));
}

/* ---- failures ---- */

static void a_write_that_fails_changes_nothing_and_the_next_may_succeed(void **state)
{
    struct fixture *f = *state;
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    /* No file may grow any more, as on a full disk. */
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int i = 0; i < 3; i++) {
        store_begin(f->store);
        store_put_launch(f->store, "j2");
        enum status status = store_commit(f->store);
        assert_true(status == ST_FULL || status == ST_IO);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_string_equal(held(f), everything);
    store_begin(f->store);
    store_put_launch(f->store, "j2");
    assert_int_equal(store_commit(f->store), ST_OK);
    reopen(f);
    assert_non_null(strstr(held(f), "launch j1\nlaunch j2\n"));
}

static void refuses(struct fixture *f, enum status expected, const char *word)
{
    struct store *store = NULL;
    struct why why = {""};
    assert_int_equal(store_open(f->path, &store, &why), expected);
    assert_null(store);
    assert_non_null(strstr(why.text, f->path));
    assert_non_null(strstr(why.text, word));
}

static void two_processes_cannot_have_it(void **state)
{
    struct fixture *f = *state;
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    refuses(f, ST_EXISTS, "in use");
    assert_string_equal(held(f), everything);
}

static void what_is_not_a_store_is_said_and_left(void **state)
{
    struct fixture *f = *state;
    struct bytes after = {0};
    f->store = store_close(f->store);
    const char *text = "this is not a database, and it is longer than the head of one would be: "
                       "a hundred bytes and some more";
    assert_int_equal(file_write(f->path, view_text(text)), ST_OK);
    refuses(f, ST_CORRUPT, "damaged");
    assert_int_equal(file_read(f->path, 1000, &after), ST_OK);
    assert_true(view_equal(bytes_view(&after), view_text(text)));
    bytes_done(&after);

    struct store *store = NULL;
    struct why why = {""};
    assert_int_equal(store_open("/proc/none/manager.db", &store, &why), ST_IO);
    assert_non_null(strstr(why.text, "/proc/none/manager.db"));
}

/* Writes four bytes of the file's head (SQLite's file format, 1.3). */
static void set_head(const struct fixture *f, off_t at, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    int fd = open(f->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, at), sizeof bytes);
    assert_int_equal(close(fd), 0);
}

static void another_programs_or_a_newer_database_is_said(void **state)
{
    struct fixture *f = *state;
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    f->store = store_close(f->store);
    set_head(f, 60, 99); /* user_version */
    refuses(f, ST_MALFORMED, "version 99");
    set_head(f, 60, 1);
    set_head(f, 68, 0x12345678); /* application_id */
    refuses(f, ST_MALFORMED, "not a manager's");
    set_head(f, 68, 0x666d6c6d);
    struct why why;
    assert_int_equal(store_open(f->path, &f->store, &why), ST_OK);
    assert_string_equal(held(f), everything);
}

/* The store of the first version, as a program of that version left it. */
static void the_store_of_version_1_is_read(void **state)
{
    struct fixture *f = *state;
    struct bytes golden = {0};
    struct why why;
    f->store = store_close(f->store);
    assert_int_equal(file_read("src/manager/testdata/version-1/manager.db", 1 << 20, &golden),
                     ST_OK);
    assert_int_equal(file_write(f->path, bytes_view(&golden)), ST_OK);
    bytes_done(&golden);
    assert_int_equal(store_open(f->path, &f->store, &why), ST_OK);
    assert_string_equal(held(f), everything);
}

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* A single bit, anywhere in the file: it is found and named, or it is in bytes that
 * mean nothing, and everything reads as it was written. */
static void a_flipped_bit_is_found_or_means_nothing(void **state)
{
    struct fixture *f = *state;
    struct bytes good = {0};
    size_t found = 0;
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    f->store = store_close(f->store);
    assert_int_equal(file_read(f->path, 1 << 20, &good), ST_OK);
    for (int i = 0; i < 400; i++) {
        struct store *store = NULL;
        struct why why = {""};
        size_t at = next_random() % good.size;
        uint8_t bit = (uint8_t)(1u << next_random() % 8);
        good.data[at] ^= bit;
        assert_int_equal(file_write(f->path, bytes_view(&good)), ST_OK);
        enum status status = store_open(f->path, &store, &why);
        if (status == ST_OK)
            status = read_all(f, store, &why);
        if (status == ST_OK && strcmp(f->text, everything) != 0)
            fail_msg("bit %d of byte %zu was not found", bit, at);
        if (status != ST_OK) {
            found++;
            assert_non_null(strstr(why.text, f->path));
        }
        store_close(store);
        good.data[at] ^= bit;
    }
    assert_true(found > 10);
    assert_int_equal(file_write(f->path, bytes_view(&good)), ST_OK);
    bytes_done(&good);
    struct why why;
    assert_int_equal(store_open(f->path, &f->store, &why), ST_OK);
    assert_string_equal(held(f), everything);
}

static void a_changed_value_is_named_by_its_table(void **state)
{
    struct fixture *f = *state;
    struct bytes file = {0};
    struct why why = {""};
    put_everything(f);
    assert_int_equal(store_commit(f->store), ST_OK);
    f->store = store_close(f->store);
    assert_int_equal(file_read(f->path, 1 << 20, &file), ST_OK);
    uint8_t *value = memmem(file.data, file.size, "it went wrong", 13);
    assert_non_null(value);
    memcpy(value, "it went right", 13);
    assert_int_equal(file_write(f->path, bytes_view(&file)), ST_OK);
    bytes_done(&file);
    assert_int_equal(store_open(f->path, &f->store, &why), ST_OK);
    assert_int_equal(read_all(f, f->store, &why), ST_CORRUPT);
    assert_non_null(strstr(why.text, "its table tasks is damaged"));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_committed_is_there_after_a_restart),
        TEST(what_was_not_committed_is_not_there),
        TEST(a_process_that_is_killed_keeps_what_it_committed),
        TEST(a_slot_holds_its_latest),
        TEST(a_message_is_dropped_by_its_number),
        TEST(a_launch_is_recorded_once),
        TEST(of_the_launches_the_newest_are_kept),
        TEST(a_write_that_fails_changes_nothing_and_the_next_may_succeed),
        TEST(two_processes_cannot_have_it),
        TEST(what_is_not_a_store_is_said_and_left),
        TEST(another_programs_or_a_newer_database_is_said),
        TEST(the_store_of_version_1_is_read),
        TEST(a_flipped_bit_is_found_or_means_nothing),
        TEST(a_changed_value_is_named_by_its_table),
    };
    return cmocka_run_group_tests_name("manager/store", tests, NULL, NULL);
}
