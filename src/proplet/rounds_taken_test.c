/* Checks that the count of rounds is never less than it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "proplet/rounds_taken.h"

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-rounds-XXXXXX");
    (void)snprintf(path, sizeof path, "%s/rounds_taken", mkdtemp(folder) == NULL ? "" : folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder) != ST_OK;
}

static void it_goes_on_where_another_life_left_it(void **state)
{
    (void)state;
    struct rounds_taken r;
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(rounds_taken_open(&r, path, NULL), ST_OK);
        assert_int_equal(r.count, i);
        assert_int_equal(rounds_taken_add(&r), ST_OK);
        assert_int_equal(r.count, i + 1);
    }
}

static void a_count_that_cannot_be_written_does_not_change(void **state)
{
    (void)state;
    struct rounds_taken r;
    assert_int_equal(rounds_taken_open(&r, path, NULL), ST_OK);
    assert_int_equal(file_remove_tree(folder), ST_OK);
    assert_int_equal(rounds_taken_add(&r), ST_IO);
    assert_int_equal(r.count, 0);
}

static void a_damaged_one_is_not_none(void **state)
{
    (void)state;
    struct rounds_taken r;
    struct why why = {""};
    struct bytes file = {0};
    assert_int_equal(rounds_taken_open(&r, path, NULL), ST_OK);
    assert_int_equal(rounds_taken_add(&r), ST_OK);
    assert_int_equal(file_read(path, 4096, &file), ST_OK);
    for (size_t i = 0; i < file.size; i++) {
        file.data[i] ^= 1;
        assert_int_equal(file_write(path, bytes_view(&file)), ST_OK);
        assert_int_equal(rounds_taken_open(&r, path, &why), ST_CORRUPT);
        assert_non_null(strstr(why.text, "remove it"));
        file.data[i] ^= 1;
    }
    assert_int_equal(file_write(path, view_text("")), ST_OK);
    assert_int_equal(rounds_taken_open(&r, path, &why), ST_CORRUPT);
    bytes_done(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_goes_on_where_another_life_left_it),
        TEST(a_count_that_cannot_be_written_does_not_change),
        TEST(a_damaged_one_is_not_none),
    };
    return cmocka_run_group_tests_name("proplet/rounds_taken", tests, NULL, NULL);
}
