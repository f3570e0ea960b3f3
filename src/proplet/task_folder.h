/* The folder of one task:
 *
 *     {state}/tasks/{task id}/model/model   the base model
 *     {state}/tasks/{task id}/out/          where the guest may write
 *
 * It exists from the task's arrival to its end. One that is there when the
 * device agent starts belongs to a task that was interrupted. */
#ifndef PROPLET_TASK_FOLDER_H
#define PROPLET_TASK_FOLDER_H

#include <stdbool.h>

#include "base/id.h"
#include "proplet/limits.h"

struct task_folder {
    char tasks[PROPLET_PATH_SIZE]; /* all of them */
    char root[PROPLET_PATH_SIZE];
    char model[PROPLET_PATH_SIZE];      /* the folder */
    char model_file[PROPLET_PATH_SIZE]; /* the file in it */
    char out[PROPLET_PATH_SIZE];
    char update_file[PROPLET_PATH_SIZE]; /* where the guest may leave its update */
};

/* Makes the folders, empty; that they exist is durable.
 * state: at most PROPLET_FOLDER_MAX bytes
 * fails: ST_FULL, ST_IO; nothing is left then */
MUST_CHECK enum status task_folder_make(const char *state, const struct id *task,
                                        struct task_folder *ret);

/* Puts the base model there. Not durable: the folder does not outlive the task.
 * fails: ST_FULL, ST_IO */
MUST_CHECK enum status task_folder_put_model(const struct task_folder *f, struct view model);

/* Removes what is in it: the folder itself still says that the task was here. */
void task_folder_empty(const struct task_folder *f);
void task_folder_remove(const struct task_folder *f);

/* Says of each folder that an earlier life left whose it was, and removes it, or
 * only empties it if settle says false. */
void task_folder_each_left(const char *state, bool (*settle)(void *owner, const struct id *task),
                           void *owner);

/* The update that the guest wrote: a regular file, not a link.
 * gives: *ret, what it held is freed
 * fails: ST_NOT_FOUND (there is none), ST_INVALID (not a regular file), ST_LIMIT
 *        (more than MESSAGE_SIZE_MAX bytes), ST_NOMEM, ST_IO */
MUST_CHECK enum status task_folder_update(const struct task_folder *f, struct bytes *ret);

#endif
