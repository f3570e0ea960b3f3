/* Checks by_digest.c: what a web server finds, and that nothing else of the folder changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "model_server/by_digest.h"

static char folder[64], file[128], served[256];
static struct digest digest;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/fml-by-digest-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/m_v1.safetensors", folder);
    assert_int_equal(file_write(file, view_text("the bytes")), ST_OK);
    digest = digest_of(view_text("the bytes"));
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&digest, hex);
    (void)snprintf(served, sizeof served, "%s/sha256/%s", folder, hex);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder) == ST_OK ? 0 : -1;
}

static void expect_served(const char *expected)
{
    struct bytes bytes = {0};
    assert_int_equal(file_read(served, 100, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_text(expected)));
    bytes_done(&bytes);
}

static void a_version_is_there_under_its_digest(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(by_digest_add(folder, &digest, file), ST_OK);
        expect_served("the bytes");
    }
}

static void a_file_that_was_repaired_takes_its_place(void **state)
{
    (void)state;
    assert_int_equal(by_digest_add(folder, &digest, file), ST_OK);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(file_write(file, view_text("the repair")), ST_OK);
    expect_served("the bytes");
    assert_int_equal(by_digest_add(folder, &digest, file), ST_OK);
    expect_served("the repair");
}

static void what_is_removed_is_gone_and_the_version_stays(void **state)
{
    (void)state;
    assert_int_equal(by_digest_remove(folder, &digest), ST_OK); /* nothing there is fine */
    assert_false(by_digest_is_there(folder, &digest));
    assert_int_equal(by_digest_add(folder, &digest, file), ST_OK);
    assert_true(by_digest_is_there(folder, &digest));
    assert_int_equal(by_digest_remove(folder, &digest), ST_OK);
    assert_false(by_digest_is_there(folder, &digest));
    assert_int_equal(access(served, F_OK), -1);
    assert_int_equal(access(file, F_OK), 0);
}

static void what_cannot_be_linked_is_an_error_and_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(by_digest_add(folder, &digest, "/nonexistent/file"), ST_IO);
    assert_int_equal(access(served, F_OK), -1);
    char path[PATH_MAX];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(by_digest_add(path, &digest, file), ST_LIMIT);
}

static void what_cannot_be_replaced_stays_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(by_digest_add(folder, &digest, file), ST_OK);
    assert_int_equal(by_digest_add(folder, &digest, "/nonexistent/file"), ST_IO);
    expect_served("the bytes");
}

static void what_cannot_be_removed_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(by_digest_add(folder, &digest, file), ST_OK);
    assert_int_equal(unlink(served), 0);
    assert_int_equal(mkdir(served, 0700), 0); /* somebody's */
    assert_int_equal(by_digest_remove(folder, &digest), ST_IO);
    assert_true(by_digest_is_there(folder, &digest));
    assert_int_equal(by_digest_add(folder, &digest, file), ST_IO);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_version_is_there_under_its_digest),
        TEST(a_file_that_was_repaired_takes_its_place),
        TEST(what_is_removed_is_gone_and_the_version_stays),
        TEST(what_cannot_be_replaced_stays_as_it_is),
        TEST(what_cannot_be_removed_is_an_error),
        TEST(what_cannot_be_linked_is_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("model_server/by_digest", tests, NULL, NULL);
}
