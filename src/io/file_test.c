/* Checks that files are read within bounds and written whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

static char folder[64];
static char path[128];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-file-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder) == ST_OK ? 0 : -1;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct bytes b = {0};
    assert_int_equal(file_write(path, view_text("hello")), ST_OK);
    assert_int_equal(file_read(path, 5, &b), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_text("hello")));
    assert_int_equal(file_write(path, view_text("")), ST_OK);
    assert_int_equal(file_read(path, 5, &b), ST_OK);
    assert_int_equal(b.size, 0);
    bytes_done(&b);
}

static void a_path_is_resolved_if_it_is_there_and_fits(void **state)
{
    (void)state;
    char around[256], real[256] = "untouched";
    struct why why = {""};
    char *expected = realpath(folder, NULL);
    assert_non_null(expected);
    (void)snprintf(around, sizeof around, "%s/../%s", folder, strrchr(folder, '/') + 1);
    size_t size = strlen(expected);
    assert_int_equal(file_resolve(around, size - 1, real, &why), ST_LIMIT);
    assert_string_equal(real, "untouched");
    assert_non_null(strstr(why.text, "more than"));
    assert_int_equal(file_resolve(around, size, real, &why), ST_OK);
    assert_string_equal(real, expected);
    (void)snprintf(around, sizeof around, "%s/nothing", folder);
    assert_int_equal(file_resolve(around, sizeof real - 1, real, &why), ST_NOT_FOUND);
    assert_string_equal(real, expected);
    assert_non_null(strstr(why.text, "/nothing: "));
    free(expected);
}

static void a_refused_read_leaves_the_buffer(void **state)
{
    (void)state;
    struct bytes b = {0};
    assert_int_equal(bytes_copy(&b, view_text("old")), ST_OK);
    assert_int_equal(file_read(path, 5, &b), ST_NOT_FOUND);
    assert_int_equal(file_write(path, view_text("hello!")), ST_OK);
    assert_int_equal(file_read(path, 5, &b), ST_LIMIT);
    assert_int_equal(file_read(folder, 5000, &b), ST_IO);
    char pipe_path[160];
    (void)snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(file_read(pipe_path, 5000, &b), ST_IO);
    assert_true(view_equal(bytes_view(&b), view_text("old")));
    bytes_done(&b);
}

static void a_failed_write_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    char below[192];
    (void)snprintf(below, sizeof below, "%s/none/b", folder);
    assert_int_equal(file_write(below, view_text("x")), ST_IO);
    /* A folder in the way makes the rename fail after the bytes were written. */
    (void)snprintf(below, sizeof below, "%s/d", folder);
    assert_int_equal(mkdir(below, 0700), 0);
    assert_int_equal(file_write(below, view_text("x")), ST_IO);
    char command[256];
    (void)snprintf(command, sizeof command, "test \"$(ls %s)\" = d", folder);
    assert_int_equal(system(command), 0);
}

static void folders_are_made_with_their_parents_and_removed_with_all(void **state)
{
    (void)state;
    char deep[192], file[256], link[256];
    struct stat info;
    (void)snprintf(deep, sizeof deep, "%s/x/y/z", folder);
    assert_int_equal(file_make_folder(deep), ST_OK);
    assert_int_equal(file_make_folder(deep), ST_OK);
    (void)snprintf(file, sizeof file, "%s/f", deep);
    assert_int_equal(file_write(file, view_text("1")), ST_OK);
    assert_int_equal(file_make_folder(file), ST_IO);
    /* A link to the outside is removed, not followed. */
    assert_int_equal(file_write(path, view_text("kept")), ST_OK);
    (void)snprintf(link, sizeof link, "%s/l", deep);
    assert_int_equal(symlink(path, link), 0);
    (void)snprintf(deep, sizeof deep, "%s/x", folder);
    assert_int_equal(file_remove_tree(deep), ST_OK);
    assert_int_not_equal(stat(deep, &info), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(file_remove_tree(deep), ST_OK);
}

/* As a guest can that makes each folder from within the one before. */
static void a_tree_deeper_than_any_path_is_removed(void **state)
{
    (void)state;
    char tree[128], name[64];
    struct stat info;
    (void)snprintf(tree, sizeof tree, "%s/x", folder);
    assert_int_equal(file_make_folder(tree), ST_OK);
    int at = open(tree, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        /* Every third one has the name that the removal would choose first. */
        (void)snprintf(name, sizeof name, i % 3 == 0 ? "hoisted-%d" : "a-rather-long-name-%d", i);
        assert_int_equal(mkdirat(at, name, 0700), 0);
        assert_int_equal(mkdirat(at, "beside", 0700), 0);
        assert_int_equal(symlinkat("/", at, "link"), 0);
        int next = openat(at, name, O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        (void)close(at);
        at = next;
    }
    (void)close(at);
    assert_int_equal(file_remove_tree(tree), ST_OK);
    assert_int_not_equal(stat(tree, &info), 0);
}

static void only_what_a_crash_left_is_swept(void **state)
{
    (void)state;
    static const char *const left[] = {"a.tmp-x1Y2z3", "index.json.tmp-aaaaaa"};
    static const char *const kept[] = {"a", "a.tmp-", ".tmp-abcdef", "tmp-abcdef", "a.tmp-abcdefg"};
    char file[256];
    struct stat info;
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(file, sizeof file, "%s/%s", folder, left[i]);
        assert_int_equal(file_write(file, view_text("half")), ST_OK);
    }
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(file, sizeof file, "%s/%s", folder, kept[i]);
        assert_int_equal(file_write(file, view_text("whole")), ST_OK);
    }
    assert_int_equal(file_sweep(folder), ST_OK);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(file, sizeof file, "%s/%s", folder, left[i]);
        assert_int_not_equal(stat(file, &info), 0);
    }
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(file, sizeof file, "%s/%s", folder, kept[i]);
        assert_int_equal(stat(file, &info), 0);
    }
    assert_int_equal(file_sweep("/nowhere/at/all"), ST_IO);
}

static void a_new_file_takes_the_place_of_nothing(void **state)
{
    (void)state;
    struct bytes b = {0};
    struct stat info;
    char other[128];
    assert_int_equal(file_write_new(path, view_text("first")), ST_OK);
    assert_int_equal(file_write_new(path, view_text("second")), ST_EXISTS);
    assert_int_equal(file_read(path, 10, &b), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_text("first")));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(info.st_nlink, 1);
    /* Nor that of a link that leads nowhere. */
    (void)snprintf(other, sizeof other, "%s/b", folder);
    assert_int_equal(symlink("nowhere", other), 0);
    assert_int_equal(file_write_new(other, view_text("third")), ST_EXISTS);
    /* Nothing else is left behind. */
    char command[256];
    (void)snprintf(command, sizeof command, "test \"$(ls %s | wc -l)\" = 2", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(file_write_new("/nowhere/at/all", view_text("")), ST_IO);
    bytes_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_is_resolved_if_it_is_there_and_fits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_file_takes_the_place_of_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_read_leaves_the_buffer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file_and_no_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents_and_removed_with_all,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_tree_deeper_than_any_path_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_a_crash_left_is_swept, setup, teardown),
    };
    return cmocka_run_group_tests_name("io/file", tests, NULL, NULL);
}
