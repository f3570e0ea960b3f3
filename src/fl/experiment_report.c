#include "fl/experiment_report.h"

#include <assert.h>
#include <string.h>

#include "fl/fields.h"

static enum status read_id(const json_t *object, struct id *ret, struct why *why)
{
    return jsn_id(object, "experiment_id", JSN_REQUIRED, ret, why);
}

/* ---- rows ---- */

json_t *experiment_row_to_json(const struct experiment_row *row)
{
    assert(row != NULL);
    json_t *object = json_object();
    int failed = field_set_text(object, "experiment_id", row->experiment_id.text);
    failed |= field_set_count(object, "round", row->round);
    if (row->has_train)
        failed |= json_object_set_new(object, "train", complete_to_json(&row->train));
    if (row->has_evaluate)
        failed |= json_object_set_new(object, "evaluate", complete_to_json(&row->evaluate));
    if (row->reason[0] != '\0')
        failed |= field_set_text(object, "reason", row->reason);
    failed |= field_set_text(object, "model_topic", row->model_topic);
    return field_whole(object, failed);
}

char *experiment_row_encode(const struct experiment_row *row)
{
    return jsn_text_and_release(experiment_row_to_json(row));
}

static enum status read_complete(const json_t *object, const char *key, bool *ret_has,
                                 struct complete *ret, struct why *why)
{
    json_t *complete = NULL;
    enum status status = jsn_object(object, key, JSN_OPTIONAL, &complete, why);
    if (status != ST_OK || complete == NULL)
        return status;
    *ret_has = true;
    return complete_from_json(complete, ret, why);
}

enum status experiment_row_from_json(const json_t *object, struct experiment_row *ret,
                                     struct why *why)
{
    assert(ret != NULL);
    struct experiment_row row = {0};
    enum status status = read_id(object, &row.experiment_id, why);
    if (status == ST_OK)
        status =
            field_u32(object, "round", JSN_REQUIRED, 1, EXPERIMENT_ROUNDS_MAX, &row.round, why);
    if (status == ST_OK)
        status = read_complete(object, "train", &row.has_train, &row.train, why);
    if (status == ST_OK)
        status = read_complete(object, "evaluate", &row.has_evaluate, &row.evaluate, why);
    if (status == ST_OK)
        status = field_text(object, "reason", JSN_OPTIONAL, sizeof row.reason, row.reason, why);
    if (status == ST_OK)
        status = field_text(object, "model_topic", JSN_REQUIRED, sizeof row.model_topic,
                            row.model_topic, why);
    if (status == ST_OK)
        *ret = row;
    return status;
}

enum status experiment_row_decode(struct view payload, struct experiment_row *ret, struct why *why)
{
    json_t *object = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status == ST_OK)
        status = experiment_row_from_json(object, ret, why);
    json_decref(object);
    return status;
}

/* ---- states ---- */

static const char *phase_name(enum experiment_phase phase)
{
    return phase == EXPERIMENT_RUNNING ? "running" : "ended";
}

static json_t *best_json(const struct experiment_state *s)
{
    json_t *object = json_object();
    int failed = json_object_set_new(object, "value", json_real(s->best));
    failed |= field_set_count(object, "round", s->best_round);
    failed |= field_set_text(object, "model_topic", s->best_model_topic);
    return field_whole(object, failed);
}

static int set_end(json_t *object, const struct experiment_state *s)
{
    int failed = field_set_text(object, "status", round_outcome_name(s->outcome));
    failed |= field_set_text(object, "reason", s->reason);
    return failed;
}

json_t *experiment_state_to_json(const struct experiment_state *state)
{
    assert(state != NULL);
    json_t *object = json_object();
    int failed = field_set_text(object, "experiment_id", state->experiment_id.text);
    failed |= field_set_text(object, "state", phase_name(state->phase));
    if (state->phase == EXPERIMENT_DONE)
        failed |= set_end(object, state);
    failed |= field_set_count(object, "round", state->round);
    failed |= field_set_count(object, "rounds", state->rounds);
    failed |= field_set_count(object, "completed", state->completed);
    failed |= field_set_text(object, "model_topic", state->model_topic);
    if (state->has_model_digest)
        failed |= field_set_digest(object, "model_digest", &state->model_digest);
    failed |= field_set_count(object, "update_bytes", state->update_bytes);
    failed |= json_object_set_new(object, "metrics", metrics_encode(&state->metrics));
    if (state->has_best)
        failed |= json_object_set_new(object, "best", best_json(state));
    failed |= field_set_count(object, "duration_ms", state->duration_ms);
    failed |= field_set_text(object, "at", state->at);
    return field_whole(object, failed);
}

