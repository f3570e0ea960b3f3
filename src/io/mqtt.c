#include "io/mqtt.h"

#include <malloc.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include "base/rand.h"
#include "io/inbox.h"
#include "io/mqtt_address.h"
#include "io/mqtt_copy.h"

#define MQTT_MAGIC          0x6d717474u /* "mqtt" */
#define RECONNECT_MS_MIN    250u
#define RECONNECT_MS_MAX    8000u
#define IN_FLIGHT_MAX       64
#define SUBSCRIPTIONS_MAX   4096
#define EARLY_PUBLISHES_MAX 1024
#define CLOSE_S_MAX         3   /* that mqtt_close() waits for the network thread */
#define LOOP_WAIT_MS        100 /* also how long an end may take to be noticed */
#define LAST_WRITE_MS       20
#define KEEPALIVE_S_DEFAULT 30
#define SESSION_PRESENT     1    /* in the flags of CONNACK (MQTT 5.0, 3.2.2.1.1) */
#define RC_HANDED_BACK      1000 /* beside libmosquitto's own codes */

struct subscription {
    char *filter;
    struct subscription *next;
};

/* A publish that was made before the first connection. libmosquitto 2.0.11 would
 * keep it too, but forgets its retain flag: it does not know yet whether the
 * broker offers retained messages, and assumes not. */
struct early_publish {
    struct early_publish *next;
    char *topic;
    struct bytes payload;
    bool retain;
    mosquitto_property *properties;
};

/* Two threads: the loop's, which owns all, and `network`, which runs
 * libmosquitto's loop and its callbacks. They share what is marked so. */
struct mqtt {
    uint32_t magic;
    struct mosquitto *client;
    struct mqtt_address address;
    uint16_t keepalive_s;
    uint32_t session_expiry_s;
    size_t message_size_max;
    bool hold;   /* acknowledgements wait for mqtt_settled() */
    int writing; /* an eventfd: something was queued; -1 unless holding */
    void (*on_message)(void *owner, const struct mqtt_message *m);
    void (*on_state)(void *owner, bool connected, const char *reason);
    void (*on_closed)(void *owner);
    void *owner;

    uv_async_t wake;
    pthread_t network;
    bool has_network;
    uint64_t delivered; /* messages, to on_message, or skipped */
    uint64_t cuts_seen; /* by the last one of them */
    bool skipping;      /* what came before the next cut: it comes again */
    bool connected;     /* as the loop knows it */
    bool was_connected;
    bool session_kept; /* at the last connect */
    struct early_publish *early;
    struct early_publish **early_last; /* where the next one is linked */
    size_t early_count;
    uint64_t received, received_bytes, sent, sent_bytes, reconnects;

    struct inbox *inbox;        /* shared: has its own lock */
    pthread_mutex_t lock;       /* guards what is below, and the signals */
    pthread_cond_t stop_signal; /* ends the network thread's pauses */
    pthread_cond_t settle_signal;
    uint64_t settled; /* messages that may be acknowledged */
    bool handed_back; /* some before them may not */
    uint64_t arrived; /* messages in the inbox so far; of the network thread */
    uint64_t cuts;    /* after something was handed back; of the network thread */
    struct subscription *subscriptions;
    size_t subscription_count;
    atomic_int holders;                                         /* shared: threads that use this */
    atomic_bool stopping;                                       /* shared */
    atomic_size_t unacknowledged;                               /* shared */
    atomic_size_t packet_max;                                   /* shared */
    atomic_uint_least64_t dropped_too_large, refused_by_broker; /* shared */
};

const char *mqtt_message_property(const struct mqtt_message *m, const char *key)
{
    for (size_t i = 0; i < m->property_count; i++)
        if (strcmp(m->properties[i].key, key) == 0)
            return m->properties[i].value;
    return NULL;
}

/* ---- The network thread ---- */

static bool put_or_free(struct mqtt *m, struct mqtt_item *item)
{
    if (item == NULL)
        return false;
    bool put = inbox_put(m->inbox, &item->head);
    if (!put)
        free(item);
    return put;
}

