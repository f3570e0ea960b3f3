/* The parts of the parent's side that touch no process. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/capture.h"
#include "sandbox/folder_usage.h"
#include "sandbox/compiled_file.h"
#include "sandbox/runner_job.h"
#include "sandbox/verdict.h"

/* ---- capture ---- */

static void assert_captured(const struct capture *c, const char *expected)
{
    struct view v = capture_view(c);
    assert_int_equal(v.size, strlen(expected));
    assert_memory_equal(v.data, expected, v.size);
}

static void head_keeps_the_first_bytes_and_says_when_there_are_more(void **state)
{
    (void)state;
    struct capture c = {.max = 5};
    assert_int_equal(capture_add(&c, view_text("abc")), ST_OK);
    assert_int_equal(capture_add(&c, view_text("de")), ST_OK);
    assert_captured(&c, "abcde");
    assert_int_equal(capture_add(&c, view_text("f")), ST_LIMIT);
    assert_captured(&c, "abcde");
    capture_done(&c);

    struct capture cut = {.max = 5};
    assert_int_equal(capture_add(&cut, view_text("abcdefgh")), ST_LIMIT);
    assert_captured(&cut, "abcde");
    capture_done(&cut);
}

static void tail_keeps_the_last_bytes_whatever_the_pieces(void **state)
{
    (void)state;
    char text[101] = "";
    for (int i = 0; i < 100; i++)
        text[i] = (char)('0' + i % 75);
    for (size_t piece = 1; piece <= 100; piece++) {
        struct capture c = {.max = 7, .tail = true};
        for (size_t at = 0; at < 100; at += piece) {
            size_t size = at + piece > 100 ? 100 - at : piece;
            assert_int_equal(capture_add(&c, view_of(text + at, size)), ST_OK);
            assert_true(c.data.size <= 14);
        }
        assert_captured(&c, text + 93);
        capture_done(&c);
    }
}

static void tail_of_nothing_keeps_nothing(void **state)
{
    (void)state;
    struct capture c = {.max = 0, .tail = true};
    assert_int_equal(capture_add(&c, view_text("abc")), ST_OK);
    assert_int_equal(capture_view(&c).size, 0);
    capture_done(&c);
}

/* ---- the job's text ---- */

static struct runner_job sample_job(void)
{
    return (struct runner_job){
        .mode = RUNNER_RUN,
        .parent = 4711,
        .input = "/cache/with = and \n",
        .memory_bytes = UINT64_MAX,
        .cpu_s = 3,
        .file_max = 5,
        .env = {"A=1", "EMPTY=", "JSON={\"a\":\"b=c\"}"},
        .env_count = 3,
        .args = {"", "--x=y"},
        .arg_count = 2,
        .folders = {{"/host/a", "/data", false}, {"/host/b", "/out", true}},
        .folder_count = 2,
        .refuse_sgemm = true,
    };
}

static void job_survives_its_text(void **state)
{
    (void)state;
    struct runner_job job = sample_job(), read;
    struct bytes text = {0};
    assert_int_equal(runner_job_encode(&job, &text), ST_OK);
    assert_int_equal(runner_job_decode(bytes_view(&text), &read), ST_OK);
    assert_int_equal(read.mode, RUNNER_RUN);
    assert_int_equal(read.parent, 4711);
    assert_string_equal(read.input, job.input);
    assert_null(read.output);
    assert_true(read.memory_bytes == UINT64_MAX && read.cpu_s == 3 && read.file_max == 5);
    assert_int_equal(read.env_count, 3);
    assert_string_equal(read.env[1], "EMPTY=");
    assert_string_equal(read.env[2], job.env[2]);
    assert_int_equal(read.arg_count, 2);
    assert_string_equal(read.args[0], "");
    assert_string_equal(read.args[1], "--x=y");
    assert_int_equal(read.folder_count, 2);
    assert_string_equal(read.folders[0].host_path, "/host/a");
    assert_string_equal(read.folders[1].guest_path, "/out");
    assert_true(!read.folders[0].writable && read.folders[1].writable);
    assert_true(read.refuse_sgemm);
    bytes_done(&text);
}

static void spoiled_job_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size; /* with the last zero byte, if it is there */
    } spoiled[] = {
        {"", 0},
        {"mode=run\0input=a", 16},                      /* no zero byte at the end */
        {"mode=run\0", 9},                              /* no input */
        {"mode=compile\0input=a\0", 21},                /* no output */
        {"mode=run\0input=a\0other=1\0", 26},           /* unknown key */
        {"mode=run\0input=a\0env\0", 22},               /* no value */
        {"mode=run\0input=a\0cpu_s=-1\0", 27},          /* no number */
        {"mode=run\0input=a\0cpu_s=1x\0", 27},          /* something after it */
        {"mode=run\0input=a\0host=/a\0", 26},           /* of no folder */
        {"mode=run\0input=a\0folder=ro\0host=/\0", 35}, /* no guest path */
    };
    for (size_t i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++) {
        struct runner_job job = {.cpu_s = 77};
        assert_int_equal(runner_job_decode(view_of(spoiled[i].text, spoiled[i].size), &job),
                         ST_MALFORMED);
        assert_int_equal(job.cpu_s, 77);
        assert_null(job.input);
    }
}

