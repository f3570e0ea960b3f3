/* The manager: knows proplets, tasks and images, launches tasks by its rules and
 * passes messages on. It knows nothing of what the tasks do.
 *
 * It opens no connection and reads no clock: messages and `now` come in through
 * the functions below, and what it wants to send goes out through struct
 * manager_out. main.c joins it to a broker, the tests to a list of messages.
 * One thread. */
#ifndef MANAGER_MANAGER_H
#define MANAGER_MANAGER_H

#include <stdbool.h>

#include "io/mqtt.h"
#include "manager/rules.h"
#include "wire/topic.h"

struct manager_settings {
    struct topic_space space;
    struct id client_id;       /* ours at the broker; also that of the holder of images */
    const char *state_dir;     /* manager.db and blobs/ lie here; must outlive the manager */
    const char *boot_id;       /* clock_boot(); must outlive the manager */
    const char *url_base;      /* somebody serves state_dir/blobs there; NULL: nobody */
    uint64_t alive_interval_s; /* of the proplets' heartbeats */
    uint64_t lost_after_s;     /* offline that long: its tasks are given up */
    uint64_t result_margin_s;  /* after a task's own limit, until its result must be here */
};

/* How messages leave. Both borrow what they get for the call. */
struct manager_out {
    enum status (*publish)(void *owner, const struct mqtt_message *message);
    /* Messages that were published and may still be on their way. */
    size_t (*pending)(void *owner);
    void *owner;
};

/* What happened since manager_new(); part of the answer to a status query. They
 * begin at 0 again with each start, and say so: what must outlive it is in the lists
 * of tasks and images. */
#define MANAGER_COUNTERS(X)                                                                        \
    X(launches) /* accepted, each with its tasks */                                                \
    X(launches_refused)                                                                            \
    X(launches_duplicate)                                                                          \
    X(starts)          /* sent */                                                                  \
    X(stops)           /* sent */                                                                  \
    X(results)         /* that ended a task */                                                     \
    X(results_late)    /* of tasks that had ended */                                               \
    X(results_refused) /* malformed, of unknown tasks or of another sender */                      \
    X(forwards)                                                                                    \
    X(forwards_refused)                                                                            \
    X(pushes) /* images stored */                                                                  \
    X(pushes_refused)                                                                              \
    X(parts)            /* sent */                                                                 \
    X(parts_put_off)    /* too many were pending; whoever needs them asks again */                 \
    X(messages_refused) /* malformed or too large, of all other kinds */

struct manager_counters {
#define X(name) uint64_t name;
    MANAGER_COUNTERS(X)
#undef X
};

struct manager;

/* Takes up what was recorded in state_dir: tasks go on, and what was recorded and
 * perhaps not sent is sent at the first tick that finds the broker.
 * rules: kept, must outlive the manager
 * now_ms: clock_now_ms(); all later times are of the same clock
 * gives: *ret, to be ended with manager_free()
 * fails: ST_NOMEM; as store_open(), migrate_files() and images_open(); with a sentence */
MUST_CHECK enum status manager_new(const struct manager_settings *settings,
                                   const struct rules *rules, const struct manager_out *out,
                                   uint64_t now_ms, struct manager **ret, struct why *why);

/* Every filter that the manager wants to be subscribed to, in turn from index 0;
 * false at the end. ret_filter is the caller's. */
bool manager_filter(const struct manager *m, size_t index, struct topic *ret_filter);

/* A message came. Whatever is in it, it changes what it may or nothing. What it
 * changed is recorded, and told to others, by the next manager_settle(). */
void manager_message(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);

/* Time passed: ends what is overdue. To be called about every 0.5 s.
 * connected: whether the broker is. While it is not, nobody is blamed for his
 * silence, and everybody gets his full time again when it is back. */
void manager_tick(struct manager *m, uint64_t now_ms, bool connected);

/* The end of a burst of messages: records what they changed as one transaction,
 * and then sends what is recorded. */
void manager_settle(struct manager *m, uint64_t now_ms);

const struct manager_counters *manager_counters(const struct manager *m);

/* Publishes nothing and records nothing, as a crash would (call manager_settle()
 * before): tasks that run go on, their proplets do not need us. */
struct manager *manager_free(struct manager *m);

#endif
