/* Checks ring.c: it remembers as many as it has room for, the newest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limits.h"
#include "manager/ring.h"

static void forgets_the_oldest_when_full(void **state)
{
    (void)state;
    struct ring *r;
    assert_int_equal(ring_new(2, &r), ST_OK);
    assert_int_equal(ring_put(r, "a", NULL), ST_OK);
    assert_int_equal(ring_put(r, "b", NULL), ST_OK);
    assert_int_equal(ring_put(r, "c", NULL), ST_OK);
    assert_false(ring_find(r, "a", NULL));
    assert_true(ring_find(r, "b", NULL));
    assert_true(ring_find(r, "c", NULL));
    assert_int_equal(ring_count(r), 2);
    assert_null(ring_free(r));
}

static void the_same_text_gets_the_new_digest_and_pushes_nothing_out(void **state)
{
    (void)state;
    struct ring *r;
    struct digest one = digest_of(view_text("1")), two = digest_of(view_text("2")), got;
    assert_int_equal(ring_new(2, &r), ST_OK);
    assert_int_equal(ring_put(r, "a", &one), ST_OK);
    assert_int_equal(ring_put(r, "b", &one), ST_OK);
    assert_int_equal(ring_put(r, "a", &two), ST_OK);
    assert_int_equal(ring_count(r), 2);
    assert_true(ring_find(r, "a", &got));
    assert_true(digest_equal(&got, &two));
    assert_true(ring_find(r, "b", &got));
    assert_true(digest_equal(&got, &one));
    ring_free(r);
}

static void what_is_forgotten_leaves_the_others(void **state)
{
    (void)state;
    struct ring *r;
    assert_int_equal(ring_new(3, &r), ST_OK);
    assert_int_equal(ring_put(r, "a", NULL), ST_OK);
    assert_int_equal(ring_put(r, "b", NULL), ST_OK);
    ring_forget(r, "a");
    ring_forget(r, "never there");
    assert_false(ring_find(r, "a", NULL));
    assert_true(ring_find(r, "b", NULL));
    assert_int_equal(ring_count(r), 1);
    ring_free(r);
    assert_null(ring_free(NULL));
}

static void a_walk_goes_from_the_oldest_to_the_newest(void **state)
{
    (void)state;
    struct ring *r;
    size_t cursor = 0;
    assert_int_equal(ring_new(3, &r), ST_OK);
    assert_null(ring_next(r, &cursor));
    for (const char *text = "abcd"; *text != '\0'; text++) /* a is pushed out */
        assert_int_equal(ring_put(r, (char[]){*text, '\0'}, NULL), ST_OK);
    ring_forget(r, "c");
    cursor = 0;
    assert_string_equal(ring_next(r, &cursor), "b");
    assert_string_equal(ring_next(r, &cursor), "d");
    assert_null(ring_next(r, &cursor));
    ring_free(r);
}

static void ten_thousand_launches_are_remembered(void **state)
{
    (void)state;
    struct ring *r;
    char text[32];
    assert_int_equal(ring_new(LAUNCHES_SEEN_MAX, &r), ST_OK);
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof text, "launch-%d", i);
        assert_int_equal(ring_put(r, text, NULL), ST_OK);
    }
    assert_true(ring_find(r, "launch-0", NULL));
    assert_true(ring_find(r, "launch-9999", NULL));
    assert_false(ring_find(r, "launch-10000", NULL));
    ring_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_the_oldest_when_full),
        cmocka_unit_test(the_same_text_gets_the_new_digest_and_pushes_nothing_out),
        cmocka_unit_test(what_is_forgotten_leaves_the_others),
        cmocka_unit_test(a_walk_goes_from_the_oldest_to_the_newest),
        cmocka_unit_test(ten_thousand_launches_are_remembered),
    };
    return cmocka_run_group_tests_name("manager/ring", tests, NULL, NULL);
}
