/* Keeps the store as the tables in memory are, and sends what is recorded.
 *
 * Messages change the tables in memory only. At the end of a burst all that has
 * changed goes into the store as one transaction, and only then the messages that
 * tell of it go out: nobody hears of what a crash could undo. If the transaction
 * fails, the changes stay marked and are tried again with the next; until then
 * nothing of them is sent, and no launch is accepted. */
#include "manager/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "manager/migrate.h"
#include "service/log.h"
#include "wire/task_msg.h"

/* At least that often the store learns the time while tasks run: after a restart
 * of the machine a task may have that much more time than it had left. */
#define CLOCK_EVERY_MS 10000u

/* ---- at the start ---- */

struct recalling {
    struct manager *m;
    uint64_t now_ms;
    bool same_boot; /* the recorded times are of the clock that now_ms is of */
    uint64_t recorded_ms;
};

static enum status recall_clock(void *owner, const char *boot_id, uint64_t recorded_ms)
{
    struct recalling *r = owner;
    r->recorded_ms = recorded_ms;
    r->same_boot = boot_id[0] != '\0' && strcmp(boot_id, r->m->settings.boot_id) == 0 &&
                   recorded_ms <= r->now_ms;
    return ST_OK;
}

static enum status recall_proplet(void *owner, size_t slot, const struct proplet *proplet)
{
    struct recalling *r = owner;
    if (slot != proplets_count(r->m->proplets))
        return ST_CORRUPT;
    return proplets_restore(r->m->proplets, proplet, r->now_ms);
}

static enum status recall_task(void *owner, size_t slot, const struct task *recorded)
{
    struct recalling *r = owner;
    struct task task = *recorded;
    (void)slot; /* in the order of slots, without gaps */
    if (!r->same_boot && task.state == TASK_RUNNING) {
        uint64_t left_ms =
            task.deadline_ms > r->recorded_ms ? task.deadline_ms - r->recorded_ms : 0;
        task.deadline_ms = r->now_ms + left_ms;
    }
    return tasks_restore(r->m->tasks, &task);
}

static enum status recall_launch(void *owner, const char *launch_id)
{
    struct recalling *r = owner;
    return ring_put(r->m->launches, launch_id, NULL);
}

static enum status recall_message(void *owner, const struct outgoing *out)
{
    struct recalling *r = owner;
    return outbox_restore(r->m->outbox, out->number, out->kind, &out->task_id, out->topic,
                          out->text);
}

enum status recall(struct manager *m, uint64_t now_ms, struct why *why)
{
    struct recalling r = {.m = m, .now_ms = now_ms};
    const struct store_visitor visitor = {.clock = recall_clock,
                                          .proplet = recall_proplet,
                                          .task = recall_task,
                                          .launch = recall_launch,
                                          .message = recall_message,
                                          .owner = &r};
    /* Nobody was listened to while we were not there. */
    m->away = true;
    enum status status = migrate_files(m->settings.state_dir, m->store, why);
    if (status == ST_OK)
        status = store_read(m->store, &visitor, why);
    if (status == ST_OK)
        status = tasks_restored(m->tasks);
    return status;
}

/* ---- recording ---- */

bool remember_launch(struct manager *m, const struct id *launch_id)
{
    struct id *more = realloc(m->new_launches, (m->new_launch_count + 1) * sizeof *m->new_launches);
    if (more == NULL)
        return false;
    m->new_launches = more;
    if (ring_put(m->launches, launch_id->text, NULL) != ST_OK)
        return false;
    m->new_launches[m->new_launch_count++] = *launch_id;
    return true;
}

static bool has_news(const struct manager *m)
{
    return proplets_changes(m->proplets)->count > 0 || tasks_changes(m->tasks)->count > 0 ||
           m->new_launch_count > 0 || outbox_new_count(m->outbox) > 0;
}

static void put_all(struct manager *m, uint64_t now_ms)
{
    const struct changes *proplets = proplets_changes(m->proplets);
    const struct changes *tasks = tasks_changes(m->tasks);
    store_put_clock(m->store, m->settings.boot_id, now_ms);
    for (size_t i = 0; i < proplets->count; i++)
        store_put_proplet(m->store, proplets->list[i], proplets_at(m->proplets, proplets->list[i]));
    for (size_t i = 0; i < m->new_launch_count; i++)
        store_put_launch(m->store, m->new_launches[i].text);
    for (size_t i = 0; i < tasks->count; i++)
        store_put_task(m->store, tasks->list[i], tasks_at(m->tasks, tasks->list[i]));
    for (const struct outgoing *out = outbox_first(m->outbox); out != NULL; out = out->next) {
        if (out->gone && out->recorded)
            store_drop_message(m->store, out->number);
        else if (!out->gone && !out->recorded)
            store_put_message(m->store, out);
    }
}

static void all_recorded(struct manager *m, uint64_t now_ms)
{
    changes_clear(proplets_changes(m->proplets));
    changes_clear(tasks_changes(m->tasks));
    outbox_recorded(m->outbox);
    m->new_launch_count = 0;
    m->recorded_ms = now_ms;
}

