/* The real runner against guests that misbehave (testdata/hostile.c) and modules
 * that are none. After each test a good guest runs: nothing that a guest does
 * may take the next one's turn. */
#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/compiled_file.h"
#include "sandbox/sandbox.h"

#define MIB ((size_t)1 << 20)

/* root/secret lies outside of what guests get: root/data (/data), root/out (/out). */
static char root[] = "/tmp/fml-sandbox-XXXXXX";
static char hostile[64], sgemm[64]; /* compiled */

/* What on_done said. */
struct got {
    int calls;
    enum sandbox_outcome outcome;
    int exit_status;
    char detail[512];
    char *out, *err; /* ended by a zero byte */
    size_t out_size, err_size;
    uint64_t wall_ms, cpu_ms, peak_rss_kb;
};

static void got_done(struct got *got)
{
    free(got->out);
    free(got->err);
    *got = (struct got){0};
}

static char *copy_of(struct view v)
{
    char *text = malloc(v.size + 1);
    assert_non_null(text);
    if (v.size > 0)
        memcpy(text, v.data, v.size);
    text[v.size] = '\0';
    return text;
}

static void on_done(void *owner, const struct sandbox_result *result)
{
    struct got *got = owner;
    got->calls++;
    got->outcome = result->outcome;
    got->exit_status = result->exit_status;
    memcpy(got->detail, result->detail, sizeof got->detail);
    got->out = copy_of(result->out);
    got->out_size = result->out.size;
    got->err = copy_of(result->err);
    got->err_size = result->err.size;
    got->wall_ms = result->wall_ms;
    got->cpu_ms = result->cpu_ms;
    got->peak_rss_kb = result->peak_rss_kb;
}

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *name, const char *expected)
{
    char text[64] = "";
    FILE *f = fopen(path_of(name), "r");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof text - 1, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(text, expected);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct sandbox_limits generous(void)
{
    return (struct sandbox_limits){
        .memory_bytes = 32 * MIB,
        .cpu_s = 60,
        .wall_ms = 90000,
        .stdout_max = 2 * MIB,
        .stderr_max = 4096,
        .file_max = 16 * MIB,
        .folder_max = 64 * MIB,
    };
}

/* ---- one job from start to end ---- */

struct setup {
    const char *compiled; /* NULL: the hostile guest */
    const char *args[3];
    const char *env[4];
    struct sandbox_limits limits;
    bool no_folders;
    bool refuse_sgemm;
};

static struct setup command(const char *name)
{
    return (struct setup){.args = {name}, .limits = generous()};
}

static enum status start(uv_loop_t *loop, const struct setup *setup, struct got *got,
                         struct sandbox_job **ret)
{
    char data[128], out[128];
    (void)snprintf(data, sizeof data, "%s", path_of("data"));
    (void)snprintf(out, sizeof out, "%s", path_of("out"));
    const struct sandbox_folder folders[] = {{data, "/data", false}, {out, "/out", true}};
    struct sandbox_run run = {
        .runner = TEST_RUNNER,
        .compiled = setup->compiled == NULL ? hostile : setup->compiled,
        .env = setup->env,
        .args = setup->args,
        .folders = folders,
        .folder_count = setup->no_folders ? 0 : 2,
        .limits = setup->limits,
        .refuse_sgemm = setup->refuse_sgemm,
    };
    return sandbox_start(loop, &run, on_done, got, ret);
}

static struct got run(struct setup setup)
{
    uv_loop_t loop;
    struct got got = {0};
    struct sandbox_job *job;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(start(&loop, &setup, &got, &job), ST_OK);
    assert_int_equal(got.calls, 0); /* never from within the start */
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0); /* no handle is left */
    assert_int_equal(got.calls, 1);
    if (got.outcome == SANDBOX_RUNNER_FAILED)
        print_message("runner failed: %s\n%s\n", got.detail, got.err);
    return got;
}

static struct got compile_with(const char *module, const char *compiled,
                               struct sandbox_limits limits)
{
    uv_loop_t loop;
    struct got got = {0};
    struct sandbox_job *job;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(
        sandbox_compile(&loop, TEST_RUNNER, module, compiled, &limits, on_done, &got, &job), ST_OK);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(got.calls, 1);
    return got;
}

static struct got compile_bytes(const void *bytes, size_t size)
{
    write_file("module.wasm", bytes, size);
    (void)unlink(path_of("module.compiled"));
    return compile_with(path_of("module.wasm"), path_of("module.compiled"), generous());
}

static void expect(struct setup setup, enum sandbox_outcome outcome)
{
    struct got got = run(setup);
    if (got.outcome != outcome)
        print_message("%s: %s (%s)\n", setup.args[0], sandbox_outcome_code(got.outcome),
                      got.detail);
    assert_int_equal(got.outcome, outcome);
    assert_true(outcome == SANDBOX_OK || got.detail[0] != '\0');
    got_done(&got);
}

