/* Checks that a blob is what its name says or is not handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/blobs.h"
#include "io/file.h"

static char folder[64];

static int setup(void **state)
{
    (void)strcpy(folder, "/tmp/fml-blobs-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct blobs *b;
    if (blobs_open(folder, &b) != ST_OK)
        return -1;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    blobs_close(*state);
    return file_remove_tree(folder) == ST_OK ? 0 : -1;
}

static void put_then_get(void **state)
{
    struct blobs *b = *state;
    struct digest d, again;
    struct bytes out = {0};
    assert_int_equal(blobs_put(b, view_text("abc"), &d), ST_OK);
    assert_int_equal(blobs_put(b, view_text("abc"), &again), ST_OK);
    assert_true(digest_equal(&d, &again));
    assert_true(blobs_has(b, &d));
    assert_int_equal(blobs_get(b, &d, 3, &out), ST_OK);
    assert_true(view_equal(bytes_view(&out), view_text("abc")));
    bytes_done(&out);
}

static void what_is_not_there_or_too_large_is_refused(void **state)
{
    struct blobs *b = *state;
    struct digest d = digest_of(view_text("abc"));
    struct bytes out = {0};
    assert_int_equal(blobs_get(b, &d, 100, &out), ST_NOT_FOUND);
    assert_false(blobs_has(b, &d));
    assert_int_equal(blobs_put(b, view_text("abc"), NULL), ST_OK);
    assert_int_equal(blobs_get(b, &d, 2, &out), ST_LIMIT);
    assert_int_equal(out.size, 0);
}

static void a_flipped_bit_is_found_and_a_new_put_repairs_it(void **state)
{
    struct blobs *b = *state;
    struct digest d;
    struct bytes out = {0};
    char path[PATH_MAX];
    assert_int_equal(blobs_put(b, view_text("abc"), &d), ST_OK);
    assert_int_equal(blobs_path(b, &d, path, sizeof path), ST_OK);
    assert_int_equal(file_write(path, view_text("abb")), ST_OK);
    assert_int_equal(blobs_get(b, &d, 100, &out), ST_CORRUPT);
    assert_int_equal(out.size, 0);
    assert_int_equal(blobs_put(b, view_text("abc"), NULL), ST_OK);
    assert_int_equal(blobs_get(b, &d, 100, &out), ST_OK);
    bytes_done(&out);
}

static void removed_is_gone_and_twice_is_fine(void **state)
{
    struct blobs *b = *state;
    struct digest d;
    assert_int_equal(blobs_put(b, view_text("abc"), &d), ST_OK);
    assert_int_equal(blobs_remove(b, &d), ST_OK);
    assert_false(blobs_has(b, &d));
    assert_int_equal(blobs_remove(b, &d), ST_OK);
}

static void a_folder_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct blobs *b = NULL;
    assert_int_equal(blobs_open("/proc/none/such", &b), ST_IO);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_then_get, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_or_too_large_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_found_and_a_new_put_repairs_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(removed_is_gone_and_twice_is_fine, setup, teardown),
        cmocka_unit_test(a_folder_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("io/blobs", tests, NULL, NULL);
}
