/* Checks the receiver against links that lose, spoil, double and reorder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "transfer/receiver.h"

/* 26 letters in parts of 3: nine parts, the last one "yz". */
static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
#define PART_COUNT 9u

static struct view whole(void)
{
    return view_of(letters, 26);
}

static struct view part_of(const struct receiver *r, uint32_t part)
{
    return manifest_part(receiver_manifest(r), whole(), part);
}

static int setup(void **state)
{
    struct manifest m;
    struct receiver *r;
    assert_int_equal(manifest_of(whole(), 3, &m), ST_OK);
    assert_int_equal(receiver_new(&m, &r), ST_OK);
    assert_null(m.parts); /* taken */
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    *state = receiver_free(*state);
    return 0;
}

/* Lets the holder answer all that is asked for at now_ms until nothing is. */
static void answer_all(struct receiver *r, uint64_t now_ms)
{
    uint32_t part;
    while (receiver_next(r, now_ms, &part))
        assert_int_equal(receiver_part(r, part, part_of(r, part)), ST_OK);
}

static void takes_and_checks(struct receiver *r)
{
    struct bytes got = {0};
    assert_true(receiver_complete(r));
    assert_int_equal(receiver_take(r, &got), ST_OK);
    assert_true(view_equal(bytes_view(&got), whole()));
    bytes_done(&got);
}

static void receives_the_whole(void **state)
{
    struct receiver *r = *state;
    uint32_t part = 99;
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        assert_false(receiver_complete(r));
        assert_true(receiver_next(r, 0, &part));
        assert_int_equal(part, i);
        assert_int_equal(receiver_part(r, part, part_of(r, part)), ST_OK);
    }
    assert_false(receiver_next(r, 0, &part));
    assert_int_equal(part, 8); /* untouched */
    takes_and_checks(r);
}

static void asks_for_4_parts_at_a_time(void **state)
{
    struct receiver *r = *state;
    uint32_t part = 99;
    for (uint32_t i = 0; i < PARTS_IN_FLIGHT; i++) {
        assert_true(receiver_next(r, 1000, &part));
        assert_int_equal(part, i);
    }
    part = 99;
    assert_false(receiver_next(r, 1000, &part));
    assert_int_equal(part, 99);

    /* One comes: one more may be asked for, and only one. */
    assert_int_equal(receiver_part(r, 2, part_of(r, 2)), ST_OK);
    assert_true(receiver_next(r, 1000, &part));
    assert_int_equal(part, 4);
    assert_false(receiver_next(r, 1000, &part));
}

static void asks_again_for_a_lost_part_after_5_s(void **state)
{
    struct receiver *r = *state;
    uint32_t part;
    for (uint32_t i = 0; i < 4; i++)
        assert_true(receiver_next(r, 1000, &part));
    for (uint32_t i = 1; i < 4; i++)
        assert_int_equal(receiver_part(r, i, part_of(r, i)), ST_OK);
    answer_all(r, 1001);
    assert_false(receiver_complete(r)); /* part 0 was lost */

    assert_false(receiver_next(r, 1000 + RECEIVER_RETRY_MS - 1, &part));
    assert_true(receiver_next(r, 1000 + RECEIVER_RETRY_MS, &part));
    assert_int_equal(part, 0);
    assert_false(receiver_next(r, 1000 + RECEIVER_RETRY_MS, &part)); /* once */
    assert_int_equal(receiver_part(r, 0, part_of(r, 0)), ST_OK);
    takes_and_checks(r);
}

static void a_corrupt_part_changes_nothing_and_is_asked_for_again(void **state)
{
    struct receiver *r = *state;
    uint32_t part;
    assert_true(receiver_next(r, 0, &part));
    assert_int_equal(receiver_part(r, 0, view_text("abX")), ST_CORRUPT);
    assert_int_equal(receiver_part(r, 0, view_text("ab")), ST_CORRUPT);
    assert_int_equal(receiver_part(r, 0, view_text("abcd")), ST_CORRUPT);
    assert_int_equal(receiver_part(r, 0, view_text("def")), ST_CORRUPT); /* another part's */
    assert_int_equal(receiver_part(r, 0, view_of(NULL, 0)), ST_CORRUPT);
    answer_all(r, 0);
    assert_false(receiver_complete(r));

    assert_true(receiver_next(r, RECEIVER_RETRY_MS, &part));
    assert_int_equal(part, 0);
    assert_int_equal(receiver_part(r, 0, part_of(r, 0)), ST_OK);
    takes_and_checks(r);
}