/* ---- verdict ---- */

static const struct sandbox_limits limits = {.cpu_s = 2, .file_max = 100};

static struct runner_report report_of(enum sandbox_outcome outcome, const char *detail)
{
    struct runner_report report = {.magic = RUNNER_REPORT_MAGIC, .outcome = outcome};
    (void)snprintf(report.detail, sizeof report.detail, "%s", detail);
    return report;
}

static struct verdict exited(const void *report, size_t size)
{
    struct child_ending ending = {.wait_status = 0};
    return verdict_of(&ending, view_of(report, size), view_text(""), &limits);
}

static struct verdict killed_by(int signal_number, uint64_t cpu_ms, const char *errors)
{
    struct child_ending ending = {.wait_status = signal_number, .cpu_ms = cpu_ms};
    /* A report that came before does not count: the end was another one. */
    struct runner_report report = report_of(SANDBOX_OK, "");
    return verdict_of(&ending, view_of(&report, sizeof report), view_text(errors), &limits);
}

static void report_is_believed_if_it_is_one(void **state)
{
    (void)state;
    struct runner_report report = report_of(SANDBOX_EXIT_STATUS, "exit status 3");
    report.exit_status = 3;
    struct verdict v = exited(&report, sizeof report);
    assert_int_equal(v.outcome, SANDBOX_EXIT_STATUS);
    assert_int_equal(v.exit_status, 3);
    assert_string_equal(v.detail, "exit status 3");

    report = report_of(SANDBOX_OK, "whatever");
    v = exited(&report, sizeof report);
    assert_int_equal(v.outcome, SANDBOX_OK);
    assert_string_equal(v.detail, "");
}

static void names_in_a_report_become_printable(void **state)
{
    (void)state;
    struct runner_report report = report_of(SANDBOX_TRAP, "a\n  b\x1b[31m\xc3\xa4 c");
    struct verdict v = exited(&report, sizeof report);
    assert_string_equal(v.detail, "a b?[31m?? c");
}

static void false_report_is_no_report(void **state)
{
    (void)state;
    struct runner_report report = report_of(SANDBOX_OK, "");
    assert_int_equal(exited(&report, sizeof report - 1).outcome, SANDBOX_RUNNER_FAILED);
    assert_int_equal(exited(NULL, 0).outcome, SANDBOX_RUNNER_FAILED);

    report.magic ^= 1;
    assert_int_equal(exited(&report, sizeof report).outcome, SANDBOX_RUNNER_FAILED);

    report = report_of(SANDBOX_STOPPED, "only the parent may say so");
    assert_int_equal(exited(&report, sizeof report).outcome, SANDBOX_RUNNER_FAILED);
    report = report_of((enum sandbox_outcome)4096, "");
    assert_int_equal(exited(&report, sizeof report).outcome, SANDBOX_RUNNER_FAILED);

    report = report_of(SANDBOX_OK, "");
    memset(report.detail, 'x', sizeof report.detail);
    assert_int_equal(exited(&report, sizeof report).outcome, SANDBOX_RUNNER_FAILED);
}

static void signals_have_their_meaning(void **state)
{
    (void)state;
    assert_int_equal(killed_by(SIGXCPU, 2000, "").outcome, SANDBOX_CPU_LIMIT);
    assert_int_equal(killed_by(SIGKILL, 2000, "").outcome, SANDBOX_CPU_LIMIT);
    assert_int_equal(killed_by(SIGKILL, 1999, "").outcome, SANDBOX_RUNNER_FAILED);
    assert_int_equal(killed_by(SIGXFSZ, 0, "").outcome, SANDBOX_OUTPUT_LIMIT);
    assert_int_equal(killed_by(SIGSEGV, 0, "").outcome, SANDBOX_RUNNER_FAILED);
    assert_int_equal(killed_by(SIGABRT, 0, "").outcome, SANDBOX_RUNNER_FAILED);
    assert_int_equal(killed_by(SIGABRT, 0, "x\nmemory allocation of 9 bytes failed\n").outcome,
                     SANDBOX_MEMORY_LIMIT);
}

/* ---- compiled files ---- */

static void compiled_file_is_what_was_compiled(void **state)
{
    (void)state;
    char file[COMPILED_HEAD_SIZE + 3];
    struct view code;
    compiled_file_head(view_text("abc"), file);
    memcpy(file + COMPILED_HEAD_SIZE, "abc", 3);
    /* BLAKE2b-256 of "abc" */
    assert_memory_equal(file,
                        "fml-code-1 bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d523"
                        "19\n",
                        COMPILED_HEAD_SIZE);
    assert_true(compiled_file_code(view_of(file, sizeof file), &code));
    assert_true(view_equal(code, view_text("abc")));

    code = view_text("untouched");
    for (size_t bit = 0; bit < 8 * sizeof file; bit++) {
        file[bit / 8] ^= (char)(1 << (bit % 8));
        assert_false(compiled_file_code(view_of(file, sizeof file), &code));
        file[bit / 8] ^= (char)(1 << (bit % 8));
    }
    for (size_t size = 0; size < sizeof file; size++)
        assert_false(compiled_file_code(view_of(file, size), &code));
    assert_true(view_equal(code, view_text("untouched")));
}

