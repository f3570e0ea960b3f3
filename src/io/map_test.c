/* Checks mapped files against what was written, and what cannot be mapped. */
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
#include "io/map.h"

static void maps_what_was_written(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-map-XXXXXX";
    int fd = mkstemp(path);
    struct view v = view_of(NULL, 0);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(map_open(path, 100, &v), ST_INVALID);
    assert_int_equal(file_write(path, view_text("federated")), ST_OK);
    assert_int_equal(map_open(path, 8, &v), ST_LIMIT);
    assert_null(v.data);
    assert_int_equal(map_open(path, 9, &v), ST_OK);
    assert_true(view_equal(v, view_text("federated")));
    /* What is put in its place is another file. */
    assert_int_equal(file_write(path, view_text("other")), ST_OK);
    assert_true(view_equal(v, view_text("federated")));
    map_close(&v);
    assert_null(v.data);
    map_close(&v);
    map_close(NULL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(map_open(path, 9, &v), ST_NOT_FOUND);
    assert_int_equal(map_open("/tmp", 9, &v), ST_IO);
    assert_null(v.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_what_was_written),
    };
    return cmocka_run_group_tests_name("io/map", tests, NULL, NULL);
}