static void put_event(struct mqtt *m, enum mqtt_event event, const char *reason, bool session)
{
    struct mqtt_item *item = calloc(1, sizeof *item);
    if (item == NULL)
        return;
    item->event = event;
    item->session = session;
    item->head.size = sizeof *item;
    (void)snprintf(item->reason, sizeof item->reason, "%s", reason);
    (void)put_or_free(m, item);
}

static void note_packet_max(struct mqtt *m, const mosquitto_property *properties)
{
    uint32_t said = 0;
    if (mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, &said, false) ==
            NULL ||
        said == 0 || said > MQTT_MAX_PAYLOAD)
        said = MQTT_MAX_PAYLOAD;
    atomic_store(&m->packet_max, said);
}

static void on_connect(struct mosquitto *client, void *object, int reason_code, int flags,
                       const mosquitto_property *properties)
{
    struct mqtt *m = object;
    if (reason_code != 0) {
        put_event(m, MQTT_DOWN, mosquitto_reason_string(reason_code), false);
        return;
    }
    note_packet_max(m, properties);
    (void)pthread_mutex_lock(&m->lock);
    for (struct subscription *s = m->subscriptions; s != NULL; s = s->next)
        (void)mosquitto_subscribe(client, NULL, s->filter, 1);
    (void)pthread_mutex_unlock(&m->lock);
    put_event(m, MQTT_UP, "", (flags & SESSION_PRESENT) != 0);
}

static void on_disconnect(struct mosquitto *client, void *object, int reason_code,
                          const mosquitto_property *properties)
{
    (void)client;
    (void)properties;
    put_event(object, MQTT_DOWN,
              reason_code >= 128 ? mosquitto_reason_string(reason_code)
                                 : mosquitto_strerror(reason_code),
              false);
}

static void on_publish_done(struct mosquitto *client, void *object, int mid, int reason_code,
                            const mosquitto_property *properties)
{
    (void)client;
    (void)mid;
    (void)properties;
    struct mqtt *m = object;
    if (reason_code >= 128)
        atomic_fetch_add(&m->refused_by_broker, 1);
    size_t open = atomic_load(&m->unacknowledged);
    while (open > 0 && !atomic_compare_exchange_weak(&m->unacknowledged, &open, open - 1))
        ;
}

static void on_incoming(struct mosquitto *client, void *object,
                        const struct mosquitto_message *message,
                        const mosquitto_property *properties)
{
    (void)client;
    struct mqtt *m = object;
    if ((size_t)message->payloadlen > m->message_size_max ||
        strlen(message->topic) >= TOPIC_SIZE_MAX) {
        atomic_fetch_add(&m->dropped_too_large, 1);
        return;
    }
    struct mqtt_item *item = mqtt_item_of(message, properties);
    if (item != NULL)
        item->cuts = m->cuts;
    m->arrived += put_or_free(m, item);
}

/* Half to one and a half of it, so that those who lost the same broker do not come
 * back to it at the same moment. */
static uint64_t jittered(uint64_t ms)
{
    struct rand r;
    if (getrandom(&r.state, sizeof r.state, GRND_NONBLOCK) != (ssize_t)sizeof r.state)
        return ms;
    return ms / 2 + rand_below(&r, ms + 1);
}

/* Waits up to ms milliseconds, or until the end. */
static void pause_ms(struct mqtt *m, uint64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&m->lock);
    while (!atomic_load(&m->stopping) &&
           pthread_cond_clockwait(&m->stop_signal, &m->lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    (void)pthread_mutex_unlock(&m->lock);
}

static int first_connect(struct mqtt *m)
{
    mosquitto_property *properties = NULL;
    if (m->session_expiry_s > 0)
        (void)mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                           m->session_expiry_s);
    int rc = mosquitto_connect_bind_v5(m->client, m->address.host, m->address.port, m->keepalive_s,
                                       NULL, properties);
    mosquitto_property_free_all(&properties);
    return rc;
}

