/* Checks how long an update is kept, when it is sent again, and with which bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proplet/fake_out.h"
#include "proplet/limits.h"
#include "proplet/outbox.h"

#define RESEND_MS 5000u

static struct fake_out *fake;
static struct outbox *box;

static int setup(void **state)
{
    (void)state;
    struct id me = {.text = "p-1"};
    fake = fake_out_new();
    box = NULL;
    return outbox_new(&fake->out, &me, RESEND_MS, &box) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    box = outbox_free(box);
    fake = fake_out_free(fake);
    return 0;
}

static struct outbox_update update_of(const char *round, const char *text)
{
    struct outbox_update u = {.task = {.text = "t-1"}, .until_ms = 100000};
    (void)snprintf(u.round.text, sizeof u.round.text, "%s", round);
    u.digest = digest_of(view_text(text));
    return u;
}

static enum status try_add(const char *round, const char *text)
{
    struct bytes bytes = {0};
    struct outbox_update u = update_of(round, text);
    assert_int_equal(bytes_copy(&bytes, view_text(text)), ST_OK);
    enum status status = outbox_add(box, &u, &bytes, fake->now_ms);
    assert_int_equal(bytes.size, status == ST_OK ? 0 : strlen(text));
    bytes_done(&bytes);
    return status;
}

static size_t receipt_for(const char *round, const char *text)
{
    struct outbox_update u = update_of(round, text);
    return outbox_receipt(box, &u.round, &u.digest);
}

static void an_update_is_sent_at_once_and_awaited(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    assert_int_equal(fake->published_count, 1);
    assert_string_equal(fake->published[0].topic, "fl/rounds/r-1/updates/p-1");
    assert_true(view_equal(bytes_view(&fake->published[0].payload), view_text("bytes")));
    assert_true(fake_out_subscribed(fake, "fl/rounds/r-1/receipts/p-1"));
    assert_true(fake_out_subscribed(fake, "fl/rounds/r-1/complete"));
    assert_int_equal(outbox_count(box), 1);
}

static void it_is_sent_again_with_the_same_bytes(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    outbox_tick(box, fake->now_ms + RESEND_MS - 1);
    assert_int_equal(fake->published_count, 1);
    outbox_tick(box, fake->now_ms + RESEND_MS);
    assert_int_equal(fake->published_count, 2);
    assert_true(view_equal(bytes_view(&fake->published[1].payload), view_text("bytes")));
    outbox_tick(box, fake->now_ms + 2 * RESEND_MS - 1);
    assert_int_equal(fake->published_count, 2);
    outbox_tick(box, fake->now_ms + 2 * RESEND_MS);
    assert_int_equal(fake->published_count, 3);
}

static void nothing_is_sent_again_into_a_busy_connection(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    fake->busy = true;
    outbox_tick(box, fake->now_ms + RESEND_MS);
    assert_int_equal(fake->published_count, 1);
    fake->busy = false;
    outbox_tick(box, fake->now_ms + RESEND_MS + 1);
    assert_int_equal(fake->published_count, 2);
}

static void a_receipt_for_these_bytes_settles(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    assert_int_equal(receipt_for("r-1", "other bytes"), 0);
    assert_int_equal(receipt_for("r-2", "bytes"), 0);
    assert_int_equal(outbox_count(box), 1);
    assert_int_equal(receipt_for("r-1", "bytes"), 1);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->subscribed_count, 0);
    outbox_tick(box, fake->now_ms + RESEND_MS);
    assert_int_equal(fake->published_count, 1);
}

static void the_rounds_end_settles_all_of_it(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "a"), ST_OK);
    assert_int_equal(try_add("r-2", "b"), ST_OK);
    assert_int_equal(try_add("r-1", "c"), ST_OK);
    struct id round = {.text = "r-1"};
    assert_int_equal(outbox_round_over(box, &round), 2);
    assert_int_equal(outbox_count(box), 1);
    assert_false(fake_out_subscribed(fake, "fl/rounds/r-1/complete"));
    assert_true(fake_out_subscribed(fake, "fl/rounds/r-2/complete"));
    assert_int_equal(outbox_round_over(box, &round), 0);
}

static void a_round_is_listened_to_until_its_last_update_is_settled(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "a"), ST_OK);
    assert_int_equal(try_add("r-1", "b"), ST_OK);
    assert_int_equal(fake->subscribed_count, 2);
    assert_int_equal(receipt_for("r-1", "a"), 1);
    assert_int_equal(fake->subscribed_count, 2);
    assert_int_equal(receipt_for("r-1", "b"), 1);
    assert_int_equal(fake->subscribed_count, 0);
}

static void it_is_given_up_in_the_end(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    fake->busy = true;
    outbox_tick(box, 99999);
    assert_int_equal(outbox_count(box), 1);
    outbox_tick(box, 100000);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->subscribed_count, 0);
}

static void what_cannot_be_sent_is_not_kept(void **state)
{
    (void)state;
    fake->publish_status = ST_LIMIT;
    assert_int_equal(try_add("r-1", "bytes"), ST_LIMIT);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->subscribed_count, 0);
    fake->publish_status = ST_OK;
    fake->subscribe_status = ST_NOMEM;
    assert_int_equal(try_add("r-1", "bytes"), ST_NOMEM);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->published_count, 0);
}

static void the_oldest_goes_when_it_is_full(void **state)
{
    (void)state;
    char text[32];
    for (size_t i = 0; i <= OUTBOX_UPDATES_MAX; i++) {
        (void)snprintf(text, sizeof text, "update %zu", i);
        assert_int_equal(try_add("r-1", text), ST_OK);
    }
    assert_int_equal(outbox_count(box), OUTBOX_UPDATES_MAX);
    assert_int_equal(receipt_for("r-1", "update 0"), 0);
    assert_int_equal(receipt_for("r-1", "update 1"), 1);
    assert_int_equal(receipt_for("r-1", text), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_update_is_sent_at_once_and_awaited, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_sent_again_with_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_sent_again_into_a_busy_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_receipt_for_these_bytes_settles, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rounds_end_settles_all_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_round_is_listened_to_until_its_last_update_is_settled,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_given_up_in_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_goes_when_it_is_full, setup, teardown),
    };
    return cmocka_run_group_tests_name("proplet/outbox", tests, NULL, NULL);
}
