#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The product of a shape. fails: FML_INVALID (a 0), FML_LIMIT */
static enum fml_status count_of(const struct fml_tensor *t, size_t *ret)
{
    uint64_t count = 1;
    if (t->rank > FML_RANK_MAX)
        return fml_fail(FML_LIMIT, "%s has more than %d dimensions", t->name, FML_RANK_MAX);
    for (size_t i = 0; i < t->rank; i++) {
        if (t->shape[i] == 0)
            return fml_fail(FML_INVALID, "%s has a dimension of 0", t->name);
        if (t->shape[i] > FML_PARAMS_MAX || count * t->shape[i] > FML_PARAMS_MAX)
            return fml_fail(FML_LIMIT, "%s is too large", t->name);
        count *= t->shape[i];
    }
    *ret = (size_t)count;
    return FML_OK;
}

static enum fml_status take_name(struct fml_model *m, size_t index, const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > FML_NAME_MAX)
        return fml_fail(FML_INVALID, "a tensor's name has %zu bytes, not 1 to %zu", size,
                        FML_NAME_MAX);
    for (size_t i = 0; i < index; i++)
        if (strcmp(m->names[i], name) == 0)
            return fml_fail(FML_INVALID, "there are two tensors named %s", name);
    memcpy(m->names[index], name, size + 1);
    return FML_OK;
}

static enum fml_status take_tensors(struct fml_model *m, const struct fml_tensor *tensors)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->tensor_count; i++) {
        struct fml_tensor *t = &m->tensors[i];
        *t = tensors[i];
        enum fml_status status = take_name(m, i, tensors[i].name);
        if (status == FML_OK)
            status = count_of(t, &t->count);
        if (status != FML_OK)
            return status;
        t->name = m->names[i];
        total += t->count;
        if (total > FML_PARAMS_MAX)
            return fml_fail(FML_LIMIT, "the model has too many parameters");
    }
    m->param_count = (size_t)total;
    return FML_OK;
}

enum fml_status fml_model_new(const struct fml_tensor *tensors, size_t count,
                              struct fml_model **ret)
{
    if (count > FML_TENSORS_MAX)
        return fml_fail(FML_LIMIT, "the model has %zu tensors, more than %d", count,
                        FML_TENSORS_MAX);

    enum fml_status status = fml_fail(FML_NO_MEMORY, "no memory for the model");
    struct fml_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return status;
    m->tensor_count = count;
    m->tensors = calloc(count + 1, sizeof *m->tensors);
    m->names = calloc(count + 1, sizeof *m->names);
    if (m->tensors == NULL || m->names == NULL)
        goto failed;
    status = take_tensors(m, tensors);
    if (status != FML_OK)
        goto failed;
    m->params = calloc(m->param_count + 1, sizeof *m->params);
    if (m->params == NULL) {
        status = fml_fail(FML_NO_MEMORY, "no memory for %zu parameters", m->param_count);
        goto failed;
    }
    float *at = m->params;
    for (size_t i = 0; i < count; i++) {
        m->tensors[i].data = at;
        at += m->tensors[i].count;
    }
    *ret = m;
    return FML_OK;

failed:
    fml_model_free(m);
    return status;
}

enum fml_status fml_model_copy(const struct fml_model *m, struct fml_model **ret)
{
    struct fml_model *copy = NULL;
    enum fml_status status = fml_model_new(m->tensors, m->tensor_count, &copy);
    if (status != FML_OK)
        return status;
    memcpy(copy->params, m->params, m->param_count * sizeof *m->params);
    *ret = copy;
    return FML_OK;
}

/* gives: the tensors of these names in tensors, (count,) */
static enum fml_status find_all(const struct fml_model *m, const char *const *names, size_t count,
                                struct fml_tensor *tensors)
{
    for (size_t i = 0; i < count; i++) {
        const struct fml_tensor *t = fml_model_find(m, names[i]);
        if (t == NULL)
            return fml_fail(FML_MISSING, "the model has no tensor %s", names[i]);
        tensors[i] = *t;
    }
    return FML_OK;
}