/* Until all that arrived is settled. False: it never will be, as some of it was
 * handed back, or this is the end. */
static bool await_settled(struct mqtt *m)
{
    if (!m->hold)
        return true;
    (void)pthread_mutex_lock(&m->lock);
    while (m->settled < m->arrived && !m->handed_back && !atomic_load(&m->stopping))
        (void)pthread_cond_wait(&m->settle_signal, &m->lock);
    bool settled = m->settled >= m->arrived && !m->handed_back;
    (void)pthread_mutex_unlock(&m->lock);
    return settled;
}

/* The next connect drops the acknowledgements that are queued for this one. */
static void cut(struct mqtt *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->handed_back = false;
    (void)pthread_mutex_unlock(&m->lock);
    m->cuts++;
    put_event(m, MQTT_DOWN, "what came could not be kept, and is asked for again", false);
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* One turn as mosquitto_loop() makes it, but what is read is acknowledged only
 * after it is settled: libmosquitto 2.0 queues an acknowledgement while it reads
 * (it is told that threads are used), and nothing but loop_write sends it. */
static int turn_held(struct mqtt *m)
{
    int fd = mosquitto_socket(m->client);
    if (fd < 0)
        return MOSQ_ERR_NO_CONN;
    short write = mosquitto_want_write(m->client) ? POLLOUT : 0;
    struct pollfd fds[] = {{.fd = fd, .events = (short)(POLLIN | write)},
                           {.fd = m->writing, .events = POLLIN}};
    eventfd_t count;
    int rc = MOSQ_ERR_SUCCESS;
    (void)poll(fds, 2, LOOP_WAIT_MS);
    (void)eventfd_read(m->writing, &count);
    /* Each call reads one packet. All that are there share one settling. */
    for (int i = 0; i < IN_FLIGHT_MAX && rc == MOSQ_ERR_SUCCESS && is_readable(fd); i++)
        rc = mosquitto_loop_read(m->client, 1);
    if (rc != MOSQ_ERR_SUCCESS)
        return rc;
    if (!await_settled(m))
        return RC_HANDED_BACK;
    if (mosquitto_want_write(m->client))
        rc = mosquitto_loop_write(m->client, 1);
    return rc == MOSQ_ERR_SUCCESS ? mosquitto_loop_misc(m->client) : rc;
}

/* A bit of what is queued, at the end. Nothing is read any more if that would
 * acknowledge it. */
static int write_last(struct mqtt *m)
{
    if (!m->hold)
        return mosquitto_loop(m->client, LAST_WRITE_MS, 1);
    struct pollfd p = {.fd = mosquitto_socket(m->client), .events = POLLOUT};
    (void)poll(&p, 1, LAST_WRITE_MS);
    return mosquitto_loop_write(m->client, 1);
}

static void release(struct mqtt *m);

/* One connection after the other until the end. libmosquitto's own endless loop
 * gives up for good on some errors (a broker that breaks the protocol, say), so
 * the loop around it is ours. */
static void *network_main(void *arg)
{
    struct mqtt *m = arg;
    uint64_t wait_ms = RECONNECT_MS_MIN;
    int rc = first_connect(m);
    while (!atomic_load(&m->stopping)) {
        if (rc == MOSQ_ERR_SUCCESS) {
            wait_ms = RECONNECT_MS_MIN;
            do
                rc = m->hold ? turn_held(m) : mosquitto_loop(m->client, LOOP_WAIT_MS, 1);
            while (rc == MOSQ_ERR_SUCCESS && !atomic_load(&m->stopping));
        }
        if (atomic_load(&m->stopping))
            break;
        if (rc == RC_HANDED_BACK)
            cut(m);
        else
            pause_ms(m, jittered(wait_ms));
        wait_ms = wait_ms * 2 > RECONNECT_MS_MAX ? RECONNECT_MS_MAX : wait_ms * 2;
        if (!atomic_load(&m->stopping))
            rc = mosquitto_reconnect(m->client);
    }
    /* What is queued goes out before the DISCONNECT behind it, if the broker
     * takes it at once; what it has not taken within this turn is lost. What was
     * not settled must not be acknowledged by that. */
    if (await_settled(m) && mosquitto_disconnect_v5(m->client, 0, NULL) == MOSQ_ERR_SUCCESS)
        for (int turn = 0; turn < 50 && mosquitto_want_write(m->client); turn++)
            if (write_last(m) != MOSQ_ERR_SUCCESS)
                break;
    release(m);
    return NULL;
}

/* ---- The loop's thread ---- */

/* Something was queued: the network thread may be waiting. */
static void wake_network(struct mqtt *m)
{
    if (m->hold)
        (void)eventfd_write(m->writing, 1);
}

static void early_free(struct early_publish *e)
{
    if (e == NULL)
        return;
    mosquitto_property_free_all(&e->properties);
    bytes_done(&e->payload);
    free(e->topic);
    free(e);
}

static void early_send(struct mqtt *m)
{
    struct early_publish *next = m->early;
    m->early = NULL;
    while (next != NULL) {
        struct early_publish *e = next;
        next = next->next;
        int rc = mosquitto_publish_v5(m->client, NULL, e->topic, (int)e->payload.size,
                                      e->payload.data, 1, e->retain, e->properties);
        if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_NO_CONN) {
            /* Whoever published it was told ST_OK: the broker's limits were not
             * known yet. No acknowledgement will come. */
            atomic_fetch_sub(&m->unacknowledged, 1);
            atomic_fetch_add(&m->refused_by_broker, 1);
        }
        early_free(e);
    }
    m->early_last = &m->early;
    m->early_count = 0;
    wake_network(m);
}

