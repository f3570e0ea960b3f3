#include "aggregate/pieces.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCALE_SUFFIX ".scale"

static size_t coordinate_of(const struct model *base, const struct tensor *t)
{
    return (size_t)(t->data - model_params(base));
}

static bool same_shape(const struct tensor *t, const struct model_shape *s)
{
    return t->rank == s->rank && memcmp(t->shape, s->shape, t->rank * sizeof t->shape[0]) == 0;
}

/* The tensor of base whose scale x is by its name; NULL if it is none. */
static const struct tensor *scaled_by(const struct model *base, const struct safetensors_tensor *x)
{
    size_t size = strlen(x->shape.name), suffix = strlen(SCALE_SUFFIX);
    if (size <= suffix || strcmp(x->shape.name + size - suffix, SCALE_SUFFIX) != 0)
        return NULL;
    char name[TENSOR_NAME_MAX + 1] = {0};
    memcpy(name, x->shape.name, size - suffix);
    return model_find(base, name);
}

static int compare_from(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* The pieces of all tensors that base has, by coordinate and without scales. */
static enum status place(const struct model *base, const struct safetensors_layout *l,
                         struct piece *pieces, size_t *count, struct why *why)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct safetensors_tensor *x = &l->tensors[i];
        const struct tensor *t = model_find(base, x->shape.name);
        if (t == NULL && scaled_by(base, x) != NULL)
            continue;
        if (t == NULL) {
            why_set(why, "the base model has no tensor %s", x->shape.name);
            return ST_SHAPE;
        }
        if (!same_shape(t, &x->shape)) {
            why_set(why, "tensor %s has another shape than in the base model", x->shape.name);
            return ST_SHAPE;
        }
        pieces[(*count)++] =
            (struct piece){coordinate_of(base, t), x->count, x->bytes, x->dtype, 0};
    }
    qsort(pieces, *count, sizeof pieces[0], compare_from);
    return ST_OK;
}

/* Gives the piece of t, which must be one of I8, the scale x. */
static enum status set_scale(const struct model *base, const struct tensor *t,
                             const struct safetensors_tensor *x, struct piece *pieces, size_t count,
                             struct why *why)
{
    struct piece key = {.from = coordinate_of(base, t)};
    struct piece *p = bsearch(&key, pieces, count, sizeof pieces[0], compare_from);
    if (p == NULL || p->dtype != DTYPE_I8 || x->dtype != DTYPE_F32 || x->shape.rank != 0) {
        why_set(why, "tensor %s is not the F32 scale of an I8 tensor", x->shape.name);
        return ST_SHAPE;
    }
    float scale;
    memcpy(&scale, x->bytes, sizeof scale);
    if (!(scale > 0 && isfinite(scale))) {
        why_set(why, "tensor %s is not above 0", x->shape.name);
        return ST_INVALID;
    }
    p->scale = scale;
    return ST_OK;
}

static enum status set_scales(const struct model *base, const struct safetensors_layout *l,
                              struct piece *pieces, size_t count, struct why *why)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct safetensors_tensor *x = &l->tensors[i];
        if (model_find(base, x->shape.name) != NULL)
            continue;
        enum status status = set_scale(base, scaled_by(base, x), x, pieces, count, why);
        if (status != ST_OK)
            return status;
    }
    for (size_t i = 0; i < count; i++)
        if (pieces[i].dtype == DTYPE_I8 && pieces[i].scale == 0) {
            why_set(why, "the I8 tensor at coordinate %zu has no " SCALE_SUFFIX, pieces[i].from);
            return ST_SHAPE;
        }
    return ST_OK;
}

enum status pieces_of(const struct model *base, const struct safetensors_layout *l,
                      struct piece **ret_pieces, size_t *ret_count, struct why *why)
{
    assert(base != NULL && l != NULL && ret_pieces != NULL && ret_count != NULL);
    struct piece *pieces = calloc(l->count + 1, sizeof pieces[0]);
    size_t count = 0;
    if (pieces == NULL)
        return ST_NOMEM;
    enum status status = place(base, l, pieces, &count, why);
    if (status == ST_OK)
        status = set_scales(base, l, pieces, count, why);
    if (status != ST_OK) {
        free(pieces);
        return status;
    }
    *ret_pieces = pieces;
    *ret_count = count;
    return ST_OK;
}
