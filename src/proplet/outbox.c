#include "proplet/outbox.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/log.h"

struct item {
    struct kept_update update;
    uint64_t send_ms; /* when it is due again, by the boot's clock */
};

/* items[0..count-1], oldest first. */
struct outbox {
    const struct proplet_out *out;
    struct exchange *exchange;
    struct id me;
    uint32_t resend_ms;
    struct update_store *store;
    uint64_t checkpoint_ms; /* when the time is saved again */
    void (*on_lost)(void *owner, const struct id *task);
    void (*on_settled)(void *owner, const struct id *task, bool accepted);
    void *owner;
    size_t count;
    uint64_t bytes;
    struct item items[OUTBOX_UPDATES_MAX + 1]; /* one more while the oldest makes room */
};

/* ---- a round's subscriptions ---- */

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

/* ---- the parts of a large one ---- */

/* What its record says is what was put there; who asks checks each part.
 * fails: as update_store_get() and exchange_offer() */
static enum status give_parts(struct outbox *o, const struct kept_update *u)
{
    char path[PROPLET_PATH_SIZE];
    struct bytes text = {0};
    struct reference r;
    if (!u->in_blob)
        return ST_OK;
    enum status status = update_store_get(o->store, u, &text);
    if (status == ST_OK)
        status = reference_decode(bytes_view(&text), MODEL_BYTES_MAX, &r, NULL);
    bytes_done(&text);
    if (status != ST_OK)
        return status;
    update_store_blob(o->store, &u->task, path);
    status = exchange_offer(o->exchange, &r.manifest, path);
    reference_done(&r);
    return status;
}

static void give_no_more(struct outbox *o, const struct kept_update *u)
{
    if (u->in_blob)
        exchange_withdraw(o->exchange, &u->digest);
}

/* ---- the list ---- */

/* From the list only. */
static struct kept_update take_at(struct outbox *o, size_t index)
{
    struct kept_update u = o->items[index].update;
    o->bytes -= u.size;
    for (size_t i = index + 1; i < o->count; i++)
        o->items[i - 1] = o->items[i];
    o->count--;
    return u;
}

static void remove_at(struct outbox *o, size_t index, bool accepted)
{
    struct kept_update u = take_at(o, index);
    give_no_more(o, &u);
    /* First: after a crash in between, the receipt comes again as long as the update is here. */
    o->on_settled(o->owner, &u.task, accepted);
    update_store_remove(o->store, &u.task);
    if (!round_waits(o, &u.round))
        round_unsubscribe(o, &u.round);
}

/* Behind all that are as old. */
static void insert(struct outbox *o, const struct kept_update *u, uint64_t send_ms)
{
    assert(o->count < sizeof o->items / sizeof o->items[0]);
    size_t i = o->count++;
    for (; i > 0 && o->items[i - 1].update.since_ms > u->since_ms; i--)
        o->items[i] = o->items[i - 1];
    o->items[i] = (struct item){.update = *u, .send_ms = send_ms};
    o->bytes += u->size;
}

static void make_room(struct outbox *o)
{
    while (o->count > OUTBOX_UPDATES_MAX || (o->count > 1 && o->bytes > OUTBOX_BYTES_MAX)) {
        log_line(LOG_WARN, "update.dropped", "task=%s round=%s reason=\"outbox full\"",
                 o->items[0].update.task.text, o->items[0].update.round.text);
        remove_at(o, 0, false);
    }
}

static void save_time(struct outbox *o, uint64_t now_ms)
{
    update_store_checkpoint(o->store, now_ms);
    o->checkpoint_ms = now_ms + UPDATE_CHECKPOINT_MS;
}

/* ---- what an earlier life left ---- */

static void take_up(void *owner, const struct id *task, const struct kept_update *u)
{
    struct outbox *o = owner;
    char topic[FL_TOPIC_SIZE];
    if (u == NULL) {
        log_line(LOG_ERROR, "update.corrupt", "task=%s", task->text);
        o->on_lost(o->owner, task);
        return;
    }
    fl_topic_update(&u->round, &o->me, topic);
    if (strcmp(topic, u->topic) != 0) {
        log_line(LOG_WARN, "update.dropped", "task=%s round=%s reason=\"of another device\"",
                 task->text, u->round.text);
        update_store_remove(o->store, task);
        return;
    }
    enum status status = give_parts(o, u);
    if (status != ST_OK) { /* it stays on the disk for the next life */
        log_line(LOG_ERROR, "update.unreadable", "task=%s reason=%s", task->text,
                 status_name(status));
        return;
    }
    log_line(LOG_INFO, "update.kept", "task=%s round=%s bytes=%llu", task->text, u->round.text,
             (unsigned long long)u->size);
    insert(o, u, 0);
    make_room(o);
}