/* Nothing but the compiled hostile guest and the folders is left in root. */
static void assert_no_partial_files(void)
{
    DIR *dir = opendir(root);
    assert_non_null(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        assert_null(strstr(entry->d_name, ".part"));
    closedir(dir);
}

/* ---- the surroundings of each test ---- */

static int group_setup(void **state)
{
    (void)state;
    if (mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(hostile, sizeof hostile, "%s/hostile.compiled", root);
    (void)snprintf(sgemm, sizeof sgemm, "%s/sgemm.compiled", root);
    struct got got = compile_with(TEST_HOSTILE, hostile, generous());
    print_message("compiled: %s %s %llu ms, %llu KiB\n", sandbox_outcome_code(got.outcome),
                  got.detail, (unsigned long long)got.wall_ms, (unsigned long long)got.peak_rss_kb);
    bool ok = got.outcome == SANDBOX_OK;
    got_done(&got);
    got = compile_with(TEST_SGEMM, sgemm, generous());
    ok = ok && got.outcome == SANDBOX_OK;
    got_done(&got);
    return ok ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    remove_tree(root);
    return 0;
}

static int fresh_folders(void **state)
{
    (void)state;
    remove_tree(path_of("data"));
    remove_tree(path_of("out"));
    if (mkdir(path_of("data"), 0700) != 0 || mkdir(path_of("out"), 0700) != 0)
        return -1;
    write_file("secret", "secret", 6);
    write_file("data/sample", "sample", 6);
    return 0;
}

static int next_one_runs(void **state)
{
    (void)state;
    struct got got = run(command("greet"));
    bool ok = got.outcome == SANDBOX_OK && strcmp(got.out, "hello\n") == 0 && got.err_size == 0;
    got_done(&got);
    return ok ? 0 : -1;
}

/* ---- how guests end ---- */

static void good_guest_is_ok_with_its_output_and_usage(void **state)
{
    (void)state;
    struct got got = run(command("greet"));
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_int_equal(got.exit_status, 0);
    assert_string_equal(got.detail, "");
    assert_string_equal(got.out, "hello\n");
    assert_int_equal(got.err_size, 0);
    assert_true(got.wall_ms < 60000 && got.cpu_ms < 10000);
    assert_true(got.peak_rss_kb > 1000 && got.peak_rss_kb < 100000);
    print_message("good guest: %llu ms, %llu ms of CPU, %llu KiB\n",
                  (unsigned long long)got.wall_ms, (unsigned long long)got.cpu_ms,
                  (unsigned long long)got.peak_rss_kb);
    got_done(&got);
}

static void proc_exit_of_0_is_ok(void **state)
{
    (void)state;
    expect(command("proc_exit_0"), SANDBOX_OK);
}

static void exit_status_is_told(void **state)
{
    (void)state;
    struct got got = run(command("exit_3"));
    assert_int_equal(got.outcome, SANDBOX_EXIT_STATUS);
    assert_int_equal(got.exit_status, 3);
    assert_string_equal(got.detail, "exit status 3");
    got_done(&got);
}

static void assert_trap(const char *name, const char *word)
{
    struct got got = run(command(name));
    assert_int_equal(got.outcome, SANDBOX_TRAP);
    if (strstr(got.detail, word) == NULL)
        print_message("%s: %s\n", name, got.detail);
    assert_non_null(strstr(got.detail, word));
    got_done(&got);
}

static void traps_are_named(void **state)
{
    (void)state;
    assert_trap("trap", "unreachable");
    assert_trap("out_of_bounds", "out of bounds");
    assert_trap("null_call", "null function pointer");
}

static void deep_recursion_is_a_trap(void **state)
{
    (void)state;
    /* clang's stack lies in linear memory and runs below address 0, or the
     * processor's runs out first. */
    struct got got = run(command("recurse"));
    assert_int_equal(got.outcome, SANDBOX_TRAP);
    got_done(&got);
}

/* ---- time ---- */

static void endless_loop_meets_the_deadline(void **state)
{
    (void)state;
    struct setup setup = command("spin");
    setup.limits.wall_ms = 300;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_DEADLINE);
    assert_true(got.wall_ms >= 300 && got.wall_ms < 30000);
    got_done(&got);
}

static void blocking_call_meets_the_deadline(void **state)
{
    (void)state;
    struct setup setup = command("sleep_long");
    setup.limits.wall_ms = 500;
    expect(setup, SANDBOX_DEADLINE);
}

static void cpu_limit_comes_before_the_deadline(void **state)
{
    (void)state;
    struct setup setup = command("spin");
    setup.limits.cpu_s = 1;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_CPU_LIMIT);
    /* Known of a killed child too. How much it is, is the kernel's to say: it keeps
     * the limit by ticks and accounts more finely, and a busy machine shows it. */
    assert_true(got.cpu_ms > 0);
    got_done(&got);
}

static void sleeping_costs_no_cpu_limit(void **state)
{
    (void)state;
    struct setup setup = command("sleep_long");
    setup.limits.cpu_s = 1;
    setup.limits.wall_ms = 1500;
    expect(setup, SANDBOX_DEADLINE);
}

/* ---- memory ---- */

static void taking_all_memory_is_named_whatever_follows(void **state)
{
    (void)state;
    expect(command("allocate"), SANDBOX_MEMORY_LIMIT);
    expect(command("allocate_and_trap"), SANDBOX_MEMORY_LIMIT);
    expect(command("allocate_at_once"), SANDBOX_MEMORY_LIMIT);
}

static void memory_limit_bounds_the_process(void **state)
{
    (void)state;
    struct got got = run(command("allocate"));
    assert_true(got.peak_rss_kb > 28 * 1024);  /* it got nearly all of its 32 MiB */
    assert_true(got.peak_rss_kb < 128 * 1024); /* and no more than that and the runtime */
    got_done(&got);
}

static void guest_that_lives_with_the_refusal_is_ok(void **state)
{
    (void)state;
    expect(command("allocate_and_go_on"), SANDBOX_OK);
}

static void exit_status_without_refusal_is_not_blamed_on_memory(void **state)
{
    (void)state;
    expect(command("allocate_little"), SANDBOX_EXIT_STATUS);
}

