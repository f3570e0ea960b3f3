/* Many virtual devices in one process: they register, take starts, run guests and answer
 * with updates and results, each under its own name and on its own topics, as fml-proplet
 * does (PROTOCOL 1.1-1.3, 2.2, 2.3, 3). Only the devices are simulated.
 *
 * What is not as on a real device: the process has one connection, so no last will says
 * that a device is gone; updates and results are kept in memory only; guests share worker
 * processes (sandbox/worker.h); an update is at most one message (MESSAGE_SIZE_MAX).
 *
 * Everything is called on the loop's thread. What it sends, and what time it is, goes
 * through struct proplet_out. */
#ifndef SIMULATE_SIMULATOR_H
#define SIMULATE_SIMULATOR_H

#include <uv.h>

#include "device/out.h"
#include "io/mqtt.h"
#include "simulate/devices.h"
#include "wire/topic.h"

struct simulator;

struct simulator_settings {
    struct topic_space space;
    struct id id;              /* of the process: under which it asks for images and parts */
    struct id manager;         /* whom to ask for images */
    struct devices devices;    /* shards is found out from data_dir */
    const char *data_dir;      /* folders of data, or one for all; NULL: the devices have none */
    const char *state_dir;     /* made if it is not there; ours alone */
    const char *runner;        /* path of fml-runner, which compiles */
    const char *worker;        /* path of fml-worker */
    uint32_t workers;          /* guests at once, 1..SIMULATE_WORKERS_MAX */
    uint64_t memory_bytes;     /* of one guest */
    uint32_t alive_interval_s; /* at least 1 */
    uint32_t model_wait_s, resend_s;
    bool refuse_sgemm;
};

struct simulator_counters {
    uint64_t started, completed, failed, silent, updates, accepted, rejected;
};

/* keeps: loop, out, settings' texts
 * gives: *ret, to be ended with simulator_free()
 * fails: ST_INVALID (a device's name would be no id), ST_LIMIT (a path is too long),
 *        ST_NOT_FOUND (no such data folder), ST_NOMEM, ST_FULL, ST_IO, with a sentence */
MUST_CHECK enum status simulator_new(uv_loop_t *loop, const struct simulator_settings *settings,
                                     const struct proplet_out *out, struct simulator **ret,
                                     struct why *why);

/* Before simulator_connected(): mqtt_packet_max(). */
void simulator_packet_max(struct simulator *s, size_t packet_max);
/* At each connect: registers all devices. */
void simulator_connected(struct simulator *s);
void simulator_message(struct simulator *s, const struct mqtt_message *m);
/* A few times a second: heartbeats, deadlines, what must be asked or sent again. */
void simulator_tick(struct simulator *s);

/* Ends all tasks, with results, and says goodbye for all devices. No more are taken. */
void simulator_stop(struct simulator *s);
/* True when no guest and no compiler is left after simulator_stop(). */
bool simulator_stopped(const struct simulator *s);

struct simulator_counters simulator_counters(const struct simulator *s);
/* Folders of data that were found; 0: one for all, or none. */
uint32_t simulator_shards(const struct simulator *s);

/* NULL is allowed; otherwise simulator_stopped(), or nothing ever ran. The loop must turn
 * once more before it is closed. */
struct simulator *simulator_free(struct simulator *s);

#endif
