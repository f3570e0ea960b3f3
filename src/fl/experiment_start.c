#include "fl/experiment_start.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id_set.h"
#include "fl/fields.h"

#define K_OF_N_DEFAULT         0.8
#define TIMEOUT_S_DEFAULT      300u
#define WAIT_S_DEFAULT         60u
#define MAX_FAILURES_DEFAULT   3u
#define ROUNDING_OF_A_FRACTION 1e-9 /* more than that of ROUND_PARTICIPANTS_MAX doubles */

/* ---- shares ---- */

uint32_t share_of(const struct share *share, size_t of)
{
    assert(share != NULL && of >= 1 && (share->all || share->value > 0));
    if (share->all)
        return (uint32_t)of;
    double count =
        share->value < 1 ? ceil(share->value * (double)of - ROUNDING_OF_A_FRACTION) : share->value;
    return count < 1 ? 1 : count > (double)of ? (uint32_t)of : (uint32_t)count;
}

static bool share_is_good(double value)
{
    return value > 0 && value <= ROUND_PARTICIPANTS_MAX && (value < 1 || value == floor(value));
}

static enum status read_share(const json_t *object, const char *key, struct share *ret,
                              struct why *why)
{
    if (!field_is_there(object, key))
        return ST_OK;
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    if (text != NULL && strcmp(text, "all") == 0) {
        *ret = (struct share){.all = true};
        return ST_OK;
    }
    if (!json_is_number(value) || !share_is_good(json_number_value(value))) {
        why_set(why,
                "%s is not \"all\", a fraction above 0 and below 1, or a whole number from 1 to %d",
                key, ROUND_PARTICIPANTS_MAX);
        return ST_INVALID;
    }
    *ret = (struct share){.value = json_number_value(value)};
    return ST_OK;
}

static json_t *share_json(const struct share *share)
{
    if (share->all)
        return json_string("all");
    return share->value < 1 ? json_real(share->value) : json_integer((json_int_t)share->value);
}

/* ---- reading ---- */

static enum status read_id(const json_t *object, struct id *ret, struct why *why)
{
    struct id id;
    enum status status = jsn_id(object, "experiment_id", JSN_REQUIRED, &id, why);
    if (status != ST_OK)
        return status;
    if (strlen(id.text) > EXPERIMENT_ID_MAX) {
        why_set(why, "experiment_id is longer than %zu characters", EXPERIMENT_ID_MAX);
        return ST_INVALID;
    }
    *ret = id;
    return ST_OK;
}

static enum status read_model(const json_t *object, struct experiment_start *s, struct why *why)
{
    struct field_model m;
    enum status status = field_model(object, &m, why);
    if (status != ST_OK)
        return status;
    memcpy(s->model_uri, m.uri, sizeof s->model_uri);
    s->model = m.ref;
    s->has_model_digest = m.has_digest;
    s->model_digest = m.digest;
    return ST_OK;
}

