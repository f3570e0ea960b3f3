/* What the files of the simulator share. Only for src/simulate. */
#ifndef SIMULATE_INSIDE_H
#define SIMULATE_INSIDE_H

#include <jansson.h>

#include "device/outcome.h"
#include "exchange/exchange.h"
#include "simulate/limits.h"
#include "simulate/pool.h"
#include "simulate/provision.h"
#include "simulate/simulator.h"
#include "simulate/updates.h"

/* A task waits for its image and model, then for a worker, then runs; then it is gone. */
struct task {
    struct task *next;
    struct simulator *simulator;
    struct id id;
    uint32_t device;
    uint64_t deadline_ms;
    json_t *env;
    bool learns;
    struct learning learning;
    struct provision *provision;
    bool running;
    bool stop_wanted;
    uint32_t worker; /* while it runs */
};

/* The last task that a device answered, so that a start that comes again does not run
 * again. */
struct answered {
    struct id task;
    char *results; /* NULL: none yet */
};

struct simulator {
    uv_loop_t *loop;
    struct simulator_settings settings;
    struct proplet_out out;
    char state_dir[PROPLET_PATH_SIZE]; /* absolute, as is data_dir */
    char data_dir[PROPLET_PATH_SIZE];  /* "" if there is none */

    struct exchange *exchange;
    struct images *images;
    struct model_fetch *models;
    struct provisions *provisions;
    struct updates *updates;
    struct pool *pool;

    struct task *first, **last; /* oldest first */
    size_t task_count;
    struct answered *answered; /* (devices.count,) */

    uint64_t calm_ms;    /* when starts are thought to have ended; images are fetched then */
    uint32_t alive_next; /* whose heartbeat is the next, 0..count-1 */
    uint64_t alive_ms;   /* when it is due */
    bool stopping, said_goodbye;
    struct simulator_counters counters;
};

uint64_t simulator_now_ms(const struct simulator *s);

/* Lets everything go on as far as it can. After anything that happened. */
void simulator_step(struct simulator *s);

/* ---- task.c ---- */

/* payload: a start on the topic of this device */
void task_start(struct simulator *s, uint32_t device, struct view payload);
/* Kills it, or ends it before it runs; its results say "stopped". */
void task_stop(struct task *t);
/* Of a device; NULL: none of this id. */
struct task *task_find(const struct simulator *s, uint32_t device, const struct id *id);
/* Runs what can run, ends what cannot; deadlines too if look_at_time. */
void tasks_step(struct simulator *s, bool look_at_time);

/* ---- report.c ---- */

/* The one answer to a start. */
void report(struct simulator *s, uint32_t device, const struct id *task, const struct outcome *o);
/* True, and the same results once more, if it was the device's last task. */
bool report_again(struct simulator *s, uint32_t device, const struct id *task);

#endif
