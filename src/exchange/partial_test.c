/* Checks a file that becomes whole part by part: over crashes, damage, lies. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "exchange/file_manifest.h"
#include "exchange/partial.h"
#include "io/file.h"

#define PART  1000u
#define SIZE  9500u /* ten parts, the last of 500 bytes */
#define PARTS 10u

struct place {
    char folder[64], path[96], part_path[112];
    uint8_t bytes[SIZE];
    struct manifest manifest;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    (void)strcpy(p->folder, "/tmp/fml-partial-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof p->path, "%s/blob", p->folder);
    (void)snprintf(p->part_path, sizeof p->part_path, "%s.part", p->path);
    struct rand rand = {1};
    for (size_t i = 0; i < SIZE; i++)
        p->bytes[i] = (uint8_t)rand_u64(&rand);
    assert_int_equal(manifest_of(view_of(p->bytes, SIZE), PART, &p->manifest), ST_OK);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    manifest_done(&p->manifest);
    assert_int_equal(file_remove_tree(p->folder), ST_OK);
    free(p);
    return 0;
}

static struct view part_of(const struct place *p, uint32_t part)
{
    return manifest_part(&p->manifest, view_of(p->bytes, SIZE), part);
}

static struct partial *open_one(const struct place *p)
{
    struct partial *partial;
    assert_int_equal(partial_open(p->path, &p->manifest, 4, &partial), ST_OK);
    return partial;
}

static enum status check_all(struct partial *partial, bool *ret_done)
{
    int64_t budget = INT64_MAX;
    return partial_check(partial, &budget, ret_done);
}

static void is_whole(const struct place *p)
{
    struct bytes found = {0};
    assert_int_equal(file_read(p->path, SIZE, &found), ST_OK);
    assert_true(view_equal(bytes_view(&found), view_of(p->bytes, SIZE)));
    bytes_done(&found);
    assert_int_not_equal(access(p->part_path, F_OK), 0);
}

static void gets_its_name_when_it_is_whole(void **state)
{
    struct place *p = *state;
    struct partial *partial = open_one(p);
    bool done = true;
    assert_false(partial_is_scanning(partial));
    for (uint32_t i = 0; i < PARTS; i++) {
        assert_int_equal(check_all(partial, &done), ST_OK);
        assert_false(done);
        assert_int_not_equal(access(p->path, F_OK), 0);
        uint32_t part = (i + 5) % PARTS; /* not in order */
        assert_int_equal(partial_write(partial, part, part_of(p, part)), ST_OK);
        assert_int_equal(partial_write(partial, part, part_of(p, part)), ST_OK);
    }
    assert_int_equal(partial_bytes_there(partial), SIZE);
    assert_int_equal(check_all(partial, &done), ST_OK);
    assert_true(done);
    assert_false(partial_has_more(partial));
    partial_close(partial, true);
    is_whole(p);
}

static void bad_parts_change_nothing(void **state)
{
    struct place *p = *state;
    struct partial *partial = open_one(p);
    assert_int_equal(partial_write(partial, PARTS, part_of(p, 0)), ST_INVALID);
    assert_int_equal(partial_write(partial, 1, part_of(p, 0)), ST_CORRUPT);
    assert_int_equal(partial_write(partial, 9, view_of(p->bytes, PART)), ST_CORRUPT);
    assert_int_equal(partial_write(partial, 0, view_of(NULL, 0)), ST_CORRUPT);
    assert_int_equal(plan_missing(partial_plan(partial)), PARTS);
    assert_int_equal(partial_bytes_there(partial), 0);
    partial_close(partial, true);
    assert_int_not_equal(access(p->part_path, F_OK), 0);
}

/* It is closed after each part, as a crash would. */
static void what_a_crash_left_is_found_again(void **state)
{
    struct place *p = *state;
    bool done = false;
    for (uint32_t i = 0; i < PARTS; i++) {
        struct partial *partial = open_one(p);
        assert_int_equal(partial_is_scanning(partial), i > 0);
        assert_int_equal(check_all(partial, &done), ST_OK);
        assert_int_equal(plan_missing(partial_plan(partial)), PARTS - i);
        assert_int_equal(partial_bytes_there(partial), i * PART);
        assert_int_equal(partial_write(partial, i, part_of(p, i)), ST_OK);
        if (i == PARTS - 1)
            assert_int_equal(check_all(partial, &done), ST_OK);
        partial_close(partial, false);
    }
    assert_true(done);
    is_whole(p);
}

static void little_is_checked_at_a_time(void **state)
{
    struct place *p = *state;
    assert_int_equal(file_write(p->path, view_of(p->bytes, SIZE)), ST_OK);
    struct partial *partial = open_one(p);
    bool done = false;
    for (uint32_t i = 0; i < PARTS; i++) {
        int64_t budget = 1;
        assert_true(partial_has_more(partial));
        assert_int_equal(partial_check(partial, &budget, &done), ST_OK);
        assert_true(budget <= 0);
        assert_int_equal(plan_missing(partial_plan(partial)), PARTS - 1 - i);
    }
    assert_false(done);
    assert_int_equal(check_all(partial, &done), ST_OK);
    assert_true(done); /* a file that is whole is read once and stays */
    partial_close(partial, true);
    is_whole(p);
}

static void a_damaged_file_loses_its_name_and_is_repaired(void **state)
{
    struct place *p = *state;
    uint8_t damaged[SIZE];
    bool done = true;
    memcpy(damaged, p->bytes, SIZE);
    damaged[3500] ^= 1;
    assert_int_equal(file_write(p->path, view_of(damaged, SIZE)), ST_OK);
    struct partial *partial = open_one(p);
    assert_int_equal(check_all(partial, &done), ST_OK);
    assert_false(done);
    assert_int_not_equal(access(p->path, F_OK), 0);
    assert_int_equal(plan_missing(partial_plan(partial)), 1);
    assert_false(plan_has(partial_plan(partial), 3));
    assert_int_equal(partial_write(partial, 3, part_of(p, 3)), ST_OK);
    assert_int_equal(check_all(partial, &done), ST_OK);
    assert_true(done);
    partial_close(partial, false);
    is_whole(p);
}

static void a_file_of_another_size_is_begun_anew(void **state)
{
    struct place *p = *state;
    assert_int_equal(file_write(p->part_path, view_of(p->bytes, SIZE - 1)), ST_OK);
    struct partial *partial = open_one(p);
    assert_false(partial_is_scanning(partial));
    assert_int_equal(plan_missing(partial_plan(partial)), PARTS);
    partial_close(partial, true);
}

static void a_manifest_that_lied_about_the_whole_is_found_out(void **state)
{
    struct place *p = *state;
    p->manifest.digest.bytes[31] ^= 1;
    struct partial *partial = open_one(p);
    bool done = true;
    for (uint32_t i = 0; i < PARTS; i++)
        assert_int_equal(partial_write(partial, i, part_of(p, i)), ST_OK);
    assert_int_equal(check_all(partial, &done), ST_CORRUPT);
    partial_close(partial, true);
    assert_int_not_equal(access(p->path, F_OK), 0);
    assert_int_not_equal(access(p->part_path, F_OK), 0);
}

/* A limit on the size of files stands for a disk that is too small. */
static void no_room_is_known_before_anything_is_asked_for(void **state)
{
    struct place *p = *state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = SIZE / 2;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct partial *partial = NULL;
    enum status status = partial_open(p->path, &p->manifest, 4, &partial);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, ST_FULL);
    assert_null(partial);
    assert_int_not_equal(access(p->part_path, F_OK), 0);
}