/* ---- output ---- */

static void flood_of_stdout_is_stopped_and_its_head_kept(void **state)
{
    (void)state;
    struct setup setup = command("flood_out");
    setup.limits.stdout_max = 100000;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_OUTPUT_LIMIT);
    assert_int_equal(got.out_size, 100000);
    assert_memory_equal(got.out, "line 0 of a flood\n", 18);
    got_done(&got);
}

static void flood_of_stderr_is_read_until_the_deadline(void **state)
{
    (void)state;
    struct setup setup = command("flood_err");
    setup.limits.wall_ms = 2000;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_DEADLINE);
    assert_int_equal(got.err_size, 4096);
    got_done(&got);
}

static void tail_of_stderr_is_kept(void **state)
{
    (void)state;
    struct got got = run(command("lines_err"));
    assert_int_equal(got.outcome, SANDBOX_EXIT_STATUS);
    assert_int_equal(got.err_size, 4096);
    assert_string_equal(got.err + 4096 - 11, "line 99999\n");
    got_done(&got);
}

static void a_mebibyte_at_the_end_comes_whole(void **state)
{
    (void)state;
    struct setup setup = command("print_1_mib");
    setup.limits.stdout_max = MIB; /* exactly as much is allowed */
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_int_equal(got.out_size, MIB);
    assert_memory_equal(got.out, "000000000000000\n000000000000016\n", 32);
    assert_string_equal(got.out + MIB - 16, "000000001048560\n");
    got_done(&got);
}

static void one_file_without_end_meets_the_file_limit(void **state)
{
    (void)state;
    struct setup setup = command("one_large_file");
    setup.limits.file_max = 3 * MIB;
    expect(setup, SANDBOX_OUTPUT_LIMIT);
    struct stat st;
    assert_int_equal(stat(path_of("out/large"), &st), 0);
    assert_true((size_t)st.st_size <= 3 * MIB);
}

static void file_that_only_claims_to_be_large_counts(void **state)
{
    (void)state;
    expect(command("sparse_file"), SANDBOX_OUTPUT_LIMIT);
}

static void many_files_meet_the_folder_limit(void **state)
{
    (void)state;
    struct setup setup = command("many_files");
    setup.limits.folder_max = 4 * MIB;
    expect(setup, SANDBOX_OUTPUT_LIMIT);
}

static void empty_files_count_too(void **state)
{
    (void)state;
    struct setup setup = command("many_empty_files");
    setup.limits.folder_max = MIB;
    expect(setup, SANDBOX_OUTPUT_LIMIT);
}

static void removed_but_open_files_count_too(void **state)
{
    (void)state;
    struct setup setup = command("removed_files"); /* 16 of 1 MiB */
    setup.limits.folder_max = 8 * MIB;
    expect(setup, SANDBOX_OUTPUT_LIMIT);
}

static void folder_is_looked_at_once_more_at_the_end(void **state)
{
    (void)state;
    struct setup setup = command("files_and_end"); /* 32 of 64 KiB */
    setup.limits.folder_max = MIB;
    expect(setup, SANDBOX_OUTPUT_LIMIT);
    setup.limits.folder_max = 2 * MIB;
    expect(setup, SANDBOX_OK);
}

/* ---- files ---- */

static void given_folders_work_as_given(void **state)
{
    (void)state;
    struct got got = run(command("read_data"));
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_string_equal(got.out, "sample");
    got_done(&got);
    expect(command("write_update"), SANDBOX_OK);
    assert_file("out/update", "fine");
    expect(command("move_within"), SANDBOX_OK);
    assert_file("out/whole", "");
}

static void no_way_leads_out_of_the_folders(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of("data/inner"), 0700), 0);
    assert_int_equal(symlink(path_of("secret"), path_of("data/link")), 0);
    assert_int_equal(symlink(root, path_of("data/folder_link")), 0);
    assert_int_equal(symlink("../secret", path_of("out/link")), 0);
    assert_int_equal(symlink("..", path_of("out/folder_link")), 0);
    write_file("out/mine", "mine", 4);

    struct got got = run(command("escape"));
    assert_int_equal(got.outcome, SANDBOX_OK);
    if (strstr(got.out, "got it") != NULL)
        print_message("%s", got.out);
    assert_null(strstr(got.out, "got it"));
    int lines = 0;
    for (const char *c = got.out; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 22); /* each try was made and refused */
    got_done(&got);

    assert_file("secret", "secret");
    assert_file("data/sample", "sample");
    assert_file("out/mine", "mine");
    assert_int_not_equal(access(path_of("new"), F_OK), 0);
    assert_int_not_equal(access(path_of("moved"), F_OK), 0);
    assert_int_not_equal(access(path_of("data/new"), F_OK), 0);
    assert_int_not_equal(access(path_of("data/other"), F_OK), 0);
    assert_int_not_equal(access(path_of("out/stolen"), F_OK), 0);
    assert_int_not_equal(access(path_of("out/hard"), F_OK), 0);
    assert_int_not_equal(access(path_of("out/soft"), F_OK), 0);
}

static void missing_folder_is_the_runners_failure(void **state)
{
    (void)state;
    remove_tree(path_of("data"));
    struct got got = run(command("greet"));
    assert_int_equal(got.outcome, SANDBOX_RUNNER_FAILED);
    assert_non_null(strstr(got.detail, "/data"));
    assert_int_equal(got.out_size, 0); /* the guest did not run */
    got_done(&got);
    assert_int_equal(mkdir(path_of("data"), 0700), 0);
}

