/* Fails, and ends the process at, each write, fsync, rename and removal of a script
 * of all that a store can do. After each, the store must be what it was before the
 * step that was under way or after it, whole, and the rest of the script must lead
 * to the same end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/jsn.h"
#include "io/file.h"
#include "io/map.h"
#include "model_server/store.h"

/* ---- the system calls, as this program sees them ---- */

enum fault { FAULT_NONE, FAULT_ONCE, FAULT_FROM_HERE_ON, FAULT_EXIT_BEFORE, FAULT_EXIT_AFTER };

static enum fault fault;
static unsigned calls, fault_at; /* the n-th call, from 1 */
static int fault_errno;
static bool unsynced_bytes, unsynced_name; /* would be lost with the power */

/* True: this call fails. */
static bool meets_fault(void)
{
    calls++;
    if (fault == FAULT_EXIT_BEFORE && calls == fault_at)
        _exit(77);
    bool fails = (fault == FAULT_ONCE && calls == fault_at) ||
                 (fault == FAULT_FROM_HERE_ON && calls >= fault_at);
    if (fails)
        errno = fault_errno;
    return fails;
}

static void after_call(void)
{
    if (fault == FAULT_EXIT_AFTER && calls == fault_at)
        _exit(77);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (meets_fault())
        return -1;
    ssize_t put = syscall(SYS_write, fd, data, size);
    unsynced_bytes = true;
    after_call();
    return put;
}

int fsync(int fd)
{
    if (meets_fault())
        return -1;
    int result = (int)syscall(SYS_fsync, fd);
    unsynced_bytes = unsynced_name = false;
    after_call();
    return result;
}

int rename(const char *from, const char *to)
{
    if (meets_fault())
        return -1;
    if (unsynced_bytes) /* a name for bytes that the power may take away */
        abort();
    int result = (int)syscall(SYS_renameat2, -100, from, -100, to, 0);
    unsynced_name = true;
    after_call();
    return result;
}

int remove(const char *path)
{
    if (meets_fault())
        return -1;
    int result = (int)syscall(SYS_unlinkat, -100, path, 0);
    after_call();
    return result;
}

static void set_fault(enum fault kind, unsigned at, int number)
{
    fault = kind;
    fault_at = at;
    fault_errno = number;
    calls = 0;
}

/* ---- the script ---- */

static enum status add(struct store *s, uint64_t version, const char *text)
{
    struct version facts = {.ref = {{"m"}, version},
                            .form = MODEL_JSON,
                            .round_id = {"r-1"},
                            .created_at = "now",
                            .has_parent = version > 1,
                            .parent = {{"m"}, version - 1},
                            .contributors = 3};
    const struct version *stored;
    return store_add(s, &facts, view_text(text), &stored);
}

static enum status point(struct store *s, const char *channel, uint64_t version,
                         enum event_kind kind)
{
    struct event e = {
        .kind = kind, .model = {"m"}, .to = version, .at = "then", .who = "me", .why = "because"};
    (void)snprintf(e.channel.text, sizeof e.channel.text, "%s", channel);
    return store_move(s, &e);
}

static enum status delete_version(struct store *s, uint64_t version)
{
    bool chosen[8] = {false};
    const struct event e = {.at = "then", .who = "me", .why = "old"};
    for (size_t i = 0; i < store_count(s); i++)
        chosen[i] = store_at(s, i)->ref.version == version && !version_is_deleted(store_at(s, i));
    return store_delete(s, chosen, &e);
}

#define STEPS 9

/* Each is fine to do again. */
static enum status step(struct store *s, int n)
{
    switch (n) {
    case 0:
        return add(s, 1, "one");
    case 1:
        return add(s, 2, "two");
    case 2:
        return point(s, "stable", 1, EVENT_POINTED);
    case 3:
        return add(s, 3, "three");
    case 4:
        return point(s, "latest", 2, EVENT_ROLLED_BACK);
    case 5:
        return point(s, "stable", 2, EVENT_POINTED);
    case 6:
        return delete_version(s, 1);
    case 7:
        return add(s, 4, "four");
    default:
        return point(s, "latest", 3, EVENT_ROLLED_BACK);
    }
}

/* ---- what a store is, as a text ---- */

