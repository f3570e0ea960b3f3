/* Checks that what was added lies where it was, over new files and restarts, and what
 * a disk that refuses leaves. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "coordinator/spool.h"
#include "io/file.h"

static char folder[64];
static struct spool *spool;

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-spool-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(spool_open(folder, &spool), ST_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spool = spool_close(spool);
    assert_null(spool_close(NULL));
    assert_int_equal(file_remove_tree(folder), ST_OK);
    return 0;
}

static void reopen(void)
{
    spool_close(spool);
    assert_int_equal(spool_open(folder, &spool), ST_OK);
}

static struct spooled add(struct view bytes)
{
    struct spooled place;
    struct view there;
    assert_int_equal(spool_add(spool, bytes, &place, &there), ST_OK);
    assert_true(view_equal(there, bytes));
    assert_true(there.data != bytes.data);
    return place;
}

static void lies_at(const struct spooled *place, struct view bytes)
{
    struct view there;
    assert_int_equal(spool_at(spool, place, &there), ST_OK);
    assert_true(view_equal(there, bytes));
}

static void what_was_added_lies_where_it_was(void **state)
{
    (void)state;
    struct spooled a = add(view_text("first")), b = add(view_text("the second"));
    assert_int_equal(a.segment, 0);
    assert_int_equal(a.offset, 0);
    assert_int_equal(b.offset, 5);
    assert_int_equal(spool_sync(spool), ST_OK);
    assert_int_equal(spool_sync(spool), ST_OK);
    reopen();
    lies_at(&a, view_text("first"));
    lies_at(&b, view_text("the second"));
    struct spooled c = add(view_text("third"));
    assert_int_equal(c.offset, 15);
    lies_at(&a, view_text("first"));
    lies_at(&c, view_text("third"));
}

static void a_full_file_is_followed_by_another(void **state)
{
    (void)state;
    struct bytes large = {0}, larger = {0};
    assert_int_equal(bytes_resize(&large, SPOOL_SEGMENT_SIZE / 2 + 1), ST_OK);
    assert_int_equal(bytes_resize(&larger, SPOOL_SEGMENT_SIZE + 1), ST_OK);
    large.data[7] = 7;
    larger.data[SPOOL_SEGMENT_SIZE] = 9;
    struct spooled a = add(bytes_view(&large)), b = add(bytes_view(&large));
    struct spooled c = add(bytes_view(&larger)), d = add(view_text("small"));
    assert_int_equal(a.segment, 0);
    assert_int_equal(b.segment, 1);
    assert_int_equal(c.segment, 2); /* alone */
    assert_int_equal(d.segment, 3);
    assert_int_equal(spool_sync(spool), ST_OK);
    reopen();
    lies_at(&a, bytes_view(&large));
    lies_at(&b, bytes_view(&large));
    lies_at(&c, bytes_view(&larger));
    lies_at(&d, view_text("small"));
    bytes_done(&large);
    bytes_done(&larger);
}

