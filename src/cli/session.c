#include "cli/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/jsn.h"

#define FLUSH_SLICE_MS 20u

struct listener {
    char filter[TOPIC_SIZE_MAX];
    session_message_fn *fn;
    void *owner;
    struct listener *next;
};

struct session {
    struct run *run;
    struct mqtt *mqtt;
    struct topic_space space;
    struct id client_id;
    char broker[256];
    char answers[128]; /* the response topic of session_ask() */
    bool met;          /* there has been a connection */
    bool connected;    /* there is one now */
    uint64_t connections;
    bool closed;
    struct why state; /* why there is no connection, if somebody said so */
    struct listener *listeners;
    uint64_t questions;
};

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct session *s = owner;
    for (struct listener *l = s->listeners; l != NULL; l = l->next)
        if (topic_match(l->filter, m->topic))
            l->fn(l->owner, m);
}

static void on_state(void *owner, bool connected, const char *reason)
{
    struct session *s = owner;
    s->connected = connected;
    if (connected) {
        s->met = true;
        s->connections++;
    } else {
        why_set(&s->state, "%s", reason == NULL ? "no connection" : reason);
    }
}

static void on_closed(void *owner)
{
    struct session *s = owner;
    s->closed = true;
}

/* The process id for people who read the broker's log, random bits because
 * process ids repeat and two clients of one name throw each other out. */
static enum status make_client_id(struct id *ret)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        return ST_IO;
    char text[ID_SIZE_MAX + 1];
    (void)snprintf(text, sizeof text, "fml-%ld-%016llx", (long)getpid(), (unsigned long long)bits);
    return id_from(text, ret);
}

static enum status read_settings(struct session *s, const struct session_settings *settings,
                                 struct why *why)
{
    if (id_from(settings->domain == NULL ? SESSION_DOMAIN : settings->domain, &s->space.domain) !=
        ST_OK) {
        why_set(why, "--domain is not an id: letters, digits, '.', '_', '-' or ':'");
        return ST_INVALID;
    }
    if (id_from(settings->channel == NULL ? SESSION_CHANNEL : settings->channel,
                &s->space.channel) != ST_OK) {
        why_set(why, "--channel is not an id: letters, digits, '.', '_', '-' or ':'");
        return ST_INVALID;
    }
    (void)snprintf(s->broker, sizeof s->broker, "%s", settings->broker);
    return make_client_id(&s->client_id);
}

static enum status connect_and_wait(struct session *s, const struct session_settings *settings,
                                    struct why *why)
{
    struct mqtt_options options = {
        .address = settings->broker,
        .client_id = s->client_id.text,
        .username = settings->username,
        .password = settings->password,
        .on_message = on_message,
        .on_state = on_state,
        .owner = s,
    };
    enum status status = mqtt_open(run_loop(s->run), &options, &s->mqtt);
    if (status != ST_OK) {
        why_set(why, "cannot connect to %s: %s", s->broker,
                status == ST_INVALID ? "an address is tcp://HOST:PORT" : status_name(status));
        return status;
    }
    status = run_wait(s->run, &s->met, SESSION_CONNECT_MS);
    if (status == ST_CLOSED)
        why_set(why, "%s", run_stopped(s->run));
    else if (status != ST_OK)
        why_set(why, "no connection to the broker at %s%s%s; is it running? (--broker URL)",
                s->broker, s->state.text[0] == '\0' ? "" : ": ", s->state.text);
    return status;
}

enum status session_open(struct run *r, const struct session_settings *settings,
                         struct session **ret, struct why *why)
{
    assert(r != NULL && settings != NULL && ret != NULL);
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    s->run = r;
    enum status status = read_settings(s, settings, why);
    if (status == ST_OK) {
        (void)snprintf(s->answers, sizeof s->answers, "fml/answers/%s", s->client_id.text);
        status = connect_and_wait(s, settings, why);
    }
    if (status != ST_OK) {
        (void)session_close(s);
        return status;
    }
    *ret = s;
    return ST_OK;
}

struct run *session_run(struct session *s)
{
    return s->run;
}

const struct topic_space *session_space(const struct session *s)
{
    return &s->space;
}

const struct id *session_client_id(const struct session *s)
{
    return &s->client_id;
}

uint64_t session_connections(const struct session *s)
{
    return s->connections;
}

bool session_connected(const struct session *s)
{
    return s->connected;
}

enum status session_listen(struct session *s, const char *filter, session_message_fn *fn,
                           void *owner)
{
    if (topic_filter_check(filter) != ST_OK)
        return ST_INVALID;
    struct listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ST_NOMEM;
    (void)snprintf(l->filter, sizeof l->filter, "%s", filter);
    l->fn = fn;
    l->owner = owner;
    enum status status = mqtt_subscribe(s->mqtt, filter);
    if (status != ST_OK) {
        free(l);
        return status;
    }
    l->next = s->listeners;
    s->listeners = l;
    return ST_OK;
}

