#include "fl/round_start.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/id_set.h"
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
    uint32_t count = (uint32_t)round_start_count(s);
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

/* Those who begin: nobody, if others are carried. */
static enum status read_participants(const json_t *object, struct round_start *s, struct why *why)
{
    const json_t *array = json_object_get(object, "participants");
    if (s->asynchronous.carried_count > 0 && json_is_array(array) && json_array_size(array) == 0)
        return ST_OK;
    return field_ids(object, "participants", &s->participants, &s->participant_count, why);
}

/* At most one update of each, whatever it was trained from. */
static enum status check_ids(const struct round_start *s, struct why *why)
{
    struct id *ids = NULL;
    struct id_set set = {0};
    size_t count = round_start_count(s);
    if (s->asynchronous.carried_count == 0)
        return ST_OK; /* they were looked at */
    if (count > ROUND_PARTICIPANTS_MAX) {
        why_set(why, "more than %d participants, with those that are carried",
                ROUND_PARTICIPANTS_MAX);
        return ST_INVALID;
    }
    enum status status = round_start_ids(s, &ids);
    if (status == ST_OK)
        status = id_set_new(ids, count, &set);
    const struct id *twice = status == ST_OK ? id_set_twice(&set) : NULL;
    if (twice != NULL) {
        why_set(why, "%s is asked, or carried, twice", twice->text);
        status = ST_INVALID;
    }
    id_set_done(&set);
    free(ids);
    return status;
}

static enum status check_asynchronous(const struct round_start *s, struct why *why)
{
    if (!s->asynchronous.is_on)
        return ST_OK;
    if (s->mode == ROUND_EVALUATE)
        why_set(why, "asynchronous is about training: mode evaluate has no versions");
    else if (s->grace_s > 0)
        why_set(why, "grace_s does not go with asynchronous: nobody is waited for");
    else
        return ST_OK;
    return ST_INVALID;
}

static enum status read_fields(const json_t *object, struct round_start *s, struct why *why)
{
    enum status status = read_model(object, s, why);
    if (status == ST_OK)
        status = field_name(object, "task_wasm_image", sizeof s->image, s->image, why);
    if (status == ST_OK)
        status = asynchronous_read(object, true, &s->asynchronous, why);
    if (status == ST_OK)
        status = read_participants(object, s, why);
    if (status == ST_OK)
        status = check_ids(s, why);
    if (status == ST_OK)
        status = read_numbers(object, s, why);
    if (status == ST_OK)
        status = round_mode_read(object, &s->mode, why);
    if (status == ST_OK)
        status = check_asynchronous(s, why);
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
    if (status == ST_OK)
        status = privacy_read(object, &s->privacy, why);
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
    failed |= asynchronous_set(object, &start->asynchronous);
    failed |= privacy_set(object, &start->privacy);
    if (start->has_model_digest)
        failed |= field_set_digest(object, "model_digest", &start->model_digest);
    char *text = failed ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

size_t round_start_count(const struct round_start *start)
{
    return start->participant_count + asynchronous_count(&start->asynchronous);
}

enum status round_start_ids(const struct round_start *start, struct id **ret)
{
    const struct asynchronous *a = &start->asynchronous;
    struct id *ids = calloc(round_start_count(start) + 1, sizeof ids[0]);
    if (ids == NULL)
        return ST_NOMEM;
    size_t count = start->participant_count;
    if (count > 0)
        memcpy(ids, start->participants, count * sizeof ids[0]);
    for (size_t i = 0; i < a->carried_count; i++) {
        const struct carried *k = &a->carried[i];
        memcpy(ids + count, k->participants, k->participant_count * sizeof ids[0]);
        count += k->participant_count;
    }
    *ret = ids;
    return ST_OK;
}

void round_start_done(struct round_start *start)
{
    if (start == NULL)
        return;
    free(start->participants);
    json_decref(start->hyperparams);
    json_decref(start->aggregation);
    asynchronous_done(&start->asynchronous);
    *start = (struct round_start){0};
}
