#include "fl/round_start.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fl/fields.h"

#define K_OF_N_DEFAULT    3u
#define TIMEOUT_S_DEFAULT 30u

const char *round_mode_name(enum round_mode mode)
{
    return mode == ROUND_TRAIN ? "train" : "evaluate";
}

enum status round_mode_read(const json_t *object, enum round_mode *ret, struct why *why)
{
    const char *text = "train";
    enum status status = jsn_str(object, "mode", JSN_OPTIONAL, 16, &text, why);
    if (status != ST_OK)
        return status;
    enum round_mode mode = strcmp(text, "evaluate") == 0 ? ROUND_EVALUATE : ROUND_TRAIN;
    if (strcmp(text, round_mode_name(mode)) != 0) {
        why_set(why, "mode is neither train nor evaluate");
        return ST_INVALID;
    }
    *ret = mode;
    return ST_OK;
}

static enum status read_model(const json_t *object, struct round_start *s, struct why *why)
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

static enum status read_numbers(const json_t *object, struct round_start *s, struct why *why)
{
    uint32_t count = (uint32_t)s->participant_count;
    s->k_of_n = count < K_OF_N_DEFAULT ? count : K_OF_N_DEFAULT;
    s->timeout_s = TIMEOUT_S_DEFAULT;
    enum status status = field_u32(object, "k_of_n", JSN_OPTIONAL, 1, count, &s->k_of_n, why);
    if (status == ST_OK)
        status = field_u32(object, "timeout_s", JSN_OPTIONAL, 1, ROUND_TIMEOUT_S_MAX, &s->timeout_s,
                           why);
    if (status == ST_OK)
        status = field_u32(object, "grace_s", JSN_OPTIONAL, 0, ROUND_GRACE_S_MAX, &s->grace_s, why);
    return status;
}

static enum status read_fields(const json_t *object, struct round_start *s, struct why *why)
{
    enum status status = read_model(object, s, why);
    if (status == ST_OK)
        status = field_name(object, "task_wasm_image", sizeof s->image, s->image, why);
    if (status == ST_OK)
        status = field_ids(object, "participants", &s->participants, &s->participant_count, why);
    if (status == ST_OK)
        status = read_numbers(object, s, why);
    if (status == ST_OK)
        status = round_mode_read(object, &s->mode, why);
    if (status == ST_OK)
        status = field_hyperparams(object, &s->hyperparams, why);
    if (status == ST_OK)
        status = field_aggregation(object, &s->aggregation, why);
    if (status == ST_OK)
        status = compression_read(object, &s->compression, why);
    if (status == ST_OK && s->mode == ROUND_EVALUATE && !compression_is_none(&s->compression)) {
        why_set(why, "compression is of updates with tensors: mode evaluate has none");
        status = ST_INVALID;
    }
    return status;
}

enum status round_start_decode(struct view payload, struct round_start *ret,
                               struct id *ret_id_if_known, struct why *why)
{
    assert(ret != NULL && ret_id_if_known != NULL);
    *ret_id_if_known = (struct id){{0}};
    json_t *object = NULL;
    struct round_start start = {0};

    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = jsn_id(object, "round_id", JSN_REQUIRED, &start.round_id, why);
    if (status == ST_OK) {
        *ret_id_if_known = start.round_id;
        status = read_fields(object, &start, why);
    }
    json_decref(object);
    if (status == ST_OK)
        *ret = start;
    else
        round_start_done(&start);
    return status;
}

char *round_start_encode(const struct round_start *start)
{
    assert(start != NULL && start->hyperparams != NULL);
    json_t *object = json_object();
    int failed = json_object_set_new(object, "round_id", json_string(start->round_id.text));
    failed |= json_object_set_new(object, "model_uri", json_string(start->model_uri));
    failed |= json_object_set_new(object, "task_wasm_image", json_string(start->image));
    failed |= field_set_ids(object, "participants", start->participants, start->participant_count);
    failed |= json_object_set(object, "hyperparams", start->hyperparams);
    failed |= json_object_set_new(object, "k_of_n", json_integer(start->k_of_n));
    failed |= json_object_set_new(object, "timeout_s", json_integer(start->timeout_s));
    failed |= json_object_set_new(object, "grace_s", json_integer(start->grace_s));
    failed |= json_object_set_new(object, "mode", json_string(round_mode_name(start->mode)));
    if (start->aggregation != NULL)
        failed |= json_object_set(object, "aggregation", start->aggregation);
    failed |= compression_set(object, &start->compression);
    if (start->has_model_digest)
        failed |= field_set_digest(object, "model_digest", &start->model_digest);
    char *text = failed ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

void round_start_done(struct round_start *start)
{
    if (start == NULL)
        return;
    free(start->participants);
    json_decref(start->hyperparams);
    json_decref(start->aggregation);
    *start = (struct round_start){0};
}
