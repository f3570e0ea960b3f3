/* What the files of the device agent share. Only for src/proplet. */
#ifndef PROPLET_INSIDE_H
#define PROPLET_INSIDE_H

#include <jansson.h>

#include "base/limits.h"
#include "proplet/history.h"
#include "proplet/images.h"
#include "proplet/limits.h"
#include "proplet/model_fetch.h"
#include "proplet/outbox.h"
#include "proplet/proplet.h"

struct task;

#define PROPLET_TASKS_MAX (PROPLET_RUNNING_MAX + PROPLET_QUEUE_MAX)

struct proplet {
    uint32_t magic;
    uv_loop_t *loop;
    struct proplet_settings settings;
    struct proplet_out out;
    char state_dir[PROPLET_PATH_SIZE]; /* absolute, as is data_dir */
    char data_dir[PROPLET_PATH_SIZE];  /* "" if there is none */
    int lock;                          /* holds the state folder; -1: not yet */

    struct images *images;
    struct model_fetch *models;
    struct outbox *outbox;
    struct history *history;

    struct task *tasks[PROPLET_TASKS_MAX]; /* oldest first */
    size_t task_count;
    size_t running; /* of them, with a child process */

    struct id interrupted[PROPLET_TASKS_MAX]; /* to be answered for at the first connect */
    size_t interrupted_count;

    uint64_t alive_ms; /* when the next heartbeat is due */
    bool stopping;
    bool said_goodbye;
};

uint64_t proplet_now_ms(const struct proplet *p);

/* Lets everything go on as far as it can. After anything that happened. */
void proplet_step(struct proplet *p);

/* NULL if there is no such task now. */
struct task *proplet_task(const struct proplet *p, const struct id *task);

/* ---- report.c: the one answer to a start (PROTOCOL 1.3) ---- */

struct outcome {
    const char *reason; /* "completed", or a failure's code */
    const char *detail; /* a sentence about a failure */
    json_t *results;    /* borrowed; NULL: none */
    uint64_t wall_ms, cpu_ms, peak_rss_kb;
};

/* Sends the results and remembers them, for the case that the start comes again. */
void report(struct proplet *p, const struct id *task, const struct outcome *outcome);
/* The common case: it failed before anything ran. */
void report_failure(struct proplet *p, const struct id *task, const char *reason,
                    const char *detail);
/* True, and the same results once more, if the task ended lately. */
bool report_again(struct proplet *p, const struct id *task);

/* ---- one file for each message that can arrive ---- */

/* shared: on Propeller's topic, where everybody listens */
void on_start(struct proplet *p, struct view payload, bool shared);
void on_stop(struct proplet *p, struct view payload);
/* round: the topic's level */
void on_receipt(struct proplet *p, struct view round, struct view payload);
void on_complete(struct proplet *p, struct view round, struct view payload);

#endif