static enum status read_hyperparams(const json_t *object, struct experiment_start *s,
                                    struct why *why)
{
    enum status status = field_hyperparams(object, &s->hyperparams, why);
    if (status != ST_OK)
        return status;
    char *text = jsn_text_exact(s->hyperparams);
    if (text == NULL)
        return ST_NOMEM;
    size_t size = strlen(text);
    free(text);
    if (size > EXPERIMENT_HYPERPARAMS_MAX) {
        why_set(why, "hyperparams is longer than %zu bytes", EXPERIMENT_HYPERPARAMS_MAX);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_participants(const json_t *object, struct experiment_start *s,
                                     struct why *why)
{
    const json_t *value = json_object_get(object, "participants");
    const char *text = json_string_value(value);
    s->alive =
        !field_is_there(object, "participants") || (text != NULL && strcmp(text, "alive") == 0);
    if (s->alive)
        return ST_OK;
    if (!json_is_array(value)) {
        why_set(why, "participants is neither \"alive\" nor an array");
        return ST_INVALID;
    }
    return field_ids(object, "participants", &s->participants, &s->participant_count, why);
}

static enum status read_selection(const json_t *object, struct selection *s, struct why *why)
{
    *s = (struct selection){.count = {.all = true}, .min = 1};
    json_t *selection = NULL;
    enum status status = jsn_object(object, "selection", JSN_OPTIONAL, &selection, why);
    if (status == ST_OK)
        status = read_share(selection, "count", &s->count, why);
    if (status == ST_OK)
        status = field_u32(selection, "min", JSN_OPTIONAL, 1, ROUND_PARTICIPANTS_MAX, &s->min, why);
    if (status == ST_OK)
        status = jsn_uint(selection, "seed", JSN_OPTIONAL, 0, FIELD_COUNT_MAX, &s->seed, why);
    if (status != ST_OK)
        return status;
    if (!s->count.all && s->count.value >= 1 && s->count.value < s->min) {
        why_set(why, "selection.count is less than selection.min");
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_numbers(const json_t *object, struct experiment_start *s, struct why *why)
{
    s->k = (struct share){.value = K_OF_N_DEFAULT};
    s->timeout_s = TIMEOUT_S_DEFAULT;
    s->wait_s = WAIT_S_DEFAULT;
    s->max_failures = MAX_FAILURES_DEFAULT;
    enum status status =
        field_u32(object, "rounds", JSN_REQUIRED, 1, EXPERIMENT_ROUNDS_MAX, &s->rounds, why);
    if (status == ST_OK)
        status = read_share(object, "k_of_n", &s->k, why);
    if (status == ST_OK)
        status = field_u32(object, "timeout_s", JSN_OPTIONAL, 1, ROUND_TIMEOUT_S_MAX, &s->timeout_s,
                           why);
    if (status == ST_OK)
        status = field_u32(object, "grace_s", JSN_OPTIONAL, 0, ROUND_GRACE_S_MAX, &s->grace_s, why);
    if (status == ST_OK)
        status =
            field_u32(object, "wait_s", JSN_OPTIONAL, 1, EXPERIMENT_WAIT_S_MAX, &s->wait_s, why);
    if (status == ST_OK)
        status = field_u32(object, "max_failures", JSN_OPTIONAL, 1, EXPERIMENT_ROUNDS_MAX,
                           &s->max_failures, why);
    return status;
}

static enum status read_evaluation(const json_t *object, uint32_t timeout_s, struct evaluation *e,
                                   struct why *why)
{
    json_t *evaluation = NULL;
    enum status status = jsn_object(object, "evaluation", JSN_OPTIONAL, &evaluation, why);
    if (status != ST_OK || evaluation == NULL)
        return status;
    e->every = 1;
    e->timeout_s = timeout_s;
    status = field_u32(evaluation, "every", JSN_OPTIONAL, 1, EXPERIMENT_ROUNDS_MAX, &e->every, why);
    if (status == ST_OK)
        status = field_u32(evaluation, "timeout_s", JSN_OPTIONAL, 1, ROUND_TIMEOUT_S_MAX,
                           &e->timeout_s, why);
    if (status == ST_OK)
        status =
            field_ids(evaluation, "participants", &e->participants, &e->participant_count, why);
    return status;
}

static enum status read_metric_name(const json_t *stop, struct stop_rule *s, struct why *why)
{
    enum status status = field_name(stop, "metric", sizeof s->metric, s->metric, why);
    if (status != ST_OK)
        return status;
    return metric_name_check(s->metric, why) == ST_OK ? ST_OK : ST_INVALID;
}

static const char *goal_name(enum metric_goal goal)
{
    return goal == METRIC_MAX ? "max" : "min";
}

static enum status read_goal(const json_t *stop, enum metric_goal *ret, struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(stop, "goal", JSN_REQUIRED, 8, &text, why);
    if (status != ST_OK)
        return status;
    *ret = strcmp(text, "min") == 0 ? METRIC_MIN : METRIC_MAX;
    if (strcmp(text, goal_name(*ret)) != 0) {
        why_set(why, "goal is neither max nor min");
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_stop(const json_t *object, struct experiment_start *start, struct why *why)
{
    json_t *stop = NULL;
    enum status status = jsn_object(object, "stop", JSN_OPTIONAL, &stop, why);
    if (status != ST_OK || stop == NULL)
        return status;
    struct stop_rule *s = &start->stop;
    start->has_stop = true;
    s->has_target = field_is_there(stop, "target");
    status = read_metric_name(stop, s, why);
    if (status == ST_OK)
        status = read_goal(stop, &s->goal, why);
    if (status == ST_OK)
        status = jsn_real(stop, "target", JSN_OPTIONAL, &s->target, why);
    if (status == ST_OK)
        status =
            field_u32(stop, "patience", JSN_OPTIONAL, 0, EXPERIMENT_ROUNDS_MAX, &s->patience, why);
    if (status == ST_OK)
        status = jsn_real(stop, "min_delta", JSN_OPTIONAL, &s->min_delta, why);
    if (status == ST_OK && !(s->min_delta >= 0)) {
        why_set(why, "min_delta is below 0");
        status = ST_INVALID;
    }
    return status;
}

/* Whoever evaluates never trains: what is left of a list must be enough. */
static enum status check_enough(const struct experiment_start *s, struct why *why)
{
    if (s->alive)
        return ST_OK;
    struct id_set evaluators;
    enum status status =
        id_set_new(s->evaluation.participants, s->evaluation.participant_count, &evaluators);
    if (status != ST_OK)
        return status;
    size_t count = 0;
    for (size_t i = 0; i < s->participant_count; i++)
        count += !id_set_has(&evaluators, &s->participants[i]);
    id_set_done(&evaluators);
    if (count < s->selection.min) {
        why_set(why, "selection.min is %u, but only %zu of the participants do not evaluate",
                s->selection.min, count);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_asynchronous(const json_t *object, struct experiment_start *s,
                                     struct why *why)
{
    enum status status = asynchronous_read(object, false, &s->asynchronous, why);
    if (status != ST_OK || !s->asynchronous.is_on || s->grace_s == 0)
        return status;
    why_set(why, "grace_s does not go with asynchronous: nobody is waited for");
    return ST_INVALID;
}

static enum status read_fields(const json_t *object, struct experiment_start *s, struct why *why)
{
    enum status status = read_model(object, s, why);
    if (status == ST_OK)
        status = field_name(object, "task_wasm_image", sizeof s->image, s->image, why);
    if (status == ST_OK)
        status = read_hyperparams(object, s, why);
    if (status == ST_OK)
        status = field_aggregation(object, &s->aggregation, why);
    if (status == ST_OK)
        status = compression_read(object, &s->compression, why);
    if (status == ST_OK)
        status = privacy_read(object, &s->privacy, why);
    if (status == ST_OK)
        status = read_participants(object, s, why);
    if (status == ST_OK)
        status = read_selection(object, &s->selection, why);
    if (status == ST_OK)
        status = read_numbers(object, s, why);
    if (status == ST_OK)
        status = read_evaluation(object, s->timeout_s, &s->evaluation, why);
    if (status == ST_OK)
        status = read_stop(object, s, why);
    if (status == ST_OK)
        status = read_asynchronous(object, s, why);
    if (status == ST_OK)
        status = check_enough(s, why);
    return status;
}

enum status experiment_start_decode(struct view payload, struct experiment_start *ret,
                                    struct id *ret_id_if_known, struct why *why)
{
    assert(ret != NULL && ret_id_if_known != NULL);
    *ret_id_if_known = (struct id){{0}};
    json_t *object = NULL;
    struct experiment_start start = {0};

    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = read_id(object, &start.experiment_id, why);
    if (status == ST_OK) {
        *ret_id_if_known = start.experiment_id;
        status = read_fields(object, &start, why);
    }
    json_decref(object);
    if (status == ST_OK)
        *ret = start;
    else
        experiment_start_done(&start);
    return status;
}

/* ---- writing ---- */

static json_t *selection_json(const struct selection *s)
{
    json_t *object = json_object();
    int failed = json_object_set_new(object, "count", share_json(&s->count));
    failed |= field_set_count(object, "min", s->min);
    failed |= field_set_count(object, "seed", s->seed);
    return field_whole(object, failed);
}

static json_t *evaluation_json(const struct evaluation *e)
{
    json_t *object = json_object();
    int failed = field_set_count(object, "every", e->every);
    failed |= field_set_ids(object, "participants", e->participants, e->participant_count);
    failed |= field_set_count(object, "timeout_s", e->timeout_s);
    return field_whole(object, failed);
}

static json_t *stop_json(const struct stop_rule *s)
{
    json_t *object = json_object();
    int failed = field_set_text(object, "metric", s->metric);
    failed |= field_set_text(object, "goal", goal_name(s->goal));
    if (s->has_target)
        failed |= json_object_set_new(object, "target", json_real(s->target));
    failed |= field_set_count(object, "patience", s->patience);
    failed |= json_object_set_new(object, "min_delta", json_real(s->min_delta));
    return field_whole(object, failed);
}

static int set_participants(json_t *object, const struct experiment_start *s)
{
    return s->alive ? field_set_text(object, "participants", "alive")
                    : field_set_ids(object, "participants", s->participants, s->participant_count);
}

char *experiment_start_encode(const struct experiment_start *start)
{
    assert(start != NULL && start->hyperparams != NULL);
    json_t *object = json_object();
    int failed = field_set_text(object, "experiment_id", start->experiment_id.text);
    failed |= field_set_text(object, "model_uri", start->model_uri);
    if (start->has_model_digest)
        failed |= field_set_digest(object, "model_digest", &start->model_digest);
    failed |= field_set_text(object, "task_wasm_image", start->image);
    failed |= json_object_set(object, "hyperparams", start->hyperparams);
    if (start->aggregation != NULL)
        failed |= json_object_set(object, "aggregation", start->aggregation);
    failed |= compression_set(object, &start->compression);
    failed |= privacy_set(object, &start->privacy);
    failed |= asynchronous_set(object, &start->asynchronous);
    failed |= set_participants(object, start);
    failed |= json_object_set_new(object, "selection", selection_json(&start->selection));
    failed |= json_object_set_new(object, "k_of_n", share_json(&start->k));
    failed |= field_set_count(object, "rounds", start->rounds);
    failed |= field_set_count(object, "timeout_s", start->timeout_s);
    failed |= field_set_count(object, "grace_s", start->grace_s);
    failed |= field_set_count(object, "max_failures", start->max_failures);
    failed |= field_set_count(object, "wait_s", start->wait_s);
    if (start->evaluation.every > 0)
        failed |= json_object_set_new(object, "evaluation", evaluation_json(&start->evaluation));
    if (start->has_stop)
        failed |= json_object_set_new(object, "stop", stop_json(&start->stop));
    char *text = failed ? NULL : jsn_text_exact(object);
    json_decref(object);
    return text;
}

void experiment_start_done(struct experiment_start *start)
{
    if (start == NULL)
        return;
    free(start->participants);
    free(start->evaluation.participants);
    json_decref(start->hyperparams);
    json_decref(start->aggregation);
    asynchronous_done(&start->asynchronous);
    *start = (struct experiment_start){0};
}

void experiment_round_id(const struct id *experiment, enum round_mode mode, uint32_t round,
                         struct id *ret)
{
    assert(strlen(experiment->text) <= EXPERIMENT_ID_MAX && round <= EXPERIMENT_ROUNDS_MAX);
    struct id id = {{0}};
    (void)snprintf(id.text, sizeof id.text, "%.*s-%c%04u", (int)EXPERIMENT_ID_MAX, experiment->text,
                   mode == ROUND_TRAIN ? 'r' : 'e', round);
    *ret = id;
}
