/* Checks where a setting comes from, and every way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/options.h"

static const char *name;
static uint64_t count;
static double rate;
static bool loud;

static struct option_spec specs[] = {
    {.flag = "name",
     .env = "FML_TEST_NAME",
     .fallback = "none",
     .help = "a name",
     .value = "N",
     .kind = OPTION_TEXT,
     .target = &name},
    {.flag = "count",
     .fallback = "7",
     .help = "a count",
     .value = "N",
     .kind = OPTION_NUMBER,
     .target = &count,
     .min = 1,
     .max = 100},
    {.flag = "rate", .help = "a rate", .value = "R", .kind = OPTION_REAL, .target = &rate},
    {.flag = "loud", .help = "loudly", .kind = OPTION_SWITCH, .target = &loud},
};
static const struct options table = {
    .program = "test", .summary = "a test", .usage = "[options]", .specs = specs, .count = 4};

static int rest;
static bool only; /* options_read_only() is asked */

/* Runs the reader with what it says thrown away. */
static enum options_result read_args(char **argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    (void)fflush(stdout);
    int out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY);
    (void)dup2(null, 1);
    (void)dup2(null, 2);
    enum options_result result =
        only ? options_read_only(&table, argc, argv) : options_read(&table, argc, argv, &rest);
    (void)fflush(stdout);
    (void)dup2(out, 1);
    (void)dup2(err, 2);
    (void)close(out);
    (void)close(err);
    (void)close(null);
    return result;
}

static int setup(void **state)
{
    (void)state;
    (void)unsetenv("FML_TEST_NAME");
    name = "untouched";
    count = 0;
    rate = -1;
    loud = false;
    rest = -1;
    only = false;
    return 0;
}

/* options_id() with what it says in text. */
static bool read_id(const char *text, struct id *ret, char said[256])
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    int err = dup(2);
    (void)dup2(pipes[1], 2);
    bool good = options_id("fml-test", "id", text, ret);
    (void)fflush(stderr);
    (void)dup2(err, 2);
    (void)close(err);
    (void)close(pipes[1]);
    ssize_t size = read(pipes[0], said, 255);
    said[size > 0 ? size : 0] = '\0';
    (void)close(pipes[0]);
    return good;
}

static void an_id_is_read_or_named(void **state)
{
    (void)state;
    struct id id = {"before"};
    char said[256];
    assert_true(read_id("p-1", &id, said));
    assert_string_equal(id.text, "p-1");
    assert_string_equal(said, "");
    static const char *const wrong[] = {"", "a b", ".hidden", "a/b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(read_id(wrong[i], &id, said));
        assert_string_equal(id.text, "p-1");
        assert_int_equal(strncmp(said, "fml-test: --id is not an id: ", 29), 0);
    }
}

static void a_program_beside_this_one_is_found_in_its_folder(void **state)
{
    (void)state;
    char room[4096], small[4];
    const char *path = options_beside("fml-runner", room, sizeof room);
    assert_ptr_equal(path, room);
    assert_int_equal(path[0], '/');
    assert_string_equal(strrchr(path, '/'), "/fml-runner");
    assert_string_equal(options_beside("fml-runner", small, sizeof small), "fml-runner");
}

static void defaults_apply(void **state)
{
    (void)state;
    char *argv[] = {"test", NULL};
    assert_int_equal(read_args(argv), OPTIONS_RUN);
    assert_string_equal(name, "none");
    assert_int_equal(count, 7);
    assert_true(rate == -1.0); /* no default: untouched */
    assert_int_equal(rest, 0);
}

static void environment_beats_default_and_command_line_beats_both(void **state)
{
    (void)state;
    char *plain[] = {"test", NULL};
    char *flag[] = {"test", "--name=flag", NULL};
    (void)setenv("FML_TEST_NAME", "env", 1);
    assert_int_equal(read_args(plain), OPTIONS_RUN);
    assert_string_equal(name, "env");
    assert_int_equal(read_args(flag), OPTIONS_RUN);
    assert_string_equal(name, "flag");
}

static void both_spellings_and_the_rest_in_order(void **state)
{
    (void)state;
    char *argv[] = {"test",   "a",          "--count", "9",       "b",
                    "--loud", "--rate=2.5", "--",      "--count", NULL};
    assert_int_equal(read_args(argv), OPTIONS_RUN);
    assert_int_equal(count, 9);
    assert_true(loud);
    assert_true(rate == 2.5);
    assert_int_equal(rest, 3);
    assert_string_equal(argv[1], "a");
    assert_string_equal(argv[2], "b");
    assert_string_equal(argv[3], "--count");
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    char *bad[][4] = {
        {"test", "--none", NULL},   {"test", "--count", "0"},  {"test", "--count", "101"},
        {"test", "--count", "1x"},  {"test", "--count", "-1"}, {"test", "--count", NULL},
        {"test", "--rate", "nan"},  {"test", "--rate", ""},    {"test", "-name", "x"},
        {"test", "--count", "1e3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_args(bad[i]), OPTIONS_WRONG);
        assert_int_equal(count, 7);
        assert_true(rate == -1.0);
        assert_int_equal(rest, -1);
    }
}

static void a_program_without_arguments_refuses_words(void **state)
{
    (void)state;
    char *word[] = {"test", "--count", "9", "word", NULL};
    char *none[] = {"test", "--count", "8", NULL};
    only = true;
    assert_int_equal(read_args(word), OPTIONS_WRONG);
    assert_int_equal(read_args(none), OPTIONS_RUN);
    assert_int_equal(count, 8);
}

static void a_required_option_must_be_given(void **state)
{
    (void)state;
    char *without[] = {"test", NULL};
    char *with[] = {"test", "--rate", "1", NULL};
    specs[2].required = true;
    assert_int_equal(read_args(without), OPTIONS_WRONG);
    assert_int_equal(read_args(with), OPTIONS_RUN);
    specs[2].required = false;
}

static void help_and_version_end_it_before_anything_is_judged(void **state)
{
    (void)state;
    char *help[] = {"test", "--none", "--help", NULL};
    char *version[] = {"test", "--version", NULL};
    assert_int_equal(read_args(help), OPTIONS_DONE);
    assert_int_equal(read_args(version), OPTIONS_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_read_or_named),
        cmocka_unit_test(a_program_beside_this_one_is_found_in_its_folder),
        cmocka_unit_test_setup(defaults_apply, setup),
        cmocka_unit_test_setup(environment_beats_default_and_command_line_beats_both, setup),
        cmocka_unit_test_setup(both_spellings_and_the_rest_in_order, setup),
        cmocka_unit_test_setup(mistakes_are_refused, setup),
        cmocka_unit_test_setup(a_program_without_arguments_refuses_words, setup),
        cmocka_unit_test_setup(a_required_option_must_be_given, setup),
        cmocka_unit_test_setup(help_and_version_end_it_before_anything_is_judged, setup),
    };
    return cmocka_run_group_tests_name("service/options", tests, NULL, NULL);
}