static void a_part_that_does_not_exist_is_refused(void **state)
{
    struct receiver *r = *state;
    assert_int_equal(receiver_part(r, PART_COUNT, view_text("abc")), ST_INVALID);
    assert_int_equal(receiver_part(r, UINT32_MAX, view_of(NULL, 0)), ST_INVALID);
    assert_false(receiver_complete(r));
    answer_all(r, 0);
    takes_and_checks(r);
}

static void a_part_that_comes_twice_is_ignored(void **state)
{
    struct receiver *r = *state;
    assert_int_equal(receiver_part(r, 0, part_of(r, 0)), ST_OK);
    assert_int_equal(receiver_part(r, 0, part_of(r, 0)), ST_OK);
    /* Also if it is wrong the second time: the right bytes must stay. */
    assert_int_equal(receiver_part(r, 0, view_text("XXX")), ST_OK);
    for (uint32_t i = 1; i < PART_COUNT - 1; i++)
        assert_int_equal(receiver_part(r, i, part_of(r, i)), ST_OK);
    assert_false(receiver_complete(r)); /* counted once: the last one is missing */
    answer_all(r, 0);
    takes_and_checks(r);
}

static void a_part_nobody_asked_for_is_not_asked_for(void **state)
{
    struct receiver *r = *state;
    uint32_t part;
    assert_int_equal(receiver_part(r, 0, part_of(r, 0)), ST_OK);
    assert_int_equal(receiver_part(r, 2, part_of(r, 2)), ST_OK);
    assert_true(receiver_next(r, 0, &part));
    assert_int_equal(part, 1);
    assert_true(receiver_next(r, 0, &part));
    assert_int_equal(part, 3);
}

static void gives_up_after_6_tries(void **state)
{
    struct receiver *r = *state;
    uint32_t part;
    uint64_t now_ms = 50;
    for (unsigned tries = 1; tries <= RECEIVER_TRIES_MAX; tries++) {
        /* All others come at once, part 5 never. */
        bool asked = false;
        while (receiver_next(r, now_ms, &part)) {
            if (part == 5)
                asked = true;
            else
                assert_int_equal(receiver_part(r, part, part_of(r, part)), ST_OK);
        }
        assert_true(asked);
        assert_false(receiver_given_up(r, now_ms));
        assert_false(receiver_given_up(r, now_ms + RECEIVER_RETRY_MS - 1));
        now_ms += RECEIVER_RETRY_MS;
    }
    assert_true(receiver_given_up(r, now_ms));
    assert_false(receiver_next(r, now_ms, &part));
    assert_false(receiver_complete(r));
}

static void a_part_that_comes_at_the_last_moment_still_counts(void **state)
{
    struct receiver *r = *state;
    uint32_t part;
    uint64_t now_ms = 0;
    for (unsigned tries = 0; tries < RECEIVER_TRIES_MAX; tries++, now_ms += RECEIVER_RETRY_MS)
        assert_true(receiver_next(r, now_ms, &part) && part == 0);
    assert_true(receiver_given_up(r, now_ms));
    assert_int_equal(receiver_part(r, 0, part_of(r, 0)), ST_OK);
    assert_false(receiver_given_up(r, now_ms));
    answer_all(r, now_ms);
    takes_and_checks(r);
}

static void a_clock_that_stands_still_or_goes_back_asks_for_nothing_twice(void **state)
{
    struct receiver *r = *state;
    uint32_t part;
    for (int i = 0; i < 4; i++)
        assert_true(receiver_next(r, 10 * RECEIVER_RETRY_MS, &part));
    for (int i = 0; i < 100; i++)
        assert_false(receiver_next(r, 10 * RECEIVER_RETRY_MS, &part));
    assert_false(receiver_next(r, RECEIVER_RETRY_MS, &part));
    assert_false(receiver_given_up(r, 0));
}

static void a_manifest_that_lied_about_the_whole_is_found_out(void **state)
{
    (void)state;
    struct manifest m;
    struct receiver *r;
    struct bytes got = {0};
    assert_int_equal(manifest_of(whole(), 3, &m), ST_OK);
    m.digest = digest_of(view_text("something else"));
    assert_int_equal(receiver_new(&m, &r), ST_OK);
    answer_all(r, 0);
    assert_true(receiver_complete(r));
    assert_int_equal(receiver_take(r, &got), ST_CORRUPT);
    assert_null(got.data);
    assert_null(receiver_free(r));
    assert_null(receiver_free(NULL));
}

/* ---- any order, any losses ---- */

struct link {
    struct rand rand;
    struct bytes blob;
    struct receiver *receiver;
    uint32_t pending[4 * PARTS_IN_FLIGHT]; /* answers under way */
    size_t pending_count;
    bool *under_way;  /* per part: asked for and not there */
    unsigned *spoilt; /* per part: how often lost or corrupt */
    uint64_t now_ms;
};

