/* Child processes: start, environment, log, end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/process.h"
#include "io/file.h"

static void run_shell(const char *script, const char *const *variables, const char *log,
                      int *ret_status)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct process_spec spec = {.argv = argv, .variables = variables, .log_path = log};
    pid_t pid;
    assert_int_equal(process_start(&spec, &pid, NULL), ST_OK);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
}

static void both_outputs_are_appended_to_the_log(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-process-XXXXXX";
    int fd = mkstemp(path), end;
    assert_true(fd >= 0);
    (void)close(fd);
    run_shell("echo one; echo two >&2", NULL, path, &end);
    run_shell("echo three", NULL, path, &end);
    struct bytes text = {0};
    assert_int_equal(file_read(path, 1000, &text), ST_OK);
    assert_true(view_equal(bytes_view(&text), view_text("one\ntwo\nthree\n")));
    bytes_done(&text);
    (void)unlink(path);
}

static void variables_replace_ours_and_the_rest_stays(void **state)
{
    (void)state;
    assert_int_equal(setenv("FML_TEST_A", "outer", 1), 0);
    assert_int_equal(setenv("FML_TEST_B", "kept", 1), 0);
    const char *const variables[] = {"FML_TEST_A=inner", "FML_TEST_C=new", NULL};
    int end;
    run_shell("test \"$FML_TEST_A$FML_TEST_B$FML_TEST_C\" = innerkeptnew", variables, NULL, &end);
    assert_int_equal(end, 0);
}

static void child_leads_a_group_of_its_own_and_reads_nothing(void **state)
{
    (void)state;
    int end;
    run_shell("test \"$(ps -o pgid= -p $$ | tr -d ' ')\" = $$ && ! read line", NULL, NULL, &end);
    assert_int_equal(end, 0);
}

static void a_program_that_is_not_there_is_said_at_once(void **state)
{
    (void)state;
    const char *const argv[] = {"/nowhere/program", NULL};
    const struct process_spec spec = {.argv = argv};
    struct why why = {""};
    pid_t pid = 42;
    assert_int_equal(process_start(&spec, &pid, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "/nowhere/program"));
    assert_int_equal(pid, 42);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing was left to reap */
}

static void a_file_that_is_no_program_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-process-XXXXXX";
    int fd = mkstemp(path); /* its mode is 0600 */
    assert_true(fd >= 0);
    (void)close(fd);
    const char *const argv[] = {path, NULL};
    const struct process_spec spec = {.argv = argv};
    pid_t pid = 42;
    assert_int_equal(process_start(&spec, &pid, NULL), ST_IO);
    assert_int_equal(pid, 42);
    (void)unlink(path);
}

static void ends_are_told_apart(void **state)
{
    (void)state;
    char text[PROCESS_TEXT_SIZE];
    int end;
    run_shell("exit 3", NULL, NULL, &end);
    assert_string_equal(process_end_text(end, text), "exit status 3");
    run_shell("kill -9 $$", NULL, NULL, &end);
    assert_string_equal(process_end_text(end, text), "killed by signal 9 (Killed)");
}

/* The child's child tells over a pipe that stays open as long as it lives. */
static void child_does_not_outlive_its_parent(void **state)
{
    (void)state;
    int lives[2];
    char byte;
    assert_int_equal(pipe(lives), 0); /* inherited */
    pid_t parent = fork();
    if (parent == 0) {
        const char *const argv[] = {"sleep", "600", NULL};
        const struct process_spec spec = {.argv = argv};
        pid_t child;
        (void)close(lives[0]);
        if (process_start(&spec, &child, NULL) != ST_OK)
            _exit(1);
        if (write(lives[1], "x", 1) != 1)
            _exit(1);
        (void)raise(SIGKILL);
    }
    (void)close(lives[1]);
    assert_int_equal(read(lives[0], &byte, 1), 1);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(read(lives[0], &byte, 1), 0); /* its end: nobody holds it any more */
    (void)close(lives[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_outputs_are_appended_to_the_log),
        cmocka_unit_test(variables_replace_ours_and_the_rest_stays),
        cmocka_unit_test(child_leads_a_group_of_its_own_and_reads_nothing),
        cmocka_unit_test(a_program_that_is_not_there_is_said_at_once),
        cmocka_unit_test(a_file_that_is_no_program_is_refused),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(child_does_not_outlive_its_parent),
    };
    return cmocka_run_group_tests_name("cli/process", tests, NULL, NULL);
}