/* ---- what a guest is told ---- */

static void guest_sees_only_what_is_given(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOST_SECRET", "1", 1), 0);
    struct setup setup = command("show");
    setup.args[1] = "two words";
    setup.env[0] = "ROUND_ID=r-1";
    setup.env[1] = "JSON={\"a\":\"b=c\"}";
    setup.env[2] = "EMPTY=";
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_string_equal(got.out, "arg guest\narg show\narg two words\n"
                                 "env ROUND_ID=r-1\nenv JSON={\"a\":\"b=c\"}\nenv EMPTY=\n"
                                 "stdin -1\n");
    got_done(&got);
    assert_int_equal(unsetenv("HOST_SECRET"), 0);
}

static void variable_of_128_kib_arrives(void **state)
{
    (void)state;
    size_t size = 128 << 10;
    char *variable = malloc(size + 3);
    assert_non_null(variable);
    memset(variable, 'x', size + 2);
    memcpy(variable, "V=", 2);
    variable[size + 2] = '\0';
    struct setup setup = command("show");
    setup.env[0] = variable;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_non_null(strstr(got.out, variable));
    got_done(&got);
    free(variable);
}

static void descriptors_of_the_runner_and_sockets_are_out_of_reach(void **state)
{
    (void)state;
    struct setup setup = command("descriptors");
    setup.no_folders = true;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_string_equal(got.out, "");
    got_done(&got);
}

static void bad_description_starts_nothing(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct got got = {0};
    struct sandbox_job *job = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);

    struct setup setup = command("greet");
    setup.env[0] = "NO_VALUE";
    assert_int_equal(start(&loop, &setup, &got, &job), ST_INVALID);
    setup.env[0] = "=no name";
    assert_int_equal(start(&loop, &setup, &got, &job), ST_INVALID);

    const char *many[SANDBOX_TEXTS_MAX + 2] = {NULL};
    for (int i = 0; i <= SANDBOX_TEXTS_MAX; i++)
        many[i] = "A=1";
    struct sandbox_run too_many = {
        .runner = TEST_RUNNER, .compiled = hostile, .env = many, .limits = generous()};
    assert_int_equal(sandbox_start(&loop, &too_many, on_done, &got, &job), ST_LIMIT);

    struct sandbox_run no_runner = {
        .runner = "/nonexistent", .compiled = hostile, .limits = generous()};
    assert_int_equal(sandbox_start(&loop, &no_runner, on_done, &got, &job), ST_IO);

    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(got.calls, 0);
    assert_null(job);
}

/* ---- modules that are none ---- */

static void assert_invalid(const void *bytes, size_t size, const char *word)
{
    struct got got = compile_bytes(bytes, size);
    if (got.outcome != SANDBOX_INVALID_MODULE || strstr(got.detail, word) == NULL)
        print_message("%s: %s (expected: %s)\n%s\n", sandbox_outcome_code(got.outcome), got.detail,
                      word, got.err);
    assert_int_equal(got.outcome, SANDBOX_INVALID_MODULE);
    assert_non_null(strstr(got.detail, word));
    assert_int_not_equal(access(path_of("module.compiled"), F_OK), 0);
    assert_no_partial_files();
    got_done(&got);
}

#define HEADER       0x00, 'a', 's', 'm', 1, 0, 0, 0
#define TYPE_NOTHING 1, 4, 1, 0x60, 0, 0 /* (type (func)) */
#define ONE_FUNCTION 3, 2, 1, 0          /* (func (type 0)) */
#define EXPORT_START 7, 10, 1, 6, '_', 's', 't', 'a', 'r', 't', 0, 0
#define EMPTY_BODY   10, 4, 1, 2, 0, 0x0b
#define ENDLESS_BODY 10, 9, 1, 7, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b

static void bytes_that_are_no_module_are_refused(void **state)
{
    (void)state;
    assert_invalid("", 0, "does not begin as one");
    assert_invalid("#!/bin/sh\necho hello\n", 21, "does not begin as one");
    static const uint8_t only_header[] = {HEADER};
    assert_invalid(only_header, sizeof only_header, "_start");
    static const uint8_t version[] = {0, 'a', 's', 'm', 9, 0, 0, 0};
    assert_invalid(version, sizeof version, "does not compile");
    static const uint8_t component[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0};
    assert_invalid(component, sizeof component, "component");
    static const uint8_t cut[] = {HEADER, TYPE_NOTHING, 3, 2};
    assert_invalid(cut, sizeof cut, "does not compile");
}

static void entry_must_be_a_function_without_parameters(void **state)
{
    (void)state;
    static const uint8_t with_parameter[] = {
        HEADER, 1, 5, 1, 0x60, 1, 0x7f, 0, ONE_FUNCTION, EXPORT_START, EMPTY_BODY};
    assert_invalid(with_parameter, sizeof with_parameter, "_start");
    static const uint8_t memory[] = {HEADER, 5,   3,   1,   0,   1,   7,   10, 1,
                                     6,      '_', 's', 't', 'a', 'r', 't', 2,  0};
    assert_invalid(memory, sizeof memory, "_start");
}

