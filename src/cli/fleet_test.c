/* Programs that are started, watched and ended together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fleet.h"
#include "io/file.h"

#define LIMIT_MS 10000u

struct world {
    struct run *run;
    struct fleet *fleet;
    char folder[32];
    char ended[FLEET_NAME_MAX + 1]; /* the last one that ended by itself */
    char how[100];
    bool heard;
};

static void on_ended(void *owner, const char *name, bool essential, const char *how)
{
    struct world *w = owner;
    (void)essential;
    (void)snprintf(w->ended, sizeof w->ended, "%s", name);
    (void)snprintf(w->how, sizeof w->how, "%s", how);
    w->heard = true;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/fml-fleet-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(run_open(&w->run), ST_OK);
    assert_int_equal(fleet_new(w->run, w->folder, on_ended, w, &w->fleet), ST_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    w->fleet = fleet_stop(w->fleet);
    w->run = run_close(w->run);
    assert_int_equal(file_remove_tree(w->folder), ST_OK);
    free(w);
    return 0;
}

static enum status start(struct world *w, const char *name, const char *script, bool essential)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct fleet_program p = {.name = name, .argv = argv, .essential = essential};
    return fleet_start(w->fleet, &p, NULL);
}

static enum status finish(struct world *w, const char *script, uint64_t limit_ms, struct why *why)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct fleet_program p = {.name = "job", .argv = argv};
    return fleet_finish(w->fleet, &p, limit_ms, why);
}

static void pause_a_little(struct world *w)
{
    static const bool never = false;
    assert_int_equal(run_wait(w->run, &never, 10), ST_TIMEOUT);
}

/* The script writes a line with its process id; waits for it. */
static pid_t pid_of(struct world *w, const char *name)
{
    char path[200];
    struct bytes text = {0};
    long pid = 0;
    (void)snprintf(path, sizeof path, "%s/%s.log", w->folder, name);
    for (int i = 0; i < 1000 && pid == 0; i++) {
        pause_a_little(w);
        if (file_read(path, 1000, &text) == ST_OK && text.size > 0 &&
            text.data[text.size - 1] == '\n')
            pid = strtol((const char *)text.data, NULL, 10);
    }
    bytes_done(&text);
    assert_true(pid > 0);
    return (pid_t)pid;
}

static bool exists(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static void end_of_an_essential_program_stops_the_run(void **state)
{
    struct world *w = *state;
    static const bool never = false;
    assert_int_equal(start(w, "broker", "exit 3", true), ST_OK);
    assert_int_equal(run_wait(w->run, &never, LIMIT_MS), ST_CLOSED);
    assert_string_equal(run_stopped(w->run), "broker ended: exit status 3");
    assert_string_equal(fleet_culprit(w->fleet), "broker");
}

static void end_of_another_program_is_only_told(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, "device", "kill -9 $$", false), ST_OK);
    assert_int_equal(run_wait(w->run, &w->heard, LIMIT_MS), ST_OK);
    assert_string_equal(w->ended, "device");
    assert_string_equal(w->how, "killed by signal 9 (Killed)");
    assert_null(run_stopped(w->run));
    assert_null(fleet_culprit(w->fleet));
}

static void a_stop_ends_all_also_what_they_started(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, "a", "sleep 600 & echo $!; wait", false), ST_OK);
    assert_int_equal(start(w, "b", "echo $$; exec sleep 600", true), ST_OK);
    pid_t a = pid_of(w, "a"), b = pid_of(w, "b");
    w->fleet = fleet_stop(w->fleet);
    assert_false(exists(b));
    /* The grandchild is another's to reap: dead it is, or about to be. */
    for (int i = 0; i < 1000 && exists(a); i++)
        pause_a_little(w);
    assert_false(exists(a));
    assert_false(w->heard); /* an end that was asked for is no news */
}

static void who_ignores_the_request_is_killed(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, "deaf", "trap '' TERM; echo $$; while :; do sleep 1; done", false),
                     ST_OK);
    pid_t pid = pid_of(w, "deaf");
    w->fleet = fleet_stop(w->fleet);
    assert_false(exists(pid));
}

static void one_program_can_be_ended_alone(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, "a", "echo $$; exec sleep 600", true), ST_OK);
    assert_int_equal(start(w, "b", "echo $$; exec sleep 600", true), ST_OK);
    pid_t a = pid_of(w, "a"), b = pid_of(w, "b");
    fleet_end(w->fleet, "a");
    fleet_end(w->fleet, "nobody");
    assert_false(exists(a));
    assert_true(exists(b));
    assert_null(run_stopped(w->run));
}

static void a_job_is_waited_for(void **state)
{
    struct world *w = *state;
    struct why why = {""};
    assert_int_equal(finish(w, "exit 0", LIMIT_MS, &why), ST_OK);
    assert_int_equal(finish(w, "exit 4", LIMIT_MS, &why), ST_IO);
    assert_string_equal(why.text, "job failed: exit status 4");
    assert_string_equal(fleet_culprit(w->fleet), "job");
}

static void a_job_that_takes_too_long_is_ended(void **state)
{
    struct world *w = *state;
    struct why why = {""};
    assert_int_equal(finish(w, "echo $$; exec sleep 600", 50, &why), ST_TIMEOUT);
    assert_true(strlen(why.text) > 0);
}

static void a_job_ends_when_the_run_is_stopped(void **state)
{
    struct world *w = *state;
    struct why why = {""};
    run_stop(w->run, "interrupted");
    assert_int_equal(finish(w, "exec sleep 600", LIMIT_MS, &why), ST_CLOSED);
    assert_string_equal(why.text, "interrupted");
}

static void tail_shows_the_last_lines_and_no_control_bytes(void **state)
{
    struct world *w = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(finish(w, "for i in $(seq 1 50); do echo line $i; done; printf 'a\\033b\\n'",
                            LIMIT_MS, NULL),
                     ST_OK);
    fleet_tail(w->fleet, "job", out);
    fleet_tail(w->fleet, "nobody", out);
    (void)fclose(out);
    assert_non_null(strstr(text, "  line 50\n  a?b\n"));
    assert_non_null(strstr(text, "  line 40\n"));
    assert_null(strstr(text, "  line 39\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(end_of_an_essential_program_stops_the_run, setup, teardown),
        cmocka_unit_test_setup_teardown(end_of_another_program_is_only_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_ends_all_also_what_they_started, setup, teardown),
        cmocka_unit_test_setup_teardown(who_ignores_the_request_is_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(one_program_can_be_ended_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_that_takes_too_long_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_ends_when_the_run_is_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(tail_shows_the_last_lines_and_no_control_bytes, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("cli/fleet", tests, NULL, NULL);
}
