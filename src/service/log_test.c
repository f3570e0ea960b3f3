/* Checks that no value from outside can forge or break a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/log.h"

/* What a call wrote to standard error. */
static char written[4096];

static void capture(void (*write_lines)(void))
{
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    int saved = dup(STDERR_FILENO);
    (void)dup2(pipe_ends[1], STDERR_FILENO);
    write_lines();
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(pipe_ends[1]);
    ssize_t size = read(pipe_ends[0], written, sizeof written - 1);
    written[size > 0 ? size : 0] = '\0';
    (void)close(pipe_ends[0]);
}

static void one_event(void)
{
    log_line(LOG_INFO, "round.closed", "round=%s updates=%d", log_quote("r-1"), 3);
}

static void a_line_has_time_level_event_and_pairs(void **state)
{
    (void)state;
    capture(one_event);
    assert_int_equal(strlen(written), strlen("2026-11-24T21:57:12.345Z info round.closed "
                                             "round=r-1 updates=3\n"));
    assert_string_equal(written + 24, " info round.closed round=r-1 updates=3\n");
    assert_true(written[23] == 'Z' && written[10] == 'T');
}

static void a_forged_line(void)
{
    log_line(LOG_WARN, "x", "id=%s", log_quote("a\n2026 error fake \"q\" \\ \x01 k=v"));
}

static void control_bytes_and_quotes_are_escaped(void **state)
{
    (void)state;
    capture(a_forged_line);
    assert_non_null(strstr(written, "id=\"a\\x0a2026 error fake \\\"q\\\" \\\\ \\x01 k=v\"\n"));
    assert_int_equal(strchr(written, '\n') - written, (ptrdiff_t)strlen(written) - 1);
    assert_string_equal(log_quote(""), "\"\"");
    assert_string_equal(log_quote("plain-1.2:x"), "plain-1.2:x");
}

static void below_the_level(void)
{
    log_line(LOG_DEBUG, "never", "%s", "");
    log_level_set(LOG_ERROR);
    log_line(LOG_WARN, "never", "%s", "");
    log_line(LOG_ERROR, "once", "%s", "");
    log_level_set(LOG_INFO);
}

static void only_the_asked_levels_are_written(void **state)
{
    (void)state;
    enum log_level level = LOG_WARN;
    capture(below_the_level);
    assert_null(strstr(written, "never"));
    assert_non_null(strstr(written, "error once\n"));
    assert_int_equal(log_level_parse("debug", &level), ST_OK);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), ST_INVALID);
    assert_int_equal(level, LOG_DEBUG);
}

static char big[8000];

static void a_long_line(void)
{
    log_line(LOG_INFO, "long", "text=%s", big);
}

static void a_long_value_is_cut_and_the_line_still_ends(void **state)
{
    (void)state;
    memset(big, 'a', sizeof big - 1);
    assert_true(strlen(log_quote(big)) < LOG_QUOTE_SIZE);
    capture(a_long_line);
    assert_true(strlen(written) < 2048);
    assert_true(written[strlen(written) - 1] == '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_pairs),
        cmocka_unit_test(control_bytes_and_quotes_are_escaped),
        cmocka_unit_test(only_the_asked_levels_are_written),
        cmocka_unit_test(a_long_value_is_cut_and_the_line_still_ends),
    };
    return cmocka_run_group_tests_name("service/log", tests, NULL, NULL);
}
