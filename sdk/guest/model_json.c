/* Models as JSON, {"w":[...],"b":0.5,"version":3}: a number is a scalar, nested
 * arrays are a tensor of that shape, "version" and every text is about the model.
 * Reading only: an update in JSON is written by update.c. */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* Descends through first elements: they say the shape that the rest must have. */
static enum fml_status shape_of(const struct fml_json *j, int token, struct fml_tensor *t)
{
    t->rank = 0;
    while (j->tokens[token].type == JSMN_ARRAY) {
        if (t->rank == FML_RANK_MAX)
            return fml_fail(FML_LIMIT, "%s has more than %d dimensions", t->name, FML_RANK_MAX);
        if (j->tokens[token].size == 0)
            return fml_fail(FML_SHAPE, "%s holds an empty array", t->name);
        t->shape[t->rank++] = (size_t)j->tokens[token].size;
        token++;
    }
    return FML_OK;
}

/* Copies numbers from token on, at depth `axis`. Returns the token behind them,
 * -1 if they are not of t's shape or not numbers of float32. */
static int fill(const struct fml_json *j, int token, const struct fml_tensor *t, size_t axis,
                float **at)
{
    if (axis == t->rank) {
        double value = 0.0;
        if (!fml_json_real(j, token, &value) || !isfinite((float)value))
            return -1;
        *(*at)++ = (float)value;
        return token + 1;
    }
    if (j->tokens[token].type != JSMN_ARRAY || (size_t)j->tokens[token].size != t->shape[axis])
        return -1;
    token++;
    for (size_t i = 0; i < t->shape[axis] && token >= 0; i++)
        token = fill(j, token, t, axis + 1, at);
    return token;
}

static bool is_text(const struct fml_json *j, int key)
{
    const jsmntok_t *t = &j->tokens[key];
    bool version = t->end - t->start == 7 && memcmp(j->text + t->start, "version", 7) == 0;
    return version || j->tokens[key + 1].type == JSMN_STRING;
}

struct shapes {
    size_t count;
    struct fml_tensor *tensors;
    char (*names)[FML_NAME_MAX + 1];
};

static enum fml_status read_shapes(const struct fml_json *j, struct shapes *s)
{
    size_t members = (size_t)j->tokens[0].size;
    if (members > FML_TENSORS_MAX + FML_TEXTS_MAX)
        return fml_fail(FML_LIMIT, "the model has %zu fields", members);
    s->tensors = calloc(members + 1, sizeof *s->tensors);
    s->names = calloc(members + 1, sizeof *s->names);
    if (s->tensors == NULL || s->names == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the model");
    for (int key = 1; key < j->count; key = fml_json_after(j, key + 1)) {
        if (is_text(j, key))
            continue;
        struct fml_tensor *t = &s->tensors[s->count];
        t->name = s->names[s->count];
        if (!fml_json_text(j, key, s->names[s->count], sizeof s->names[0]))
            return fml_fail(FML_INVALID, "a tensor's name is not a text of at most %zu bytes",
                            FML_NAME_MAX);
        enum fml_status status = shape_of(j, key + 1, t);
        if (status != FML_OK)
            return status;
        s->count++;
    }
    return FML_OK;
}

static enum fml_status read_text(const struct fml_json *j, int key, struct fml_model *m)
{
    char name[FML_NAME_MAX + 1];
    const jsmntok_t *t = &j->tokens[key + 1];
    size_t size = (size_t)(t->end - t->start) + 1;
    char *value = malloc(size);
    if (value == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the model's texts");

    enum fml_status status = FML_OK;
    uint64_t version = 0;
    if (t->type != JSMN_STRING && !fml_json_integer(j, key + 1, &version))
        status = fml_fail(FML_TYPE, "the model's version is not a whole number");
    else if (t->type != JSMN_STRING) { /* a number is its own text */
        memcpy(value, j->text + t->start, size - 1);
        value[size - 1] = '\0';
    } else if (!fml_json_text(j, key + 1, value, size))
        status = fml_fail(FML_MALFORMED, "a text of the model holds a zero");
    if (status == FML_OK && !fml_json_text(j, key, name, sizeof name))
        status = fml_fail(FML_INVALID, "a key of the model is longer than %zu bytes", FML_NAME_MAX);
    if (status == FML_OK)
        status = fml_model_set_text(m, name, value);
    free(value);
    return status;
}

static enum fml_status read_values(const struct fml_json *j, struct fml_model *m)
{
    float *at = m->params;
    size_t index = 0;
    for (int key = 1; key < j->count; key = fml_json_after(j, key + 1)) {
        if (is_text(j, key)) {
            enum fml_status status = read_text(j, key, m);
            if (status != FML_OK)
                return status;
            continue;
        }
        const struct fml_tensor *t = &m->tensors[index++];
        if (fill(j, key + 1, t, 0, &at) < 0)
            return fml_fail(FML_SHAPE, "%s is not a number or an even array of numbers", t->name);
    }
    return FML_OK;
}

enum fml_status fml_model_json_decode(const char *text, size_t size, struct fml_model **ret)
{
    struct fml_json j = {0};
    struct shapes shapes = {0};
    struct fml_model *m = NULL;

    enum fml_status status = fml_json_read(&j, text, size, "the model");
    if (status == FML_OK)
        status = read_shapes(&j, &shapes);
    if (status == FML_OK)
        status = fml_model_new(shapes.tensors, shapes.count, &m);
    if (status == FML_OK)
        status = read_values(&j, m);
    if (status == FML_OK)
        *ret = m;
    else
        fml_model_free(m);
    free(shapes.tensors);
    free(shapes.names);
    fml_json_done(&j);
    return status;
}