static void unknown_import_is_named(void **state)
{
    (void)state;
    /* (import "env" "launch" (func)) and an empty _start */
    static const uint8_t module[] = {HEADER,
                                     TYPE_NOTHING,
                                     2,
                                     14,
                                     1,
                                     3,
                                     'e',
                                     'n',
                                     'v',
                                     6,
                                     'l',
                                     'a',
                                     'u',
                                     'n',
                                     'c',
                                     'h',
                                     0,
                                     0,
                                     ONE_FUNCTION,
                                     7,
                                     10,
                                     1,
                                     6,
                                     '_',
                                     's',
                                     't',
                                     'a',
                                     'r',
                                     't',
                                     0,
                                     1,
                                     EMPTY_BODY};
    assert_invalid(module, sizeof module, "launch");
}

static void shared_and_64_bit_memories_are_not_offered(void **state)
{
    (void)state;
    static const uint8_t shared[] = {HEADER, TYPE_NOTHING, ONE_FUNCTION, 5, 4, 1, 3, 1,
                                     2,      EXPORT_START, EMPTY_BODY};
    assert_invalid(shared, sizeof shared, "does not compile");
    static const uint8_t wide[] = {HEADER, TYPE_NOTHING, ONE_FUNCTION, 5, 3, 1, 4,
                                   1,      EXPORT_START, EMPTY_BODY};
    assert_invalid(wide, sizeof wide, "does not compile");
}

static void missing_module_is_the_runners_failure(void **state)
{
    (void)state;
    struct got got = compile_with(path_of("absent.wasm"), path_of("absent.compiled"), generous());
    assert_int_equal(got.outcome, SANDBOX_RUNNER_FAILED);
    got_done(&got);
}

static void run_bytes(const void *bytes, size_t size, struct setup setup,
                      enum sandbox_outcome outcome)
{
    struct got got = compile_bytes(bytes, size);
    assert_int_equal(got.outcome, SANDBOX_OK);
    got_done(&got);
    setup.compiled = path_of("module.compiled");
    expect(setup, outcome);
}

static void large_memory_from_the_start_meets_the_limit(void **state)
{
    (void)state;
    /* (memory 65535): 4 GiB less a page */
    static const uint8_t module[] = {HEADER, TYPE_NOTHING, ONE_FUNCTION, 5, 5, 1, 0, 0xff, 0xff,
                                     3,      EXPORT_START, EMPTY_BODY};
    run_bytes(module, sizeof module, command("greet"), SANDBOX_MEMORY_LIMIT);
}

static void memory_of_exactly_the_limit_is_given(void **state)
{
    (void)state;
    /* (memory 2) of 128 KiB */
    static const uint8_t module[] = {HEADER, TYPE_NOTHING, ONE_FUNCTION, 5, 3, 1, 0,
                                     2,      EXPORT_START, EMPTY_BODY};
    struct setup setup = command("greet");
    setup.limits.memory_bytes = 131072;
    run_bytes(module, sizeof module, setup, SANDBOX_OK);
    setup.limits.memory_bytes = 131071;
    run_bytes(module, sizeof module, setup, SANDBOX_MEMORY_LIMIT);
}

static void start_function_without_end_meets_the_deadline(void **state)
{
    (void)state;
    static const uint8_t module[] = {HEADER, TYPE_NOTHING, ONE_FUNCTION, EXPORT_START, 8, 1,
                                     0,      ENDLESS_BODY};
    struct setup setup = command("greet");
    setup.limits.wall_ms = 300;
    run_bytes(module, sizeof module, setup, SANDBOX_DEADLINE);
}

static void large_table_does_not_take_the_runner_down(void **state)
{
    (void)state;
    /* (table 1000001 funcref) */
    static const uint8_t module[] = {
        HEADER, TYPE_NOTHING, ONE_FUNCTION, 4,         6, 1, 0x70, 0, 0xc1,
        0x84,   0x3d,         EXPORT_START, EMPTY_BODY};
    run_bytes(module, sizeof module, command("greet"), SANDBOX_INVALID_MODULE);
}

static size_t put_size(uint8_t *at, uint32_t size) /* five bytes of LEB128 */
{
    for (int i = 0; i < 5; i++)
        at[i] = (uint8_t)(((size >> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0));
    return 5;
}

/* One function of 6 MB: (block (br_if 0 (i32.const 1))) over and over. */
static size_t make_bomb(uint8_t *bomb)
{
    static const uint8_t head[] = {HEADER, TYPE_NOTHING, ONE_FUNCTION, EXPORT_START, 10};
    static const uint8_t piece[] = {0x02, 0x40, 0x41, 1, 0x0d, 0, 0x0b};
    enum { PIECES = 850000 };
    uint32_t body = PIECES * sizeof piece + 2;
    size_t n = sizeof head;
    memcpy(bomb, head, n);
    n += put_size(bomb + n, body + 6);
    bomb[n++] = 1;
    n += put_size(bomb + n, body);
    bomb[n++] = 0;
    for (int i = 0; i < PIECES; i++, n += sizeof piece)
        memcpy(bomb + n, piece, sizeof piece);
    bomb[n++] = 0x0b;
    return n;
}

static void compile_bomb_meets_a_limit_and_leaves_no_file(void **state)
{
    (void)state;
    uint8_t *bomb = malloc(8 * MIB);
    assert_non_null(bomb);
    size_t size = make_bomb(bomb);
    write_file("bomb.wasm", bomb, size);
    free(bomb);

    struct sandbox_limits limits = generous();
    limits.memory_bytes = 1024 * MIB;
    limits.wall_ms = 300;
    struct got got = compile_with(path_of("bomb.wasm"), path_of("bomb.compiled"), limits);
    assert_int_equal(got.outcome, SANDBOX_DEADLINE);
    got_done(&got);

    got = compile_with(path_of("bomb.wasm"), path_of("bomb.compiled"), generous());
    if (got.outcome != SANDBOX_MEMORY_LIMIT)
        print_message("%s: %s %llu ms %llu KiB\n%s\n", sandbox_outcome_code(got.outcome),
                      got.detail, (unsigned long long)got.wall_ms,
                      (unsigned long long)got.peak_rss_kb, got.err);
    assert_int_equal(got.outcome, SANDBOX_MEMORY_LIMIT);
    got_done(&got);

    assert_int_not_equal(access(path_of("bomb.compiled"), F_OK), 0);
    assert_no_partial_files();
    assert_int_equal(unlink(path_of("bomb.wasm")), 0);
}

static void compiled_file_over_the_limit_leaves_the_old_one(void **state)
{
    (void)state;
    write_file("old.compiled", "old", 3);
    struct sandbox_limits limits = generous();
    limits.file_max = 1000;
    struct got got = compile_with(TEST_HOSTILE, path_of("old.compiled"), limits);
    assert_int_equal(got.outcome, SANDBOX_OUTPUT_LIMIT);
    assert_file("old.compiled", "old");
    assert_no_partial_files();
    got_done(&got);
}

static size_t read_hostile(uint8_t *bytes, size_t max)
{
    FILE *f = fopen(hostile, "r");
    assert_non_null(f);
    size_t size = fread(bytes, 1, max, f);
    assert_int_equal(fclose(f), 0);
    assert_true(size > 1000 && size < max);
    return size;
}

static void is_bad_code(const void *bytes, size_t size)
{
    write_file("damaged.compiled", bytes, size);
    struct setup setup = command("greet");
    setup.compiled = path_of("damaged.compiled");
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_BAD_CODE);
    assert_string_equal(got.out, "");
    got_done(&got);
}

