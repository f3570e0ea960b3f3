/* The folder of one task:
 *
 *     {state}/tasks/{task id}/start         the start, until the guest runs
 *     {state}/tasks/{task id}/model/model   the base model
 *     {state}/tasks/{task id}/out/          where the guest may write
 *     {state}/tasks/{task id}/compressed    its update, made smaller
 *
 * It exists from the task's arrival to its end. One that is there when the
 * device agent starts belongs to a task that was interrupted. */
#ifndef PROPLET_TASK_FOLDER_H
#define PROPLET_TASK_FOLDER_H

#include <stdbool.h>

#include "base/id.h"
#include "device/limits.h"

struct task_folder {
    char tasks[PROPLET_PATH_SIZE]; /* all of them */
    char root[PROPLET_PATH_SIZE];
    char start_file[PROPLET_PATH_SIZE];
    char model[PROPLET_PATH_SIZE];      /* the folder */
    char model_file[PROPLET_PATH_SIZE]; /* the file in it */
    char out[PROPLET_PATH_SIZE];
    char update_file[PROPLET_PATH_SIZE]; /* where the guest may leave its update */
    char compressed_file[PROPLET_PATH_SIZE];
};

/* Makes the folders, empty; that they exist is durable.
 * state: at most PROPLET_FOLDER_MAX bytes
 * fails: ST_FULL, ST_IO; nothing is left then */
MUST_CHECK enum status task_folder_make(const char *state, const struct id *task,
                                        struct task_folder *ret);

/* Keeps the start, so that a task whose guest never ran goes on in another life; it is of
 * no use after a reboot (which may bring back what was removed), and not durable.
 * boot: names the boot; "": unknown, and nothing is kept
 * start: at most CONTROL_SIZE_MAX bytes */
void task_folder_put_start(const struct task_folder *f, const char *boot, struct view start);
/* The guest is about to run: a second time is out of the question. */
void task_folder_forget_start(const struct task_folder *f);

/* Puts the base model there. Not durable: the folder does not outlive the task.
 * fails: ST_FULL, ST_IO */
MUST_CHECK enum status task_folder_put_model(const struct task_folder *f, struct view model);

/* The same for one that lies in a file on the same disk, which is not copied and must
 * not be changed. fails: ST_FULL, ST_IO */
MUST_CHECK enum status task_folder_link_model(const struct task_folder *f, const char *path);

/* Removes what is in it: the folder itself still says that the task was here. */
void task_folder_empty(const struct task_folder *f);
void task_folder_remove(const struct task_folder *f);

/* Says of each folder that an earlier life left whose it was, with the start if it was
 * kept in this boot (else without bytes), and removes the folder, or only empties it of
 * model and output if settle says false. */
void task_folder_each_left(const char *state, const char *boot,
                           bool (*settle)(void *owner, const struct id *task, struct view start),
                           void *owner);

/* Puts it where a guest would have written it. fails: ST_FULL, ST_IO */
MUST_CHECK enum status task_folder_put_update(const struct task_folder *f, struct view update);

/* The update that the guest wrote: a regular file, not a link. The guest has ended, so it
 * does not change any more.
 * gives: *ret, mapped: map_close(); without bytes if the file is empty
 * fails: ST_NOT_FOUND (there is none), ST_INVALID (not a regular file), ST_LIMIT
 *        (more than MODEL_BYTES_MAX bytes), ST_NOMEM, ST_IO */
MUST_CHECK enum status task_folder_update(const struct task_folder *f, struct view *ret);

#endif
