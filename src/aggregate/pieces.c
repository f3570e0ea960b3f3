#include "aggregate/pieces.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCALE_SUFFIX   ".scale"
#define INDICES_SUFFIX ".indices"

static size_t coordinate_of(const struct model *base, const struct tensor *t)
{
    return (size_t)(t->data - model_params(base));
}

static bool same_shape(const struct tensor *t, const struct model_shape *s)
{
    return t->rank == s->rank && memcmp(t->shape, s->shape, t->rank * sizeof t->shape[0]) == 0;
}

/* The tensor of base that x is about if its name ends in suffix; NULL if it is none. */
static const struct tensor *about(const struct model *base, const struct safetensors_tensor *x,
                                  const char *suffix)
{
    size_t size = strlen(x->shape.name), suffix_size = strlen(suffix);
    if (size <= suffix_size || strcmp(x->shape.name + size - suffix_size, suffix) != 0)
        return NULL;
    char name[TENSOR_NAME_MAX + 1] = {0};
    memcpy(name, x->shape.name, size - suffix_size);
    return model_find(base, name);
}

static int compare_from(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* The piece of t; NULL if there is none. */
static struct piece *piece_of(const struct model *base, const struct tensor *t,
                              struct piece *pieces, size_t count)
{
    struct piece key = {.from = coordinate_of(base, t)};
    return bsearch(&key, pieces, count, sizeof pieces[0], compare_from);
}

/* The pieces of all tensors that base has, by coordinate, without what is about them. In
 * listed: how many values there are. */
static enum status place(const struct model *base, const struct safetensors_layout *l,
                         struct piece *pieces, size_t *count, struct why *why)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct safetensors_tensor *x = &l->tensors[i];
        const struct tensor *t = model_find(base, x->shape.name);
        if (t == NULL && (about(base, x, SCALE_SUFFIX) || about(base, x, INDICES_SUFFIX)))
            continue;
        if (t == NULL) {
            why_set(why, "the base model has no tensor %s", x->shape.name);
            return ST_SHAPE;
        }
        if (x->dtype >= DTYPE_VALUES) {
            why_set(why, "tensor %s holds indices and no values", x->shape.name);
            return ST_SHAPE;
        }
        pieces[(*count)++] = (struct piece){.from = coordinate_of(base, t),
                                            .count = t->count,
                                            .bytes = x->bytes,
                                            .dtype = x->dtype,
                                            .listed = x->count};
    }
    qsort(pieces, *count, sizeof pieces[0], compare_from);
    return ST_OK;
}

/* Gives the piece p, which must be one of I8, the scale x. */
static enum status set_scale(struct piece *p, const struct safetensors_tensor *x, struct why *why)
{
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

/* Each names a coordinate of the tensor, and none is named twice. */
static enum status check_indices(const struct piece *p, const char *name, struct why *why)
{
    size_t least = 0;
    for (size_t i = 0; i < p->listed; i++) {
        uint32_t index;
        memcpy(&index, p->indices + i * sizeof index, sizeof index);
        if (index < least || index >= p->count) {
            why_set(why, "tensor %s: the index at %zu is %s", name, i,
                    index < least ? "not above the one before it" : "beyond the tensor");
            return ST_INVALID;
        }
        least = (size_t)index + 1;
    }
    return ST_OK;
}

/* Gives the piece p the places x of its values, of which it must have as many. */
static enum status set_indices(struct piece *p, const struct safetensors_tensor *x, struct why *why)
{
    if (p == NULL || x->dtype != DTYPE_U32 || x->shape.rank != 1 || x->count != p->listed) {
        why_set(why, "tensor %s is not one U32 index for each value of a tensor", x->shape.name);
        return ST_SHAPE;
    }
    p->indices = x->bytes;
    return check_indices(p, x->shape.name, why);
}

static enum status set_companions(const struct model *base, const struct safetensors_layout *l,
                                  struct piece *pieces, size_t count, struct why *why)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < l->count && status == ST_OK; i++) {
        const struct safetensors_tensor *x = &l->tensors[i];
        const struct tensor *scaled = about(base, x, SCALE_SUFFIX);
        const struct tensor *indexed = about(base, x, INDICES_SUFFIX);
        if (model_find(base, x->shape.name) != NULL)
            continue;
        status = scaled != NULL ? set_scale(piece_of(base, scaled, pieces, count), x, why)
                                : set_indices(piece_of(base, indexed, pieces, count), x, why);
    }
    return status;
}

/* What a tensor of the base has is complete. */
static enum status check_piece(const struct piece *p, const struct safetensors_tensor *x,
                               const struct tensor *t, struct why *why)
{
    bool fits = p->indices == NULL ? same_shape(t, &x->shape) : x->shape.rank == 1;
    if (!fits) {
        why_set(why, "tensor %s has another shape than in the base model", x->shape.name);
        return ST_SHAPE;
    }
    if (p->dtype == DTYPE_I8 && p->scale == 0) {
        why_set(why, "the I8 tensor %s has no " SCALE_SUFFIX, x->shape.name);
        return ST_SHAPE;
    }
    return ST_OK;
}

static enum status check_pieces(const struct model *base, const struct safetensors_layout *l,
                                struct piece *pieces, size_t count, struct why *why)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < l->count && status == ST_OK; i++) {
        const struct safetensors_tensor *x = &l->tensors[i];
        const struct tensor *t = model_find(base, x->shape.name);
        if (t != NULL)
            status = check_piece(piece_of(base, t, pieces, count), x, t, why);
    }
    return status;
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
        status = set_companions(base, l, pieces, count, why);
    if (status == ST_OK)
        status = check_pieces(base, l, pieces, count, why);
    if (status != ST_OK) {
        free(pieces);
        return status;
    }
    *ret_pieces = pieces;
    *ret_count = count;
    return ST_OK;
}
