/* What the files of the device agent share. Only for src/proplet. */
#ifndef PROPLET_INSIDE_H
#define PROPLET_INSIDE_H

#include <jansson.h>

#include "base/limits.h"
#include "exchange/exchange.h"
#include "proplet/history.h"
#include "device/images.h"
#include "device/limits.h"
#include "device/model_fetch.h"
#include "device/outcome.h"
#include "proplet/outbox.h"
#include "proplet/proplet.h"

struct task;
struct secure; /* proplet/secure.h */
struct spent;  /* proplet/spent.h */

#define PROPLET_TASKS_MAX (PROPLET_RUNNING_MAX + PROPLET_QUEUE_MAX)

struct proplet {
    uint32_t magic;
    uv_loop_t *loop;
    struct proplet_settings settings;
    struct proplet_out out;
    char state_dir[PROPLET_PATH_SIZE]; /* absolute, as is data_dir */
    char data_dir[PROPLET_PATH_SIZE];  /* "" if there is none */
    int lock;                          /* holds the state folder; -1: not yet */

    struct exchange *exchange;
    struct images *images;
    struct model_fetch *models;
    struct outbox *outbox;
    struct history *history;
    struct secure *secure;
    struct spent *spent; /* of the device's privacy */

    struct task *tasks[PROPLET_TASKS_MAX]; /* oldest first */
    size_t task_count;
    size_t running; /* of them, with a child process */

    bool opening;                       /* nothing is sent yet */
    uint64_t save_ms;                   /* when results that found no room are tried again */
    struct id lost[OUTBOX_UPDATES_MAX]; /* while opening: tasks whose update was damaged */
    size_t lost_count;
    struct bytes again[PROPLET_TASKS_MAX]; /* the same: starts of tasks that go on */
    size_t again_count;

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

/* Remembers the results on disk, so that no crash loses them and no repeated start
 * runs again, and sends them. False: they are remembered in memory only. */
bool report(struct proplet *p, const struct id *task, const struct outcome *outcome);
/* The results as a text from malloc(), or NULL: no memory. */
char *update_results_text(const struct proplet *p, const struct kept_update *update);
/* The common case: it failed before anything ran. */
void report_failure(struct proplet *p, const struct id *task, const char *reason,
                    const char *detail);
/* It made this update. */
bool report_update(struct proplet *p, const struct kept_update *update);
/* True, and the same results once more, if the task ended lately. */
bool report_again(struct proplet *p, const struct id *task);
/* Sends what waits, if there is a connection; keeps books of what was acknowledged. */
void report_waiting(struct proplet *p);

/* ---- recover.c ---- */

/* Opens what an earlier life left on the disk, and answers for its tasks: with their
 * update if one was kept, else as interrupted. Sent at the first connect. */
MUST_CHECK enum status recover(struct proplet *p);
/* Those whose guest had not run yet go on. Once all else is there. */
void recover_tasks(struct proplet *p);

/* ---- one file for each message that can arrive ---- */

/* shared: on Propeller's topic, where everybody listens */
void on_start(struct proplet *p, struct view payload, bool shared);
void on_stop(struct proplet *p, struct view payload);
/* round: the topic's level */
void on_receipt(struct proplet *p, struct view round, struct view payload);
void on_complete(struct proplet *p, struct view round, struct view payload);

#endif
