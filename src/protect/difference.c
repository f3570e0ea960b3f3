#include "protect/difference.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/pieces.h"
#include "model/model_file.h"

/* The server optimiser's tensors, which no update has (round/split.h). */
#define STATE_PREFIX "optimiser."

static const struct id any = {"difference"};

/* The layout of the parameters alone. kept: (l->count,) */
static size_t parameters_of(const struct safetensors_layout *l, struct safetensors_tensor *kept,
                            struct model_shape *shapes)
{
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (strncmp(l->tensors[i].shape.name, STATE_PREFIX, strlen(STATE_PREFIX)) == 0)
            continue;
        kept[count] = l->tensors[i];
        shapes[count++] = l->tensors[i].shape;
    }
    return count;
}

/* A model of the base's shape whose values are never touched, so that they cost no memory. */
static enum status shape_of(const struct safetensors_layout *l, struct difference *d,
                            struct why *why)
{
    struct safetensors_layout parameters = {0};
    parameters.tensors = calloc(l->count + 1, sizeof parameters.tensors[0]);
    struct model_shape *shapes = calloc(l->count + 1, sizeof shapes[0]);
    enum status status = ST_NOMEM;
    if (parameters.tensors != NULL && shapes != NULL) {
        parameters.count = parameters_of(l, parameters.tensors, shapes);
        status = model_new(shapes, parameters.count, &d->shape);
    }
    if (status == ST_OK)
        status = pieces_of(d->shape, &parameters, &d->pieces, &d->piece_count, why);
    free(parameters.tensors);
    free(shapes);
    return status;
}

static enum status read_base(struct view base, struct difference *d, struct why *why)
{
    struct safetensors_layout layout = {0};
    if (model_form_of(base) == MODEL_JSON)
        return model_decode(base, &d->shape, NULL, why);
    enum status status = safetensors_layout(base, &layout, why);
    if (status == ST_OK)
        status = shape_of(&layout, d, why);
    safetensors_layout_done(&layout);
    return status;
}

enum status difference_parameters(struct view base, size_t *ret, struct why *why)
{
    struct difference d = {0};
    enum status status = read_base(base, &d, why);
    if (status == ST_OK)
        *ret = model_param_count(d.shape);
    difference_done(&d);
    return status;
}

enum status difference_of(struct view base, struct update *u, struct difference *ret,
                          struct why *why)
{
    struct difference d = {0};
    enum status status = read_base(base, &d, why);
    if (status == ST_OK && model_param_count(d.shape) == 0) {
        why_set(why, "the base model has no parameters");
        status = ST_SHAPE;
    }
    if (status == ST_OK)
        status = update_source_of(d.shape, false, u, &d.update, why);
    if (status != ST_OK) {
        difference_done(&d);
        return status;
    }
    *ret = d;
    return ST_OK;
}

size_t difference_count(const struct difference *d)
{
    return model_param_count(d->shape);
}

static void read_base_values(const struct difference *d, size_t from, size_t to, float *ret)
{
    const struct source base = {
        .participant = any, .weight = 1, .pieces = d->pieces, .piece_count = d->piece_count};
    if (d->pieces == NULL)
        memcpy(ret, model_params(d->shape) + from, (to - from) * sizeof ret[0]);
    else
        source_read(&base, from, to, ret);
}

void difference_read(const struct difference *d, size_t from, size_t to, float *scratch, float *ret)
{
    struct source update = update_source_as(&d->update, &any, 1);
    bool is_difference = update.base != NULL;
    update.base = NULL; /* a difference as it is written */
    source_read(&update, from, to, ret);
    if (is_difference)
        return;
    read_base_values(d, from, to, scratch);
    for (size_t i = 0; i < to - from; i++)
        ret[i] -= scratch[i];
}

void difference_done(struct difference *d)
{
    update_source_done(&d->update);
    free(d->pieces);
    model_free(d->shape);
    *d = (struct difference){0};
}