static void the_manifest_of_a_file_is_that_of_its_bytes(void **state)
{
    struct place *p = *state;
    struct manifest m = {.size = 77};
    assert_int_equal(file_manifest(p->path, PART, SIZE, &m), ST_NOT_FOUND);
    assert_int_equal(file_write(p->path, view_of(p->bytes, SIZE)), ST_OK);
    assert_int_equal(file_manifest(p->path, PART, SIZE - 1, &m), ST_LIMIT);
    assert_int_equal(file_manifest(p->path, 1, SIZE, &m), ST_LIMIT); /* too many parts */
    assert_int_equal(file_manifest(p->folder, PART, SIZE, &m), ST_IO);
    assert_int_equal(m.size, 77);
    assert_int_equal(file_manifest(p->path, PART, SIZE, &m), ST_OK);
    assert_true(digest_equal(&m.digest, &p->manifest.digest));
    assert_int_equal(m.size, SIZE);
    assert_int_equal(m.part_count, PARTS);
    for (uint32_t i = 0; i < PARTS; i++)
        assert_true(digest_equal(&m.parts[i], &p->manifest.parts[i]));
    manifest_done(&m);
    assert_int_equal(file_write(p->path, view_of(NULL, 0)), ST_OK);
    assert_int_equal(file_manifest(p->path, PART, SIZE, &m), ST_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The file is renamed meanwhile, as one that is taken would be. */
static void a_manifest_in_steps_is_the_same(void **state)
{
    struct place *p = *state;
    struct manifest_job *job = NULL;
    bool done = false;
    unsigned steps = 0;
    assert_int_equal(manifest_job_new(p->path, PART, SIZE, &job), ST_NOT_FOUND);
    assert_int_equal(file_write(p->path, view_of(p->bytes, SIZE)), ST_OK);
    assert_int_equal(manifest_job_new(p->path, PART, SIZE - 1, &job), ST_LIMIT);
    assert_int_equal(manifest_job_new(p->path, PART, SIZE, &job), ST_OK);
    assert_int_equal(rename(p->path, p->part_path), 0);
    for (; !done; steps++) {
        int64_t budget = 3 * PART;
        assert_int_equal(manifest_job_step(job, &budget, &done), ST_OK);
    }
    assert_int_equal(steps, 4); /* of 3, 3, 3 and 1 parts */
    const struct manifest *m = manifest_job_result(job);
    assert_true(digest_equal(&m->digest, &p->manifest.digest));
    assert_int_equal(m->part_count, PARTS);
    for (uint32_t i = 0; i < PARTS; i++)
        assert_true(digest_equal(&m->parts[i], &p->manifest.parts[i]));
    manifest_job_free(job);
}

static void a_file_that_shrinks_has_no_manifest(void **state)
{
    struct place *p = *state;
    struct manifest_job *job = NULL;
    bool done = false;
    int64_t budget = SIZE * 2;
    assert_int_equal(file_write(p->path, view_of(p->bytes, SIZE)), ST_OK);
    assert_int_equal(manifest_job_new(p->path, PART, SIZE, &job), ST_OK);
    assert_int_equal(truncate(p->path, SIZE - 1), 0);
    assert_int_equal(manifest_job_step(job, &budget, &done), ST_IO);
    assert_false(done);
    manifest_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(gets_its_name_when_it_is_whole),
        CASE(bad_parts_change_nothing),
        CASE(what_a_crash_left_is_found_again),
        CASE(little_is_checked_at_a_time),
        CASE(a_damaged_file_loses_its_name_and_is_repaired),
        CASE(a_file_of_another_size_is_begun_anew),
        CASE(a_manifest_that_lied_about_the_whole_is_found_out),
        CASE(no_room_is_known_before_anything_is_asked_for),
        CASE(the_manifest_of_a_file_is_that_of_its_bytes),
        CASE(a_manifest_in_steps_is_the_same),
        CASE(a_file_that_shrinks_has_no_manifest),
    };
    return cmocka_run_group_tests_name("exchange/partial", tests, NULL, NULL);
}
