/* What an experiment has to remember, as JSON. */
#include "experiment/experiment.h"

#include <assert.h>
#include <string.h>

static const char *const stages[] = {
    [EXPERIMENT_CHOOSING_TRAIN] = "choosing_train",
    [EXPERIMENT_TRAINING] = "training",
    [EXPERIMENT_CHOOSING_EVALUATE] = "choosing_evaluate",
    [EXPERIMENT_EVALUATING] = "evaluating",
    [EXPERIMENT_ENDED] = "ended",
};
#define STAGE_COUNT (sizeof stages / sizeof stages[0])

char *experiment_memory_encode(const struct experiment_memory *memory)
{
    assert(memory != NULL && memory->stage < STAGE_COUNT);
    json_t *object = json_object();
    int failed = json_object_set_new(object, "stage", json_string(stages[memory->stage]));
    failed |=
        json_object_set_new(object, "started_ms", json_integer((json_int_t)memory->started_ms));
    failed |= json_object_set_new(object, "stage_ms", json_integer((json_int_t)memory->stage_ms));
    failed |= json_object_set_new(object, "cancelling", jsn_string(view_text(memory->cancelling)));
    failed |= json_object_set_new(object, "failures", json_integer(memory->failures));
    failed |= json_object_set_new(object, "since_best", json_integer(memory->since_best));
    failed |= json_object_set_new(object, "trained", json_integer(memory->trained));
    failed |= json_object_set_new(object, "row", experiment_row_to_json(&memory->row));
    failed |= json_object_set_new(object, "state", experiment_state_to_json(&memory->state));
    char *text = failed ? NULL : jsn_text_exact(object);
    json_decref(object);
    return text;
}

static enum status read_stage(const json_t *object, enum experiment_stage *ret, struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(object, "stage", JSN_REQUIRED, 32, &text, why);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (strcmp(text, stages[i]) == 0) {
            *ret = (enum experiment_stage)i;
            return ST_OK;
        }
    why_set(why, "stage is none that there is");
    return ST_INVALID;
}

static enum status read_cancelling(const json_t *object, struct experiment_memory *m,
                                   struct why *why)
{
    const char *text = NULL;
    enum status status =
        jsn_str(object, "cancelling", JSN_REQUIRED, sizeof m->cancelling - 1, &text, why);
    if (status == ST_OK)
        memcpy(m->cancelling, text, strlen(text) + 1);
    return status;
}

static enum status read_numbers(const json_t *object, struct experiment_memory *m, struct why *why)
{
    uint64_t failures = 0, since_best = 0;
    enum status status =
        jsn_uint(object, "started_ms", JSN_REQUIRED, 0, INT64_MAX, &m->started_ms, why);
    if (status == ST_OK)
        status = jsn_uint(object, "stage_ms", JSN_REQUIRED, 0, INT64_MAX, &m->stage_ms, why);
    if (status == ST_OK)
        status = jsn_uint(object, "failures", JSN_REQUIRED, 0, UINT32_MAX, &failures, why);
    if (status == ST_OK)
        status = jsn_uint(object, "since_best", JSN_REQUIRED, 0, UINT32_MAX, &since_best, why);
    m->failures = (uint32_t)failures;
    m->since_best = (uint32_t)since_best;
    return status;
}

static enum status read_reports(const json_t *object, struct experiment_memory *m, struct why *why)
{
    json_t *row = NULL, *state = NULL;
    enum status status = jsn_object(object, "row", JSN_REQUIRED, &row, why);
    if (status == ST_OK)
        status = experiment_row_from_json(row, &m->row, why);
    if (status == ST_OK)
        status = jsn_object(object, "state", JSN_REQUIRED, &state, why);
    if (status == ST_OK)
        status = experiment_state_from_json(state, &m->state, why);
    return status;
}

/* Older programs did not say it: that of the last row, as far as is known. */
static enum status read_trained(const json_t *object, struct experiment_memory *m, struct why *why)
{
    bool trains = m->stage == EXPERIMENT_CHOOSING_TRAIN || m->stage == EXPERIMENT_TRAINING;
    uint64_t trained = trains && m->row.round > 0 ? m->row.round - 1 : m->row.round;
    enum status status =
        jsn_uint(object, "trained", JSN_OPTIONAL, 0, EXPERIMENT_ROUNDS_MAX, &trained, why);
    m->trained = (uint32_t)trained;
    return status;
}

enum status experiment_memory_decode(struct view text, struct experiment_memory *ret,
                                     struct why *why)
{
    assert(ret != NULL);
    json_t *object = NULL;
    struct experiment_memory m = {0};
    enum status status = jsn_parse(text, CONTROL_SIZE_MAX, &object, why);
    if (status == ST_OK)
        status = read_stage(object, &m.stage, why);
    if (status == ST_OK)
        status = read_cancelling(object, &m, why);
    if (status == ST_OK)
        status = read_numbers(object, &m, why);
    if (status == ST_OK)
        status = read_reports(object, &m, why);
    if (status == ST_OK)
        status = read_trained(object, &m, why);
    json_decref(object);
    if (status == ST_OK)
        *ret = m;
    return status;
}