static void damaged_compiled_file_is_not_run(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(4 * MIB);
    assert_non_null(bytes);
    size_t size = read_hostile(bytes, 4 * MIB);
    is_bad_code("", 0);
    is_bad_code("\177ELF and no more", 16);
    is_bad_code(bytes + COMPILED_HEAD_SIZE, size - COMPILED_HEAD_SIZE); /* no line */
    is_bad_code(bytes, COMPILED_HEAD_SIZE);
    is_bad_code(bytes, size - 1);
    for (size_t i = 0; i < 8; i++) { /* one bit, from the line to the last byte */
        size_t at = i * (size - 1) / 7;
        bytes[at] ^= 0x10;
        is_bad_code(bytes, size);
        bytes[at] ^= 0x10;
    }
    free(bytes);
}

static void code_of_another_runtime_is_not_run(void **state)
{
    (void)state;
    static const char code[] = "\177ELF of another compiler";
    char file[COMPILED_HEAD_SIZE + sizeof code];
    compiled_file_head(view_of(code, sizeof code), file); /* undamaged, that is */
    memcpy(file + COMPILED_HEAD_SIZE, code, sizeof code);
    is_bad_code(file, sizeof file);
}

static void missing_compiled_file_is_bad_code(void **state)
{
    (void)state;
    struct setup setup = command("greet");
    setup.compiled = path_of("absent.compiled");
    expect(setup, SANDBOX_BAD_CODE);
}

/* ---- fml_sgemm ---- */

static struct setup order(const char *text)
{
    struct setup setup = command(text);
    setup.compiled = sgemm;
    return setup;
}

static void assert_prints(struct setup setup, const char *expected)
{
    struct got got = run(setup);
    if (got.outcome != SANDBOX_OK)
        print_message("%s: %s\n", setup.args[0], got.detail);
    assert_int_equal(got.outcome, SANDBOX_OK);
    assert_string_equal(got.out, expected);
    got_done(&got);
}

static void products_are_made_in_the_guests_memory(void **state)
{
    (void)state;
    assert_prints(order("product"), "19 22 43 50\n");
    assert_prints(order("at_the_end"), "19 22 43 50\n");
    assert_prints(order("not_a_number"), "nan nan 43 50\n");
    assert_prints(order("0 0 0 0 0 0 0"), "done\n");
}

static void false_orders_are_traps_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *order, *reason;
    } cases[] = {
        {"0 2 2 2 0xfffffffc 1024 2048", "fml_sgemm: a matrix does not lie inside the memory"},
        {"0 2 2 2 1024 0x7ffffff0 2048", "inside the memory"},
        {"0 2 2 2 1024 2048 0xffffff00", "inside the memory"},
        {"0 0x10000 0x10000 0x10000 1024 2048 4096", "inside the memory"},
        {"0 0x40000000 0x40000000 0x40000000 -4 -4 -4", "inside the memory"},
        {"0 0xffffffff 0xffffffff 0xffffffff 0 0 0", "fml_sgemm: a dimension"},
        {"0 1 1 0x80000000 1024 2048 4096", "fml_sgemm: a dimension"},
        {"0 2 2 2 1024 2048 1024", "fml_sgemm: the result overlaps a factor"},
        {"0 2 2 2 1024 2048 2060", "overlaps"},
        {"0 2 2 2 1025 2048 4096", "fml_sgemm: a matrix is not aligned"},
        {"4 2 2 2 1024 2048 4096", "fml_sgemm: unknown flags"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct got got = run(order(cases[i].order));
        if (got.outcome != SANDBOX_TRAP || strstr(got.detail, cases[i].reason) == NULL)
            print_message("%s: %s\n", cases[i].order, got.detail);
        assert_int_equal(got.outcome, SANDBOX_TRAP);
        assert_non_null(strstr(got.detail, cases[i].reason));
        assert_string_equal(got.out, ""); /* the guest did not go on */
        got_done(&got);
        assert_prints(order("product"), "19 22 43 50\n");
    }
}