static enum status subscribe_all(struct outbox *o)
{
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < o->count; i++) {
        const struct id *round = &o->items[i].update.round;
        size_t first = 0;
        while (!id_equal(&o->items[first].update.round, round))
            first++;
        if (first == i)
            status = round_subscribe(o, round);
    }
    return status;
}

enum status outbox_open(const struct outbox_settings *settings, uint64_t now_ms,
                        struct outbox **ret)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (o == NULL)
        return ST_NOMEM;
    o->out = settings->out;
    o->exchange = settings->exchange;
    o->me = settings->me;
    o->resend_ms = settings->resend_ms;
    o->on_lost = settings->on_lost;
    o->on_settled = settings->on_settled;
    o->owner = settings->owner;
    enum status status = update_store_open(settings->folder, settings->boot_id, now_ms, &o->store);
    if (status == ST_OK)
        status = update_store_list(o->store, take_up, o, now_ms);
    if (status == ST_OK)
        status = subscribe_all(o);
    if (status == ST_OK)
        save_time(o, now_ms);
    if (status != ST_OK) {
        outbox_free(o);
        return status;
    }
    *ret = o;
    return ST_OK;
}

/* ---- adding and sending ---- */

static enum status publish(struct outbox *o, const struct kept_update *u, struct view bytes)
{
    return o->out->publish(o->out->owner, u->topic, bytes);
}

/* On the disk before it is sent, or it could be counted and then forgotten here. */
static enum status keep(struct outbox *o, const struct kept_update *u, const char *path,
                        struct view message)
{
    enum status status = u->in_blob ? update_store_put_file(o->store, u, path, message)
                                    : update_store_put(o->store, u, message);
    if (status != ST_OK)
        return status;
    status = give_parts(o, u);
    if (status != ST_OK)
        update_store_remove(o->store, &u->task);
    return status;
}

/* Subscribed before it is sent, or the receipt could pass by.
 * message: what is sent, the update or a reference to it */
static enum status keep_and_send(struct outbox *o, const struct kept_update *u, const char *path,
                                 struct view message, bool *ret_sent)
{
    bool first = !round_waits(o, &u->round);
    enum status status = first ? round_subscribe(o, &u->round) : ST_OK;
    if (status != ST_OK)
        return status;
    status = keep(o, u, path, message);
    if (status == ST_OK) {
        status = publish(o, u, message);
        *ret_sent = status == ST_OK;
        if (status == ST_NOMEM || status == ST_LIMIT)
            status = ST_OK; /* it is kept, and goes out when there is room */
        if (status != ST_OK) {
            give_no_more(o, u);
            update_store_remove(o->store, &u->task);
        }
    }
    if (status != ST_OK && first)
        round_unsubscribe(o, &u->round);
    return status;
}

static struct kept_update describe(const struct outbox *o, const struct outbox_update *update,
                                   uint64_t now_ms)
{
    uint64_t left_ms = update->until_ms > now_ms ? update->until_ms - now_ms : 0;
    struct kept_update u = {
        .task = update->task,
        .round = update->round,
        .since_ms = update_store_ms(o->store, now_ms),
        .wall_ms = update->wall_ms,
        .cpu_ms = update->cpu_ms,
        .peak_rss_kb = update->peak_rss_kb,
    };
    u.until_ms = u.since_ms + left_ms;
    fl_topic_update(&u.round, &o->me, u.topic);
    return u;
}

static enum status add(struct outbox *o, const struct kept_update *u, const char *path,
                       struct view message, uint64_t now_ms, const struct kept_update **ret)
{
    bool sent = false;
    enum status status = keep_and_send(o, u, path, message, &sent);
    if (status != ST_OK)
        return status;
    insert(o, u, sent ? now_ms + o->resend_ms : now_ms);
    make_room(o);
    *ret = outbox_find(o, &u->task);
    return ST_OK;
}