/* ---- folder usage ---- */

static void make_file(const char *folder, const char *name, off_t size)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), size), 0);
    assert_int_equal(fclose(f), 0);
}

static void usage_counts_files_folders_and_links_once(void **state)
{
    (void)state;
    char root[] = "/tmp/fml-usage-XXXXXX", inner[64], link[64], file[80];
    assert_non_null(mkdtemp(root));
    assert_true(folder_usage(root) == 0);
    make_file(root, "large", 10000);
    make_file(root, "small", 1);
    (void)snprintf(inner, sizeof inner, "%s/inner", root);
    assert_int_equal(mkdir(inner, 0700), 0);
    make_file(inner, "file", 5000);
    (void)snprintf(link, sizeof link, "%s/link", root);
    assert_int_equal(symlink("/", link), 0); /* counted, not followed */
    /* 10000 + 4096 (small) + 4096 (inner) + 5000 + 4096 (link) */
    assert_true(folder_usage(root) == 27288);

    assert_int_equal(unlink(link), 0);
    (void)snprintf(file, sizeof file, "%s/file", inner);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_true(folder_usage(root) == 14096);
    (void)snprintf(file, sizeof file, "%s/large", root);
    assert_int_equal(unlink(file), 0);
    (void)snprintf(file, sizeof file, "%s/small", root);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(root), 0);
    assert_true(folder_usage(root) == 0); /* nothing there */
}

static void too_deep_is_over_any_limit(void **state)
{
    (void)state;
    char path[512] = "/tmp/fml-deep-XXXXXX";
    assert_non_null(mkdtemp(path));
    size_t root = strlen(path);
    for (int i = 1; i < FOLDER_DEPTH_MAX; i++) {
        strcat(path, "/d");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    char deepest[520];
    (void)snprintf(deepest, sizeof deepest, "%s/d", path);
    path[root] = '\0';
    assert_true(folder_usage(path) == (FOLDER_DEPTH_MAX - 1) * 4096);
    assert_int_equal(mkdir(deepest, 0700), 0);
    assert_true(folder_usage(path) == UINT64_MAX);
    for (size_t end = strlen(deepest); end >= root; end -= 2) {
        deepest[end] = '\0';
        assert_int_equal(rmdir(deepest), 0);
    }
}

static void removed_files_that_are_open_are_seen(void **state)
{
    (void)state;
    uint64_t before = removed_files_usage(getpid());
    char path[] = "/tmp/fml-removed-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 12345), 0);
    assert_true(removed_files_usage(getpid()) == before);
    assert_int_equal(unlink(path), 0);
    assert_true(removed_files_usage(getpid()) == before + 12345);
    close(fd);
    assert_true(removed_files_usage(getpid()) == before);
}

static void outcomes_have_codes_and_the_tag_is_a_file_name(void **state)
{
    (void)state;
    assert_string_equal(sandbox_outcome_code(SANDBOX_OK), "ok");
    assert_string_equal(sandbox_outcome_code(SANDBOX_INVALID_MODULE), "image_invalid");
    assert_string_equal(sandbox_outcome_code(SANDBOX_RUNNER_FAILED), "runner_failed");
    assert_string_equal(sandbox_outcome_code((enum sandbox_outcome)99), "unknown");
    const char *tag = sandbox_cache_tag();
    assert_true(strlen(tag) > 10 && strlen(tag) < 64);
    assert_int_equal(strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789.-"), strlen(tag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_keeps_the_first_bytes_and_says_when_there_are_more),
        cmocka_unit_test(tail_keeps_the_last_bytes_whatever_the_pieces),
        cmocka_unit_test(tail_of_nothing_keeps_nothing),
        cmocka_unit_test(job_survives_its_text),
        cmocka_unit_test(spoiled_job_is_refused_and_changes_nothing),
        cmocka_unit_test(report_is_believed_if_it_is_one),
        cmocka_unit_test(names_in_a_report_become_printable),
        cmocka_unit_test(false_report_is_no_report),
        cmocka_unit_test(signals_have_their_meaning),
        cmocka_unit_test(compiled_file_is_what_was_compiled),
        cmocka_unit_test(usage_counts_files_folders_and_links_once),
        cmocka_unit_test(too_deep_is_over_any_limit),
        cmocka_unit_test(removed_files_that_are_open_are_seen),
        cmocka_unit_test(outcomes_have_codes_and_the_tag_is_a_file_name),
    };
    return cmocka_run_group_tests_name("sandbox/parts", tests, NULL, NULL);
}