static void link_ask(struct link *link)
{
    uint32_t part;
    while (receiver_next(link->receiver, link->now_ms, &part)) {
        link->under_way[part] = true;
        unsigned count = 0;
        for (uint32_t i = 0; i < receiver_manifest(link->receiver)->part_count; i++)
            count += link->under_way[i];
        assert_true(count <= PARTS_IN_FLIGHT);
        assert_true(link->pending_count + 2 <= sizeof link->pending / sizeof link->pending[0]);

        /* A part is spoilt less often than it is asked for, so it must come. */
        bool spoil = link->spoilt[part] + 1 < RECEIVER_TRIES_MAX && rand_below(&link->rand, 3) == 0;
        link->spoilt[part] += spoil;
        if (spoil && rand_below(&link->rand, 2) == 0) {
            struct view right =
                manifest_part(receiver_manifest(link->receiver), bytes_view(&link->blob), part);
            struct bytes wrong = {0};
            assert_int_equal(bytes_copy(&wrong, right), ST_OK);
            wrong.data[rand_below(&link->rand, wrong.size)] ^= 0x40;
            assert_int_equal(receiver_part(link->receiver, part, bytes_view(&wrong)), ST_CORRUPT);
            bytes_done(&wrong);
        }
        if (!spoil)
            link->pending[link->pending_count++] = part;
        if (!spoil && rand_below(&link->rand, 8) == 0)
            link->pending[link->pending_count++] = part; /* twice */
    }
}

/* One answer, any of those under way, arrives. */
static void link_deliver(struct link *link)
{
    size_t i = (size_t)rand_below(&link->rand, link->pending_count);
    uint32_t part = link->pending[i];
    link->pending[i] = link->pending[--link->pending_count];
    struct view bytes =
        manifest_part(receiver_manifest(link->receiver), bytes_view(&link->blob), part);
    assert_int_equal(receiver_part(link->receiver, part, bytes), ST_OK);
    link->under_way[part] = false;
}

static void link_init(struct link *link, uint64_t seed)
{
    *link = (struct link){.rand = {seed}};
    assert_int_equal(bytes_resize(&link->blob, (size_t)(1 + rand_below(&link->rand, 2000))), ST_OK);
    for (size_t i = 0; i < link->blob.size; i++)
        link->blob.data[i] = (uint8_t)rand_u64(&link->rand);
    struct manifest m;
    uint32_t part_size = (uint32_t)(1 + rand_below(&link->rand, 200));
    assert_int_equal(manifest_of(bytes_view(&link->blob), part_size, &m), ST_OK);
    link->under_way = calloc(m.part_count, sizeof link->under_way[0]);
    link->spoilt = calloc(m.part_count, sizeof link->spoilt[0]);
    assert_true(link->under_way != NULL && link->spoilt != NULL);
    assert_int_equal(receiver_new(&m, &link->receiver), ST_OK);
}

static void link_done(struct link *link)
{
    bytes_done(&link->blob);
    free(link->under_way);
    free(link->spoilt);
    link->receiver = receiver_free(link->receiver);
}

static void arrives_whole_over_any_link_that_is_not_dead(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct link link;
        link_init(&link, seed);
        while (!receiver_complete(link.receiver)) {
            link_ask(&link);
            assert_false(receiver_given_up(link.receiver, link.now_ms));
            /* Only when all that was sent has arrived does the time of a retry
             * come: a slow link is another matter than a lossy one. */
            if (link.pending_count > 0)
                link_deliver(&link);
            else
                link.now_ms += RECEIVER_RETRY_MS;
        }
        struct bytes got = {0};
        assert_int_equal(receiver_take(link.receiver, &got), ST_OK);
        assert_true(view_equal(bytes_view(&got), bytes_view(&link.blob)));
        bytes_done(&got);
        link_done(&link);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(receives_the_whole),
        CASE(asks_for_4_parts_at_a_time),
        CASE(asks_again_for_a_lost_part_after_5_s),
        CASE(a_corrupt_part_changes_nothing_and_is_asked_for_again),
        CASE(a_part_that_does_not_exist_is_refused),
        CASE(a_part_that_comes_twice_is_ignored),
        CASE(a_part_nobody_asked_for_is_not_asked_for),
        CASE(gives_up_after_6_tries),
        CASE(a_part_that_comes_at_the_last_moment_still_counts),
        CASE(a_clock_that_stands_still_or_goes_back_asks_for_nothing_twice),
        cmocka_unit_test(a_manifest_that_lied_about_the_whole_is_found_out),
        cmocka_unit_test(arrives_whole_over_any_link_that_is_not_dead),
    };
    return cmocka_run_group_tests_name("transfer/receiver", tests, NULL, NULL);
}
