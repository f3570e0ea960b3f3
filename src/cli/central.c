#include "cli/central.h"

#include <math.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>

#include "base/jsn.h"
#include "fl/update.h"
#include "io/file.h"

#define NAME      "centralised"
#define VARIABLES 7

/* A text made by format, or NULL. */
static char *text_made(const char *format, ...) PRINTF_LIKE(1, 2);

static char *text_made(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    return size < 0 ? NULL : text;
}

/* A copy of hyperparams with "round", as devices get it. NULL: no memory */
static json_t *with_round(const json_t *hyperparams, uint32_t round)
{
    json_t *copy = json_deep_copy(hyperparams);
    if (copy != NULL && json_object_set_new(copy, "round", json_integer(round)) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}

/* Runs the program once, as a proplet would run the guest. */
static enum status run_once(struct fleet *f, const struct central_plan *plan, const char *mode,
                            uint32_t epoch, const char *model_path, const char *data_folder,
                            const char *update_path, struct why *why)
{
    char *json = jsn_text_and_release(with_round(plan->hyperparams, epoch));
    char *variables[VARIABLES + 1] = {
        text_made("ROUND_ID=" NAME "-%u", epoch),
        text_made("MODEL_URI=fl/models/" NAME "_v%u", epoch - 1),
        text_made("HYPERPARAMS=%s", json == NULL ? "{}" : json),
        text_made("MODE=%s", mode),
        text_made("MODEL_PATH=%s", model_path),
        text_made("DATA_DIR=%s", data_folder),
        text_made("UPDATE_PATH=%s", update_path),
        NULL,
    };
    enum status status = json == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; i < VARIABLES; i++)
        if (variables[i] == NULL)
            status = ST_NOMEM;
    if (status != ST_OK)
        why_set(why, "no memory");
    const char *const argv[] = {plan->program, NULL};
    const struct fleet_program program = {
        .name = NAME, .argv = argv, .variables = (const char *const *)variables};
    if (status == ST_OK)
        status = fleet_finish(f, &program, CENTRAL_STEP_MS, why);
    for (size_t i = 0; i < VARIABLES; i++)
        free(variables[i]);
    free(json);
    return status;
}

static enum status read_accuracy(const char *path, double *ret, struct why *why)
{
    struct bytes file = {0};
    struct update update;
    struct why detail = {0};
    enum status status = file_read(path, MESSAGE_SIZE_MAX, &file);
    if (status == ST_OK) {
        status = ST_MALFORMED;
        if (update_decode(bytes_view(&file), &update, &detail) == UPDATE_FINE) {
            const struct metric *accuracy = metrics_find(&update.metrics, "accuracy");
            if (accuracy != NULL) {
                *ret = accuracy->value;
                status = ST_OK;
            }
            update_done(&update);
        }
    }
    if (status != ST_OK)
        why_set(why, "no accuracy in %.100s: %.100s", path,
                detail.text[0] == '\0' ? status_name(status) : detail.text);
    bytes_done(&file);
    return status;
}

enum status central_run(struct fleet *f, const struct central_plan *plan, double *ret_accuracy,
                        struct why *why)
{
    for (uint32_t i = 0; i < plan->epochs; i++)
        ret_accuracy[i] = NAN;
    char *models[2] = {text_made("%s/model-odd", plan->folder),
                       text_made("%s/model-even", plan->folder)};
    char *result = text_made("%s/evaluation", plan->folder);
    enum status status =
        models[0] == NULL || models[1] == NULL || result == NULL ? ST_NOMEM : ST_OK;
    const char *model = plan->model_path;
    for (uint32_t epoch = 1; status == ST_OK && epoch <= plan->epochs; epoch++) {
        /* What one epoch wrote, the next one reads; two files take turns. */
        const char *trained = models[(epoch - 1) % 2];
        status = run_once(f, plan, "train", epoch, model, plan->train_folder, trained, why);
        if (status == ST_OK)
            status = run_once(f, plan, "evaluate", epoch, trained, plan->test_folder, result, why);
        if (status == ST_OK)
            status = read_accuracy(result, &ret_accuracy[epoch - 1], why);
        if (status == ST_OK && plan->on_epoch != NULL)
            plan->on_epoch(plan->owner, epoch, ret_accuracy[epoch - 1]);
        model = trained;
    }
    free(models[0]);
    free(models[1]);
    free(result);
    return status;
}
