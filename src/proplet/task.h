/* One task from its start to its results, as an explicit state machine:
 *
 *     FETCH_IMAGE → COMPILE → FETCH_MODEL → READY → RUN → COMPRESS → PROTECT → KEEP → ENDED
 *
 * (a plain task has no model to fetch; COMPRESS and PROTECT are for rounds that ask for it, KEEP
 * for an update that goes in parts). READY and RUN
 * go back to COMPILE, once, where the compiled code turns out to be damaged: no guest ran then.
 * Each state but ENDED may end the task with a reason; each is bounded by the task's deadline,
 * counted from its arrival. There is one way to change the state and one way to end. */
#ifndef PROPLET_TASK_H
#define PROPLET_TASK_H

#include "proplet/inside.h"
#include "wire/task_msg.h"

enum task_state {
    TASK_FETCH_IMAGE,
    TASK_COMPILE,
    TASK_FETCH_MODEL,
    TASK_READY, /* waits until fewer than tasks_max run */
    TASK_RUN,
    TASK_COMPRESS, /* its update is made smaller, a little in each turn of the loop */
    TASK_PROTECT,  /* the masks are awaited, and it is clipped, noised and masked */
    TASK_KEEP,     /* it is read through, in the same way */
    TASK_ENDED,    /* results were sent; to be freed */
};

/* Takes a start that is well-formed and addressed to us. Nothing was sent yet.
 * image: the digest of the module to run
 * gives: *ret in TASK_FETCH_IMAGE, to be ended with task_free()
 * fails: ST_INVALID (the start is unusable), ST_NOMEM, ST_FULL, ST_IO, with a
 *        sentence; nothing is left then */
MUST_CHECK enum status task_new(struct proplet *p, const struct start_msg *start,
                                const struct digest *image, struct task **ret, struct why *why);

/* Keeps its start on the disk until its guest runs: after a crash before that it goes on. */
void task_keep_start(struct task *t, struct view start);

const struct id *task_id(const struct task *t);
enum task_state task_state(const struct task *t);

/* Goes on as far as possible now. */
void task_step(struct task *t);

/* Ends it as "stopped": at once, or when its child process is dead. */
void task_stop(struct task *t);

/* Not while its child process lives. NULL is allowed. */
struct task *task_free(struct task *t);

#endif