static bool listened_to(const struct session *s, const char *filter)
{
    for (const struct listener *l = s->listeners; l != NULL; l = l->next)
        if (strcmp(l->filter, filter) == 0)
            return true;
    return false;
}

void session_ignore(struct session *s, const char *filter, void *owner)
{
    for (struct listener **at = &s->listeners; *at != NULL; at = &(*at)->next) {
        struct listener *l = *at;
        if (l->owner != owner || strcmp(l->filter, filter) != 0)
            continue;
        *at = l->next;
        if (!listened_to(s, l->filter))
            mqtt_unsubscribe(s->mqtt, l->filter);
        free(l);
        return;
    }
}

enum status session_publish(struct session *s, const struct mqtt_message *m)
{
    return mqtt_publish(s->mqtt, m);
}

size_t session_unacknowledged(const struct session *s)
{
    return mqtt_unacknowledged(s->mqtt);
}

size_t session_packet_max(const struct session *s)
{
    return mqtt_packet_max(s->mqtt);
}

enum status session_publish_text(struct session *s, const char *topic, const char *text)
{
    return mqtt_publish_text(s->mqtt, topic, text);
}

enum status session_wait(struct session *s, const bool *done, uint64_t limit_ms)
{
    return run_wait(s->run, done, limit_ms);
}

enum status session_flush(struct session *s, uint64_t limit_ms)
{
    /* Acknowledgements come on libmosquitto's thread and wake no loop. */
    static const bool never = false;
    uint64_t waited_ms = 0;
    while (mqtt_unacknowledged(s->mqtt) > 0) {
        if (waited_ms >= limit_ms)
            return ST_TIMEOUT;
        if (run_wait(s->run, &never, FLUSH_SLICE_MS) == ST_CLOSED)
            return ST_CLOSED;
        waited_ms += FLUSH_SLICE_MS;
    }
    return ST_OK;
}

/* What session_ask() and session_fetch() wait for. */
struct awaited {
    struct view correlation; /* size 0: any */
    struct bytes payload;
    bool arrived;
    bool no_memory;
};

static void on_awaited(void *owner, const struct mqtt_message *m)
{
    struct awaited *a = owner;
    if (a->arrived || (a->correlation.size > 0 && !view_equal(a->correlation, m->correlation)))
        return;
    a->no_memory = bytes_copy(&a->payload, m->payload) != ST_OK;
    a->arrived = true;
}

static enum status await(struct session *s, struct awaited *a, uint64_t limit_ms)
{
    enum status status = run_wait(s->run, &a->arrived, limit_ms);
    return status == ST_OK && a->no_memory ? ST_NOMEM : status;
}

static void explain(const struct session *s, enum status status, const char *answerer,
                    struct why *why)
{
    if (status == ST_TIMEOUT)
        why_set(why, "%s does not answer at %s; is it running?", answerer, s->broker);
    else if (status == ST_CLOSED)
        why_set(why, "%s", run_stopped(s->run));
    else if (status != ST_MALFORMED && status != ST_LIMIT)
        why_set(why, "cannot ask %s: %s", answerer, status_name(status));
}

enum status session_ask(struct session *s, const char *topic, const char *request,
                        const char *answerer, uint64_t limit_ms, json_t **ret, struct why *why)
{
    s->questions++;
    struct awaited a = {.correlation = view_of(&s->questions, sizeof s->questions)};
    enum status status = session_listen(s, s->answers, on_awaited, &a);
    if (status == ST_OK) {
        struct mqtt_message m = {
            .topic = topic,
            .payload = view_text(request),
            .response_topic = s->answers,
            .correlation = a.correlation,
        };
        status = session_publish(s, &m);
        if (status == ST_OK)
            status = await(s, &a, limit_ms);
        session_ignore(s, s->answers, &a);
    }
    if (status == ST_OK)
        status = jsn_parse(bytes_view(&a.payload), JSON_SIZE_MAX, ret, why);
    if (status != ST_OK)
        explain(s, status, answerer, why);
    bytes_done(&a.payload);
    return status;
}

enum status session_fetch(struct session *s, const char *filter, uint64_t limit_ms,
                          struct bytes *ret)
{
    struct awaited a = {0};
    enum status status = session_listen(s, filter, on_awaited, &a);
    if (status == ST_OK) {
        status = await(s, &a, limit_ms);
        session_ignore(s, filter, &a);
    }
    if (status == ST_OK) {
        bytes_done(ret);
        *ret = a.payload;
        a.payload = (struct bytes){0};
    }
    bytes_done(&a.payload);
    return status;
}

struct session *session_close(struct session *s)
{
    if (s == NULL)
        return NULL;
    if (s->mqtt != NULL) {
        mqtt_close(s->mqtt, on_closed);
        /* Runs to its end whether the run was stopped or not. */
        while (!s->closed)
            (void)uv_run(run_loop(s->run), UV_RUN_ONCE);
    }
    while (s->listeners != NULL) {
        struct listener *l = s->listeners;
        s->listeners = l->next;
        free(l);
    }
    free(s);
    return NULL;
}
