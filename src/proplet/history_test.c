/* Checks what is remembered of ended tasks, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proplet/history.h"
#include "proplet/limits.h"

static struct id numbered(size_t n)
{
    struct id id = {0};
    (void)snprintf(id.text, sizeof id.text, "task-%zu", n);
    return id;
}

static char *text(const char *content)
{
    char *copy = strdup(content);
    assert_non_null(copy);
    return copy;
}

static int setup(void **state)
{
    struct history *h = NULL;
    int failed = history_new(&h) != ST_OK;
    *state = h;
    return failed;
}

static int teardown(void **state)
{
    *state = history_free(*state);
    return 0;
}

static void results_are_found_by_task(void **state)
{
    struct history *h = *state;
    struct id one = numbered(1), two = numbered(2), three = numbered(3);
    history_add(h, &one, text("first"));
    history_add(h, &two, text("second"));
    assert_string_equal(history_find(h, &one), "first");
    assert_string_equal(history_find(h, &two), "second");
    assert_null(history_find(h, &three));
}

static void the_last_256_are_remembered(void **state)
{
    struct history *h = *state;
    for (size_t i = 0; i < HISTORY_TASKS_MAX + 10; i++) {
        struct id id = numbered(i);
        history_add(h, &id, text("x"));
    }
    assert_int_equal(history_count(h), 256);
    struct id gone = numbered(9), kept = numbered(10), newest = numbered(265);
    assert_null(history_find(h, &gone));
    assert_non_null(history_find(h, &kept));
    assert_non_null(history_find(h, &newest));
}

static void long_results_push_out_the_oldest(void **state)
{
    struct history *h = *state;
    struct id one = numbered(1), two = numbered(2), three = numbered(3);
    size_t size = HISTORY_BYTES_MAX / 2;
    for (size_t i = 1; i <= 2; i++) {
        char *large = calloc(1, size + 1);
        assert_non_null(large);
        memset(large, 'x', size);
        history_add(h, i == 1 ? &one : &two, large);
    }
    assert_int_equal(history_count(h), 2);
    history_add(h, &three, text("y"));
    assert_int_equal(history_count(h), 2);
    assert_null(history_find(h, &one));
    assert_string_equal(history_find(h, &three), "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_are_found_by_task, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_256_are_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(long_results_push_out_the_oldest, setup, teardown),
    };
    return cmocka_run_group_tests_name("proplet/history", tests, NULL, NULL);
}
