/* The coordinator without its connection: messages and time in, messages out.
 *
 * What it must not forget is in a folder, and nothing is said before it is there:
 * messages change what is known, coordinator_flush() makes that durable in one
 * transaction, and only then do the answers leave. If that fails (a full disk),
 * nothing of it happened: what is known is read from the folder again, the messages
 * have to come again, and until the folder can be written each is refused.
 *
 * It owns all rounds, and experiments, which are rounds that follow from each other. Each message
 * that can arrive has its own file, on_*.c. What goes out passes through struct coordinator_out, so
 * that tests drive all of it without a broker. It logs. Not thread-safe. */
#ifndef COORDINATOR_COORDINATOR_H
#define COORDINATOR_COORDINATOR_H

#include "identity/revocations.h"
#include "io/mqtt.h"
#include "wire/topic.h"

struct coordinator;
struct web; /* web/web.h */

struct coordinator_settings {
    struct id me;                /* under which others ask for parts of versions */
    size_t rounds_open_max;      /* 1..ROUNDS_KEPT_MAX */
    size_t experiments_open_max; /* 1..EXPERIMENTS_KEPT_MAX */
    struct topic_space space;    /* where the manager is asked who is alive */
    size_t threads;              /* of an aggregation, 1..AGGREGATION_THREADS_MAX */
    const char *models_dir;      /* each new version is written there too; NULL: nowhere */
    const char *state_dir;       /* rounds live here, over restarts; one process at a time */
    const char *boot;            /* clock_boot() */
    size_t keep_updates; /* of so many ended rounds, at most ROUNDS_KEPT_MAX; see folders.c */
    const struct key_public *fleet;    /* whose devices may aggregate securely; NULL: none */
    const struct revocations *revoked; /* NULL: no device is known to be */
    bool cancel_on_stop; /* coordinator_stop() ends all that is open; else it goes on later */
};

struct coordinator_out {
    /* As mqtt_publish(). */
    enum status (*publish)(void *owner, const struct mqtt_message *m);
    /* Makes the broker send what is retained on topic, once more if need be; and
     * no more of it. Each ask() is followed by one ask_no_more(). */
    void (*ask)(void *owner, const char *topic);
    void (*ask_no_more)(void *owner, const char *topic);
    /* How many of the messages that publish() took, in their order, the broker has. */
    uint64_t (*taken)(void *owner);
    void *owner;
};

/* Where the manager's answers come (MQTT 5 response topic). */
#define COORDINATOR_ANSWERS "fml/answers/fml-coordinator"

/* The filters to subscribe to, index 0, 1, …; false: no more. */
bool coordinator_filter(const struct coordinator *c, size_t index, char ret[TOPIC_SIZE_MAX]);

/* Copies settings and out; keeps the texts. Makes the folders that are not there, and
 * reads what is in state_dir. Sends nothing yet.
 * now_ms: clock_now_ms(), here and below
 * gives: *ret. fails: ST_NOMEM, ST_FULL, ST_IO; ST_CORRUPT, ST_INVALID, ST_EXISTS
 *        (state_dir, see store.h), ST_LIMIT (too long a path), each logged */
MUST_CHECK enum status coordinator_new(const struct coordinator_settings *settings,
                                       const struct coordinator_out *out, uint64_t now_ms,
                                       struct coordinator **ret);

/* Once, when messages can be sent: open rounds go on, and what was not heard by the
 * broker before is sent again. */
void coordinator_resume(struct coordinator *c, uint64_t now_ms);

/* Before it: mqtt_packet_max(), so that what is given in parts passes. */
void coordinator_packet_max(struct coordinator *c, size_t packet_max);

/* What may be fetched by HTTP from now on: large base models whose references say a URL.
 * web: borrowed until it is set anew; NULL, as in the beginning: nothing */
void coordinator_use_web(struct coordinator *c, struct web *web);

/* The connection is up. session_kept: mqtt_session_kept(); what a broker may have lost
 * of what it retained is said to it again with the next tick. */
void coordinator_connected(struct coordinator *c, bool session_kept);

/* What came since the last call becomes durable, and the answers leave. To be called
 * when a batch of messages is over; the other functions do it by themselves.
 * False: some of it could not be kept and was not answered. All messages since the
 * last call must be handed to coordinator_message() again; those that were kept or
 * answered are recognised. They are refused while nothing can be kept. */
MUST_CHECK bool coordinator_flush(struct coordinator *c, uint64_t now_ms);

/* One message came, to be followed by coordinator_flush(), at the latest after the
 * whole batch. m is borrowed for the call; nothing in it is trusted. */
void coordinator_message(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);

/* Time passed: deadlines of rounds and experiments; what is still to be sent. */
void coordinator_tick(struct coordinator *c, uint64_t now_ms);

/* The process ends. Open rounds and experiments stay open for the next one, unless
 * cancel_on_stop: then each gets its `complete`, or its last state. */
void coordinator_stop(struct coordinator *c, uint64_t now_ms);

struct coordinator *coordinator_free(struct coordinator *c);

#endif