static char *state_of(const struct store *s)
{
    char *index = store_index(s);
    json_t *object = json_loads(index, 0, NULL), *events = json_array();
    for (size_t i = 0; i < store_event_count(s); i++)
        (void)json_array_append_new(events, event_to_json(store_event_at(s, i)));
    (void)json_object_set_new(object, "history", events);
    free(index);
    char *text = jsn_text(object);
    json_decref(object);
    assert_non_null(text);
    return text;
}

/* After a start nothing lies there that nobody speaks of, but one file at most that
 * a step left that was under way. */
static void folder_is_clean(const char *folder, const struct store *s)
{
    size_t files = 0, live = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *e; (e = readdir(entries)) != NULL;)
        files += e->d_name[0] != '.';
    (void)closedir(entries);
    for (size_t i = 0; i < store_count(s); i++)
        live += !version_is_deleted(store_at(s, i));
    assert_in_range(files, live, live + 2); /* the index; what the step left */
}

static void all_bytes_are_right(const struct store *s)
{
    for (size_t i = 0; i < store_count(s); i++) {
        struct view bytes = {0};
        enum status status = store_read(s, store_at(s, i), &bytes);
        assert_int_equal(status, version_is_deleted(store_at(s, i)) ? ST_NOT_FOUND : ST_OK);
        map_close(&bytes);
    }
}

static struct store *opened(const char *folder)
{
    struct store *s = NULL;
    struct why why = {0};
    if (store_open(folder, &s, &why) != ST_OK)
        fail_msg("%s", why.text);
    return s;
}

struct fixture {
    char folder[64];
    char *states[STEPS + 1]; /* before the first step, after each */
    unsigned calls;          /* of all of it */
};

static void make_folder(struct fixture *f)
{
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/fml-fault-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
}

static void remove_folder(struct fixture *f)
{
    set_fault(FAULT_NONE, 0, 0);
    assert_int_equal(file_remove_tree(f->folder), ST_OK);
}

static int setup(void **state)
{
    static struct fixture f;
    make_folder(&f);
    set_fault(FAULT_NONE, 0, 0);
    struct store *s = opened(f.folder);
    f.states[0] = state_of(s);
    for (int n = 0; n < STEPS; n++) {
        assert_int_equal(step(s, n), ST_OK);
        f.states[n + 1] = state_of(s);
        assert_string_not_equal(f.states[n], f.states[n + 1]);
    }
    f.calls = calls;
    s = store_close(s);
    remove_folder(&f);
    assert_true(f.calls > 50); /* or nothing here was intercepted */
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int n = 0; n <= STEPS; n++)
        free(f->states[n]);
    set_fault(FAULT_NONE, 0, 0);
    return file_remove_tree(f->folder) == ST_OK ? 0 : -1; /* of a test that failed */
}

static void assert_state(const struct store *s, const char *expected)
{
    char *found = state_of(s);
    assert_string_equal(found, expected);
    free(found);
}

/* ---- failures ---- */

/* Goes through the script; a step that fails has changed nothing. */
static void run_with_failures(struct fixture *f, enum fault kind, unsigned at, int number)
{
    make_folder(f);
    struct store *s = opened(f->folder);
    set_fault(kind, at, number);
    for (int n = 0; n < STEPS; n++) {
        enum status status = step(s, n);
        if (status == ST_OK) {
            assert_false(unsynced_name);
        } else {
            assert_true(status == (number == ENOSPC ? ST_FULL : ST_IO) || status == ST_IO);
            assert_state(s, f->states[n]);
            set_fault(FAULT_NONE, 0, 0);
            all_bytes_are_right(s);
            assert_int_equal(step(s, n), ST_OK); /* space is there again */
        }
        assert_state(s, f->states[n + 1]);
    }
    set_fault(FAULT_NONE, 0, 0);
    s = store_close(s);
    s = opened(f->folder);
    assert_state(s, f->states[STEPS]);
    all_bytes_are_right(s);
    s = store_close(s);
    remove_folder(f);
}

static void step_that_fails_changes_nothing_and_can_be_done_again(void **state)
{
    struct fixture *f = *state;
    for (unsigned at = 1; at <= f->calls; at++) {
        run_with_failures(f, FAULT_ONCE, at, ENOSPC);
        run_with_failures(f, FAULT_ONCE, at, EIO);
    }
}

static void full_disk_changes_nothing_until_space_returns(void **state)
{
    struct fixture *f = *state;
    for (unsigned at = 1; at <= f->calls; at++)
        run_with_failures(f, FAULT_FROM_HERE_ON, at, ENOSPC);
}

