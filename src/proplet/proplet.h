/* The device agent: registers, takes starts, runs each in a child process next
 * to the device's data, and answers every one with results (PROTOCOL 1.1-1.3,
 * 1.6, 2.2, 2.3, 3).
 *
 * Everything is called on the loop's thread. What it sends, and what time it
 * is, goes through struct proplet_out, so a test can be its broker. */
#ifndef PROPLET_PROPLET_H
#define PROPLET_PROPLET_H

#include <uv.h>

#include "base/id.h"
#include "io/mqtt.h"
#include "device/out.h"
#include "wire/topic.h"

struct proplet;

struct trust; /* proplet/trust.h */
struct web;   /* web/web.h */

struct proplet_settings {
    struct topic_space space;
    struct id id;
    struct id manager;         /* whom to ask for images */
    const char *data_dir;      /* the device's own data; NULL: it has none */
    const char *state_dir;     /* made if it is not there; ours alone */
    const char *runner;        /* path of fml-runner */
    const char *boot_id;       /* what out's clock counts from (io/clock.h); NULL: unknown */
    uint32_t alive_interval_s; /* at least 1 */
    uint32_t model_wait_s;     /* how long a task waits for its base model */
    uint32_t resend_s;         /* how often an unanswered update is sent again */
    uint32_t tasks_max;        /* that run at once, 1..PROPLET_RUNNING_MAX */
    uint64_t memory_bytes;     /* of one guest */
    uint32_t cpu_s;            /* of one task */
    bool refuse_sgemm;         /* no native matrix products: a task that imports them fails */
    struct web *web;     /* what may be fetched by HTTP; NULL: nothing. Outlives the proplet */
    struct trust *trust; /* identity and policy; NULL: none. Outlives the proplet */
};

/* Takes the state folder for itself, takes up what an earlier life left there, and
 * subscribes.
 * keeps: loop, out, settings' texts
 * gives: *ret, to be ended with proplet_free()
 * fails: ST_EXISTS (another process has the state folder), ST_LIMIT (a path is
 *        too long), ST_NOT_FOUND (no such data folder), ST_NOMEM, ST_FULL, ST_IO, as
 *        trust_enter(), with a sentence */
MUST_CHECK enum status proplet_new(uv_loop_t *loop, const struct proplet_settings *settings,
                                   const struct proplet_out *out, struct proplet **ret,
                                   struct why *why);

/* Before proplet_connected(): mqtt_packet_max(), so that what is given in parts passes. */
void proplet_packet_max(struct proplet *p, size_t packet_max);

/* At each connect: registers, and sends the results that no broker has acknowledged,
 * also those of an earlier life's tasks. */
void proplet_connected(struct proplet *p);

void proplet_message(struct proplet *p, const struct mqtt_message *m);

/* A few times a second: heartbeat, deadlines, what must be asked or sent again. */
void proplet_tick(struct proplet *p);

/* Ends all tasks, with results, and says goodbye. No more are taken. */
void proplet_stop(struct proplet *p);
/* True when no child process is left after proplet_stop(). */
bool proplet_stopped(const struct proplet *p);

/* Tasks that have not ended, those of them with a child process, updates without
 * an answer, and results that the broker has not acknowledged. */
size_t proplet_task_count(const struct proplet *p);
size_t proplet_running_count(const struct proplet *p);
size_t proplet_unanswered_count(const struct proplet *p);
size_t proplet_waiting_count(const struct proplet *p);

/* NULL is allowed; otherwise proplet_stopped(), or nothing ever ran. */
struct proplet *proplet_free(struct proplet *p);

#endif
