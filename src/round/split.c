#include "round/split.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STATE_META   "optimiser"
#define STATE_PREFIX "optimiser."

static bool is_state(const struct tensor *t)
{
    return strncmp(t->name, STATE_PREFIX, strlen(STATE_PREFIX)) == 0;
}

static bool has_state(const struct model *m)
{
    for (size_t i = 0; i < model_tensor_count(m); i++)
        if (is_state(model_tensor(m, i)))
            return true;
    return model_meta(m, STATE_META) != NULL;
}

static struct model_shape shape_of(const struct tensor *t)
{
    struct model_shape shape = {.rank = t->rank};
    memcpy(shape.name, t->name, strlen(t->name) + 1);
    memcpy(shape.shape, t->shape, sizeof shape.shape);
    return shape;
}

/* Names are unique in what comes in, so each value has one place. */
static void copy_values(struct model *to, const struct model *from)
{
    for (size_t i = 0; i < model_tensor_count(from); i++) {
        const struct tensor *source = model_tensor(from, i);
        const struct tensor *target = model_find(to, source->name);
        if (target != NULL)
            memcpy(target->data, source->data, source->count * sizeof source->data[0]);
    }
}

static enum status copy_meta(struct model *to, const struct model *from, bool state)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < model_meta_count(from) && status == ST_OK; i++) {
        const char *key, *value;
        model_meta_at(from, i, &key, &value);
        if ((strcmp(key, STATE_META) == 0) == state)
            status = model_set_meta(to, key, value);
    }
    return status;
}

/* One half: the state, or the parameters. */
static enum status take_half(const struct model *m, bool state, struct model **ret)
{
    size_t count = 0;
    struct model *half = NULL;
    struct model_shape *shapes = calloc(model_tensor_count(m) + 1, sizeof *shapes);
    if (shapes == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < model_tensor_count(m); i++)
        if (is_state(model_tensor(m, i)) == state)
            shapes[count++] = shape_of(model_tensor(m, i));
    enum status status = model_new(shapes, count, &half);
    free(shapes);
    if (status == ST_OK) {
        copy_values(half, m);
        status = copy_meta(half, m, state);
    }
    if (status == ST_OK)
        *ret = half;
    else
        model_free(half);
    return status;
}

enum status split_state(struct model **model, struct model **ret_state)
{
    assert(model != NULL && *model != NULL && ret_state != NULL);
    if (!has_state(*model)) {
        *ret_state = NULL;
        return ST_OK;
    }
    struct model *params = NULL, *state = NULL;
    enum status status = take_half(*model, false, &params);
    if (status == ST_OK)
        status = take_half(*model, true, &state);
    if (status != ST_OK) {
        model_free(params);
        return status;
    }
    model_free(*model);
    *model = params;
    *ret_state = state;
    return ST_OK;
}

enum status join_state(struct model **model, const struct model *state)
{
    assert(model != NULL && *model != NULL && state != NULL);
    size_t own = model_tensor_count(*model), more = model_tensor_count(state);
    struct model *joined = NULL;
    struct model_shape *shapes = calloc(own + more + 1, sizeof *shapes);
    if (shapes == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < own; i++)
        shapes[i] = shape_of(model_tensor(*model, i));
    for (size_t i = 0; i < more; i++)
        shapes[own + i] = shape_of(model_tensor(state, i));
    enum status status = model_new(shapes, own + more, &joined);
    free(shapes);
    if (status == ST_OK) {
        copy_values(joined, *model);
        copy_values(joined, state);
        status = copy_meta(joined, *model, false);
    }
    if (status == ST_OK)
        status = copy_meta(joined, state, true);
    if (status != ST_OK) {
        model_free(joined);
        return status;
    }
    model_free(*model);
    *model = joined;
    return ST_OK;
}