/* The process ends after a failure that it has answered for. */
static void run_with_a_failure_and_an_end(struct fixture *f, unsigned at)
{
    make_folder(f);
    struct store *s = opened(f->folder);
    set_fault(FAULT_ONCE, at, EIO);
    int n = 0;
    while (n < STEPS && step(s, n) == ST_OK)
        n++;
    set_fault(FAULT_NONE, 0, 0);
    s = store_close(s);
    s = opened(f->folder);
    char *found = state_of(s);
    if (n == STEPS || strcmp(found, f->states[n]) != 0)
        assert_string_equal(found, f->states[n < STEPS ? n + 1 : n]);
    free(found);
    all_bytes_are_right(s);
    s = store_close(s);
    remove_folder(f);
}

static void end_after_a_failure_leaves_a_whole_store(void **state)
{
    struct fixture *f = *state;
    for (unsigned at = 1; at <= f->calls; at++)
        run_with_a_failure_and_an_end(f, at);
}

/* A number whose publication failed before the index changed is still free. */
static void number_of_a_failed_version_is_free(void **state)
{
    struct fixture *f = *state;
    make_folder(f);
    struct store *s = opened(f->folder);
    assert_int_equal(step(s, 0), ST_OK);
    set_fault(FAULT_NONE, 0, 0);
    assert_int_equal(step(s, 1), ST_OK);
    unsigned one = calls, free_again = 0;
    for (unsigned at = 1; at <= one; at++) {
        s = store_close(s);
        remove_folder(f);
        make_folder(f);
        s = opened(f->folder);
        assert_int_equal(step(s, 0), ST_OK);
        set_fault(FAULT_ONCE, at, EIO);
        if (step(s, 1) == ST_OK)
            continue;
        set_fault(FAULT_NONE, 0, 0);
        free_again += add(s, 2, "two, but other") == ST_OK;
    }
    /* All but two: the folder's fsync, after which nobody knows what is durable. */
    assert_int_equal(free_again, one - 2);
    s = store_close(s);
    remove_folder(f);
}

/* ---- ends ---- */

/* In a child: says on the pipe how many steps were done. */
static void run_until_the_end(const char *folder, enum fault kind, unsigned at, int pipe)
{
    struct store *s = opened(folder);
    set_fault(kind, at, 0);
    for (int n = 0; n < STEPS; n++) {
        if (step(s, n) != ST_OK)
            _exit(1);
        (void)syscall(SYS_write, pipe, "x", 1);
    }
    _exit(0);
}

static int steps_done(const char *folder, enum fault kind, unsigned at)
{
    int ends[2], exit_status, done = 0;
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        run_until_the_end(folder, kind, at, ends[1]);
    (void)close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        done++;
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &exit_status, 0), child);
    assert_true(WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 77);
    return done;
}

static void run_with_an_end(struct fixture *f, enum fault kind, unsigned at)
{
    make_folder(f);
    set_fault(FAULT_NONE, 0, 0);
    int done = steps_done(f->folder, kind, at);
    assert_true(done < STEPS);
    struct store *s = opened(f->folder);
    char *found = state_of(s);
    if (strcmp(found, f->states[done]) != 0)
        assert_string_equal(found, f->states[done + 1]);
    free(found);
    all_bytes_are_right(s);
    folder_is_clean(f->folder, s);
    for (int n = done; n < STEPS; n++) {
        assert_int_equal(step(s, n), ST_OK);
        assert_state(s, f->states[n + 1]);
    }
    all_bytes_are_right(s);
    s = store_close(s);
    remove_folder(f);
}

static void process_that_ends_at_any_call_leaves_a_whole_store(void **state)
{
    struct fixture *f = *state;
    for (unsigned at = 1; at <= f->calls; at++) {
        run_with_an_end(f, FAULT_EXIT_BEFORE, at);
        run_with_an_end(f, FAULT_EXIT_AFTER, at);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(step_that_fails_changes_nothing_and_can_be_done_again),
        CASE(full_disk_changes_nothing_until_space_returns),
        CASE(end_after_a_failure_leaves_a_whole_store),
        CASE(number_of_a_failed_version_is_free),
        CASE(process_that_ends_at_any_call_leaves_a_whole_store),
    };
    return cmocka_run_group_tests_name("model_server/store_fault", tests, NULL, NULL);
}