char *experiment_state_encode(const struct experiment_state *state)
{
    return jsn_text_and_release(experiment_state_to_json(state));
}

static enum status read_phase(const json_t *object, struct experiment_state *s, struct why *why)
{
    char text[16];
    enum status status = field_text(object, "state", JSN_REQUIRED, sizeof text, text, why);
    if (status != ST_OK)
        return status;
    s->phase = strcmp(text, "ended") == 0 ? EXPERIMENT_DONE : EXPERIMENT_RUNNING;
    if (strcmp(text, phase_name(s->phase)) != 0) {
        why_set(why, "state is neither running nor ended");
        return ST_INVALID;
    }
    if (s->phase == EXPERIMENT_RUNNING)
        return ST_OK;
    status = round_outcome_read(object, &s->outcome, why);
    if (status == ST_OK)
        status = field_text(object, "reason", JSN_REQUIRED, sizeof s->reason, s->reason, why);
    return status;
}

static enum status read_counts(const json_t *object, struct experiment_state *s, struct why *why)
{
    enum status status =
        field_u32(object, "round", JSN_REQUIRED, 0, EXPERIMENT_ROUNDS_MAX, &s->round, why);
    if (status == ST_OK)
        status =
            field_u32(object, "rounds", JSN_REQUIRED, 1, EXPERIMENT_ROUNDS_MAX, &s->rounds, why);
    if (status == ST_OK)
        status = field_u32(object, "completed", JSN_OPTIONAL, 0, EXPERIMENT_ROUNDS_MAX,
                           &s->completed, why);
    if (status == ST_OK)
        status = jsn_uint(object, "update_bytes", JSN_OPTIONAL, 0, FIELD_COUNT_MAX,
                          &s->update_bytes, why);
    if (status == ST_OK)
        status =
            jsn_uint(object, "duration_ms", JSN_OPTIONAL, 0, FIELD_COUNT_MAX, &s->duration_ms, why);
    return status;
}

static enum status read_best(const json_t *object, struct experiment_state *s, struct why *why)
{
    json_t *best = NULL;
    enum status status = jsn_object(object, "best", JSN_OPTIONAL, &best, why);
    if (status != ST_OK || best == NULL)
        return status;
    s->has_best = true;
    status = jsn_real(best, "value", JSN_REQUIRED, &s->best, why);
    if (status == ST_OK)
        status =
            field_u32(best, "round", JSN_REQUIRED, 1, EXPERIMENT_ROUNDS_MAX, &s->best_round, why);
    if (status == ST_OK)
        status = field_text(best, "model_topic", JSN_REQUIRED, sizeof s->best_model_topic,
                            s->best_model_topic, why);
    return status;
}

static enum status read_model(const json_t *object, struct experiment_state *s, struct why *why)
{
    enum status status =
        field_text(object, "model_topic", JSN_REQUIRED, sizeof s->model_topic, s->model_topic, why);
    if (status == ST_OK)
        status = field_digest(object, "model_digest", &s->has_model_digest, &s->model_digest, why);
    return status;
}

enum status experiment_state_from_json(const json_t *object, struct experiment_state *ret,
                                       struct why *why)
{
    assert(ret != NULL);
    struct experiment_state s = {0};
    enum status status = read_id(object, &s.experiment_id, why);
    if (status == ST_OK)
        status = read_phase(object, &s, why);
    if (status == ST_OK)
        status = read_counts(object, &s, why);
    if (status == ST_OK)
        status = read_model(object, &s, why);
    if (status == ST_OK)
        status = field_metrics(object, "metrics", &s.metrics, why);
    if (status == ST_OK)
        status = read_best(object, &s, why);
    if (status == ST_OK)
        status = field_text(object, "at", JSN_OPTIONAL, sizeof s.at, s.at, why);
    if (status == ST_OK)
        *ret = s;
    return status;
}

enum status experiment_state_decode(struct view payload, struct experiment_state *ret,
                                    struct why *why)
{
    json_t *object = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status == ST_OK)
        status = experiment_state_from_json(object, ret, why);
    json_decref(object);
    return status;
}
