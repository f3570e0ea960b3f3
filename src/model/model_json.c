#include "model/model_json.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"

#define VERSION_MAX ((json_int_t)1 << 53) /* exact in every reader of JSON */

/* From here on a double rounds to an infinite float32: FLT_MAX and half of its
 * last place. */
#define FLOAT_OVERFLOW 0x1.ffffffp127

/* The shape along first elements; check_values() holds the others against it. */
static enum status read_shape(const json_t *value, struct model_shape *s, struct why *why)
{
    s->rank = 0;
    while (json_is_array(value)) {
        size_t size = json_array_size(value);
        if (size == 0) {
            why_set(why, "tensor %s holds an empty array", s->name);
            return ST_SHAPE;
        }
        if (s->rank == TENSOR_RANK_MAX) {
            why_set(why, "tensor %s is nested deeper than the limit of %d", s->name,
                    TENSOR_RANK_MAX);
            return ST_LIMIT;
        }
        s->shape[s->rank++] = size;
        value = json_array_get(value, 0);
    }
    return ST_OK;
}

static enum status check_number(const json_t *value, const char *name, struct why *why)
{
    if (!json_is_number(value)) {
        why_set(why, "tensor %s holds something that is not a number", name);
        return ST_TYPE;
    }
    if (fabs(json_number_value(value)) >= FLOAT_OVERFLOW) {
        why_set(why, "tensor %s holds a number beyond float32", name);
        return ST_NOT_FINITE;
    }
    return ST_OK;
}

/* value is what lies below `depth` dimensions of s. Recursion ends at
 * s->rank <= TENSOR_RANK_MAX. */
