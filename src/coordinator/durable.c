/* What makes the coordinator durable: one transaction for each batch of messages,
 * the messages that follow from it, the way back when the disk fails, and a clock
 * that goes on over restarts.
 *
 * The own clock is the machine's (CLOCK_BOOTTIME) plus a shift that is stored. In
 * the same boot of the machine it goes on while the process is down. After a boot
 * the machine's clock begins at zero, so the own one goes on where it was stored
 * last, at most CLOCK_SAVE_MS before the end: a round then gets the time again that
 * the machine was off. The time of day is not used. */
#include "coordinator/state.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "service/log.h"

#define STORE_RETRY_MS 1000u
#define CLOCK_SAVE_MS  10000u
#define FORGET_MS      1000u /* that the broker's word may wait for a commit */

/* ---- opening ---- */

static bool same_boot(const struct coordinator *c, const struct store_clock *stored,
                      uint64_t now_ms)
{
    return c->settings.boot[0] != '\0' && strcmp(c->settings.boot, stored->boot) == 0 &&
           now_ms + stored->shift_ms >= stored->last_ms;
}

static enum status set_clock(struct coordinator *c, uint64_t now_ms)
{
    struct store_clock stored;
    enum status status = store_clock(c->store, &stored);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    if (status == ST_OK)
        c->shift_ms = same_boot(c, &stored, now_ms) ? stored.shift_ms : stored.last_ms - now_ms;
    return status;
}

enum status open_store(struct coordinator *c, uint64_t now_ms)
{
    char path[PATH_MAX];
    struct why why = {0};
    int size = snprintf(path, sizeof path, "%s/coordinator.db", c->settings.state_dir);
    enum status status = ST_LIMIT;
    if (size > 0 && (size_t)size < sizeof path)
        status = store_open(path, &c->store, &why);
    if (status == ST_OK)
        status = set_clock(c, now_ms);
    if (status != ST_OK)
        log_line(LOG_ERROR, status == ST_CORRUPT ? "store.corrupt" : "store.refused",
                 "path=%s code=%s reason=%s", log_quote(path), status_name(status),
                 log_quote(why.text));
    return status;
}

/* ---- one batch ---- */

bool is_closed(const struct coordinator *c)
{
    return c->closed || c->broken != ST_OK;
}

bool is_kept(struct coordinator *c, const char *what, enum status status)
{
    if (status == ST_OK)
        return true;
    if (c->broken == ST_OK) {
        c->broken = status;
        log_line(LOG_ERROR, "store.unwritten", "what=%s reason=%s", what, status_name(status));
    }
    return false;
}

bool keep_bytes(struct coordinator *c, struct entry *e, struct view bytes)
{
    return is_kept(c, "bytes", blobs_put(e->blobs, bytes, NULL));
}

static bool was_taken(const struct coordinator *c)
{
    return c->await_taken > 0 && c->out.taken(c->out.owner) >= c->await_taken;
}

/* One sync for all updates of a round, before the rows that refer to them. What an ended
 * round had is not looked at any more. */
static bool sync_updates(struct coordinator *c)
{
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++) {
        struct spool *spool = rounds_open_at(c->rounds, i)->spool;
        if (spool != NULL && !is_kept(c, "updates", spool_sync(spool)))
            return false;
    }
    return true;
}

/* Every commit stores the time, and forgets what the broker has. */
static bool commit(struct coordinator *c, uint64_t now_ms)
{
    struct store_clock clock = {.shift_ms = c->shift_ms, .last_ms = now_ms};
    (void)snprintf(clock.boot, sizeof clock.boot, "%s", c->settings.boot);
    bool taken = was_taken(c);
    bool kept = c->broken == ST_OK && is_kept(c, "clock", store_set_clock(c->store, &clock)) &&
                (!taken || is_kept(c, "outbox", store_forget_said(c->store, c->await_said))) &&
                sync_updates(c) && is_kept(c, "commit", store_commit(c->store));
    if (!kept)
        return false;
    c->saved_ms = now_ms;
    if (taken)
        c->await_taken = 0;
    return true;
}

/* The broker's queue is full: the rest stays for later. */
static bool say(void *arg, const struct store_said *said)
{
    struct coordinator *c = arg;
    enum status status =
        publish_now(c, &(struct mqtt_message){
                           .topic = said->topic, .payload = said->payload, .retain = said->retain});
    if (status == ST_LIMIT || status == ST_NOMEM)
        return false;
    if (status != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s bytes=%zu reason=%s",
                 log_quote(said->topic), said->payload.size, status_name(status));
    c->said = said->number;
    return true;
}

static void send_said(struct coordinator *c)
{
    uint64_t before = c->said;
    enum status status = store_each_said(c->store, c->said, say, c);
    if (status != ST_OK)
        log_line(LOG_ERROR, "store.unread", "what=outbox reason=%s", status_name(status));
    if (c->said > before && c->await_taken == 0) {
        c->await_said = c->said;
        c->await_taken = c->published;
    }
}

/* ---- when it fails ---- */

static void reload(struct coordinator *c)
{
    enum status status = restore(c);
    c->loaded = status == ST_OK;
    if (!c->loaded)
        log_line(LOG_ERROR, "store.unread", "what=rounds reason=%s", status_name(status));
}

static void close_store(struct coordinator *c, uint64_t now_ms)
{
    log_line(LOG_ERROR, c->broken == ST_FULL ? "store.full" : "store.failed",
             "path=%s reason=%s, nothing is taken until it works again",
             log_quote(c->settings.state_dir), status_name(c->broken));
    store_rollback(c->store);
    c->broken = ST_OK;
    c->closed = true;
    c->undone = c->unflushed;
    c->unflushed = false;
    c->retry_ms = now_ms + STORE_RETRY_MS;
    reload(c);
}

/* Its own small write says whether the next ones have a chance. */
void try_again(struct coordinator *c, uint64_t now_ms)
{
    if (!c->closed || now_ms < c->retry_ms)
        return;
    c->retry_ms = now_ms + STORE_RETRY_MS;
    if (!c->loaded)
        reload(c);
    if (c->loaded && commit(c, now_ms)) {
        c->closed = false;
        log_line(LOG_INFO, "store.recovered", "path=%s", log_quote(c->settings.state_dir));
        resume(c, now_ms);
        return;
    }
    c->broken = ST_OK;
    store_rollback(c->store);
}

/* ---- flush ---- */

static bool something_is_open(const struct coordinator *c)
{
    return rounds_open_count(c->rounds) > 0 || experiments_open_count(c->experiments) > 0;
}

static bool must_commit(const struct coordinator *c, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - c->saved_ms;
    return c->broken != ST_OK || store_changed(c->store) || (was_taken(c) && age_ms >= FORGET_MS) ||
           (something_is_open(c) && age_ms >= CLOCK_SAVE_MS);
}

void flush(struct coordinator *c, uint64_t now_ms)
{
    if (c->closed) { /* each message was answered by itself */
        c->unflushed = false;
        return;
    }
    if (must_commit(c, now_ms) && !commit(c, now_ms)) {
        close_store(c, now_ms);
        return;
    }
    c->unflushed = false;
    send_said(c);
    secure_tell(c);
    send_versions(c);
    close_ended_folders(c);
}
