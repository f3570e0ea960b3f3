/* One MQTT 5 connection (OASIS MQTT 5.0) whose messages arrive on a libuv loop.
 *
 * libmosquitto's own thread keeps the connection (keep-alive, reconnect, name
 * lookup), so that a busy loop never loses it. It reconnects after 0.25 to 8 s,
 * doubled each time, and each half to one and a half as long. Its callback only
 * copies a message into a bounded inbox and wakes the loop; when the inbox is
 * full that thread waits, so the broker is slowed by TCP and nothing that was
 * acknowledged is dropped. Everything here is called on the loop's thread.
 *
 * Everything is QoS 1 (libmosquitto 2.0 loses QoS 2 messages when a process
 * dies in the callback). TCP_NODELAY is set. Subscriptions are remembered and
 * made again after each reconnect; publishes made while offline are queued. */
#ifndef IO_MQTT_H
#define IO_MQTT_H

#include <stdbool.h>

#include <uv.h>

#include "base/bytes.h"
#include "base/limits.h"

struct mqtt;

/* Publishes that may wait for their acknowledgement. Packet ids have 16 bits, and
 * libmosquitto gives one out again while its first message still waits. */
#define MQTT_UNACKNOWLEDGED_MAX ((size_t)60000)

struct mqtt_property {
    const char *key;
    const char *value;
};

/* A message that came, or one to send. Borrowed for the call in both directions. */
struct mqtt_message {
    const char *topic;
    struct view payload;
    bool retain;                /* came: it was retained; to send: retain it */
    const char *response_topic; /* NULL: none */
    struct view correlation;    /* size 0: none */
    struct mqtt_property properties[PROPERTIES_MAX];
    size_t property_count;
};

/* NULL if there is none of this key. */
const char *mqtt_message_property(const struct mqtt_message *m, const char *key);

struct mqtt_options {
    const char *address; /* tcp://host:port, mqtt://host:port, host:port or host; 1883 */
    const char *client_id;
    const char *username;      /* NULL: none */
    const char *password;      /* NULL: none */
    uint16_t keepalive_s;      /* 0: 30 */
    size_t message_size_max;   /* larger ones are dropped and counted; 0: MESSAGE_SIZE_MAX */
    uint32_t session_expiry_s; /* 0: a new session at each start; else the broker keeps
                                * subscriptions and messages that long while we are away */
    /* Acknowledge what came only after mqtt_settled(): what a process that dies had
     * not settled is then handed over again by the broker's session. */
    bool hold_acknowledgements;
    /* The last will; topic NULL: none. */
    const char *will_topic;
    struct view will_payload;
    /* A message came. */
    void (*on_message)(void *owner, const struct mqtt_message *m);
    /* The connection is up (and the subscriptions are under way), or lost. May be NULL. */
    void (*on_state)(void *owner, bool connected, const char *reason);
    void *owner;
};

/* Starts connecting and returns at once; goes on trying for ever. Borrows
 * options only for the call (callbacks and owner are kept).
 * gives: *ret, to be ended with mqtt_close()
 * fails: ST_INVALID (address), ST_NOMEM, ST_IO */
MUST_CHECK enum status mqtt_open(uv_loop_t *loop, const struct mqtt_options *options,
                                 struct mqtt **ret);

/* fails: ST_INVALID (not a filter), ST_LIMIT (4096 filters), ST_NOMEM */
MUST_CHECK enum status mqtt_subscribe(struct mqtt *m, const char *filter);
/* A filter that was never subscribed to is ignored. */
void mqtt_unsubscribe(struct mqtt *m, const char *filter);

/* Copies and queues; libmosquitto sends it and repeats it until acknowledged.
 * fails: ST_TOO_LARGE (above the broker's maximum, now and later); ST_LIMIT
 *        (MQTT_UNACKNOWLEDGED_MAX, or 1024 before the first connection, wait
 *        already: later there is room), ST_INVALID (topic), ST_NOMEM
 * One that is too large for the broker and was made before the first connection
 * is found out then, and counted in refused_by_broker. */
MUST_CHECK enum status mqtt_publish(struct mqtt *m, const struct mqtt_message *message);

/* The common case: no properties, not retained. */
MUST_CHECK enum status mqtt_publish_text(struct mqtt *m, const char *topic, const char *text);

/* Everything that on_message got so far is done with, and durable if it has to be:
 * it may be acknowledged. To be called after each turn of the loop in which
 * messages came, or no more come. Does nothing unless acknowledgements are held. */
void mqtt_settled(struct mqtt *m);

/* Instead of it: something that on_message got since the last of these calls could
 * not be kept. None of it is acknowledged: the connection is cut and made anew at
 * once, and the broker's session hands all of it over again, to be done with once
 * more. Whoever calls this must be able to deal with it then, as nothing else comes
 * before it. Does nothing if nothing came, or unless acknowledgements are held. */
void mqtt_hand_back(struct mqtt *m);

bool mqtt_connected(const struct mqtt *m);
/* Whether at the last connect the broker still had our session, and so all that it
 * ever took from us. False: it is new to us, or has lost what it had. */
bool mqtt_session_kept(const struct mqtt *m);
/* Publishes that the broker has not acknowledged yet. */
size_t mqtt_unacknowledged(const struct mqtt *m);

/* How many bytes a packet may have for the broker, with its topic and all (Maximum Packet
 * Size of its last CONNACK, MQTT 5.0 section 3.2.2.3.6; the protocol's own limit if it
 * said none). Known once it is connected. */
size_t mqtt_packet_max(const struct mqtt *m);

struct mqtt_counters {
    uint64_t received, received_bytes, sent, sent_bytes, dropped_too_large, refused_by_broker,
        reconnects;
};
struct mqtt_counters mqtt_counters(const struct mqtt *m);

/* Sends DISCONNECT (the will is not sent then), ends the thread, drops what is
 * queued, closes its uv handle and calls on_closed (may be NULL) from the loop.
 * No callback comes after that. Takes up to 3 s if the network thread hangs in a
 * name lookup or a connect; that thread then ends by itself. */
void mqtt_close(struct mqtt *m, void (*on_closed)(void *owner));

#endif