enum fml_status fml_model_subset(const struct fml_model *m, const char *const *names, size_t count,
                                 struct fml_model **ret)
{
    struct fml_model *part = NULL;
    struct fml_tensor *tensors = calloc(count + 1, sizeof *tensors);
    if (tensors == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for a part of the model");
    enum fml_status status = find_all(m, names, count, tensors);
    if (status == FML_OK)
        status = fml_model_new(tensors, count, &part);
    if (status == FML_OK) {
        for (size_t i = 0; i < count; i++)
            memcpy(part->tensors[i].data, tensors[i].data, tensors[i].count * sizeof(float));
        *ret = part;
    }
    free(tensors);
    return status;
}

enum fml_status fml_model_decode(const void *data, size_t size, struct fml_model **ret)
{
    const uint8_t *bytes = data;
    if (size > FML_MODEL_SIZE_MAX)
        return fml_fail(FML_LIMIT, "the model has %zu bytes, more than are read", size);
    /* The first 8 bytes of safetensors are a length, so the 8th is 0. No JSON
     * text holds a zero byte. */
    if (size >= 8 && bytes[7] == 0)
        return fml_safetensors_decode(bytes, size, ret);
    return fml_model_json_decode(data, size, ret);
}

size_t fml_model_tensor_count(const struct fml_model *m)
{
    return m->tensor_count;
}

const struct fml_tensor *fml_model_tensor(const struct fml_model *m, size_t index)
{
    return &m->tensors[index];
}

const struct fml_tensor *fml_model_find(const struct fml_model *m, const char *name)
{
    for (size_t i = 0; i < m->tensor_count; i++)
        if (strcmp(m->names[i], name) == 0)
            return &m->tensors[i];
    return NULL;
}

size_t fml_model_param_count(const struct fml_model *m)
{
    return m->param_count;
}

float *fml_model_params(struct fml_model *m)
{
    return m->params;
}

enum fml_status fml_model_check_finite(const struct fml_model *m)
{
    for (size_t i = 0; i < m->tensor_count; i++) {
        const struct fml_tensor *t = &m->tensors[i];
        for (size_t j = 0; j < t->count; j++)
            if (!isfinite(t->data[j]))
                return fml_fail(FML_NOT_FINITE, "%s holds a number that is not finite at %zu",
                                t->name, j);
    }
    return FML_OK;
}

static struct model_text *find_text(const struct fml_model *m, const char *key)
{
    for (size_t i = 0; i < m->text_count; i++)
        if (strcmp(m->texts[i].key, key) == 0)
            return (struct model_text *)&m->texts[i];
    return NULL;
}

enum fml_status fml_model_set_text(struct fml_model *m, const char *key, const char *value)
{
    struct model_text *text = find_text(m, key);
    size_t key_size = strlen(key);

    if (key_size == 0 || key_size > FML_NAME_MAX)
        return fml_fail(FML_INVALID, "a text's key has %zu bytes, not 1 to %zu", key_size,
                        FML_NAME_MAX);
    if (strlen(value) > FML_TEXT_MAX)
        return fml_fail(FML_LIMIT, "the text %s is longer than %zu bytes", key, FML_TEXT_MAX);
    if (text == NULL && m->text_count == FML_TEXTS_MAX)
        return fml_fail(FML_LIMIT, "the model has more than %d texts", FML_TEXTS_MAX);

    char *key_copy = strdup(key);
    char *value_copy = strdup(value);
    if (key_copy == NULL || value_copy == NULL) {
        free(key_copy);
        free(value_copy);
        return fml_fail(FML_NO_MEMORY, "no memory for the text %s", key);
    }
    if (text == NULL) {
        text = &m->texts[m->text_count++];
    } else {
        free(text->key);
        free(text->value);
    }
    *text = (struct model_text){key_copy, value_copy};
    return FML_OK;
}

const char *fml_model_text(const struct fml_model *m, const char *key)
{
    const struct model_text *text = find_text(m, key);
    return text == NULL ? NULL : text->value;
}

struct fml_model *fml_model_free(struct fml_model *m)
{
    if (m == NULL)
        return NULL;
    for (size_t i = 0; i < m->text_count; i++) {
        free(m->texts[i].key);
        free(m->texts[i].value);
    }
    free(m->params);
    free(m->names);
    free(m->tensors);
    free(m);
    return NULL;
}
