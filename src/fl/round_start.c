#include "fl/round_start.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define K_OF_N_DEFAULT    3u
#define TIMEOUT_S_DEFAULT 30u
#define GRACE_S_MAX       3600u

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

/* A text field that fits into ret, which has room for size bytes. */
static enum status read_text(const json_t *object, const char *key, size_t size, char *ret,
                             struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(object, key, JSN_REQUIRED, size - 1, &text, why);
    if (status != ST_OK)
        return status;
    if (text[0] == '\0') {
        why_set(why, "%s is empty", key);
        return ST_INVALID;
    }
    memcpy(ret, text, strlen(text) + 1);
    return ST_OK;
}

static enum status read_model(const json_t *object, struct round_start *s, struct why *why)
{
    enum status status = read_text(object, "model_uri", sizeof s->model_uri, s->model_uri, why);
    if (status != ST_OK)
        return status;
    if (fl_model_ref_parse(s->model_uri, &s->model) != ST_OK) {
        why_set(why, "model_uri is not a topic fl/models/{name}_v{N}");
        return ST_INVALID;
    }
    status = jsn_digest(object, "model_digest", JSN_OPTIONAL, &s->model_digest, why);
    s->has_model_digest = json_is_string(json_object_get(object, "model_digest"));
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    const struct id *const *x = a, *const *y = b;
    return strcmp((*x)->text, (*y)->text);
}

/* By sorting: a list of 10,000 that comes from outside allows no loop in a loop. */
static enum status check_different(const struct id *ids, size_t count, struct why *why)
{
    const struct id **sorted = calloc(count, sizeof(const struct id *));
    if (sorted == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &ids[i];
    qsort(sorted, count, sizeof(const struct id *), compare_ids);
    enum status status = ST_OK;
    for (size_t i = 1; i < count && status == ST_OK; i++)
        if (id_equal(sorted[i - 1], sorted[i])) {
            why_set(why, "participants names %s twice", sorted[i]->text);
            status = ST_INVALID;
        }
    free(sorted);
    return status;
}

static enum status read_participants(const json_t *object, struct round_start *s, struct why *why)
{
    json_t *array = NULL;
    enum status status =
        jsn_array(object, "participants", JSN_REQUIRED, ROUND_PARTICIPANTS_MAX, &array, why);
    if (status != ST_OK)
        return status;
    size_t count = json_array_size(array);
    if (count == 0) {
        why_set(why, "participants is empty");
        return ST_INVALID;
    }
    s->participants = calloc(count, sizeof s->participants[0]);
    if (s->participants == NULL)
        return ST_NOMEM;
    s->participant_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        struct view text = view_of(json_string_value(item), json_string_length(item));
        if (id_of(text, &s->participants[i]) != ST_OK) {
            why_set(why, "participants[%zu] is not a name of a proplet", i);
            return ST_INVALID;
        }
    }
    return check_different(s->participants, count, why);
}

static enum status read_numbers(const json_t *object, struct round_start *s, struct why *why)
{
    uint64_t k = s->participant_count < K_OF_N_DEFAULT ? s->participant_count : K_OF_N_DEFAULT;
    uint64_t timeout = TIMEOUT_S_DEFAULT, grace = 0;
    enum status status = jsn_uint(object, "k_of_n", JSN_OPTIONAL, 1, s->participant_count, &k, why);
    if (status == ST_OK)
        status = jsn_uint(object, "timeout_s", JSN_OPTIONAL, 1, ROUND_TIMEOUT_S_MAX, &timeout, why);
    if (status == ST_OK)
        status = jsn_uint(object, "grace_s", JSN_OPTIONAL, 0, GRACE_S_MAX, &grace, why);
    s->k_of_n = (uint32_t)k;
    s->timeout_s = (uint32_t)timeout;
    s->grace_s = (uint32_t)grace;
    return status;
}

static enum status read_hyperparams(const json_t *object, struct round_start *s, struct why *why)
{
    json_t *hyperparams = NULL;
    enum status status = jsn_object(object, "hyperparams", JSN_OPTIONAL, &hyperparams, why);
    if (status != ST_OK)
        return status;
    s->hyperparams = hyperparams != NULL ? json_incref(hyperparams) : json_object();
    return s->hyperparams == NULL ? ST_NOMEM : ST_OK;
}

static enum status read_fields(const json_t *object, struct round_start *s, struct why *why)
{
    enum status status = read_model(object, s, why);
    if (status == ST_OK)
        status = read_text(object, "task_wasm_image", sizeof s->image, s->image, why);
    if (status == ST_OK)
        status = read_participants(object, s, why);
    if (status == ST_OK)
        status = read_numbers(object, s, why);
    if (status == ST_OK)
        status = round_mode_read(object, &s->mode, why);
    if (status == ST_OK)
        status = read_hyperparams(object, s, why);
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

static json_t *participants_json(const struct round_start *s)
{
    json_t *array = json_array();
    int failed = array == NULL;
    for (size_t i = 0; i < s->participant_count && !failed; i++)
        failed = json_array_append_new(array, json_string(s->participants[i].text));
    if (failed) {
        json_decref(array);
        return NULL;
    }
    return array;
}

char *round_start_encode(const struct round_start *start)
{
    assert(start != NULL && start->hyperparams != NULL);
    json_t *object = json_object();
    int failed = json_object_set_new(object, "round_id", json_string(start->round_id.text));
    failed |= json_object_set_new(object, "model_uri", json_string(start->model_uri));
    failed |= json_object_set_new(object, "task_wasm_image", json_string(start->image));
    failed |= json_object_set_new(object, "participants", participants_json(start));
    failed |= json_object_set(object, "hyperparams", start->hyperparams);
    failed |= json_object_set_new(object, "k_of_n", json_integer(start->k_of_n));
    failed |= json_object_set_new(object, "timeout_s", json_integer(start->timeout_s));
    failed |= json_object_set_new(object, "grace_s", json_integer(start->grace_s));
    failed |= json_object_set_new(object, "mode", json_string(round_mode_name(start->mode)));
    if (start->has_model_digest) {
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&start->model_digest, digest);
        failed |= json_object_set_new(object, "model_digest", json_string(digest));
    }
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
    *start = (struct round_start){0};
}
