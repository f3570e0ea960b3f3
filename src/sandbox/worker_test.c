/* The real worker, with the guests of testdata/hostile.c. */
#include <ftw.h>
#include <sched.h>
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
#include "sandbox/worker.h"

#define MIB ((size_t)1 << 20)

static char root[] = "/tmp/fml-worker-XXXXXX";
static char code[128], a_out[128], b_out[128], hostile[160], damaged[160];
static uv_loop_t loop;
static struct worker *worker;

struct got {
    int calls;
    enum sandbox_outcome outcome;
    int exit_status;
    char detail[512], out[512];
};
static struct got got;

static void on_done(void *owner, const struct sandbox_result *r)
{
    (void)owner;
    size_t size = r->out.size < sizeof got.out ? r->out.size : sizeof got.out - 1;
    got.calls++;
    got.outcome = r->outcome;
    got.exit_status = r->exit_status;
    memcpy(got.detail, r->detail, sizeof got.detail);
    if (size > 0)
        memcpy(got.out, r->out.data, size);
    got.out[size] = '\0';
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void compile(void)
{
    const struct sandbox_limits limits = {.memory_bytes = (uint64_t)1 << 30,
                                          .wall_ms = 100000,
                                          .stdout_max = MIB,
                                          .stderr_max = MIB,
                                          .file_max = 64 * MIB,
                                          .folder_max = 64 * MIB};
    struct sandbox_job *job;
    assert_int_equal(
        sandbox_compile(&loop, TEST_RUNNER, TEST_HOSTILE, hostile, &limits, on_done, NULL, &job),
        ST_OK);
    while (got.calls == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(got.outcome, SANDBOX_OK);
}

static void damage(void)
{
    FILE *f = fopen(damaged, "w");
    assert_non_null(f);
    assert_true(fputs("not code", f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int set_up_group(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    (void)snprintf(code, sizeof code, "%s/code", root);
    (void)snprintf(a_out, sizeof a_out, "%s/a", root);
    (void)snprintf(b_out, sizeof b_out, "%s/b", root);
    (void)snprintf(hostile, sizeof hostile, "%s/hostile.cwasm", code);
    (void)snprintf(damaged, sizeof damaged, "%s/damaged.cwasm", code);
    assert_int_equal(mkdir(code, 0700), 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    compile();
    damage();
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_close(&loop), 0);
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct worker_settings settings(struct sandbox_folder *ret_folder)
{
    *ret_folder = (struct sandbox_folder){root, "/", true};
    return (struct worker_settings){.program = TEST_WORKER,
                                    .code = code,
                                    .folders = ret_folder,
                                    .folder_count = 1,
                                    .memory_bytes = 16 * MIB,
                                    .file_max = MIB};
}

static int set_up(void **state)
{
    (void)state;
    struct sandbox_folder folder;
    struct worker_settings s = settings(&folder);
    assert_int_equal(mkdir(a_out, 0700), 0);
    assert_int_equal(mkdir(b_out, 0700), 0);
    assert_int_equal(worker_new(&loop, &s, &worker), ST_OK);
    got = (struct got){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    worker_close(worker, NULL, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)nftw(a_out, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    (void)nftw(b_out, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void begin_in(const char *compiled, const char *command, const char *out, const char *env,
                     uint32_t wall_ms)
{
    const char *args[] = {command, NULL};
    const char *variables[] = {env, NULL};
    const struct sandbox_folder folders[] = {{out, "/out", true}};
    const struct sandbox_run run = {.compiled = compiled,
                                    .env = variables,
                                    .args = args,
                                    .folders = folders,
                                    .folder_count = 1,
                                    .limits = {.wall_ms = wall_ms}};
    got = (struct got){0};
    assert_int_equal(worker_run(worker, &run, on_done, NULL), ST_OK);
    assert_true(worker_busy(worker));
}

static void await(void)
{
    while (got.calls == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(got.calls, 1);
    assert_false(worker_busy(worker));
}

static void run(const char *command)
{
    begin_in(hostile, command, a_out, "A=1", 60000);
    await();
}

static void assert_good_guest_runs(void)
{
    run("greet");
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_string_equal(got.out, "hello\n");
}

/* ---- one process, many guests ---- */

static void many_guests_run_in_one_process(void **state)
{
    (void)state;
    assert_good_guest_runs();
    int pid = worker_pid(worker);
    assert_true(pid > 0);
    for (int i = 0; i < 20; i++)
        assert_good_guest_runs();
    assert_int_equal(worker_pid(worker), pid);
}

static void it_keeps_to_one_processor(void **state)
{
    (void)state;
    cpu_set_t its;
    assert_good_guest_runs();
    assert_int_equal(sched_getaffinity(worker_pid(worker), sizeof its, &its), 0);
    assert_int_equal(CPU_COUNT(&its), 1);
}

static void a_guest_has_nothing_of_the_one_before(void **state)
{
    (void)state;
    begin_in(hostile, "write_update", a_out, "A=1", 60000);
    await();
    assert_int_equal(got.outcome, SANDBOX_OK);
    begin_in(hostile, "show", b_out, "B=2", 60000);
    await();
    assert_null(strstr(got.out, "A=1"));
    assert_non_null(strstr(got.out, "env B=2"));
    assert_int_equal(rmdir(b_out), 0); /* empty: what was written is in the other */
    assert_int_equal(mkdir(b_out, 0700), 0);
}

static void a_guests_memory_is_new(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        run("is_clean");
        assert_int_equal(got.outcome, SANDBOX_OK);
        run("dirty");
        assert_int_equal(got.outcome, SANDBOX_OK);
    }
}

/* The process may open all below root; the guest only its own folder. */
static void a_guest_sees_only_its_own_folder(void **state)
{
    (void)state;
    run("escape");
    assert_null(strstr(got.out, "got it"));
    assert_non_null(strstr(got.out, "parent of out"));
}

static void a_guest_that_fails_ends_alone(void **state)
{
    (void)state;
    assert_good_guest_runs();
    int pid = worker_pid(worker);
    run("exit_3");
    assert_int_equal(got.outcome, SANDBOX_EXIT_STATUS);
    assert_int_equal(got.exit_status, 3);
    run("trap");
    assert_int_equal(got.outcome, SANDBOX_TRAP);
    run("recurse");
    assert_int_equal(got.outcome, SANDBOX_TRAP);
    run("allocate_and_trap");
    assert_int_equal(got.outcome, SANDBOX_MEMORY_LIMIT);
    assert_good_guest_runs();
    assert_int_equal(worker_pid(worker), pid);
}

static void memory_is_given_back(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) { /* of 16 MiB each, in a process that may have 400 */
        run("allocate");
        assert_int_equal(got.outcome, SANDBOX_MEMORY_LIMIT);
    }
    assert_good_guest_runs();
}

/* ---- the process ends ---- */

static void at_its_deadline_a_guest_is_killed(void **state)
{
    (void)state;
    begin_in(hostile, "spin", a_out, "A=1", 50);
    int pid = worker_pid(worker);
    await();
    assert_int_equal(got.outcome, SANDBOX_DEADLINE);
    assert_good_guest_runs();
    assert_int_not_equal(worker_pid(worker), pid);
}

static void a_stopped_guest_says_so(void **state)
{
    (void)state;
    begin_in(hostile, "spin", a_out, "A=1", 60000);
    worker_stop(worker);
    await();
    assert_int_equal(got.outcome, SANDBOX_STOPPED);
    assert_good_guest_runs();
}

static void a_flood_ends_the_guest(void **state)
{
    (void)state;
    run("flood_out");
    assert_int_equal(got.outcome, SANDBOX_OUTPUT_LIMIT);
    assert_good_guest_runs();
}

static void a_file_that_is_too_large_ends_the_guest(void **state)
{
    (void)state;
    run("one_large_file");
    assert_int_equal(got.outcome, SANDBOX_OUTPUT_LIMIT);
    assert_good_guest_runs();
}

static void code_that_is_damaged_is_not_run(void **state)
{
    (void)state;
    begin_in(damaged, "greet", a_out, "A=1", 60000);
    await();
    assert_int_equal(got.outcome, SANDBOX_BAD_CODE);
    assert_good_guest_runs();
}

static void without_the_program_nothing_begins(void **state)
{
    (void)state;
    struct sandbox_folder folder;
    struct worker_settings s = settings(&folder);
    struct worker *none;
    const struct sandbox_run order = {.compiled = hostile, .limits = {.wall_ms = 1000}};
    s.program = "/nowhere/fml-worker";
    assert_int_equal(worker_new(&loop, &s, &none), ST_OK);
    assert_int_equal(worker_run(none, &order, on_done, NULL), ST_IO);
    assert_false(worker_busy(none));
    assert_int_equal(got.calls, 0);
    worker_close(none, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_guests_run_in_one_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_keeps_to_one_processor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guest_has_nothing_of_the_one_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guests_memory_is_new, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guest_sees_only_its_own_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guest_that_fails_ends_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_its_deadline_a_guest_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stopped_guest_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_ends_the_guest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_too_large_ends_the_guest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(code_that_is_damaged_is_not_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_the_program_nothing_begins, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
