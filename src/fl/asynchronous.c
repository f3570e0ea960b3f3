#include "fl/asynchronous.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fl/fields.h"

#define FIELD "asynchronous"

/* ---- reading ---- */

/* A misspelt field would be a limit that nobody set. */
static enum status check_fields(const json_t *object, bool carries, struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (strcmp(key, "staleness_max") == 0 || (carries && strcmp(key, "carried") == 0))
            continue;
        why_set(why, FIELD " has staleness_max, but no %.32s", key);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_carried(const json_t *object, uint32_t staleness_max, struct carried *ret,
                                struct why *why)
{
    struct field_model model;
    enum status status = jsn_id(object, "round_id", JSN_REQUIRED, &ret->round_id, why);
    if (status == ST_OK)
        status = field_model(object, &model, why);
    if (status == ST_OK && !model.has_digest) {
        why_set(why, FIELD ": carried without model_digest");
        status = ST_INVALID;
    }
    if (status == ST_OK)
        status =
            field_u32(object, "staleness", JSN_REQUIRED, 0, staleness_max, &ret->staleness, why);
    if (status == ST_OK)
        status =
            field_ids(object, "participants", &ret->participants, &ret->participant_count, why);
    if (status != ST_OK)
        return status;
    memcpy(ret->model_uri, model.uri, sizeof ret->model_uri);
    ret->model_digest = model.digest;
    return ST_OK;
}

static bool is_there_twice(const struct asynchronous *a)
{
    for (size_t i = 0; i < a->carried_count; i++)
        for (size_t k = 0; k < i; k++)
            if (id_equal(&a->carried[i].round_id, &a->carried[k].round_id))
                return true;
    return false;
}

static enum status read_all_carried(const json_t *array, struct asynchronous *a, struct why *why)
{
    size_t count = json_array_size(array);
    if (count > CARRIED_MAX) {
        why_set(why, FIELD ": more than %d rounds are carried", CARRIED_MAX);
        return ST_INVALID;
    }
    a->carried = calloc(count + 1, sizeof a->carried[0]);
    if (a->carried == NULL)
        return ST_NOMEM;
    enum status status = ST_OK;
    for (size_t i = 0; i < count && status == ST_OK; i++) {
        const json_t *item = json_array_get(array, i);
        a->carried_count++; /* what a failure leaves of it is let go with the rest */
        if (json_is_object(item))
            status = read_carried(item, a->staleness_max, &a->carried[i], why);
        else {
            why_set(why, FIELD ": carried has something that is no object");
            status = ST_INVALID;
        }
    }
    if (status == ST_OK && is_there_twice(a)) {
        why_set(why, FIELD ": a round is carried twice");
        status = ST_INVALID;
    }
    return status;
}

static enum status read_field(const json_t *field, bool carries, struct asynchronous *a,
                              struct why *why)
{
    enum status status = check_fields(field, carries, why);
    if (status == ST_OK)
        status = field_u32(field, "staleness_max", JSN_REQUIRED, 0, STALENESS_MAX,
                           &a->staleness_max, why);
    const json_t *array = json_object_get(field, "carried");
    if (status != ST_OK || array == NULL)
        return status;
    if (!json_is_array(array)) {
        why_set(why, FIELD ": carried is not an array");
        return ST_INVALID;
    }
    return read_all_carried(array, a, why);
}

enum status asynchronous_read(const json_t *object, bool carries, struct asynchronous *ret,
                              struct why *why)
{
    assert(ret != NULL);
    struct asynchronous a = {.is_on = true};
    json_t *field = NULL;
    enum status status = jsn_object(object, FIELD, JSN_OPTIONAL, &field, why);
    if (status != ST_OK)
        return status;
    if (field == NULL) {
        *ret = (struct asynchronous){0};
        return ST_OK;
    }
    status = read_field(field, carries, &a, why);
    if (status == ST_OK)
        *ret = a;
    else
        asynchronous_done(&a);
    return status;
}

/* ---- writing ---- */

static json_t *carried_json(const struct carried *k)
{
    json_t *object = json_object();
    int failed = field_set_text(object, "round_id", k->round_id.text);
    failed |= field_set_text(object, "model_uri", k->model_uri);
    failed |= field_set_digest(object, "model_digest", &k->model_digest);
    failed |= field_set_count(object, "staleness", k->staleness);
    failed |= field_set_ids(object, "participants", k->participants, k->participant_count);
    return field_whole(object, failed);
}

int asynchronous_set(json_t *object, const struct asynchronous *a)
{
    if (!a->is_on)
        return 0;
    json_t *field = json_object();
    int failed = field_set_count(field, "staleness_max", a->staleness_max);
    json_t *array = a->carried_count > 0 ? json_array() : NULL;
    for (size_t i = 0; i < a->carried_count; i++)
        failed |= json_array_append_new(array, carried_json(&a->carried[i]));
    if (a->carried_count > 0)
        failed |= json_object_set_new(field, "carried", array);
    return json_object_set_new(object, FIELD, field_whole(field, failed));
}

/* ---- copies, and what is in them ---- */

enum status asynchronous_copy(const struct asynchronous *from, struct asynchronous *ret)
{
    assert(from != NULL && ret != NULL);
    struct asynchronous a = {.is_on = from->is_on, .staleness_max = from->staleness_max};
    if (from->carried_count > 0) {
        a.carried = calloc(from->carried_count, sizeof a.carried[0]);
        if (a.carried == NULL)
            return ST_NOMEM;
    }
    for (size_t i = 0; i < from->carried_count; i++) {
        struct carried *k = &a.carried[i];
        *k = from->carried[i];
        k->participants = calloc(k->participant_count, sizeof k->participants[0]);
        a.carried_count++;
        if (k->participants == NULL) {
            asynchronous_done(&a);
            return ST_NOMEM;
        }
        memcpy(k->participants, from->carried[i].participants,
               k->participant_count * sizeof k->participants[0]);
    }
    *ret = a;
    return ST_OK;
}

size_t asynchronous_count(const struct asynchronous *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->carried_count; i++)
        count += a->carried[i].participant_count;
    return count;
}

static bool has(const struct carried *k, const struct id *participant)
{
    for (size_t i = 0; i < k->participant_count; i++)
        if (id_equal(&k->participants[i], participant))
            return true;
    return false;
}

const struct carried *asynchronous_find(const struct asynchronous *a, const struct id *round,
                                        const struct id *participant)
{
    assert(a != NULL && participant != NULL);
    for (size_t i = 0; i < a->carried_count; i++)
        if ((round == NULL || id_equal(&a->carried[i].round_id, round)) &&
            has(&a->carried[i], participant))
            return &a->carried[i];
    return NULL;
}

void asynchronous_done(struct asynchronous *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->carried_count; i++)
        free(a->carried[i].participants);
    free(a->carried);
    *a = (struct asynchronous){0};
}