static bool record(struct manager *m, uint64_t now_ms)
{
    store_begin(m->store);
    put_all(m, now_ms);
    enum status status = store_commit(m->store);
    assert(status != ST_EXISTS); /* the tables allowed what the store forbids */
    if (status == ST_OK) {
        all_recorded(m, now_ms);
        if (m->unrecorded)
            log_line(LOG_INFO, "store.recovered", "tasks=%zu", tasks_open(m->tasks));
    } else if (!m->unrecorded) {
        log_line(LOG_ERROR, "store.failed",
                 "status=%s, nothing is launched or told until it can be recorded",
                 status_name(status));
    }
    m->unrecorded = status != ST_OK;
    return status == ST_OK;
}

/* ---- sending ---- */

enum status transmit(struct manager *m, const struct mqtt_message *message)
{
    enum status status = m->out.publish(m->out.owner, message);
    if (status == ST_OK)
        m->transmitted++;
    return status;
}

/* How many of all messages that were sent the broker has: it acknowledges them in
 * the order in which they were sent (MQTT 5.0, 4.6). */
static uint64_t taken_count(const struct manager *m)
{
    uint64_t pending = m->out.pending(m->out.owner);
    return m->transmitted > pending ? m->transmitted - pending : 0;
}

static bool is_start(const struct outgoing *out)
{
    return out->kind == OUTGOING_START || out->kind == OUTGOING_START_INLINE;
}

/* The start with its module inside, for proplets on the shared topic. The module
 * is not kept in the outbox: it lies in the store of images.
 * gives: *ret_text, to be freed */
static enum status fill_in_module(struct manager *m, const struct outgoing *out, char **ret_text)
{
    struct start_msg start;
    struct id id;
    struct view module;
    struct why why;
    enum status status = start_msg_decode(view_text(out->text), &start, &id, &why);
    if (status != ST_OK)
        return status;
    status = images_load(m->images, &start.image_digest, &module, NULL);
    if (status == ST_OK) {
        *ret_text = start_msg_encode(&start, module);
        status = *ret_text == NULL ? ST_NOMEM : ST_OK;
    }
    start_msg_done(&start);
    return status;
}

static enum status send_one(struct manager *m, struct outgoing *out, uint64_t now_ms)
{
    char *filled = NULL;
    enum status status = ST_OK;
    if (out->kind == OUTGOING_START_INLINE)
        status = fill_in_module(m, out, &filled);
    if (status != ST_OK && status != ST_NOMEM) {
        outbox_end(m->outbox, out);
        status = change_task(m, &out->task_id, TASK_FAILED, "image_unavailable",
                             "its image cannot be read", now_ms);
        return status == ST_NOMEM ? status : ST_OK;
    }
    if (status == ST_OK)
        status = transmit(
            m, &(struct mqtt_message){.topic = out->topic,
                                      .payload = view_text(filled == NULL ? out->text : filled)});
    free(filled);
    if (status != ST_OK)
        return status;
    out->sent_as = m->transmitted;
    m->counters.starts += is_start(out);
    m->counters.stops += out->kind == OUTGOING_STOP;
    return ST_OK;
}

/* A start that its task has no use for any more is not sent. */
static bool is_overtaken(const struct manager *m, const struct outgoing *out)
{
    if (!is_start(out))
        return false;
    const struct task *task = tasks_find(m->tasks, &out->task_id);
    return task == NULL || task_ended(task);
}

static void send_recorded(struct manager *m, uint64_t now_ms)
{
    for (struct outgoing *out = outbox_first(m->outbox); out != NULL; out = out->next) {
        if (!out->recorded || out->gone || out->sent_as != 0)
            continue;
        if (is_overtaken(m, out)) {
            outbox_end(m->outbox, out);
            continue;
        }
        enum status status = send_one(m, out, now_ms);
        if (status == ST_OK)
            continue;
        log_line(LOG_WARN, "publish.put_off", "topic=%s task=%s status=%s", log_quote(out->topic),
                 out->task_id.text, status_name(status));
        /* It is tried again. A start may be too large for this broker, and must not
         * hold up the others until its task's deadline ends it. */
        if (!is_start(out))
            return;
    }
}

void settle(struct manager *m, uint64_t now_ms)
{
    if (m->settling)
        return;
    m->settling = true;
    outbox_taken(m->outbox, taken_count(m));
    /* Sending may end a task, which is news: twice is enough for that. */
    for (int turn = 0; turn < 2; turn++) {
        if (has_news(m) && !record(m, now_ms))
            break;
        if (!m->away)
            send_recorded(m, now_ms);
        if (!has_news(m))
            break;
    }
    m->settling = false;
}

void settle_tick(struct manager *m, uint64_t now_ms)
{
    settle(m, now_ms);
    /* What the broker took is dropped with the next change, or now. */
    outbox_taken(m->outbox, taken_count(m));
    bool clock_due = tasks_open(m->tasks) > 0 && now_ms >= m->recorded_ms + CLOCK_EVERY_MS;
    if (!m->unrecorded && (outbox_gone_count(m->outbox) > 0 || clock_due))
        (void)record(m, now_ms);
}