static void products_without_end_meet_the_deadline(void **state)
{
    (void)state;
    struct setup setup = order("forever");
    setup.limits.wall_ms = 300;
    expect(setup, SANDBOX_DEADLINE);
}

static void sgemm_can_be_refused(void **state)
{
    (void)state;
    struct setup setup = order("product");
    setup.refuse_sgemm = true;
    struct got got = run(setup);
    assert_int_equal(got.outcome, SANDBOX_INVALID_MODULE);
    assert_string_equal(got.detail, "imports fml.fml_sgemm, which this device refuses");
    assert_string_equal(got.out, "");
    got_done(&got);

    setup.compiled = hostile; /* who does not import it is not concerned */
    setup.args[0] = "greet";
    assert_prints(setup, "hello\n");
}

/* (type (func)) (type (func (param i32 x 7))); (import "fml" "fml_sgemm" (type which)) */
#define SEVEN_TYPES     1, 14, 2, 0x60, 0, 0, 0x60, 7, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0
#define FML_SGEMM       3, 'f', 'm', 'l', 9, 'f', 'm', 'l', '_', 's', 'g', 'e', 'm', 'm'
#define IMPORT(type)    2, 17, 1, FML_SGEMM, 0, (type)
#define EXPORT_SECOND   7, 10, 1, 6, '_', 's', 't', 'a', 'r', 't', 0, 1
#define ZERO            0x41, 0
#define CALL_WITH_ZEROS 10, 20, 1, 18, 0, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, 0x10, 0, 0x0b

static void sgemm_has_one_type(void **state)
{
    (void)state;
    static const uint8_t other_type[] = {HEADER,       SEVEN_TYPES,   IMPORT(0),
                                         ONE_FUNCTION, EXPORT_SECOND, EMPTY_BODY};
    assert_invalid(other_type, sizeof other_type, "fml_sgemm");
}

static void sgemm_needs_a_memory(void **state)
{
    (void)state;
    static const uint8_t module[] = {HEADER,       SEVEN_TYPES,   IMPORT(1),
                                     ONE_FUNCTION, EXPORT_SECOND, CALL_WITH_ZEROS};
    run_bytes(module, sizeof module, command("greet"), SANDBOX_TRAP);
}

/* ---- while it runs ---- */

/* Calls act once when the guest has said that it runs. */
struct watcher {
    uv_timer_t timer;
    void (*act)(struct watcher *w);
    struct sandbox_job *job;
    int pipe;
};

static void look_for_started(uv_timer_t *timer)
{
    struct watcher *w = timer->data;
    if (access(path_of("out/started"), F_OK) != 0)
        return;
    uv_close((uv_handle_t *)timer, NULL);
    w->act(w);
}

static struct got run_watched(struct watcher *w)
{
    uv_loop_t loop;
    struct got got = {0};
    struct setup setup = command("sleep_long");
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(start(&loop, &setup, &got, &w->job), ST_OK);
    uv_timer_init(&loop, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, look_for_started, 5, 5);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(got.calls, 1);
    return got;
}

static void stop_it(struct watcher *w)
{
    sandbox_stop(w->job);
    sandbox_stop(w->job); /* twice is as good as once */
}

static void stopped_while_it_runs(void **state)
{
    (void)state;
    struct watcher w = {.act = stop_it};
    struct got got = run_watched(&w);
    assert_int_equal(got.outcome, SANDBOX_STOPPED);
    got_done(&got);
}

static void stopped_at_once(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct got got = {0};
    struct sandbox_job *job;
    struct setup setup = command("spin");
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(start(&loop, &setup, &got, &job), ST_OK);
    sandbox_stop(job);
    assert_int_equal(got.calls, 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.outcome, SANDBOX_STOPPED);
    got_done(&got);
}

/* The number of our only child. */
static int child_number(void)
{
    char path[64];
    int number = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &number), 1);
    assert_int_equal(fclose(f), 0);
    return number;
}

static void read_proc(int process, const char *name, char *text, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", process, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    assert_int_equal(fclose(f), 0);
}

static void look_at_process(struct watcher *w)
{
    static char status[8192], bounds[8192], variables[64];
    int process = child_number();
    read_proc(process, "status", status, sizeof status);
    read_proc(process, "limits", bounds, sizeof bounds);
    read_proc(process, "environ", variables, sizeof variables);
    sandbox_stop(w->job);

    assert_non_null(strstr(status, "\nNoNewPrivs:\t1\n"));
    assert_non_null(strstr(status, "\nSeccomp:\t2\n"));
    assert_string_equal(variables, "");
    assert_non_null(strstr(bounds, "Max core file size        0 "));
    assert_non_null(strstr(bounds, "Max open files            64 "));
    assert_non_null(strstr(bounds, "Max file size             16777216 "));
    assert_non_null(strstr(bounds, "Max cpu time              60 "));
    assert_null(strstr(bounds, "Max data size             unlimited"));
    assert_int_equal(getsid(process), process);
}

static void process_is_confined(void **state)
{
    (void)state;
    struct watcher w = {.act = look_at_process};
    struct got got = run_watched(&w);
    assert_int_equal(got.outcome, SANDBOX_STOPPED);
    got_done(&got);
}

static void kill_from_outside(struct watcher *w)
{
    (void)w;
    assert_int_equal(kill(child_number(), SIGKILL), 0);
}

