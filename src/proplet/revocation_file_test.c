/* Checks that a list of revocations is never followed by an older one, over restarts, too. */
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
#include "proplet/revocation_file.h"

static char folder[64], path[128], kept[128];
static struct key *fleet, *stranger;
static struct revocation_file *file;

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-revoked-XXXXXX");
    if (mkdtemp(folder) == NULL || key_new(&fleet) != ST_OK || key_new(&stranger) != ST_OK)
        return 1;
    (void)snprintf(path, sizeof path, "%s/list", folder);
    (void)snprintf(kept, sizeof kept, "%s/kept", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    file = revocation_file_close(file);
    fleet = key_free(fleet);
    stranger = key_free(stranger);
    return file_remove_tree(folder) != ST_OK;
}

/* Puts the list of serials first, first + 1, … there, whose number is their count. */
static void put(const struct key *by, uint64_t first, size_t count)
{
    struct revocations *r = NULL;
    struct bytes bytes = {0};
    assert_int_equal(revocations_new(&r), ST_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(revocations_add(r, first + i), ST_OK);
    assert_int_equal(revocations_sign(r, by, &bytes), ST_OK);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    (void)revocations_free(r);
}

static enum status reopen(const struct key *by)
{
    struct why why = {""};
    file = revocation_file_close(file);
    enum status status = revocation_file_open(path, kept, key_public(by), &file, &why);
    assert_true((status == ST_OK) == (why.text[0] == '\0'));
    return status;
}

static enum status read_again(const char *word)
{
    struct why why = {""};
    enum status status = revocation_file_read(file, &why);
    assert_non_null(strstr(why.text, word));
    return status;
}

static uint64_t number(void)
{
    return revocations_number(revocation_file_list(file));
}

static void a_newer_list_takes_the_place(void **state)
{
    (void)state;
    put(fleet, 7, 0);
    assert_int_equal(reopen(fleet), ST_OK);
    assert_false(revocations_contain(revocation_file_list(file), 7));
    put(fleet, 7, 2);
    assert_int_equal(read_again(""), ST_OK);
    assert_int_equal(number(), 2);
    assert_true(revocations_contain(revocation_file_list(file), 8));
    assert_int_equal(read_again(""), ST_OK); /* the same is fine */
}

static void an_older_list_is_refused_after_a_restart_too(void **state)
{
    (void)state;
    put(fleet, 7, 2);
    assert_int_equal(reopen(fleet), ST_OK);
    put(fleet, 7, 1);
    assert_int_equal(read_again("newer one"), ST_EXISTS);
    assert_int_equal(number(), 2);
    assert_int_equal(reopen(fleet), ST_EXISTS);
    put(fleet, 9, 2); /* of the same number, and another */
    assert_int_equal(reopen(fleet), ST_EXISTS);
    put(fleet, 7, 3);
    assert_int_equal(reopen(fleet), ST_OK);
    assert_int_equal(number(), 3);
}

static void what_the_fleet_did_not_sign_is_refused(void **state)
{
    (void)state;
    put(stranger, 7, 2);
    assert_int_equal(reopen(fleet), ST_CORRUPT);
    put(fleet, 7, 1);
    assert_int_equal(reopen(fleet), ST_OK);
    put(stranger, 7, 2);
    assert_int_equal(read_again("sign"), ST_CORRUPT);
    assert_int_equal(file_write(path, view_text("no list")), ST_OK);
    assert_int_equal(read_again("no list"), ST_MALFORMED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_again("--revocations"), ST_NOT_FOUND);
    assert_int_equal(number(), 1);
}

static void a_device_of_another_fleet_begins_anew(void **state)
{
    (void)state;
    put(stranger, 7, 5);
    assert_int_equal(reopen(stranger), ST_OK);
    put(fleet, 7, 1);
    assert_int_equal(reopen(fleet), ST_OK);
    put(fleet, 7, 0);
    assert_int_equal(reopen(fleet), ST_EXISTS);
}

static void a_damaged_memory_is_not_none(void **state)
{
    (void)state;
    struct why why = {""};
    put(fleet, 7, 2);
    assert_int_equal(reopen(fleet), ST_OK);
    assert_int_equal(file_write(kept, view_text("damaged")), ST_OK);
    file = revocation_file_close(file);
    assert_int_equal(revocation_file_open(path, kept, key_public(fleet), &file, &why), ST_CORRUPT);
    assert_non_null(strstr(why.text, "remove it"));
}

static void a_list_that_cannot_be_kept_does_not_count(void **state)
{
    (void)state;
    put(fleet, 7, 1);
    assert_int_equal(reopen(fleet), ST_OK);
    assert_int_equal(unlink(kept), 0);
    assert_int_equal(file_make_folder(kept), ST_OK); /* nothing can be renamed over it */
    put(fleet, 7, 2);
    assert_int_equal(read_again("cannot be written"), ST_IO);
    assert_int_equal(number(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_newer_list_takes_the_place),
        TEST(an_older_list_is_refused_after_a_restart_too),
        TEST(what_the_fleet_did_not_sign_is_refused),
        TEST(a_device_of_another_fleet_begins_anew),
        TEST(a_damaged_memory_is_not_none),
        TEST(a_list_that_cannot_be_kept_does_not_count),
    };
    return cmocka_run_group_tests_name("proplet/revocation_file", tests, NULL, NULL);
}