static void places_that_are_none_are_corrupt(void **state)
{
    (void)state;
    struct spooled a = add(view_text("first"));
    const struct spooled bad[] = {
        {1, 0, 5}, {0, 1, 5}, {0, 0, 6},          {0, 5, 1},
        {0, 6, 0}, {0, 0, 0}, {0, UINT64_MAX, 2}, {0, 2, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct view there = view_text("kept");
        assert_int_equal(spool_at(spool, &bad[i], &there), ST_CORRUPT);
        assert_true(view_equal(there, view_text("kept")));
    }
    lies_at(&a, view_text("first"));
}

/* A limit on the size of files stands for a disk that is full. */
static void what_did_not_fit_takes_no_room(void **state)
{
    (void)state;
    struct rlimit before, small;
    struct bytes large = {0};
    struct spooled a = add(view_text("first")), place = {.size = 77};
    struct view there;
    assert_int_equal(bytes_resize(&large, 10000), ST_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 5000;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum status status = spool_add(spool, bytes_view(&large), &place, &there);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, ST_IO); /* EFBIG; ENOSPC would be ST_FULL */
    assert_int_equal(place.size, 77);
    struct spooled b = add(view_text("second"));
    assert_int_equal(b.offset, 5);
    reopen();
    lies_at(&a, view_text("first"));
    lies_at(&b, view_text("second"));
    bytes_done(&large);
}

/* Large updates have a file each: as many as there may be, with few descriptors. */
static void as_many_files_as_may_be_need_few_descriptors(void **state)
{
    (void)state;
    char path[128];
    struct rlimit before, few;
    const struct spooled first = {0, 0, 4}, last = {SPOOL_SEGMENTS_MAX - 1, 0, 4};
    for (int i = 0; i < SPOOL_SEGMENTS_MAX; i++) {
        (void)snprintf(path, sizeof path, "%s/updates-%04d", folder, i);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fputs("four", file) >= 0, 1);
        assert_int_equal(fclose(file), 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 32;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    spool_close(spool);
    spool = NULL;
    enum status status = spool_open(folder, &spool);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, ST_OK);
    lies_at(&first, view_text("four"));
    lies_at(&last, view_text("four"));
    struct spooled next = add(view_text("next"));
    assert_int_equal(next.segment, SPOOL_SEGMENTS_MAX - 1);
    assert_int_equal(next.offset, 4);
    assert_int_equal(spool_sync(spool), ST_OK);
}

/* Whoever made it may have ended before its folder was synced. */
static void the_name_of_a_file_that_was_found_is_made_durable(void **state)
{
    (void)state;
    char elsewhere[sizeof folder + 8];
    (void)snprintf(elsewhere, sizeof elsewhere, "%s-away", folder);
    (void)add(view_text("first"));
    reopen();
    (void)add(view_text("second"));
    assert_int_equal(rename(folder, elsewhere), 0); /* now a sync of the folder fails */
    enum status status = spool_sync(spool);
    assert_int_equal(rename(elsewhere, folder), 0);
    assert_int_equal(status, ST_IO);
    assert_int_equal(spool_sync(spool), ST_OK);
}

static void a_file_becomes_one_of_the_spools(void **state)
{
    (void)state;
    char path[96];
    struct spooled place;
    struct view there;
    (void)snprintf(path, sizeof path, "%s/coming", folder);
    struct spooled before = add(view_text("before"));
    assert_int_equal(file_write(path, view_text("a whole file")), ST_OK);
    assert_int_equal(spool_add_file(spool, path, &place, &there), ST_OK);
    assert_true(view_equal(there, view_text("a whole file")));
    assert_int_not_equal(access(path, F_OK), 0);
    struct spooled after = add(view_text("after"));
    assert_int_not_equal(after.segment, place.segment); /* nothing is written behind it */
    assert_int_equal(spool_sync(spool), ST_OK);
    spool_let_go(spool, there);
    spool_let_go(spool, view_text("not the spool's"));
    lies_at(&place, view_text("a whole file"));
    reopen();
    lies_at(&before, view_text("before"));
    lies_at(&place, view_text("a whole file"));
    lies_at(&after, view_text("after"));

    assert_int_equal(spool_add_file(spool, path, &place, &there), ST_IO); /* there is none */
    lies_at(&after, view_text("after"));
}

static void what_is_removed_is_gone_and_nothing_else(void **state)
{
    (void)state;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/other", folder);
    (void)add(view_text("first"));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    for (int i = 0; i < 2; i++) { /* files of their own */
        struct spooled place;
        struct view there;
        char name[96];
        (void)snprintf(name, sizeof name, "%s/coming", folder);
        assert_int_equal(file_write(name, view_text("whole")), ST_OK);
        assert_int_equal(spool_add_file(spool, name, &place, &there), ST_OK);
    }
    spool = spool_close(spool);
    for (int i = 0; i < 2; i++)
        assert_int_equal(spool_remove(folder), ST_OK);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_becomes_one_of_the_spools),
        CASE(what_was_added_lies_where_it_was),
        CASE(a_full_file_is_followed_by_another),
        CASE(places_that_are_none_are_corrupt),
        CASE(what_did_not_fit_takes_no_room),
        CASE(the_name_of_a_file_that_was_found_is_made_durable),
        CASE(as_many_files_as_may_be_need_few_descriptors),
        CASE(what_is_removed_is_gone_and_nothing_else),
    };
    return cmocka_run_group_tests_name("coordinator/spool", tests, NULL, NULL);
}