static void killed_from_outside_is_the_runners_failure(void **state)
{
    (void)state;
    struct watcher w = {.act = kill_from_outside};
    struct got got = run_watched(&w);
    assert_int_equal(got.outcome, SANDBOX_RUNNER_FAILED);
    got_done(&got);
}

static void tell_number(struct watcher *w)
{
    int number = child_number();
    if (write(w->pipe, &number, sizeof number) != sizeof number)
        _exit(1);
}

static void runner_dies_with_its_parent(void **state)
{
    (void)state;
    int ends[2], runner = 0, wait_status = 0;
    /* The orphan is handed to us, so that its end is an event. */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        struct watcher w = {.act = tell_number, .pipe = ends[1]};
        (void)run_watched(&w);
        _exit(1);
    }
    assert_int_equal(read(ends[0], &runner, sizeof runner), sizeof runner);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(waitpid(runner, &wait_status, 0), runner);
    assert_true(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void eight_at_once_do_not_mix(void **state)
{
    (void)state;
    enum { JOBS = 8 };
    uv_loop_t loop;
    struct got got[JOBS] = {{0}};
    struct sandbox_job *jobs[JOBS];
    char names[JOBS][16];
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int i = 0; i < JOBS; i++) {
        struct setup setup = command("show");
        (void)snprintf(names[i], sizeof names[i], "N=%d", i);
        setup.env[0] = names[i];
        assert_int_equal(start(&loop, &setup, &got[i], &jobs[i]), ST_OK);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (int i = 0; i < JOBS; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "arg guest\narg show\nenv N=%d\nstdin -1\n", i);
        assert_int_equal(got[i].calls, 1);
        assert_int_equal(got[i].outcome, SANDBOX_OK);
        assert_string_equal(got[i].out, expected);
        got_done(&got[i]);
    }
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void no_descriptor_is_lost(void **state)
{
    (void)state;
    expect(command("greet"), SANDBOX_OK);
    int before = open_descriptors();
    struct setup setup = command("flood_out");
    setup.limits.stdout_max = 1000;
    expect(setup, SANDBOX_OUTPUT_LIMIT);
    bad_description_starts_nothing(state);
    expect(command("greet"), SANDBOX_OK);
    assert_int_equal(open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_folders, next_one_runs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_guest_is_ok_with_its_output_and_usage),
        TEST(proc_exit_of_0_is_ok),
        TEST(exit_status_is_told),
        TEST(traps_are_named),
        TEST(deep_recursion_is_a_trap),
        TEST(endless_loop_meets_the_deadline),
        TEST(blocking_call_meets_the_deadline),
        TEST(cpu_limit_comes_before_the_deadline),
        TEST(sleeping_costs_no_cpu_limit),
        TEST(taking_all_memory_is_named_whatever_follows),
        TEST(memory_limit_bounds_the_process),
        TEST(guest_that_lives_with_the_refusal_is_ok),
        TEST(exit_status_without_refusal_is_not_blamed_on_memory),
        TEST(flood_of_stdout_is_stopped_and_its_head_kept),
        TEST(flood_of_stderr_is_read_until_the_deadline),
        TEST(tail_of_stderr_is_kept),
        TEST(a_mebibyte_at_the_end_comes_whole),
        TEST(one_file_without_end_meets_the_file_limit),
        TEST(file_that_only_claims_to_be_large_counts),
        TEST(many_files_meet_the_folder_limit),
        TEST(empty_files_count_too),
        TEST(removed_but_open_files_count_too),
        TEST(folder_is_looked_at_once_more_at_the_end),
        TEST(given_folders_work_as_given),
        TEST(no_way_leads_out_of_the_folders),
        TEST(missing_folder_is_the_runners_failure),
        TEST(guest_sees_only_what_is_given),
        TEST(variable_of_128_kib_arrives),
        TEST(descriptors_of_the_runner_and_sockets_are_out_of_reach),
        TEST(bad_description_starts_nothing),
        TEST(bytes_that_are_no_module_are_refused),
        TEST(entry_must_be_a_function_without_parameters),
        TEST(unknown_import_is_named),
        TEST(shared_and_64_bit_memories_are_not_offered),
        TEST(missing_module_is_the_runners_failure),
        TEST(large_memory_from_the_start_meets_the_limit),
        TEST(memory_of_exactly_the_limit_is_given),
        TEST(start_function_without_end_meets_the_deadline),
        TEST(large_table_does_not_take_the_runner_down),
        TEST(compile_bomb_meets_a_limit_and_leaves_no_file),
        TEST(compiled_file_over_the_limit_leaves_the_old_one),
        TEST(damaged_compiled_file_is_not_run),
        TEST(code_of_another_runtime_is_not_run),
        TEST(missing_compiled_file_is_bad_code),
        TEST(products_are_made_in_the_guests_memory),
        TEST(false_orders_are_traps_with_a_reason),
        TEST(products_without_end_meet_the_deadline),
        TEST(sgemm_can_be_refused),
        TEST(sgemm_has_one_type),
        TEST(sgemm_needs_a_memory),
        TEST(stopped_while_it_runs),
        TEST(stopped_at_once),
        TEST(process_is_confined),
        TEST(killed_from_outside_is_the_runners_failure),
        TEST(runner_dies_with_its_parent),
        TEST(eight_at_once_do_not_mix),
        TEST(no_descriptor_is_lost),
    };
    return cmocka_run_group_tests_name("sandbox", tests, group_setup, group_teardown);
}
