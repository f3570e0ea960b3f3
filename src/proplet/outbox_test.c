/* Checks how long an update is kept, when it is sent again, and with which bytes,
 * also over restarts: the test drops the outbox and opens another on its folder. */
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
#include "device/blobs_exchange.h"
#include "device/fake_out.h"
#include "device/limits.h"
#include "proplet/outbox.h"
#include "transfer/get_msg.h"

#define RESEND_MS 5000u
#define BOOT_A    "11111111-1111-4111-8111-111111111111"
#define BOOT_B    "22222222-2222-4222-8222-222222222222"

static struct fake_out *fake;
static struct exchange *exchange;
static struct outbox *box;
static char root[64], folder[96];
static size_t lost;
static struct id last_lost;

static void note_lost(void *owner, const struct id *task)
{
    (void)owner;
    lost++;
    last_lost = *task;
}

/* Of what was settled last. */
static size_t settled;
static bool settled_as;

static void note_settled(void *owner, const struct id *task, bool accepted)
{
    (void)owner;
    assert_true(task->text[0] != '\0');
    settled++;
    settled_as = accepted;
}

static enum status open_as(const char *me, const char *boot_id)
{
    struct outbox_settings settings = {
        .out = &fake->out,
        .exchange = exchange,
        .resend_ms = RESEND_MS,
        .folder = folder,
        .boot_id = boot_id,
        .on_lost = note_lost,
        .on_settled = note_settled,
    };
    (void)snprintf(settings.me.text, sizeof settings.me.text, "%s", me);
    return outbox_open(&settings, fake->now_ms, &box);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/fml-outbox-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(folder, sizeof folder, "%s/updates", root);
    fake = fake_out_new();
    box = NULL;
    lost = 0;
    static const struct id me = {"p-1"};
    if (blobs_exchange_new(&me, &fake->out, &exchange) != ST_OK)
        return 1;
    return open_as("p-1", BOOT_A) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    box = outbox_free(box);
    exchange = exchange_free(exchange);
    fake = fake_out_free(fake);
    return file_remove_tree(root) != ST_OK;
}

/* As after a kill: nothing was said or done before the end. */
static void restart(void)
{
    static const struct id me = {"p-1"};
    box = outbox_free(box);
    exchange = exchange_free(exchange);
    fake_out_clear(fake);
    fake->subscribed_count = 0;
    assert_int_equal(blobs_exchange_new(&me, &fake->out, &exchange), ST_OK);
    assert_int_equal(open_as("p-1", BOOT_A), ST_OK);
}

static unsigned tasks; /* each update is of another task */

static struct outbox_update update_of(const char *round)
{
    struct outbox_update u = {.until_ms = 100000, .wall_ms = 12};
    (void)snprintf(u.task.text, sizeof u.task.text, "t-%u", ++tasks);
    (void)snprintf(u.round.text, sizeof u.round.text, "%s", round);
    return u;
}

static enum status try_add(const char *round, const char *text)
{
    const struct kept_update *kept = NULL;
    struct outbox_update u = update_of(round);
    enum status status = outbox_add(box, &u, view_text(text), fake->now_ms, &kept);
    assert_int_equal(kept != NULL, status == ST_OK);
    if (kept != NULL)
        assert_string_equal(kept->task.text, u.task.text);
    return status;
}

static void assert_sent(size_t index, const char *text)
{
    assert_true(index < fake->published_count);
    assert_true(view_equal(bytes_view(&fake->published[index].payload), view_text(text)));
}

static size_t receipt_for(const char *round, const char *text)
{
    struct outbox_update u = update_of(round);
    struct digest digest = digest_of(view_text(text));
    return outbox_receipt(box, &u.round, &digest, true);
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
    size_t before = settled;
    assert_int_equal(receipt_for("r-1", "bytes"), 1);
    assert_true(settled == before + 1 && settled_as);
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
    size_t before = settled;
    assert_int_equal(outbox_round_over(box, &round), 2);
    assert_true(settled == before + 2 && !settled_as);
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
    fake->publish_status = ST_TOO_LARGE;
    assert_int_equal(try_add("r-1", "bytes"), ST_TOO_LARGE);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->subscribed_count, 0);
    fake->publish_status = ST_OK;
    fake->subscribe_status = ST_NOMEM;
    assert_int_equal(try_add("r-1", "bytes"), ST_NOMEM);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->published_count, 0);
    restart();
    assert_int_equal(outbox_count(box), 0);
}

