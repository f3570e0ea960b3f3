#include "fl/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/id_set.h"

enum status field_text(const json_t *object, const char *key, enum jsn_need need, size_t size,
                       char *ret, struct why *why)
{
    const char *text = "";
    enum status status = jsn_str(object, key, need, size - 1, &text, why);
    if (status == ST_OK)
        memcpy(ret, text, strlen(text) + 1);
    return status;
}

enum status field_name(const json_t *object, const char *key, size_t size, char *ret,
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

enum status field_u32(const json_t *object, const char *key, enum jsn_need need, uint32_t min,
                      uint32_t max, uint32_t *ret, struct why *why)
{
    uint64_t value = *ret;
    enum status status = jsn_uint(object, key, need, min, max, &value, why);
    if (status == ST_OK)
        *ret = (uint32_t)value;
    return status;
}

enum status field_digest(const json_t *object, const char *key, bool *ret_has, struct digest *ret,
                         struct why *why)
{
    enum status status = jsn_digest(object, key, JSN_OPTIONAL, ret, why);
    if (status == ST_OK)
        *ret_has = field_is_there(object, key);
    return status;
}

enum status field_metrics(const json_t *object, const char *key, struct metrics *ret,
                          struct why *why)
{
    json_t *metrics = NULL;
    enum status status = jsn_object(object, key, JSN_OPTIONAL, &metrics, why);
    if (status != ST_OK)
        return status;
    return metrics_decode(metrics, ret, why) == ST_OK ? ST_OK : ST_INVALID;
}

static enum status check_different(const struct id *ids, size_t count, const char *key,
                                   struct why *why)
{
    struct id_set set;
    enum status status = id_set_new(ids, count, &set);
    if (status != ST_OK)
        return status;
    const struct id *twice = id_set_twice(&set);
    if (twice != NULL) {
        why_set(why, "%s names %s twice", key, twice->text);
        status = ST_INVALID;
    }
    id_set_done(&set);
    return status;
}

/* ids: (size of array,) */
static enum status read_ids(const json_t *array, const char *key, struct id *ids, struct why *why)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        struct view text = view_of(json_string_value(item), json_string_length(item));
        if (id_of(text, &ids[i]) != ST_OK) {
            why_set(why, "%s[%zu] is not a name of a proplet", key, i);
            return ST_INVALID;
        }
    }
    return check_different(ids, json_array_size(array), key, why);
}

enum status field_ids(const json_t *object, const char *key, struct id **ret, size_t *ret_count,
                      struct why *why)
{
    json_t *array = NULL;
    enum status status = jsn_array(object, key, JSN_REQUIRED, ROUND_PARTICIPANTS_MAX, &array, why);
    if (status != ST_OK)
        return status;
    size_t count = json_array_size(array);
    if (count == 0) {
        why_set(why, "%s is empty", key);
        return ST_INVALID;
    }
    struct id *ids = calloc(count, sizeof ids[0]);
    if (ids == NULL)
        return ST_NOMEM;
    status = read_ids(array, key, ids, why);
    if (status != ST_OK) {
        free(ids);
        return status;
    }
    *ret = ids;
    *ret_count = count;
    return ST_OK;
}

enum status field_model(const json_t *object, struct field_model *ret, struct why *why)
{
    struct field_model m = {0};
    enum status status = field_name(object, "model_uri", sizeof m.uri, m.uri, why);
    if (status != ST_OK)
        return status;
    if (fl_model_ref_parse(m.uri, &m.ref) != ST_OK) {
        why_set(why, "model_uri is not a topic fl/models/{name}_v{N}");
        return ST_INVALID;
    }
    status = field_digest(object, "model_digest", &m.has_digest, &m.digest, why);
    if (status == ST_OK)
        *ret = m;
    return status;
}

enum status field_hyperparams(const json_t *object, json_t **ret, struct why *why)
{
    json_t *hyperparams = NULL;
    enum status status = jsn_object(object, "hyperparams", JSN_OPTIONAL, &hyperparams, why);
    if (status != ST_OK)
        return status;
    hyperparams = hyperparams != NULL ? json_incref(hyperparams) : json_object();
    if (hyperparams == NULL)
        return ST_NOMEM;
    *ret = hyperparams;
    return ST_OK;
}

enum status field_aggregation(const json_t *object, json_t **ret, struct why *why)
{
    json_t *aggregation = NULL;
    enum status status = jsn_object(object, "aggregation", JSN_OPTIONAL, &aggregation, why);
    if (status != ST_OK || aggregation == NULL)
        return status;
    char *text = jsn_text_exact(aggregation);
    if (text == NULL)
        return ST_NOMEM;
    bool fits = strlen(text) <= AGGREGATION_SIZE_MAX;
    free(text);
    if (!fits) {
        why_set(why, "aggregation is longer than %zu bytes", AGGREGATION_SIZE_MAX);
        return ST_INVALID;
    }
    *ret = json_incref(aggregation);
    return ST_OK;
}

bool field_is_there(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}

int field_set_text(json_t *object, const char *key, const char *value)
{
    return json_object_set_new(object, key, jsn_string(view_text(value)));
}

int field_set_count(json_t *object, const char *key, uint64_t value)
{
    return json_object_set_new(object, key, json_integer((json_int_t)value));
}

int field_set_digest(json_t *object, const char *key, const struct digest *value)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(value, text);
    return json_object_set_new(object, key, json_string(text));
}

int field_set_ids(json_t *object, const char *key, const struct id *ids, size_t count)
{
    json_t *array = json_array();
    int failed = array == NULL;
    for (size_t i = 0; i < count && !failed; i++)
        failed = json_array_append_new(array, json_string(ids[i].text));
    return json_object_set_new(object, key, field_whole(array, failed));
}

json_t *field_whole(json_t *object, int failed)
{
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}
