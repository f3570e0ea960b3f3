#include "model/model.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_MAGIC 0x6d6f646cu /* "modl" */

struct meta {
    char *key;
    char *value;
};

struct model {
    uint32_t magic;
    size_t tensor_count;
    size_t param_count;
    size_t meta_count;
    struct tensor *tensors;        /* (tensor_count,), in the model's order */
    const struct tensor **by_name; /* the same, sorted by name */
    char *names;                   /* all names, each zero-terminated */
    float *params;                 /* (param_count,) */
    struct meta meta[METADATA_MAX];
};

/* calloc(0, n) may give NULL, which would look like a lack of memory. */
static void *zeroed(size_t count, size_t size)
{
    return calloc(count == 0 ? 1 : count, size);
}

static bool reserved(const char *name)
{
    return strcmp(name, "version") == 0 || strcmp(name, "__metadata__") == 0;
}

/* *ret_count is the product of the shape. */
static enum status check_shape(const struct model_shape *s, size_t *ret_count)
{
    size_t size = strnlen(s->name, sizeof s->name);
    assert(size < sizeof s->name);
    if (size == 0 || reserved(s->name))
        return ST_INVALID;
    if (s->rank > TENSOR_RANK_MAX)
        return ST_LIMIT;

    size_t count = 1;
    for (uint32_t d = 0; d < s->rank; d++) {
        if (s->shape[d] == 0)
            return ST_INVALID;
        if (s->shape[d] > MODEL_PARAMS_MAX / count)
            return ST_LIMIT;
        count *= s->shape[d];
    }
    *ret_count = count;
    return ST_OK;
}

static enum status check_shapes(const struct model_shape *tensors, size_t count, size_t *ret_params,
                                size_t *ret_names_size)
{
    if (count > TENSORS_MAX)
        return ST_LIMIT;
    size_t params = 0, names_size = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n;
        enum status status = check_shape(&tensors[i], &n);
        if (status != ST_OK)
            return status;
        if (n > MODEL_PARAMS_MAX - params)
            return ST_LIMIT;
        params += n;
        names_size += strlen(tensors[i].name) + 1;
    }
    *ret_params = params;
    *ret_names_size = names_size;
    return ST_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Sorts by_name anew. Returns false if a name is there twice. */
static bool index_names(struct model *m)
{
    for (size_t i = 0; i < m->tensor_count; i++)
        m->by_name[i] = &m->tensors[i];
    qsort(m->by_name, m->tensor_count, sizeof m->by_name[0], compare_names);
    for (size_t i = 1; i < m->tensor_count; i++)
        if (strcmp(m->by_name[i - 1]->name, m->by_name[i]->name) == 0)
            return false;
    return true;
}

static void lay_out(struct model *m, const struct model_shape *shapes)
{
    char *name = m->names;
    float *data = m->params;
    for (size_t i = 0; i < m->tensor_count; i++) {
        struct tensor *t = &m->tensors[i];
        size_t name_size = strlen(shapes[i].name) + 1;
        memcpy(name, shapes[i].name, name_size);
        t->name = name;
        t->rank = shapes[i].rank;
        t->count = 1;
        for (uint32_t d = 0; d < t->rank; d++) {
            t->shape[d] = shapes[i].shape[d];
            t->count *= t->shape[d];
        }
        t->data = data;
        name += name_size;
        data += t->count;
    }
}

enum status model_new(const struct model_shape *tensors, size_t count, struct model **ret)
{
    assert(ret != NULL && (tensors != NULL || count == 0));
    size_t params, names_size;
    enum status status = check_shapes(tensors, count, &params, &names_size);
    if (status != ST_OK)
        return status;

    struct model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ST_NOMEM;
    m->magic = MODEL_MAGIC;
    m->tensor_count = count;
    m->param_count = params;
    m->tensors = zeroed(count, sizeof m->tensors[0]);
    m->by_name = zeroed(count, sizeof m->by_name[0]);
    m->names = zeroed(names_size, 1);
    m->params = zeroed(params, sizeof m->params[0]);
    if (m->tensors == NULL || m->by_name == NULL || m->names == NULL || m->params == NULL) {
        model_free(m);
        return ST_NOMEM;
    }
    lay_out(m, tensors);
    if (!index_names(m)) {
        model_free(m);
        return ST_INVALID;
    }
    *ret = m;
    return ST_OK;
}

