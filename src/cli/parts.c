#include "cli/parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"
#include "exchange/exchange.h"
#include "io/clock.h"

#define STEP_MS     100u
#define PARTS_TOPIC "fl/parts/part/"
#define CHECKS_MAX  8 /* steps of checking in one turn */

struct parts {
    struct session *session;
    struct exchange *exchange;
    struct digest digest; /* of what is given */
    uint64_t size, given; /* its bytes, and those of parts that were handed to the broker */
    size_t listening;     /* to so many of the filters */
    uint64_t connections;
    uint64_t began_ms, shown_bytes;
};

/* ---- the exchange over the tool's connection ---- */

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct parts *p = owner;
    enum status status = session_publish(p->session, m);
    if (status == ST_OK && strncmp(m->topic, PARTS_TOPIC, sizeof PARTS_TOPIC - 1) == 0)
        p->given += m->payload.size;
    return status;
}

static size_t unacknowledged(void *owner)
{
    const struct parts *p = owner;
    return session_unacknowledged(p->session);
}

static bool step(struct parts *p)
{
    bool more = false;
    if (session_connections(p->session) != p->connections)
        exchange_reconnected(p->exchange);
    p->connections = session_connections(p->session);
    for (int i = 0; i < CHECKS_MAX; i++) {
        more = exchange_step(p->exchange, clock_now_ms());
        if (!more)
            break;
    }
    return more;
}

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct parts *p = owner;
    (void)exchange_message(p->exchange, m, clock_now_ms());
    (void)step(p);
}

static enum status listen_to_all(struct parts *p)
{
    char filter[TOPIC_SIZE_MAX];
    enum status status = ST_OK;
    while (status == ST_OK && exchange_filter(p->exchange, p->listening, filter)) {
        status = session_listen(p->session, filter, on_message, p);
        p->listening += status == ST_OK;
    }
    return status;
}

static enum status open_parts(struct session *s, struct parts **ret)
{
    struct parts *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    p->session = s;
    p->connections = session_connections(s);
    p->began_ms = clock_now_ms();
    const struct exchange_out out = {publish, unacknowledged, p};
    enum status status = exchange_new(session_client_id(s), &out, &p->exchange);
    if (status == ST_OK) {
        exchange_set_packet_max(p->exchange, session_packet_max(s));
        status = listen_to_all(p);
    }
    if (status == ST_OK)
        *ret = p;
    else
        parts_close(p);
    return status;
}

struct parts *parts_close(struct parts *p)
{
    char filter[TOPIC_SIZE_MAX];
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < p->listening; i++)
        if (exchange_filter(p->exchange, i, filter))
            session_ignore(p->session, filter, p);
    exchange_free(p->exchange);
    free(p);
    return NULL;
}

/* ---- progress ---- */

static void show(struct parts *p, uint64_t bytes, uint64_t size, bool end)
{
    char done[TEXT_SIZE], all[TEXT_SIZE], rate[TEXT_SIZE];
    uint64_t ms = clock_now_ms() - p->began_ms;
    if (isatty(STDERR_FILENO) != 1)
        return;
    if (ms > 0 && (bytes != p->shown_bytes || end))
        (void)fprintf(stderr, "\r\033[K%s of %s, %s/s%s", text_bytes(bytes, done),
                      text_bytes(size, all), text_bytes(bytes * 1000 / ms, rate), end ? "\n" : "");
    p->shown_bytes = bytes;
}

/* ---- to get ---- */

static enum status status_of(enum fetch_state state)
{
    switch (state) {
    case FETCH_COMPLETE:
        return ST_OK;
    case FETCH_REFUSED:
        return ST_NOT_FOUND;
    case FETCH_CORRUPT:
        return ST_CORRUPT;
    case FETCH_FULL:
        return ST_FULL;
    case FETCH_GOING:
    case FETCH_FAILED:
        break;
    }
    return ST_IO;
}

/* As long as bytes come, or are found and checked. */
static enum status wait_for_all(struct parts *p, struct fetch *f)
{
    static const bool never = false;
    uint64_t there = 0, moved_ms = clock_now_ms();
    enum status status = ST_TIMEOUT;
    while (status == ST_TIMEOUT && fetch_state(f) == FETCH_GOING) {
        bool more = step(p);
        status = session_wait(p->session, &never, more ? 1 : STEP_MS);
        if (fetch_bytes_there(f) > there || more)
            moved_ms = clock_now_ms();
        there = fetch_bytes_there(f);
        show(p, there, fetch_bytes(f), false);
        if (clock_now_ms() - moved_ms > PARTS_IDLE_MS)
            return ST_TIMEOUT;
    }
    show(p, fetch_bytes_there(f), fetch_bytes(f), true);
    return fetch_state(f) == FETCH_GOING ? status : status_of(fetch_state(f));
}

static void explain(enum status status, const struct fetch *f, const struct reference *r,
                    struct why *why)
{
    if (status == ST_TIMEOUT)
        why_set(why, "%s has sent nothing for %u s; what came is kept, so try again later",
                r->holder.text, PARTS_IDLE_MS / 1000);
    else if (status == ST_CLOSED)
        why_set(why, "interrupted; what came is kept for the next time");
    else if (f != NULL)
        why_set(why, "%s", fetch_detail(f));
    else
        why_set(why, "it cannot be fetched: %s", status_name(status));
}

enum status parts_get(struct session *s, const struct reference *reference, const char *path,
                      struct why *why)
{
    struct parts *p = NULL;
    struct fetch *f = NULL;
    enum status status = open_parts(s, &p);
    if (status == ST_OK)
        status = exchange_fetch(p->exchange, reference, path, &f);
    if (status == ST_OK)
        status = wait_for_all(p, f);
    if (status != ST_OK)
        explain(status, f, reference, why);
    fetch_release(f, status == ST_CORRUPT);
    parts_close(p);
    return status;
}

/* ---- to give ---- */

enum status parts_give(struct session *s, const struct digest *digest, const char *path,
                       struct parts **ret, char **ret_reference, struct why *why)
{
    struct parts *p = NULL;
    enum status status = open_parts(s, &p);
    if (status == ST_OK)
        status = exchange_offer_file(p->exchange, digest, path, MODEL_BYTES_MAX, ret_reference);
    if (status != ST_OK) {
        why_set(why, "%.200s cannot be given in parts: %s", path, status_name(status));
        parts_close(p);
        return status;
    }
    struct stat info;
    p->digest = *digest;
    p->size = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    *ret = p;
    return ST_OK;
}

enum status parts_wait(struct parts *p, const bool *done, uint64_t first_ms)
{
    uint64_t began_ms = clock_now_ms();
    enum status status = ST_TIMEOUT;
    while (status == ST_TIMEOUT) {
        uint64_t asked_ms = exchange_asked_ms(p->exchange, &p->digest);
        uint64_t since_ms = clock_now_ms() - (asked_ms == 0 ? began_ms : asked_ms);
        if (since_ms > (asked_ms == 0 ? first_ms : PARTS_IDLE_MS))
            break;
        (void)step(p);
        status = session_wait(p->session, done, STEP_MS);
        /* Of what the server had already, less is given; what was lost is given twice. */
        show(p, p->given < p->size ? p->given : p->size, p->size, false);
    }
    show(p, status == ST_OK ? p->size : p->given, p->size, true);
    return status;
}
