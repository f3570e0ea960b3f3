/* Checks memory.c: what was saved is loaded, and a file that is not ours is said
 * and left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "manager/memory.h"

struct fixture {
    char folder[64];
    char path[128];
    struct proplets *proplets;
    struct ring *launches;
};

static void fresh_tables(struct fixture *f)
{
    proplets_free(f->proplets);
    ring_free(f->launches);
    assert_int_equal(proplets_new(2, 10000, 15000, &f->proplets), ST_OK);
    assert_int_equal(ring_new(3, &f->launches), ST_OK);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.folder = "/tmp/fml-memory-XXXXXX"};
    if (mkdtemp(f.folder) == NULL)
        return -1;
    (void)snprintf(f.path, sizeof f.path, "%s/memory.json", f.folder);
    fresh_tables(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->proplets = proplets_free(f->proplets);
    f->launches = ring_free(f->launches);
    return file_remove_tree(f->folder) == ST_OK ? 0 : -1;
}

static void what_was_saved_is_loaded(void **state)
{
    struct fixture *f = *state;
    struct id a = {"a"}, b = {"b"};
    struct why why;
    size_t cursor = 0;
    assert_int_equal(proplets_heard(f->proplets, &a, START_OWN, "{}", 5, NULL), ST_OK);
    assert_int_equal(proplets_heard(f->proplets, &b, START_SHARED, NULL, 5, NULL), ST_OK);
    assert_int_equal(ring_put(f->launches, "j2", NULL), ST_OK);
    assert_int_equal(ring_put(f->launches, "j1", NULL), ST_OK);
    assert_int_equal(memory_save(f->path, f->proplets, f->launches), ST_OK);

    fresh_tables(f);
    assert_int_equal(memory_load(f->path, f->proplets, f->launches, &why), ST_OK);
    assert_int_equal(proplets_count(f->proplets), 2);
    assert_int_equal(proplets_find(f->proplets, &a)->state, PROPLET_EXPECTED);
    assert_int_equal(proplets_find(f->proplets, &a)->start_topic, START_OWN);
    assert_int_equal(proplets_find(f->proplets, &b)->start_topic, START_SHARED);
    assert_string_equal(ring_next(f->launches, &cursor), "j2");
    assert_string_equal(ring_next(f->launches, &cursor), "j1");
    assert_null(ring_next(f->launches, &cursor));
}

static void who_is_lost_is_not_expected_back(void **state)
{
    struct fixture *f = *state;
    struct id a = {"a"}, b = {"b"};
    struct why why;
    assert_int_equal(proplets_heard(f->proplets, &a, START_OWN, NULL, 0, NULL), ST_OK);
    assert_int_equal(proplets_heard(f->proplets, &b, START_OWN, NULL, 50000, NULL), ST_OK);
    assert_true(proplets_check(f->proplets, 0, 50000)); /* 35 s and 15 s */
    assert_int_equal(memory_save(f->path, f->proplets, f->launches), ST_OK);
    fresh_tables(f);
    assert_int_equal(memory_load(f->path, f->proplets, f->launches, &why), ST_OK);
    assert_null(proplets_find(f->proplets, &a));
    assert_non_null(proplets_find(f->proplets, &b));
}

static void no_file_is_a_first_start(void **state)
{
    struct fixture *f = *state;
    struct why why;
    assert_int_equal(memory_load(f->path, f->proplets, f->launches, &why), ST_OK);
    assert_int_equal(proplets_count(f->proplets), 0);
    assert_int_equal(ring_count(f->launches), 0);
}

static void what_does_not_fit_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct why why;
    assert_int_equal(
        file_write(f->path, view_text("{\"launches\":[\"1\",\"2\",\"3\",\"4\"],\"proplets\":["
                                      "{\"proplet_id\":\"a\"},{\"proplet_id\":\"b\"},"
                                      "{\"proplet_id\":\"c\"}]}")),
        ST_OK);
    assert_int_equal(memory_load(f->path, f->proplets, f->launches, &why), ST_OK);
    assert_int_equal(proplets_count(f->proplets), 2);
    assert_false(ring_find(f->launches, "1", NULL)); /* the oldest */
    assert_true(ring_find(f->launches, "4", NULL));
}

static void a_file_that_is_not_ours_is_said(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"launches\":[]}",
                                      "{\"launches\":[7],\"proplets\":[]}",
                                      "{\"launches\":[\"a/b\"],\"proplets\":[]}",
                                      "{\"launches\":[],\"proplets\":[7]}",
                                      "{\"launches\":[],\"proplets\":[{}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct why why = {""};
        assert_int_equal(file_write(f->path, view_text(bad[i])), ST_OK);
        assert_int_equal(memory_load(f->path, f->proplets, f->launches, &why), ST_MALFORMED);
        assert_non_null(strstr(why.text, "memory.json cannot be used"));
    }
    struct why why = {""};
    assert_int_equal(memory_load(f->folder, f->proplets, f->launches, &why), ST_IO);
    assert_int_equal(memory_save("/proc/none/memory.json", f->proplets, f->launches), ST_IO);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),        TEST(who_is_lost_is_not_expected_back),
        TEST(no_file_is_a_first_start),        TEST(what_does_not_fit_is_left_out),
        TEST(a_file_that_is_not_ours_is_said),
    };
    return cmocka_run_group_tests_name("manager/memory", tests, NULL, NULL);
}
