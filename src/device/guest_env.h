/* The environment of a guest: the task's own variables verbatim, then ours
 * (PROTOCOL 3). Ours win where a task names the same. Pure. */
#ifndef DEVICE_GUEST_ENV_H
#define DEVICE_GUEST_ENV_H

#include <stdbool.h>

#include "base/jsn.h"

#define GUEST_MODEL_FOLDER "/model"
#define GUEST_MODEL_FILE   "model"
#define GUEST_DATA_FOLDER  "/data"
#define GUEST_OUT_FOLDER   "/out"
#define GUEST_UPDATE_FILE  "update"

/* What the device adds. */
struct guest_vars {
    const char *proplet_id;
    bool has_data;          /* DATA_DIR */
    bool has_model;         /* MODEL_PATH, UPDATE_PATH */
    const char *model_data; /* MODEL_DATA; NULL: too large, or not JSON */
};

struct guest_env {
    char **items; /* (count + 1,): "NAME=value", then NULL; owned */
    size_t count;
};

/* task_env: an object of texts.
 * fails: ST_INVALID (a name that is empty, too long or holds '=' or a control
 *        byte), with a sentence */
MUST_CHECK enum status guest_env_check(const json_t *task_env, struct why *why);

/* task_env: as checked above.
 * gives: *ret, to be ended with guest_env_done(). fails: ST_NOMEM */
MUST_CHECK enum status guest_env_build(const json_t *task_env, const struct guest_vars *vars,
                                       struct guest_env *ret);

/* A base model as MODEL_DATA, to be freed with free(); NULL: it is larger than
 * MODEL_DATA_ENV_MAX or not JSON, or there is no memory */
char *guest_env_model(struct view model);

void guest_env_done(struct guest_env *env);

#endif
