/* The coordinator without its connection: messages and time in, messages out.
 *
 * It owns all rounds. Each message that can arrive has its own file, on_*.c.
 * What goes out passes through struct coordinator_out, so that tests drive all
 * of it without a broker. It logs. Not thread-safe. */
#ifndef COORDINATOR_COORDINATOR_H
#define COORDINATOR_COORDINATOR_H

#include "io/mqtt.h"

struct coordinator;

struct coordinator_settings {
    size_t rounds_open_max; /* 1..ROUNDS_KEPT_MAX */
    const char *models_dir; /* each new version is written there too; NULL: nowhere */
};

struct coordinator_out {
    /* As mqtt_publish(). */
    enum status (*publish)(void *owner, const struct mqtt_message *m);
    /* Makes the broker send what is retained on topic, once more if need be; and
     * no more of it. Each ask() is followed by one ask_no_more(). */
    void (*ask)(void *owner, const char *topic);
    void (*ask_no_more)(void *owner, const char *topic);
    void *owner;
};

/* The topics to subscribe to, ended by NULL. */
extern const char *const coordinator_topics[];

/* Copies settings and out; keeps models_dir, which is made if it is not there.
 * gives: *ret. fails: ST_NOMEM; ST_FULL, ST_IO (models_dir) */
MUST_CHECK enum status coordinator_new(const struct coordinator_settings *settings,
                                       const struct coordinator_out *out, struct coordinator **ret);

/* One message came. m is borrowed for the call; nothing in it is trusted.
 * now_ms: clock_now_ms(), here and below */
void coordinator_message(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);

/* Time passed: deadlines of rounds. */
void coordinator_tick(struct coordinator *c, uint64_t now_ms);

/* The process ends: open rounds are cancelled, as they live in memory only, and
 * each gets its `complete`. */
void coordinator_stop(struct coordinator *c, uint64_t now_ms);

struct coordinator *coordinator_free(struct coordinator *c);

#endif