/* takes: properties, on success. */
static enum status early_keep(struct mqtt *m, const struct mqtt_message *message,
                              mosquitto_property *properties)
{
    if (mosquitto_pub_topic_check(message->topic) != MOSQ_ERR_SUCCESS || *message->topic == '\0')
        return ST_INVALID;
    if (m->early_count >= EARLY_PUBLISHES_MAX)
        return ST_LIMIT;
    struct early_publish *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ST_NOMEM;
    e->topic = strdup(message->topic);
    e->retain = message->retain;
    if (e->topic == NULL || bytes_copy(&e->payload, message->payload) != ST_OK) {
        early_free(e);
        return ST_NOMEM;
    }
    e->properties = properties;
    *m->early_last = e;
    m->early_last = &e->next;
    m->early_count++;
    return ST_OK;
}

static void wake_loop(void *arg)
{
    struct mqtt *m = arg;
    (void)uv_async_send(&m->wake);
}

/* What was read behind something that was handed back, and before the cut, is not
 * acknowledged either: it comes again in its turn, and must not be done with before. */
static bool is_skipped(struct mqtt *m, const struct mqtt_item *item)
{
    m->skipping = m->skipping && item->cuts == m->cuts_seen;
    m->cuts_seen = item->cuts;
    if (!m->skipping)
        return false;
    (void)pthread_mutex_lock(&m->lock);
    m->settled = m->delivered; /* the owner never hears of it */
    (void)pthread_cond_signal(&m->settle_signal);
    (void)pthread_mutex_unlock(&m->lock);
    return true;
}

