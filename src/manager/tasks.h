/* Every task that was launched, until it is forgotten.
 *
 *     PENDING --> RUNNING --> COMPLETED
 *        |           '------> FAILED
 *        '------------------> COMPLETED, FAILED
 *
 * A table without I/O and without a clock. tasks_change() is the only way from
 * state to state, and an ended state is final: whoever comes second (a late
 * result, a deadline, a close) finds that out by its status and changes nothing.
 * At most tasks_max are kept; the one that ended first is the first to go, and a
 * task that has not ended is never dropped. */
#ifndef MANAGER_TASKS_H
#define MANAGER_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/status.h"
#include "manager/changes.h"

#define TASK_REASON_SIZE 64
#define TASK_DETAIL_SIZE 256

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_COMPLETED, TASK_FAILED };

struct task {
    struct id id;
    struct id launch_id;
    struct id proplet_id;
    enum task_state state;
    uint64_t limit_ms;     /* how long it may be RUNNING */
    uint64_t deadline_ms;  /* of a RUNNING one */
    bool closing;          /* its launch was closed: only its result is awaited */
    uint64_t added, ended; /* its number among all that were added, or ended; 0: not yet */
    char reason[TASK_REASON_SIZE];
    char detail[TASK_DETAIL_SIZE];
};

struct tasks;

/* gives: *ret. fails: ST_NOMEM. tasks_max: 1..TASKS_KEPT_MAX */
MUST_CHECK enum status tasks_new(uint32_t tasks_max, struct tasks **ret);

/* A new task, PENDING.
 * fails: ST_EXISTS (the id), ST_LIMIT (tasks_max tasks have not ended) */
MUST_CHECK enum status tasks_add(struct tasks *t, const struct id *id, const struct id *launch_id,
                                 const struct id *proplet_id, uint64_t limit_ms);

/* How many tasks can be added now, and how many have not ended. */
size_t tasks_room(const struct tasks *t);
size_t tasks_open(const struct tasks *t);

/* From state to state. RUNNING sets the deadline to now_ms + limit_ms.
 * reason, detail: cut to their size at a character's border; detail may be NULL
 * fails: ST_NOT_FOUND, ST_EXISTS (it has ended, or is RUNNING and shall be again);
 *        the task is then as it was */
MUST_CHECK enum status tasks_change(struct tasks *t, const struct id *id, enum task_state state,
                                    const char *reason, const char *detail, uint64_t now_ms);

/* The launch of a RUNNING task was closed: until deadline_ms its result still
 * counts, and only for that the task waits.
 * fails: ST_NOT_FOUND, ST_EXISTS (it is not RUNNING, or closing already) */
MUST_CHECK enum status tasks_close(struct tasks *t, const struct id *id, uint64_t deadline_ms);

/* No RUNNING task has less than left_ms from now on. */
void tasks_excuse(struct tasks *t, uint64_t now_ms, uint64_t left_ms);

/* One that was recorded, into the next slot, as it was. It is not among the changes.
 * fails: ST_EXISTS, ST_LIMIT (the table's size) */
MUST_CHECK enum status tasks_restore(struct tasks *t, const struct task *task);
/* After the last tasks_restore(): puts them in order. fails: ST_NOMEM */
MUST_CHECK enum status tasks_restored(struct tasks *t);

/* The slots of tasks that are not as recorded, and what is in a slot. Whoever
 * records them clears it. */
struct changes *tasks_changes(struct tasks *t);
const struct task *tasks_at(const struct tasks *t, uint32_t slot);

/* NULL: unknown. Valid until the next tasks_add(). */
const struct task *tasks_find(const struct tasks *t, const struct id *id);

/* Walks over all tasks in no particular order, from *cursor 0 on; NULL at the
 * end. Tasks may be changed and added meanwhile: those that were there all the
 * time are met exactly once. */
const struct task *tasks_next(const struct tasks *t, size_t *cursor);

/* The newest tasks, the newest first, at most count_max. Gives how many. */
size_t tasks_newest(const struct tasks *t, const struct task **ret, size_t count_max);

static inline bool task_ended(const struct task *task)
{
    return task->state == TASK_COMPLETED || task->state == TASK_FAILED;
}

static inline bool task_due(const struct task *task, uint64_t now_ms)
{
    return task->state == TASK_RUNNING && now_ms >= task->deadline_ms;
}

const char *task_state_name(enum task_state state); /* "pending", ... as in PROTOCOL 1.4 */

struct tasks *tasks_free(struct tasks *t);

#endif