enum status model_like(const struct model *m, struct model **ret)
{
    assert(m != NULL && m->magic == MODEL_MAGIC && ret != NULL);
    struct model_shape *shapes = zeroed(m->tensor_count, sizeof shapes[0]);
    if (shapes == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        memcpy(shapes[i].name, t->name, strlen(t->name) + 1);
        memcpy(shapes[i].shape, t->shape, sizeof t->shape);
        shapes[i].rank = t->rank;
    }
    enum status status = model_new(shapes, m->tensor_count, ret);
    free(shapes);
    return status;
}

size_t model_tensor_count(const struct model *m)
{
    assert(m != NULL && m->magic == MODEL_MAGIC);
    return m->tensor_count;
}

size_t model_param_count(const struct model *m)
{
    assert(m != NULL && m->magic == MODEL_MAGIC);
    return m->param_count;
}

const struct tensor *model_tensor(const struct model *m, size_t index)
{
    assert(m != NULL && m->magic == MODEL_MAGIC && index < m->tensor_count);
    return &m->tensors[index];
}

static int compare_name(const void *key, const void *item)
{
    const struct tensor *const *t = item;
    return strcmp(key, (*t)->name);
}

const struct tensor *model_find(const struct model *m, const char *name)
{
    assert(m != NULL && m->magic == MODEL_MAGIC && name != NULL);
    const struct tensor **found =
        bsearch(name, m->by_name, m->tensor_count, sizeof m->by_name[0], compare_name);
    return found == NULL ? NULL : *found;
}

const float *model_params(const struct model *m)
{
    assert(m != NULL && m->magic == MODEL_MAGIC);
    return m->params;
}

float *model_params_mutable(struct model *m)
{
    assert(m != NULL && m->magic == MODEL_MAGIC);
    return m->params;
}