static void without_memory_to_send_it_is_kept_and_sent_later(void **state)
{
    (void)state;
    fake->publish_status = ST_NOMEM;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    fake->publish_status = ST_OK;
    outbox_tick(box, fake->now_ms);
    assert_int_equal(fake->published_count, 1);
    assert_sent(0, "bytes");
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

/* ---- over restarts ---- */

static void a_restarted_one_sends_the_same_bytes(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    restart();
    assert_int_equal(outbox_count(box), 1);
    assert_true(fake_out_subscribed(fake, "fl/rounds/r-1/receipts/p-1"));
    assert_true(fake_out_subscribed(fake, "fl/rounds/r-1/complete"));
    assert_int_equal(fake->published_count, 0);
    fake->offline = true;
    outbox_tick(box, fake->now_ms);
    assert_int_equal(fake->published_count, 0);
    fake->offline = false;
    outbox_tick(box, fake->now_ms);
    assert_int_equal(fake->published_count, 1);
    assert_string_equal(fake->published[0].topic, "fl/rounds/r-1/updates/p-1");
    assert_sent(0, "bytes");
    outbox_tick(box, fake->now_ms + RESEND_MS);
    assert_int_equal(fake->published_count, 2);
    assert_int_equal(receipt_for("r-1", "bytes"), 1);
    restart();
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->subscribed_count, 0);
}

static void what_is_kept_says_of_which_task_it_is(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    struct id task = outbox_at(box, 0)->task, other = {.text = "t-other"};
    restart();
    const struct kept_update *u = outbox_find(box, &task);
    assert_non_null(u);
    assert_int_equal(u->size, 5);
    assert_int_equal(u->wall_ms, 12);
    assert_null(outbox_find(box, &other));
}

static void a_task_has_one_update(void **state)
{
    (void)state;
    const struct kept_update *kept = NULL;
    struct outbox_update u = update_of("r-1");
    assert_int_equal(outbox_add(box, &u, view_text("first"), fake->now_ms, &kept), ST_OK);
    restart();
    assert_int_equal(outbox_add(box, &u, view_text("second"), fake->now_ms, &kept), ST_EXISTS);
    assert_int_equal(fake->published_count, 0);
    outbox_tick(box, fake->now_ms);
    assert_sent(0, "first");
    assert_true(fake_out_subscribed(fake, "fl/rounds/r-1/complete"));
}

static void the_oldest_is_the_oldest_after_a_restart_too(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "a"), ST_OK);
    fake->now_ms += 10;
    assert_int_equal(try_add("r-2", "b"), ST_OK);
    fake->now_ms += 10;
    assert_int_equal(try_add("r-1", "c"), ST_OK);
    restart();
    assert_int_equal(outbox_count(box), 3);
    assert_int_equal(fake->subscribed_count, 4);
    struct digest a = digest_of(view_text("a")), c = digest_of(view_text("c"));
    assert_true(digest_equal(&outbox_at(box, 0)->digest, &a));
    assert_true(digest_equal(&outbox_at(box, 2)->digest, &c));
}