enum status outbox_add(struct outbox *o, const struct outbox_update *update, struct view bytes,
                       uint64_t now_ms, const struct kept_update **ret)
{
    struct kept_update u = describe(o, update, now_ms);
    u.size = bytes.size;
    u.digest = digest_of(bytes);
    return add(o, &u, NULL, bytes, now_ms, ret);
}

enum status outbox_add_file(struct outbox *o, const struct outbox_update *update,
                            const struct manifest *m, const char *path, uint64_t now_ms,
                            const struct kept_update **ret)
{
    struct kept_update u = describe(o, update, now_ms);
    char *reference = reference_encode(&(struct reference){.manifest = *m, .holder = o->me});
    if (reference == NULL)
        return ST_NOMEM;
    u.in_blob = true;
    u.digest = m->digest;
    u.size = m->size;
    enum status status = add(o, &u, path, view_text(reference), now_ms, ret);
    free(reference);
    return status;
}

/* False: it is damaged and has to go. */
static bool send_again(struct outbox *o, struct item *item, uint64_t now_ms)
{
    const struct kept_update *u = &item->update;
    struct bytes bytes = {0};
    enum status status = update_store_get(o->store, u, &bytes);
    bool lost = status == ST_CORRUPT || status == ST_NOT_FOUND;
    if (status == ST_OK)
        status = publish(o, u, bytes_view(&bytes));
    bytes_done(&bytes);
    if (lost)
        log_line(LOG_ERROR, "update.corrupt", "task=%s round=%s status=%s", u->task.text,
                 u->round.text, status_name(status));
    else
        log_line(LOG_INFO, "update.sent_again", "task=%s round=%s status=%s", u->task.text,
                 u->round.text, status_name(status));
    item->send_ms = now_ms + o->resend_ms;
    return !lost;
}

/* ---- answers and time ---- */

size_t outbox_receipt(struct outbox *o, const struct id *round, const struct digest *digest,
                      bool accepted)
{
    size_t settled = 0;
    for (size_t i = o->count; i > 0; i--) {
        const struct kept_update *u = &o->items[i - 1].update;
        if (!id_equal(&u->round, round) || !digest_equal(&u->digest, digest))
            continue;
        remove_at(o, i - 1, accepted);
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
        remove_at(o, i - 1, false);
        unanswered++;
    }
    return unanswered;
}

static void drop_expired(struct outbox *o, uint64_t now_ms)
{
    uint64_t lasting_ms = update_store_ms(o->store, now_ms);
    for (size_t i = o->count; i > 0; i--) {
        const struct kept_update *u = &o->items[i - 1].update;
        if (lasting_ms < u->until_ms)
            continue;
        log_line(LOG_WARN, "update.unanswered", "task=%s round=%s", u->task.text, u->round.text);
        remove_at(o, i - 1, false);
    }
}

void outbox_tick(struct outbox *o, uint64_t now_ms)
{
    drop_expired(o, now_ms);
    if (o->count > 0 && now_ms >= o->checkpoint_ms)
        save_time(o, now_ms);
    for (size_t i = 0; i < o->count;) {
        struct item *item = &o->items[i];
        /* Asked anew for each: one that was just sent is not acknowledged yet,
         * and what waits behind a slow link must not pile up in it. */
        bool due = now_ms >= item->send_ms && o->out->quiet(o->out->owner);
        if (due && !send_again(o, item, now_ms))
            remove_at(o, i, false);
        else
            i++;
    }
}

size_t outbox_count(const struct outbox *o)
{
    return o->count;
}

const struct kept_update *outbox_at(const struct outbox *o, size_t index)
{
    assert(index < o->count);
    return &o->items[index].update;
}

const struct kept_update *outbox_find(const struct outbox *o, const struct id *task)
{
    for (size_t i = 0; i < o->count; i++)
        if (id_equal(&o->items[i].update.task, task))
            return &o->items[i].update;
    return NULL;
}

struct outbox *outbox_free(struct outbox *o)
{
    if (o == NULL)
        return NULL;
    o->store = update_store_close(o->store);
    free(o);
    return NULL;
}
