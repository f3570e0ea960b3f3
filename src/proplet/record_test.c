/* Checks that a record is read as it was written, or found out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "proplet/record.h"

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-record-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/t-1.update", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder) != ST_OK;
}

static void write_one(const char *body)
{
    json_t *header = json_pack("{s:s,s:i}", "round", "r-1", "number", 7);
    assert_non_null(header);
    assert_int_equal(record_write(path, header, view_text(body)), ST_OK);
    json_decref(header);
}

/* Not durable: there are many. */
static void put_bytes(const struct bytes *b)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b->data, 1, b->size, file), b->size);
    assert_int_equal(fclose(file), 0);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct record r = {0};
    static const char *const bodies[] = {"the body\nof two lines", ""};
    for (size_t i = 0; i < 2; i++) {
        write_one(bodies[i]);
        assert_int_equal(record_read(path, 100, &r), ST_OK);
        assert_true(view_equal(r.body, view_text(bodies[i])));
        assert_string_equal(json_string_value(json_object_get(r.header, "round")), "r-1");
        assert_int_equal(json_integer_value(json_object_get(r.header, "number")), 7);
        record_done(&r);
    }
    record_done(&r);
}

static void what_is_not_there_is_not_damaged(void **state)
{
    (void)state;
    struct record r = {0};
    assert_int_equal(record_read(path, 100, &r), ST_NOT_FOUND);
    assert_null(r.header);
}

/* Every byte counts: the first line, the header, the body. */
static void each_flipped_bit_is_found(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct record r = {0};
    write_one("body");
    assert_int_equal(file_read(path, 4096, &file), ST_OK);
    for (size_t i = 0; i < file.size * 8; i++) {
        file.data[i / 8] ^= (uint8_t)(1 << i % 8);
        put_bytes(&file);
        assert_int_equal(record_read(path, 100, &r), ST_CORRUPT);
        file.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_null(r.header);
    bytes_done(&file);
}

static void each_other_length_is_found(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct record r = {0};
    write_one("body");
    assert_int_equal(file_read(path, 4096, &file), ST_OK);
    for (size_t size = 0; size < file.size; size++) {
        struct bytes cut = {.data = file.data, .size = size};
        put_bytes(&cut);
        assert_int_equal(record_read(path, 100, &r), ST_CORRUPT);
    }
    assert_int_equal(bytes_append(&file, view_text("x"), 4096), ST_OK);
    put_bytes(&file);
    assert_int_equal(record_read(path, 100, &r), ST_CORRUPT);
    bytes_done(&file);
}

static void a_body_is_bounded(void **state)
{
    (void)state;
    struct record r = {0};
    write_one("12345");
    assert_int_equal(record_read(path, 4, &r), ST_CORRUPT);
    assert_int_equal(record_read(path, 5, &r), ST_OK);
    record_done(&r);
}

static void a_write_that_fails_leaves_the_old(void **state)
{
    (void)state;
    struct record r = {0};
    char below[192];
    json_t *header = json_object();
    (void)snprintf(below, sizeof below, "%s/none/b", folder);
    assert_int_equal(record_write(below, header, view_text("x")), ST_IO);
    json_decref(header);
    write_one("old");
    write_one("new");
    assert_int_equal(record_read(path, 100, &r), ST_OK);
    assert_true(view_equal(r.body, view_text("new")));
    record_done(&r);
}

struct seen {
    size_t count;
    char names[8][80];
};

static void note(void *owner, const struct id *task, size_t suffix)
{
    struct seen *s = owner;
    assert_true(s->count < 8);
    (void)snprintf(s->names[s->count++], sizeof s->names[0], "%s|%zu", task->text, suffix);
}

static void put(const char *name)
{
    char file[160];
    (void)snprintf(file, sizeof file, "%s/%s", folder, name);
    assert_int_equal(file_write(file, view_text("x")), ST_OK);
}

static bool is_there(const char *name)
{
    char file[160];
    (void)snprintf(file, sizeof file, "%s/%s", folder, name);
    return access(file, F_OK) == 0;
}

static void only_records_are_listed_and_left(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".waits", ".sent"};
    struct seen seen = {0};
    put("t.1.sent"); /* a task may have dots */
    put("t-2.waits");
    put("t-3.waits.Xa3v5q"); /* half-written by a life that was killed */
    put(".sent");
    put("a b.sent");
    put("sent");
    assert_int_equal(record_list(folder, suffixes, 2, note, &seen), ST_OK);
    assert_int_equal(seen.count, 2);
    size_t first = strcmp(seen.names[0], "t.1|1") == 0 ? 0 : 1;
    assert_string_equal(seen.names[first], "t.1|1");
    assert_string_equal(seen.names[1 - first], "t-2|0");
    assert_true(is_there("t.1.sent") && is_there("t-2.waits"));
    assert_false(is_there("t-3.waits.Xa3v5q") || is_there("a b.sent") || is_there("sent"));
    assert_int_equal(record_list("/nonexistent", suffixes, 2, note, &seen), ST_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),
        TEST(what_is_not_there_is_not_damaged),
        TEST(each_flipped_bit_is_found),
        TEST(each_other_length_is_found),
        TEST(a_body_is_bounded),
        TEST(a_write_that_fails_leaves_the_old),
        TEST(only_records_are_listed_and_left),
    };
    return cmocka_run_group_tests_name("proplet/record", tests, NULL, NULL);
}