static void deliver(struct mqtt *m, const struct mqtt_item *item)
{
    switch (item->event) {
    case MQTT_MESSAGE:
        m->delivered++;
        if (is_skipped(m, item))
            break;
        m->received++;
        m->received_bytes += item->message.payload.size;
        m->on_message(m->owner, &item->message);
        break;
    case MQTT_UP:
        m->connected = true;
        m->was_connected = true;
        m->session_kept = item->session;
        m->reconnects++;
        early_send(m);
        if (m->on_state != NULL)
            m->on_state(m->owner, true, "");
        break;
    case MQTT_DOWN:
        m->connected = false;
        if (m->on_state != NULL)
            m->on_state(m->owner, false, item->reason);
        break;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct mqtt *m = wake->data;
    struct inbox_item *next = inbox_take_all(m->inbox);
    while (next != NULL) {
        struct mqtt_item *item = (struct mqtt_item *)next;
        next = next->next;
        /* A callback may close the connection: what is left is then dropped. */
        if (!atomic_load(&m->stopping))
            deliver(m, item);
        free(item);
    }
}

static void free_all(struct mqtt *m)
{
    for (struct subscription *s = m->subscriptions; s != NULL;) {
        struct subscription *next = s->next;
        free(s->filter);
        free(s);
        s = next;
    }
    for (struct early_publish *e = m->early; e != NULL;) {
        struct early_publish *next = e->next;
        early_free(e);
        e = next;
    }
    inbox_free(m->inbox);
    if (m->client != NULL) {
        mosquitto_destroy(m->client);
        mosquitto_lib_cleanup();
    }
    if (m->writing >= 0)
        (void)close(m->writing);
    (void)pthread_cond_destroy(&m->settle_signal);
    (void)pthread_cond_destroy(&m->stop_signal);
    (void)pthread_mutex_destroy(&m->lock);
    *(volatile uint32_t *)&m->magic = 0;
    free(m);
}

/* The loop and the network thread each let go once; the last one frees. */
static void release(struct mqtt *m)
{
    if (atomic_fetch_sub(&m->holders, 1) == 1)
        free_all(m);
}

/* Messages of a MiB come and go by the thousand. As the allocator does it by itself, the
 * memory of each is fresh from the kernel, and clearing it costs as much as sending it. */
static void keep_memory_of_messages(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

static enum status make_client(struct mqtt *m, const struct mqtt_options *o)
{
    keep_memory_of_messages();
    (void)mosquitto_lib_init(); /* counts its calls */
    m->client = mosquitto_new(o->client_id, o->session_expiry_s == 0, m);
    if (m->client == NULL) {
        mosquitto_lib_cleanup();
        return ST_NOMEM;
    }
    int rc = mosquitto_int_option(m->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    rc |= mosquitto_int_option(m->client, MOSQ_OPT_TCP_NODELAY, 1);
    rc |= mosquitto_int_option(m->client, MOSQ_OPT_RECEIVE_MAXIMUM, IN_FLIGHT_MAX);
    rc |= mosquitto_int_option(m->client, MOSQ_OPT_SEND_MAXIMUM, IN_FLIGHT_MAX);
    rc |= mosquitto_threaded_set(m->client, true);
    if (o->username != NULL)
        rc |= mosquitto_username_pw_set(m->client, o->username, o->password);
    if (o->will_topic != NULL)
        rc |= mosquitto_will_set_v5(m->client, o->will_topic, (int)o->will_payload.size,
                                    o->will_payload.data, 1, false, NULL);
    if (rc != MOSQ_ERR_SUCCESS)
        return ST_INVALID;
    mosquitto_connect_v5_callback_set(m->client, on_connect);
    mosquitto_disconnect_v5_callback_set(m->client, on_disconnect);
    mosquitto_publish_v5_callback_set(m->client, on_publish_done);
    mosquitto_message_v5_callback_set(m->client, on_incoming);
    return ST_OK;
}

enum status mqtt_open(uv_loop_t *loop, const struct mqtt_options *o, struct mqtt **ret)
{
    assert(o->on_message != NULL && o->client_id != NULL);
    struct mqtt *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ST_NOMEM;
    int failed = pthread_mutex_init(&m->lock, NULL) | pthread_cond_init(&m->stop_signal, NULL) |
                 pthread_cond_init(&m->settle_signal, NULL);
    assert(failed == 0);
    m->hold = o->hold_acknowledgements;
    m->writing = m->hold ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    m->magic = MQTT_MAGIC;
    m->early_last = &m->early;
    m->keepalive_s = o->keepalive_s == 0 ? KEEPALIVE_S_DEFAULT : o->keepalive_s;
    m->session_expiry_s = o->session_expiry_s;
    atomic_store(&m->packet_max, MQTT_MAX_PAYLOAD);
    m->message_size_max = o->message_size_max == 0 ? MESSAGE_SIZE_MAX : o->message_size_max;
    m->on_message = o->on_message;
    m->on_state = o->on_state;
    m->owner = o->owner;

    enum status status = mqtt_address_parse(o->address, &m->address);
    if (status == ST_OK && m->hold && m->writing < 0)
        status = ST_IO;
    if (status == ST_OK)
        status = inbox_new(INBOX_MESSAGES_MAX, INBOX_BYTES_MAX, wake_loop, m, &m->inbox);
    if (status == ST_OK)
        status = make_client(m, o);
    if (status == ST_OK && uv_async_init(loop, &m->wake, on_wake) != 0)
        status = ST_IO;
    if (status != ST_OK)
        goto failed;
    m->wake.data = m;
    atomic_store(&m->holders, 2);
    m->has_network = pthread_create(&m->network, NULL, network_main, m) == 0;
    if (!m->has_network) {
        atomic_store(&m->holders, 1);
        mqtt_close(m, NULL);
        return ST_NOMEM;
    }
    *ret = m;
    return ST_OK;
failed:
    if (m->inbox != NULL)
        inbox_close(m->inbox);
    free_all(m);
    return status;
}

enum status mqtt_subscribe(struct mqtt *m, const char *filter)
{
    assert(m != NULL && m->magic == MQTT_MAGIC);
    if (mosquitto_sub_topic_check(filter) != MOSQ_ERR_SUCCESS || strlen(filter) >= TOPIC_SIZE_MAX)
        return ST_INVALID;
    if (m->subscription_count >= SUBSCRIPTIONS_MAX)
        return ST_LIMIT;
    struct subscription *s = calloc(1, sizeof *s);
    if (s == NULL || (s->filter = strdup(filter)) == NULL) {
        free(s);
        return ST_NOMEM;
    }
    (void)pthread_mutex_lock(&m->lock);
    s->next = m->subscriptions;
    m->subscriptions = s;
    (void)pthread_mutex_unlock(&m->lock);
    m->subscription_count++;
    /* Without a connection this fails, and the next connect subscribes. */
    (void)mosquitto_subscribe(m->client, NULL, filter, 1);
    wake_network(m);
    return ST_OK;
}

void mqtt_unsubscribe(struct mqtt *m, const char *filter)
{
    assert(m != NULL && m->magic == MQTT_MAGIC);
    struct subscription *gone = NULL;
    (void)pthread_mutex_lock(&m->lock);
    for (struct subscription **at = &m->subscriptions; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->filter, filter) == 0) {
            gone = *at;
            *at = gone->next;
            break;
        }
    (void)pthread_mutex_unlock(&m->lock);
    if (gone == NULL)
        return;
    m->subscription_count--;
    (void)mosquitto_unsubscribe(m->client, NULL, filter);
    wake_network(m);
    free(gone->filter);
    free(gone);
}

static enum status status_of(int rc)
{
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_NO_CONN: /* queued; goes out at the next connect */
        return ST_OK;
    case MOSQ_ERR_NOMEM:
        return ST_NOMEM;
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_OVERSIZE_PACKET:
        return ST_TOO_LARGE;
    default:
        return ST_INVALID;
    }
}

enum status mqtt_publish(struct mqtt *m, const struct mqtt_message *message)
{
    assert(m != NULL && m->magic == MQTT_MAGIC);
    if (message->payload.size > MQTT_MAX_PAYLOAD)
        return ST_TOO_LARGE;
    if (atomic_load(&m->unacknowledged) >= MQTT_UNACKNOWLEDGED_MAX)
        return ST_LIMIT;
    mosquitto_property *properties = NULL;
    enum status status = mqtt_properties_of(message, &properties);
    if (status != ST_OK)
        return status;
    /* Counted before the call: the acknowledgement may be faster than its return. */
    atomic_fetch_add(&m->unacknowledged, 1);
    if (!m->was_connected)
        status = early_keep(m, message, properties);
    else
        status = status_of(mosquitto_publish_v5(m->client, NULL, message->topic,
                                                (int)message->payload.size, message->payload.data,
                                                1, message->retain, properties));
    if (m->was_connected || status != ST_OK)
        mosquitto_property_free_all(&properties);
    if (status != ST_OK) {
        atomic_fetch_sub(&m->unacknowledged, 1);
        return status;
    }
    wake_network(m);
    m->sent++;
    m->sent_bytes += message->payload.size;
    return ST_OK;
}

enum status mqtt_publish_text(struct mqtt *m, const char *topic, const char *text)
{
    struct mqtt_message message = {.topic = topic, .payload = view_text(text)};
    return mqtt_publish(m, &message);
}

void mqtt_settled(struct mqtt *m)
{
    assert(m != NULL && m->magic == MQTT_MAGIC);
    if (!m->hold)
        return;
    (void)pthread_mutex_lock(&m->lock);
    m->settled = m->delivered;
    (void)pthread_cond_signal(&m->settle_signal);
    (void)pthread_mutex_unlock(&m->lock);
}

void mqtt_hand_back(struct mqtt *m)
{
    assert(m != NULL && m->magic == MQTT_MAGIC);
    if (!m->hold)
        return;
    (void)pthread_mutex_lock(&m->lock);
    m->skipping = m->skipping || m->settled < m->delivered;
    m->handed_back = m->handed_back || m->settled < m->delivered;
    m->settled = m->delivered;
    (void)pthread_cond_signal(&m->settle_signal);
    (void)pthread_mutex_unlock(&m->lock);
}

bool mqtt_connected(const struct mqtt *m)
{
    return m->connected;
}

bool mqtt_session_kept(const struct mqtt *m)
{
    return m->session_kept;
}

size_t mqtt_packet_max(const struct mqtt *m)
{
    return atomic_load(&m->packet_max);
}

size_t mqtt_unacknowledged(const struct mqtt *m)
{
    return atomic_load(&m->unacknowledged);
}

struct mqtt_counters mqtt_counters(const struct mqtt *m)
{
    return (struct mqtt_counters){
        .received = m->received,
        .received_bytes = m->received_bytes,
        .sent = m->sent,
        .sent_bytes = m->sent_bytes,
        .dropped_too_large = atomic_load(&m->dropped_too_large),
        .refused_by_broker = atomic_load(&m->refused_by_broker),
        .reconnects = m->reconnects == 0 ? 0 : m->reconnects - 1,
    };
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mqtt *m = handle->data;
    void (*on_closed)(void *owner) = m->on_closed;
    void *owner = m->owner;
    release(m);
    if (on_closed != NULL)
        on_closed(owner);
}

/* A connect to a host that does not answer takes minutes, a name lookup seconds,
 * and neither can be interrupted. A thread that is caught there is left to itself
 * and frees what is left of the connection at its own end. */
static void await_network(struct mqtt *m)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_S_MAX;
    if (pthread_timedjoin_np(m->network, NULL, &until) != 0)
        (void)pthread_detach(m->network);
}

void mqtt_close(struct mqtt *m, void (*on_closed)(void *owner))
{
    assert(m != NULL && m->magic == MQTT_MAGIC && !atomic_load(&m->stopping));
    m->on_closed = on_closed;
    (void)pthread_mutex_lock(&m->lock);
    atomic_store(&m->stopping, true);
    (void)pthread_cond_broadcast(&m->stop_signal);
    (void)pthread_cond_broadcast(&m->settle_signal);
    (void)pthread_mutex_unlock(&m->lock);
    inbox_close(m->inbox);
    if (m->has_network)
        await_network(m);

    struct inbox_item *next = inbox_take_all(m->inbox);
    while (next != NULL) {
        struct inbox_item *item = next;
        next = next->next;
        free(item);
    }
    uv_close((uv_handle_t *)&m->wake, on_handle_closed);
}
