#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device/fake_out.h"
#include "simulate/updates.h"

#define RESEND_MS 5000

static struct fake_out *fake;
static struct updates *updates;
static const struct id round_1 = {"r-1"}, round_2 = {"r-2"}, device_1 = {"device-1"},
                       device_2 = {"device-2"};

static int set_up(void **state)
{
    (void)state;
    fake = fake_out_new();
    return updates_new(&fake->out, RESEND_MS, &updates) == ST_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    updates = updates_free(updates);
    fake = fake_out_free(fake);
    return 0;
}

static enum status add(const struct id *round, const struct id *device, const char *text,
                       struct digest *ret_digest)
{
    struct bytes bytes = {0};
    assert_int_equal(bytes_copy(&bytes, view_text(text)), ST_OK);
    enum status status =
        updates_add(updates, round, device, &bytes, fake->now_ms + 60000, ret_digest);
    assert_null(bytes.data);
    return status;
}

static void an_update_is_sent_at_once_on_its_devices_topic(void **state)
{
    (void)state;
    struct digest digest, expected = digest_of(view_text("one"));
    assert_int_equal(add(&round_1, &device_1, "one", &digest), ST_OK);
    assert_true(digest_equal(&digest, &expected));
    assert_int_equal(fake->published_count, 1);
    assert_string_equal(fake->published[0].topic, "fl/rounds/r-1/updates/device-1");
    assert_true(view_equal(bytes_view(&fake->published[0].payload), view_text("one")));
    assert_int_equal(updates_count(updates), 1);
    assert_int_equal(updates_bytes(updates), 3);
}

static void without_a_receipt_the_same_bytes_go_again(void **state)
{
    (void)state;
    struct digest digest;
    assert_int_equal(add(&round_1, &device_1, "one", &digest), ST_OK);
    fake->now_ms += RESEND_MS - 1;
    updates_tick(updates, fake->now_ms);
    assert_int_equal(fake->published_count, 1);
    fake->now_ms++;
    fake->busy = true; /* the broker has not even taken the first */
    updates_tick(updates, fake->now_ms);
    assert_int_equal(fake->published_count, 1);
    fake->busy = false;
    updates_tick(updates, fake->now_ms);
    assert_int_equal(fake->published_count, 2);
    assert_true(view_equal(bytes_view(&fake->published[1].payload), view_text("one")));
    updates_tick(updates, fake->now_ms);
    assert_int_equal(fake->published_count, 2);
}

static void a_receipt_ends_it_and_no_other(void **state)
{
    (void)state;
    struct digest one, two, other = digest_of(view_text("other"));
    assert_int_equal(add(&round_1, &device_1, "one", &one), ST_OK);
    assert_int_equal(add(&round_1, &device_2, "two", &two), ST_OK);
    assert_false(updates_receipt(updates, &round_1, &device_1, &other));
    assert_false(updates_receipt(updates, &round_2, &device_1, &one));
    assert_false(updates_receipt(updates, &round_1, &device_2, &one));
    assert_int_equal(updates_count(updates), 2);
    assert_true(updates_receipt(updates, &round_1, &device_1, &one));
    assert_false(updates_receipt(updates, &round_1, &device_1, &one));
    assert_int_equal(updates_count(updates), 1);
    assert_int_equal(updates_bytes(updates), 3);
    fake->now_ms += RESEND_MS;
    updates_tick(updates, fake->now_ms);
    assert_int_equal(fake->published_count, 3);
    assert_string_equal(fake->published[2].topic, "fl/rounds/r-1/updates/device-2");
}

static void the_end_of_a_round_ends_its_updates(void **state)
{
    (void)state;
    struct digest digest, two;
    assert_int_equal(add(&round_1, &device_1, "one", &digest), ST_OK);
    assert_int_equal(add(&round_2, &device_1, "two", &two), ST_OK);
    assert_int_equal(add(&round_1, &device_2, "three", &digest), ST_OK);
    assert_int_equal(updates_round_over(updates, &round_1), 2);
    assert_int_equal(updates_round_over(updates, &round_1), 0);
    assert_int_equal(updates_count(updates), 1);
    assert_true(updates_receipt(updates, &round_2, &device_1, &two));
}

static void after_its_time_it_is_forgotten(void **state)
{
    (void)state;
    struct digest digest;
    assert_int_equal(add(&round_1, &device_1, "one", &digest), ST_OK);
    fake->now_ms += 59999;
    updates_tick(updates, fake->now_ms);
    assert_int_equal(updates_count(updates), 1);
    fake->now_ms++;
    updates_tick(updates, fake->now_ms);
    assert_int_equal(updates_count(updates), 0);
    assert_int_equal(updates_bytes(updates), 0);
}

static void what_the_broker_does_not_take_is_not_kept(void **state)
{
    (void)state;
    struct digest digest = digest_of(view_text("before")), before = digest;
    fake->message_max = 2;
    assert_int_equal(add(&round_1, &device_1, "one", &digest), ST_TOO_LARGE);
    assert_int_equal(updates_count(updates), 0);
    assert_int_equal(updates_bytes(updates), 0);
    assert_true(digest_equal(&digest, &before));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_update_is_sent_at_once_on_its_devices_topic),
        TEST(without_a_receipt_the_same_bytes_go_again),
        TEST(a_receipt_ends_it_and_no_other),
        TEST(the_end_of_a_round_ends_its_updates),
        TEST(after_its_time_it_is_forgotten),
        TEST(what_the_broker_does_not_take_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
