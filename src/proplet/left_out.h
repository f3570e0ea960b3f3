/* What top-k left out of this device's updates, kept for the next one of the same model
 * (compress/compress.h).
 *
 *     {state}/left_out/{model name}/before          of the last update that was accepted
 *     {state}/left_out/{model name}/{task}.after    of one that has no answer yet
 *
 * An update that was not accepted changed no model, so what it left out is forgotten: what
 * was left out before it still is. One update of a model at a time carries it: two would send
 * it twice. */
#ifndef PROPLET_LEFT_OUT_H
#define PROPLET_LEFT_OUT_H

#include <stdbool.h>

#include "base/id.h"
#include "device/limits.h"

struct left_out {
    bool used; /* false: another task's update has no answer yet; this one goes without */
    char before[PROPLET_PATH_SIZE]; /* may not be there: nothing was left out */
    char after[PROPLET_PATH_SIZE];  /* to be made by the task, durably */
};

/* The files of a task's update. Of the models of more than LEFT_OUT_MODELS_MAX those that were
 * not trained for the longest time are forgotten.
 * state: at most PROPLET_FOLDER_MAX bytes
 * fails: ST_FULL, ST_IO */
MUST_CHECK enum status left_out_begin(const char *state, const struct id *model,
                                      const struct id *task, struct left_out *ret);

/* The update of this task has its answer: accepted, its `after` becomes `before`; else it
 * goes. Of a task without such a file: nothing. */
void left_out_settle(const char *state, const struct id *task, bool accepted);

/* At a start: the files of tasks without an update go. */
void left_out_sweep(const char *state, bool (*has_update)(void *owner, const struct id *task),
                    void *owner);

#endif
