#include "proplet/outbox.h"

#include <assert.h>
#include <stdlib.h>

#include "fl/topics.h"
#include "proplet/limits.h"
#include "service/log.h"

struct item {
    struct outbox_update update;
    struct bytes bytes;
    uint64_t send_ms; /* when it is due again */
};

/* items[0..count-1], oldest first. */
struct outbox {
    const struct proplet_out *out;
    struct id me;
    uint32_t resend_ms;
    size_t count;
    size_t bytes;
    struct item items[OUTBOX_UPDATES_MAX + 1]; /* one more while the oldest makes room */
};

enum status outbox_new(const struct proplet_out *out, const struct id *me, uint32_t resend_ms,
                       struct outbox **ret)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (o == NULL)
        return ST_NOMEM;
    o->out = out;
    o->me = *me;
    o->resend_ms = resend_ms;
    *ret = o;
    return ST_OK;
}

static bool round_waits(const struct outbox *o, const struct id *round)
{
    for (size_t i = 0; i < o->count; i++)
        if (id_equal(&o->items[i].update.round, round))
            return true;
    return false;
}

static void round_unsubscribe(struct outbox *o, const struct id *round)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_receipt(round, &o->me, topic);
    o->out->unsubscribe(o->out->owner, topic);
    fl_topic_complete(round, topic);
    o->out->unsubscribe(o->out->owner, topic);
}

static enum status round_subscribe(struct outbox *o, const struct id *round)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_receipt(round, &o->me, topic);
    enum status status = o->out->subscribe(o->out->owner, topic);
    if (status != ST_OK)
        return status;
    fl_topic_complete(round, topic);
    status = o->out->subscribe(o->out->owner, topic);
    if (status != ST_OK)
        round_unsubscribe(o, round);
    return status;
}

static void remove_at(struct outbox *o, size_t index)
{
    struct id round = o->items[index].update.round;
    o->bytes -= o->items[index].bytes.size;
    bytes_done(&o->items[index].bytes);
    for (size_t i = index + 1; i < o->count; i++)
        o->items[i - 1] = o->items[i];
    o->count--;
    if (!round_waits(o, &round))
        round_unsubscribe(o, &round);
}

static enum status send(struct outbox *o, const struct id *round, const struct bytes *bytes)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_update(round, &o->me, topic);
    return o->out->publish(o->out->owner, topic, bytes_view(bytes));
}

static void make_room(struct outbox *o)
{
    while (o->count > OUTBOX_UPDATES_MAX || (o->count > 1 && o->bytes > OUTBOX_BYTES_MAX)) {
        log_line(LOG_WARN, "update.dropped", "task=%s round=%s reason=\"outbox full\"",
                 o->items[0].update.task.text, o->items[0].update.round.text);
        remove_at(o, 0);
    }
}

enum status outbox_add(struct outbox *o, const struct outbox_update *update, struct bytes *bytes,
                       uint64_t now_ms)
{
    /* Subscribed before it is sent, or the receipt could pass by. */
    bool first = !round_waits(o, &update->round);
    enum status status = first ? round_subscribe(o, &update->round) : ST_OK;
    if (status != ST_OK)
        return status;
    status = send(o, &update->round, bytes);
    if (status != ST_OK) {
        if (first)
            round_unsubscribe(o, &update->round);
        return status;
    }
    o->items[o->count++] = (struct item){
        .update = *update,
        .bytes = *bytes,
        .send_ms = now_ms + o->resend_ms,
    };
    o->bytes += bytes->size;
    *bytes = (struct bytes){0};
    make_room(o);
    return ST_OK;
}

size_t outbox_receipt(struct outbox *o, const struct id *round, const struct digest *digest)
{
    size_t settled = 0;
    for (size_t i = o->count; i > 0; i--) {
        const struct outbox_update *u = &o->items[i - 1].update;
        if (!id_equal(&u->round, round) || !digest_equal(&u->digest, digest))
            continue;
        remove_at(o, i - 1);
        settled++;
    }
    return settled;
}

size_t outbox_round_over(struct outbox *o, const struct id *round)
{
    size_t unanswered = 0;
    for (size_t i = o->count; i > 0; i--) {
        if (!id_equal(&o->items[i - 1].update.round, round))
            continue;
        remove_at(o, i - 1);
        unanswered++;
    }
    return unanswered;
}

static void drop_expired(struct outbox *o, uint64_t now_ms)
{
    for (size_t i = o->count; i > 0; i--) {
        const struct outbox_update *u = &o->items[i - 1].update;
        if (now_ms < u->until_ms)
            continue;
        log_line(LOG_WARN, "update.unanswered", "task=%s round=%s", u->task.text, u->round.text);
        remove_at(o, i - 1);
    }
}

void outbox_tick(struct outbox *o, uint64_t now_ms)
{
    drop_expired(o, now_ms);
    for (size_t i = 0; i < o->count; i++) {
        struct item *item = &o->items[i];
        /* Asked anew for each: one that was just sent is not acknowledged yet,
         * and what waits behind a slow link must not pile up in it. */
        if (now_ms < item->send_ms || !o->out->quiet(o->out->owner))
            continue;
        enum status status = send(o, &item->update.round, &item->bytes);
        log_line(LOG_INFO, "update.sent_again", "task=%s round=%s status=%s",
                 item->update.task.text, item->update.round.text, status_name(status));
        item->send_ms = now_ms + o->resend_ms;
    }
}

size_t outbox_count(const struct outbox *o)
{
    return o->count;
}

struct outbox *outbox_free(struct outbox *o)
{
    if (o == NULL)
        return NULL;
    for (size_t i = 0; i < o->count; i++)
        bytes_done(&o->items[i].bytes);
    free(o);
    return NULL;
}