static enum status check_values(const json_t *value, const struct model_shape *s, uint32_t depth,
                                struct why *why)
{
    bool deeper = depth < s->rank;
    if (json_is_array(value) ? !deeper || json_array_size(value) != s->shape[depth]
                             : deeper && json_is_number(value)) {
        why_set(why, "tensor %s is ragged: its arrays differ in length or depth", s->name);
        return ST_SHAPE;
    }
    if (!json_is_array(value))
        return check_number(value, s->name, why);
    for (size_t i = 0; i < s->shape[depth]; i++) {
        enum status status = check_values(json_array_get(value, i), s, depth + 1, why);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* Writes checked values to *at on, and moves it behind them. */
static void fill(const json_t *value, float **at)
{
    if (!json_is_array(value)) {
        *(*at)++ = (float)json_number_value(value);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        fill(json_array_get(value, i), at);
}

static bool is_metadata(const char *key, const json_t *value)
{
    return json_is_string(value) || strcmp(key, "version") == 0;
}

static enum status check_name(const char *key, struct why *why)
{
    size_t size = strlen(key);
    if (size > TENSOR_NAME_MAX) {
        why_set(why, "a tensor's name of %zu bytes is longer than the limit of %zu", size,
                TENSOR_NAME_MAX);
        return ST_LIMIT;
    }
    if (size == 0 || strcmp(key, "__metadata__") == 0) {
        why_set(why, "a tensor cannot be named \"%s\"", key);
        return ST_INVALID;
    }
    return ST_OK;
}

static int compare_shapes(const void *a, const void *b)
{
    const struct model_shape *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Fills shapes, which has room for every key of object, sorted by name. */
static enum status read_shapes(const json_t *object, struct model_shape *shapes, size_t *ret_count,
                               struct why *why)
{
    const char *key;
    json_t *value;
    size_t count = 0;
    json_object_foreach((json_t *)object, key, value)
    {
        if (is_metadata(key, value))
            continue;
        enum status status = check_name(key, why);
        if (status != ST_OK)
            return status;
        struct model_shape *s = &shapes[count++];
        memcpy(s->name, key, strlen(key) + 1);
        status = read_shape(value, s, why);
        if (status == ST_OK)
            status = check_values(value, s, 0, why);
        if (status != ST_OK)
            return status;
    }
    qsort(shapes, count, sizeof shapes[0], compare_shapes);
    *ret_count = count;
    return ST_OK;
}

/* The metadata that "version" is: a text, or a whole number as a text. */
static enum status read_version(const json_t *value, struct model *m, struct why *why)
{
    json_int_t version = json_integer_value(value);
    if (!json_is_integer(value) || version < 0 || version > VERSION_MAX) {
        why_set(why, "version is neither a whole number from 0 to 2^53 nor a text");
        return ST_TYPE;
    }
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)version);
    return model_set_meta(m, "version", text);
}

static enum status read_metadata(const json_t *object, struct model *m, struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (!is_metadata(key, value))
            continue;
        enum status status = json_is_string(value)
                                 ? model_set_meta(m, key, json_string_value(value))
                                 : read_version(value, m, why);
        if (status == ST_LIMIT)
            why_set(why, "more than %d texts, or one longer than %zu bytes", METADATA_MAX,
                    METADATA_VALUE_MAX);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

enum status model_from_json(const json_t *object, struct model **ret, struct why *why)
{
    assert(json_is_object(object) && ret != NULL);
    size_t keys = json_object_size(object), count = 0;
    if (keys > TENSORS_MAX + METADATA_MAX) {
        why_set(why, "%zu keys are more than the limit of %d", keys, TENSORS_MAX + METADATA_MAX);
        return ST_LIMIT;
    }
    struct model_shape *shapes = calloc(keys + 1, sizeof shapes[0]);
    if (shapes == NULL)
        return ST_NOMEM;
    struct model *m = NULL;

    enum status status = read_shapes(object, shapes, &count, why);
    if (status != ST_OK)
        goto done;
    status = model_new(shapes, count, &m);
    if (status == ST_LIMIT)
        why_set(why, "more than %d tensors or %zu values", TENSORS_MAX, MODEL_PARAMS_MAX);
    if (status != ST_OK)
        goto done;

    float *at = model_params_mutable(m);
    for (size_t i = 0; i < count; i++)
        fill(json_object_get(object, shapes[i].name), &at);
    status = read_metadata(object, m, why);
    if (status != ST_OK)
        goto done;
    *ret = m;
    m = NULL;
done:
    model_free(m);
    free(shapes);
    return status;
}

/* The double whose shortest decimal is that of the float32: 0.1 for 0.1f, where
 * (double)0.1f would be 0.100000001. Both ways to read the text must lead back:
 * straight to float32, and through double as model_from_json() does. */
static double shortest(float value)
{
    /* Any 6 digits survive in a normal float32 (FLT_DIG), so fewer need no try
     * of their own: %g drops zeros at the end. Small ones have fewer digits. */
    int digits = fabsf(value) < FLT_MIN ? 1 : FLT_DIG;
    for (; digits < 9; digits++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
        double wide = strtod(text, NULL);
        if (strtof(text, NULL) == value && (float)wide == value)
            return wide;
    }
    return (double)value; /* jsn_text() prints 9 digits: always enough */
}

/* The values from *at on as nested arrays, below `depth` dimensions of t. */
static json_t *values_json(const struct tensor *t, uint32_t depth, const float **at)
{
    if (depth == t->rank)
        return json_real(shortest(*(*at)++));
    json_t *array = json_array();
    int failed = array == NULL;
    for (size_t i = 0; i < t->shape[depth] && !failed; i++)
        failed = json_array_append_new(array, values_json(t, depth + 1, at));
    if (failed) {
        json_decref(array);
        return NULL;
    }
    return array;
}

/* A version that model_from_json() made from a number becomes one again. */
static json_t *meta_json(const char *key, const char *value)
{
    size_t size = strlen(value);
    bool number = strcmp(key, "version") == 0 && size > 0 && size <= 16 &&
                  strspn(value, "0123456789") == size && (value[0] != '0' || size == 1);
    json_int_t version = number ? strtoll(value, NULL, 10) : 0;
    return number && version <= VERSION_MAX ? json_integer(version) : json_string(value);
}

json_t *model_to_json(const struct model *m)
{
    assert(m != NULL);
    json_t *object = json_object();
    int failed = object == NULL;
    for (size_t i = 0; i < model_tensor_count(m) && !failed; i++) {
        const struct tensor *t = model_tensor(m, i);
        const float *at = t->data;
        failed = json_object_set_new(object, t->name, values_json(t, 0, &at));
    }
    for (size_t i = 0; i < model_meta_count(m) && !failed; i++) {
        const char *key, *value;
        model_meta_at(m, i, &key, &value);
        if (model_find(m, key) == NULL)
            failed = json_object_set_new(object, key, meta_json(key, value));
    }
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}