static void too_many_on_the_disk_are_as_many_as_allowed(void **state)
{
    (void)state;
    char text[32], path[200];
    for (size_t i = 0; i < OUTBOX_UPDATES_MAX; i++) {
        (void)snprintf(text, sizeof text, "update %zu", i);
        assert_int_equal(try_add("r-1", text), ST_OK);
        fake->now_ms += 1;
    }
    /* One more, as a crash leaves it between the newest that came and the oldest
     * that had to go. */
    (void)snprintf(path, sizeof path, "%s/%s.update", folder, outbox_at(box, 0)->task.text);
    struct bytes oldest = {0};
    assert_int_equal(file_read(path, 4096, &oldest), ST_OK);
    assert_int_equal(try_add("r-1", "newest"), ST_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(file_write(path, bytes_view(&oldest)), ST_OK);
    bytes_done(&oldest);
    restart();
    assert_int_equal(outbox_count(box), OUTBOX_UPDATES_MAX);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(receipt_for("r-1", "update 0"), 0);
    assert_int_equal(receipt_for("r-1", "newest"), 1);
}

static void damaged_bytes_are_dropped_and_told(void **state)
{
    (void)state;
    char path[200];
    struct bytes file = {0};
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    struct id task = outbox_at(box, 0)->task;
    (void)snprintf(path, sizeof path, "%s/%s.update", folder, task.text);
    assert_int_equal(file_read(path, 4096, &file), ST_OK);
    file.data[file.size - 1] ^= 4;
    assert_int_equal(file_write(path, bytes_view(&file)), ST_OK);
    bytes_done(&file);
    outbox_tick(box, fake->now_ms + RESEND_MS);
    assert_int_equal(fake->published_count, 1);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(fake->subscribed_count, 0);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void damage_while_it_was_away_is_told(void **state)
{
    (void)state;
    char path[200];
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    struct id task = outbox_at(box, 0)->task;
    (void)snprintf(path, sizeof path, "%s/%s.update", folder, task.text);
    assert_int_equal(truncate(path, 100), 0);
    restart();
    assert_int_equal(lost, 1);
    assert_string_equal(last_lost.text, task.text);
    assert_int_equal(outbox_count(box), 0);
    outbox_tick(box, fake->now_ms);
    assert_int_equal(fake->published_count, 0);
}

static void another_devices_updates_are_not_sent(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    box = outbox_free(box);
    assert_int_equal(open_as("p-2", BOOT_A), ST_OK);
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(lost, 0);
}

/* Kept until 100000; the clock is at 1000 when it is added. */
static void the_time_that_it_was_away_counts(void **state)
{
    (void)state;
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    fake->now_ms = 99999;
    restart();
    outbox_tick(box, 99999);
    assert_int_equal(outbox_count(box), 1);
    outbox_tick(box, 100000);
    assert_int_equal(outbox_count(box), 0);
    restart();
    assert_int_equal(outbox_count(box), 0);
}

static void after_a_reboot_no_more_is_left_than_was_saved(void **state)
{
    (void)state;
    outbox_tick(box, fake->now_ms);
    assert_int_equal(try_add("r-1", "bytes"), ST_OK);
    fake->now_ms += UPDATE_CHECKPOINT_MS;
    outbox_tick(box, fake->now_ms); /* saves the time: 99000 - 60000 are left */
    box = outbox_free(box);
    fake->now_ms = 7;
    assert_int_equal(open_as("p-1", BOOT_B), ST_OK);
    outbox_tick(box, 7 + 38999);
    assert_int_equal(outbox_count(box), 1);
    outbox_tick(box, 7 + 39000);
    assert_int_equal(outbox_count(box), 0);
}

/* ---- large ones ---- */

static const char *const large_text = "more than a message may have, as far as this test goes";

static void add_large(void)
{
    const struct kept_update *kept = NULL;
    char path[96];
    struct manifest m;
    struct outbox_update u = update_of("r-1");
    (void)snprintf(path, sizeof path, "%s/made", root);
    assert_int_equal(file_write(path, view_text(large_text)), ST_OK);
    assert_int_equal(manifest_of(view_text(large_text), EXCHANGE_PART_SIZE, &m), ST_OK);
    assert_int_equal(outbox_add_file(box, &u, &m, path, fake->now_ms, &kept), ST_OK);
    manifest_done(&m);
    assert_int_equal(kept->size, strlen(large_text));
    assert_int_not_equal(access(path, F_OK), 0); /* it was taken */
}

/* Somebody asks for its only part. gives: what comes is a part (or else a refusal) */
static bool asks_for_part(void)
{
    struct get_msg get = {
        .client_id = {"c"}, .digest = digest_of(view_text(large_text)), .wants_part = true};
    char *text = get_msg_encode(&get);
    fake_out_clear(fake);
    assert_true(exchange_message(
        exchange, &(struct mqtt_message){.topic = "fl/parts/get/p-1", .payload = view_text(text)},
        fake->now_ms));
    blobs_exchange_step(exchange, fake->now_ms);
    free(text);
    assert_int_equal(fake->published_count, 1);
    const struct fake_message *m = &fake->published[0];
    if (strncmp(m->topic, "fl/parts/part/c/", 16) != 0)
        return false;
    assert_true(view_equal(bytes_view(&m->payload), view_text(large_text)));
    return true;
}

static void a_large_one_is_given_in_parts_until_it_is_settled(void **state)
{
    (void)state;
    add_large();
    struct reference r;
    assert_int_equal(fake->published_count, 1);
    assert_string_equal(fake->published[0].topic, "fl/rounds/r-1/updates/p-1");
    assert_int_equal(reference_decode(bytes_view(&fake->published[0].payload), 1 << 20, &r, NULL),
                     ST_OK);
    struct digest digest = digest_of(view_text(large_text));
    assert_true(digest_equal(&r.manifest.digest, &digest));
    assert_string_equal(r.holder.text, "p-1");
    reference_done(&r);
    assert_true(asks_for_part());
    assert_int_equal(receipt_for("r-1", large_text), 1);
    assert_false(asks_for_part());
    assert_int_equal(outbox_count(box), 0);
}

static void a_large_one_outlives_a_restart(void **state)
{
    (void)state;
    add_large();
    restart();
    outbox_tick(box, fake->now_ms);
    assert_int_equal(fake->published_count, 1); /* its reference, once more */
    assert_true(asks_for_part());
    assert_int_equal(receipt_for("r-1", large_text), 1);
    restart();
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(lost, 0);
}

static void a_damaged_large_one_is_never_given(void **state)
{
    (void)state;
    char path[200];
    add_large();
    (void)snprintf(path, sizeof path, "%s/t-%u.blob", folder, tasks);
    assert_int_equal(file_write(path, view_text("other bytes")), ST_OK);
    restart();
    assert_int_equal(outbox_count(box), 0);
    assert_int_equal(lost, 1);
    assert_false(asks_for_part());
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_update_is_sent_at_once_and_awaited, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_one_is_given_in_parts_until_it_is_settled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_large_one_outlives_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_large_one_is_never_given, setup, teardown),
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
        cmocka_unit_test_setup_teardown(without_memory_to_send_it_is_kept_and_sent_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_restarted_one_sends_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_kept_says_of_which_task_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_has_one_update, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_is_the_oldest_after_a_restart_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(too_many_on_the_disk_are_as_many_as_allowed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_dropped_and_told, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_while_it_was_away_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(another_devices_updates_are_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_that_it_was_away_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_reboot_no_more_is_left_than_was_saved, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("proplet/outbox", tests, NULL, NULL);
}