static bool shapes_equal(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

/* Room for TENSOR_RANK_MAX dimensions of at most 9 digits, commas and brackets. */
#define SHAPE_TEXT_SIZE 96

static void shape_text(const struct tensor *t, char ret_text[SHAPE_TEXT_SIZE])
{
    size_t used = 0;
    ret_text[used++] = '[';
    for (uint32_t d = 0; d < t->rank; d++)
        used += (size_t)snprintf(ret_text + used, SHAPE_TEXT_SIZE - used, "%s%zu",
                                 d == 0 ? "" : ",", t->shape[d]);
    ret_text[used++] = ']';
    ret_text[used] = '\0';
}

/* One tensor of a against what b has under that name. */
static bool same_tensor(const struct tensor *t, const struct model *b, struct why *why)
{
    const struct tensor *other = model_find(b, t->name);
    if (other == NULL) {
        why_set(why, "tensor %s is missing", t->name);
        return false;
    }
    if (shapes_equal(t, other))
        return true;
    char expected[SHAPE_TEXT_SIZE], got[SHAPE_TEXT_SIZE];
    shape_text(t, expected);
    shape_text(other, got);
    why_set(why, "tensor %s has shape %s, expected %s", t->name, got, expected);
    return false;
}

bool model_same_shape(const struct model *a, const struct model *b, struct why *why)
{
    assert(a != NULL && a->magic == MODEL_MAGIC && b != NULL && b->magic == MODEL_MAGIC);
    for (size_t i = 0; i < a->tensor_count; i++)
        if (!same_tensor(&a->tensors[i], b, why))
            return false;
    if (a->tensor_count == b->tensor_count)
        return true;

    /* b has all of a's tensors and more of its own. */
    for (size_t i = 0; i < b->tensor_count; i++)
        if (model_find(a, b->tensors[i].name) == NULL) {
            why_set(why, "tensor %s is not in the model", b->tensors[i].name);
            break;
        }
    return false;
}

static bool same_order(const struct model *a, const struct model *b)
{
    for (size_t i = 0; i < a->tensor_count; i++)
        if (strcmp(a->tensors[i].name, b->tensors[i].name) != 0)
            return false;
    return true;
}

enum status model_reorder(struct model *b, const struct model *like)
{
    assert(model_same_shape(like, b, NULL));
    if (same_order(b, like))
        return ST_OK;

    struct tensor *tensors = zeroed(b->tensor_count, sizeof tensors[0]);
    float *params = zeroed(b->param_count, sizeof params[0]);
    if (tensors == NULL || params == NULL) {
        free(tensors);
        free(params);
        return ST_NOMEM;
    }
    float *data = params;
    for (size_t i = 0; i < b->tensor_count; i++) {
        tensors[i] = *model_find(b, like->tensors[i].name);
        memcpy(data, tensors[i].data, tensors[i].count * sizeof *data);
        tensors[i].data = data;
        data += tensors[i].count;
    }
    free(b->tensors);
    free(b->params);
    b->tensors = tensors;
    b->params = params;
    bool different = index_names(b);
    assert(different);
    return ST_OK;
}

enum status model_check_finite(const struct model *m, struct why *why)
{
    assert(m != NULL && m->magic == MODEL_MAGIC);
    for (size_t i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        for (size_t k = 0; k < t->count; k++) {
            if (isfinite(t->data[k]))
                continue;
            why_set(why, "tensor %s holds %s at index %zu", t->name,
                    isnan(t->data[k]) ? "a NaN" : "an infinity", k);
            return ST_NOT_FINITE;
        }
    }
    return ST_OK;
}

static struct meta *find_meta(const struct model *m, const char *key)
{
    for (size_t i = 0; i < m->meta_count; i++)
        if (strcmp(m->meta[i].key, key) == 0)
            return (struct meta *)&m->meta[i];
    return NULL;
}

enum status model_set_meta(struct model *m, const char *key, const char *value)
{
    assert(m != NULL && m->magic == MODEL_MAGIC && key != NULL && value != NULL);
    if (strlen(key) > TENSOR_NAME_MAX || strlen(value) > METADATA_VALUE_MAX)
        return ST_LIMIT;
    struct meta *there = find_meta(m, key);
    if (there == NULL && m->meta_count == METADATA_MAX)
        return ST_LIMIT;

    char *new_value = strdup(value);
    char *new_key = there != NULL ? there->key : strdup(key);
    if (new_value == NULL || new_key == NULL) {
        free(new_value);
        if (there == NULL)
            free(new_key);
        return ST_NOMEM;
    }
    if (there == NULL)
        there = &m->meta[m->meta_count++];
    free(there->value);
    *there = (struct meta){new_key, new_value};
    return ST_OK;
}

const char *model_meta(const struct model *m, const char *key)
{
    assert(m != NULL && m->magic == MODEL_MAGIC && key != NULL);
    const struct meta *there = find_meta(m, key);
    return there == NULL ? NULL : there->value;
}

size_t model_meta_count(const struct model *m)
{
    assert(m != NULL && m->magic == MODEL_MAGIC);
    return m->meta_count;
}

void model_meta_at(const struct model *m, size_t index, const char **ret_key,
                   const char **ret_value)
{
    assert(m != NULL && m->magic == MODEL_MAGIC && index < m->meta_count);
    *ret_key = m->meta[index].key;
    *ret_value = m->meta[index].value;
}

struct model *model_free(struct model *m)
{
    if (m == NULL)
        return NULL;
    assert(m->magic == MODEL_MAGIC);
    for (size_t i = 0; i < m->meta_count; i++) {
        free(m->meta[i].key);
        free(m->meta[i].value);
    }
    free(m->tensors);
    free(m->by_name);
    free(m->names);
    free(m->params);
    /* A later use must trip the assert. Volatile, or the compiler drops the
     * write as dead before free(). */
    *(volatile uint32_t *)&m->magic = 0;
    free(m);
    return NULL;
}
