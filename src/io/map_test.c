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

static void what_is_written_in_a_map_is_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-map-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(file_write(path, view_text("what was there before")), ST_OK);
    uint8_t *data = NULL;
    assert_int_equal(map_create(path, 10000, &data), ST_OK);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(data[i], 0);
    memcpy(data + 9000, "here", 4);
    struct view v = view_of(data, 10000);
    map_let_go(v, v);
    assert_memory_equal(data + 9000, "here", 4);
    assert_int_equal(map_sync(data, 10000), ST_OK);
    map_close(&v);
    assert_int_equal(map_open(path, 10000, &v), ST_OK);
    assert_int_equal(v.size, 10000);
    assert_memory_equal(v.data + 9000, "here", 4);
    map_close(&v);
    assert_int_equal(unlink(path), 0);
}

static void a_file_that_has_no_room_is_not_made(void **state)
{
    (void)state;
    uint8_t *data = NULL;
    assert_int_equal(map_create("/tmp/fml-no-such-folder/x", 10, &data), ST_IO);
    char path[] = "/tmp/fml-map-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    /* More than any disk has. */
    assert_int_equal(map_create(path, (size_t)8 << 40, &data), ST_FULL);
    assert_null(data);
    assert_int_equal(access(path, F_OK), -1);
}

/* Pages of v that are in this process's memory now, as the kernel counts them. */
static size_t resident_kb(void)
{
    size_t kb = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "RssFile: %zu", &kb);
    (void)fclose(f);
    return kb;
}

#define LARGE ((size_t)32 << 20)

static uint64_t sum(struct view v)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < v.size; i++)
        sum += v.data[i];
    return sum;
}

static void what_was_let_go_is_read_again(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-map-XXXXXX";
    struct bytes bytes = {0};
    struct view v;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(bytes_resize(&bytes, LARGE + 5), ST_OK);
    for (size_t i = 0; i < bytes.size; i++)
        bytes.data[i] = (uint8_t)(i * 31);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    assert_int_equal(map_open(path, 2 * LARGE, &v), ST_OK);
    uint64_t expected = sum(bytes_view(&bytes));
    assert_int_equal(sum(v), expected);
    size_t before = resident_kb();
    map_let_go(v, view_of(v.data + 1, 3)); /* less than a page */
    map_let_go(v, v);
    assert_true(before > LARGE / 1024 && resident_kb() < before - LARGE / 1024 / 2);
    assert_int_equal(sum(v), expected);
    map_close(&v);
    bytes_done(&bytes);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_what_was_written),
        cmocka_unit_test(what_is_written_in_a_map_is_the_file),
        cmocka_unit_test(a_file_that_has_no_room_is_not_made),
        cmocka_unit_test(what_was_let_go_is_read_again),
    };
    return cmocka_run_group_tests_name("io/map", tests, NULL, NULL);
}
