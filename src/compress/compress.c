#include "compress/compress.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compress/largest.h"
#include "compress/narrow.h"
#include "model/model_file.h"

/* Values that are looked at at a time. */
#define TILE ((size_t)1024)

/* What aggregate/pieces.h looks for beside a tensor. */
#define SCALE_SUFFIX   ".scale"
#define INDICES_SUFFIX ".indices"

/* A model's bytes and where its values lie in them; JSON has to be decoded. */
struct tensors {
    struct safetensors_layout layout; /* of safetensors */
    struct model *decoded;            /* of JSON */
};

/* How often the values of a tensor are looked at, and what for. */
enum pass {
    PASS_MEASURE, /* the largest magnitude */
    PASS_RANK,    /* which magnitude the k largest have; with top_k only */
    PASS_WRITE,
};

struct item {
    const uint8_t *update, *base, *before; /* (count,) float32 at any alignment; before: or NULL */
    size_t count;
    size_t sent; /* of them; count: all, and without places */
    /* Where its results go, from the beginning of the values of each file. */
    size_t values_at, scale_at, indices_at, left_out_at;
};

struct compress {
    struct compression how;
    struct rand rand;
    struct tensors base, update, before;
    struct item *items; /* (item_count,), in the update's order */
    size_t item_count;
    struct bytes header, left_out_header;
    size_t size, left_out_size; /* of the values behind them */
    uint8_t *values, *left_out; /* where the values go; left_out: or NULL */
    struct largest *largest;    /* with top_k only */

    /* Where we are. */
    size_t item;
    enum pass pass;
    size_t at;      /* the next value of the item */
    size_t written; /* of its values */
    float magnitude, scale;
};

/* ---- reading ---- */

static enum status read_tensors(struct view bytes, struct tensors *t, struct why *why)
{
    if (model_form_of(bytes) == MODEL_JSON)
        return model_decode(bytes, &t->decoded, NULL, why);
    return safetensors_layout(bytes, &t->layout, why);
}

static void tensors_done(struct tensors *t)
{
    safetensors_layout_done(&t->layout);
    model_free(t->decoded);
}

static size_t tensors_count(const struct tensors *t)
{
    return t->decoded != NULL ? model_tensor_count(t->decoded) : t->layout.count;
}

/* The tensor at index, its bytes borrowed. */
static struct safetensors_tensor tensors_at(const struct tensors *t, size_t index)
{
    if (t->decoded == NULL)
        return t->layout.tensors[index];
    const struct tensor *x = model_tensor(t->decoded, index);
    struct safetensors_tensor ret = {
        .count = x->count, .dtype = DTYPE_F32, .bytes = (const uint8_t *)x->data};
    memcpy(ret.shape.name, x->name, strlen(x->name) + 1);
    ret.shape.rank = x->rank;
    memcpy(ret.shape.shape, x->shape, sizeof ret.shape.shape);
    return ret;
}

static bool same_shape(const struct model_shape *a, const struct model_shape *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

/* The F32 values of the tensor of t with this name and shape; NULL if there is none. The
 * tensors of two files mostly come in the same order: it is looked for from `near` on. */
static const uint8_t *find(const struct tensors *t, const struct model_shape *shape, size_t near)
{
    size_t count = tensors_count(t);
    for (size_t i = 0; i < count; i++) {
        struct safetensors_tensor x = tensors_at(t, (near + i) % count);
        if (strcmp(x.shape.name, shape->name) == 0)
            return x.dtype == DTYPE_F32 && same_shape(&x.shape, shape) ? x.bytes : NULL;
    }
    return NULL;
}

static size_t sent_of(const struct compression *how, size_t count)
{
    double sent = ceil(how->top_k * (double)count);
    return how->top_k == 0 || sent >= (double)count ? count : (size_t)sent;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

/* A name in the base that a reader of the update could take for one of ours. */
static enum status check_names(const struct compress *c, struct why *why)
{
    for (size_t i = 0; i < tensors_count(&c->base); i++) {
        struct safetensors_tensor x = tensors_at(&c->base, i);
        if (!ends_in(x.shape.name, SCALE_SUFFIX) && !ends_in(x.shape.name, INDICES_SUFFIX))
            continue;
        why_set(why, "the base model has a tensor %s, which is named like a scale or indices",
                x.shape.name);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status make_item(struct compress *c, size_t index, struct why *why)
{
    struct safetensors_tensor x = tensors_at(&c->update, index);
    if (x.dtype != DTYPE_F32) {
        why_set(why, "tensor %s is not of F32", x.shape.name);
        return ST_TYPE;
    }
    struct item *item = &c->items[index];
    *item = (struct item){.update = x.bytes,
                          .base = find(&c->base, &x.shape, index),
                          .before = find(&c->before, &x.shape, index),
                          .count = x.count,
                          .sent = sent_of(&c->how, x.count)};
    if (item->base != NULL)
        return ST_OK;
    why_set(why, "the base model has no tensor %s of this shape", x.shape.name);
    return ST_SHAPE;
}

static enum status make_items(struct compress *c, struct why *why)
{
    c->item_count = tensors_count(&c->update);
    if (c->item_count == 0) {
        why_set(why, "it has no tensors");
        return ST_EXISTS;
    }
    enum status status = check_names(c, why);
    if (status != ST_OK)
        return status;
    c->items = calloc(c->item_count, sizeof c->items[0]);
    status = c->items == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; i < c->item_count && status == ST_OK; i++)
        status = make_item(c, i, why);
    return status;
}

/* ---- what comes out ---- */

/* The file of compressed values while it is planned. */
struct plan {
    struct safetensors_tensor *tensors; /* (count,), room for three of each item */
    size_t count;
    size_t size; /* of their values */
};

/* Appends a tensor NAME + suffix. gives: where its values begin */
static size_t plan_tensor(struct plan *p, const struct model_shape *shape, const char *suffix,
                          size_t count, enum dtype dtype, enum status *status)
{
    struct safetensors_tensor *x = &p->tensors[p->count++];
    *x = (struct safetensors_tensor){.shape = *shape, .count = count, .dtype = dtype};
    size_t name_size = strlen(shape->name), suffix_size = strlen(suffix), at = p->size;
    if (name_size + suffix_size > TENSOR_NAME_MAX)
        *status = ST_LIMIT; /* without a name of its own for what is about it */
    else
        memcpy(x->shape.name + name_size, suffix, suffix_size + 1);
    p->size += count * dtype_size(dtype);
    return at;
}

static struct model_shape vector_of(const struct model_shape *shape, size_t count)
{
    struct model_shape s = *shape;
    s.rank = 1;
    s.shape[0] = count;
    return s;
}

static struct model_shape scalar_of(const struct model_shape *shape)
{
    struct model_shape s = *shape;
    s.rank = 0;
    return s;
}

/* Wide numbers first, so that all are aligned. */
static enum status plan_tensors(struct compress *c, struct plan *p)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < c->item_count; i++) {
        struct item *item = &c->items[i];
        struct safetensors_tensor x = tensors_at(&c->update, i);
        struct model_shape list = vector_of(&x.shape, item->sent);
        if (item->sent < item->count)
            item->indices_at =
                plan_tensor(p, &list, INDICES_SUFFIX, item->sent, DTYPE_U32, &status);
    }
    for (size_t i = 0; i < c->item_count && c->how.dtype == DTYPE_I8; i++) {
        struct safetensors_tensor x = tensors_at(&c->update, i);
        struct model_shape scalar = scalar_of(&x.shape);
        c->items[i].scale_at = plan_tensor(p, &scalar, SCALE_SUFFIX, 1, DTYPE_F32, &status);
    }
    for (size_t i = 0; i < c->item_count; i++) {
        struct item *item = &c->items[i];
        struct safetensors_tensor x = tensors_at(&c->update, i);
        struct model_shape shape =
            item->sent < item->count ? vector_of(&x.shape, item->sent) : x.shape;
        item->values_at = plan_tensor(p, &shape, "", item->sent, c->how.dtype, &status);
    }
    return status;
}

/* What the update says of itself, and that its values are differences now.
 * gives: *ret, a model without tensors */
static enum status make_texts(const struct compress *c, const struct update *u, struct model **ret)
{
    struct model *texts = NULL;
    enum status status = model_new(NULL, 0, &texts);
    const struct model *old = c->update.decoded == NULL ? c->update.layout.texts : NULL;
    for (size_t i = 0; status == ST_OK && old != NULL && i < model_meta_count(old); i++) {
        const char *key, *value;
        model_meta_at(old, i, &key, &value);
        status = model_set_meta(texts, key, value);
    }
    if (status == ST_OK && old == NULL)
        status = update_set_facts(u, texts);
    if (status == ST_OK)
        status = model_set_meta(texts, "values", UPDATE_VALUES_DIFFERENCES);
    if (status == ST_OK)
        *ret = texts;
    else
        model_free(texts);
    return status;
}

static enum status plan_update(struct compress *c, const struct update *u)
{
    struct plan p = {.tensors = calloc(3 * c->item_count, sizeof p.tensors[0])};
    struct model *texts = NULL;
    enum status status = p.tensors == NULL ? ST_NOMEM : plan_tensors(c, &p);
    if (status == ST_OK)
        status = make_texts(c, u, &texts);
    if (status == ST_OK)
        status = safetensors_header(p.tensors, p.count, texts, &c->header);
    c->size = p.size;
    model_free(texts);
    free(p.tensors);
    return status;
}

/* The same tensors as the update has. */
static enum status plan_left_out(struct compress *c)
{
    struct plan p = {.tensors = calloc(c->item_count, sizeof p.tensors[0])};
    struct model *texts = NULL;
    enum status status = p.tensors == NULL ? ST_NOMEM : model_new(NULL, 0, &texts);
    for (size_t i = 0; i < c->item_count && status == ST_OK; i++) {
        struct safetensors_tensor x = tensors_at(&c->update, i);
        c->items[i].left_out_at = plan_tensor(&p, &x.shape, "", x.count, DTYPE_F32, &status);
    }
    if (status == ST_OK)
        status = safetensors_header(p.tensors, p.count, texts, &c->left_out_header);
    c->left_out_size = p.size;
    model_free(texts);
    free(p.tensors);
    return status;
}

/* The update's facts and tensors. */
static enum status take_update(struct compress *c, struct view bytes, struct update *u,
                               struct why *why)
{
    enum update_fault fault = update_read(bytes, u, why);
    if (fault != UPDATE_FINE)
        return fault == UPDATE_NO_MEMORY ? ST_NOMEM : ST_MALFORMED;
    if (u->differences) {
        why_set(why, "its values are differences already");
        return ST_TYPE;
    }
    /* They are ours now; without tensors in either form is without tensors. */
    c->update.decoded = u->params;
    c->update.layout = u->layout;
    u->params = NULL;
    u->layout = (struct safetensors_layout){0};
    return ST_OK;
}

static enum status prepare(struct compress *c, const struct compress_order *order, struct update *u,
                           struct why *why)
{
    enum status status = take_update(c, order->update, u, why);
    if (status == ST_OK)
        status = read_tensors(order->base, &c->base, why);
    if (status == ST_OK && order->left_out.size > 0)
        status = read_tensors(order->left_out, &c->before, why);
    if (status == ST_OK)
        status = make_items(c, why);
    if (status == ST_OK)
        status = plan_update(c, u);
    if (status == ST_OK && compress_size(c) >= order->update.size) {
        why_set(why, "it would not be smaller");
        return ST_EXISTS;
    }
    if (status == ST_OK && c->how.top_k > 0)
        status = plan_left_out(c);
    if (status == ST_OK && c->how.top_k > 0)
        status = largest_new(&c->largest);
    return status;
}

enum status compress_new(const struct compress_order *order, struct compress **ret, struct why *why)
{
    assert(order != NULL && !compression_is_none(&order->compression) && ret != NULL);
    struct compress *c = calloc(1, sizeof *c);
    struct update u = {0};
    if (c == NULL)
        return ST_NOMEM;
    c->how = order->compression;
    c->rand.state = order->seed;
    enum status status = prepare(c, order, &u, why);
    update_done(&u);
    if (status == ST_OK)
        *ret = c;
    else
        compress_free(c);
    return status;
}

size_t compress_size(const struct compress *c)
{
    return c->header.size + c->size;
}

size_t compress_left_out_size(const struct compress *c)
{
    return c->how.top_k > 0 ? c->left_out_header.size + c->left_out_size : 0;
}

static uint8_t *put_header(const struct bytes *header, uint8_t *to)
{
    memcpy(to, header->data, header->size);
    return to + header->size;
}

void compress_into(struct compress *c, uint8_t *update, uint8_t *left_out)
{
    assert(c->values == NULL && update != NULL && (left_out == NULL || c->how.top_k > 0));
    c->values = put_header(&c->header, update);
    if (left_out != NULL)
        c->left_out = put_header(&c->left_out_header, left_out);
}

/* ---- values ---- */

/* d of the next `count` values of the item. room: (count,) */
static enum status differences(const struct item *item, size_t at, size_t count, float *room,
                               struct why *why)
{
    float other[TILE];
    const size_t offset = at * sizeof(float), size = count * sizeof(float);
    memcpy(room, item->update + offset, size);
    memcpy(other, item->base + offset, size);
    for (size_t i = 0; i < count; i++)
        room[i] -= other[i];
    if (item->before != NULL) {
        memcpy(other, item->before + offset, size);
        for (size_t i = 0; i < count; i++)
            room[i] += other[i];
    }
    for (size_t i = 0; i < count; i++)
        if (!isfinite(room[i])) {
            why_set(why, "the difference to the base is not finite");
            return ST_NOT_FINITE;
        }
    return ST_OK;
}

static void measure(struct compress *c, const float *d, size_t count)
{
    for (size_t i = 0; i < count; i++)
        c->magnitude = fmaxf(c->magnitude, fabsf(d[i]));
    if (c->largest != NULL)
        largest_count(c->largest, d, count);
}

/* Writes a value as the next of those that are sent. gives: what a reader will see there */
static float write_value(struct compress *c, const struct item *item, float d)
{
    uint8_t *to = c->values + item->values_at + c->written++ * dtype_size(c->how.dtype);
    uint16_t half;
    switch (c->how.dtype) {
    case DTYPE_F16:
        half = float16_of(d);
        memcpy(to, &half, sizeof half);
        return float16_value(half);
    case DTYPE_BF16:
        half = bfloat16_of(d);
        memcpy(to, &half, sizeof half);
        return bfloat16_value(half);
    case DTYPE_I8:
        *(int8_t *)to = int8_of(d, c->scale, &c->rand);
        return c->scale * (float)*(int8_t *)to;
    case DTYPE_F32:
    case DTYPE_U32: /* no value */
        break;
    }
    memcpy(to, &d, sizeof d);
    return d;
}

static void write_index(struct compress *c, const struct item *item, size_t index)
{
    uint32_t number = (uint32_t)index; /* below MODEL_PARAMS_MAX */
    memcpy(c->values + item->indices_at + c->written * sizeof number, &number, sizeof number);
}

/* d: becomes what is left out */
static void write_tile(struct compress *c, const struct item *item, float *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (item->sent < item->count) {
            if (!largest_takes(c->largest, d[i]))
                continue;
            write_index(c, item, c->at + i);
        }
        d[i] -= write_value(c, item, d[i]);
    }
    if (c->left_out != NULL)
        memcpy(c->left_out + item->left_out_at + c->at * sizeof d[0], d, count * sizeof d[0]);
}

static void begin_item(struct compress *c)
{
    c->pass = PASS_MEASURE;
    c->at = 0;
    c->written = 0;
    c->magnitude = 0;
    if (c->largest != NULL && c->item < c->item_count)
        largest_begin(c->largest, c->items[c->item].sent);
}

/* The largest one tells whether all fit, and the scale. */
static enum status end_measure(struct compress *c, const struct item *item, struct why *why)
{
    float narrow = c->how.dtype == DTYPE_F16    ? float16_value(float16_of(c->magnitude))
                   : c->how.dtype == DTYPE_BF16 ? bfloat16_value(bfloat16_of(c->magnitude))
                                                : c->magnitude;
    if (!isfinite(narrow)) {
        why_set(why, "a difference to the base of %g is too large for the dtype",
                (double)c->magnitude);
        return ST_LIMIT;
    }
    if (c->how.dtype == DTYPE_I8) {
        c->scale = int8_scale(c->magnitude);
        memcpy(c->values + item->scale_at, &c->scale, sizeof c->scale);
    }
    return ST_OK;
}

static enum status end_pass(struct compress *c, struct why *why)
{
    const struct item *item = &c->items[c->item];
    enum status status = ST_OK;
    c->at = 0;
    if (c->pass == PASS_MEASURE) {
        status = end_measure(c, item, why);
        c->pass = item->sent < item->count ? PASS_RANK : PASS_WRITE;
    } else if (c->pass == PASS_RANK) {
        c->pass = PASS_WRITE;
    } else {
        assert(c->written == item->sent);
        c->item++;
        begin_item(c);
    }
    return status;
}

static enum status step_tile(struct compress *c, int64_t *budget, struct why *why)
{
    const struct item *item = &c->items[c->item];
    float d[TILE];
    size_t count = item->count - c->at < TILE ? item->count - c->at : TILE;
    enum status status = differences(item, c->at, count, d, why);
    if (status != ST_OK)
        return status;
    if (c->pass == PASS_MEASURE)
        measure(c, d, count);
    else if (c->pass == PASS_RANK)
        largest_count_again(c->largest, d, count);
    else
        write_tile(c, item, d, count);
    *budget -= (int64_t)(count * sizeof d[0]);
    c->at += count;
    return c->at == item->count ? end_pass(c, why) : ST_OK;
}

enum status compress_step(struct compress *c, int64_t *budget, bool *ret_done, struct why *why)
{
    assert(c->values != NULL && budget != NULL && ret_done != NULL);
    enum status status = ST_OK;
    if (c->item == 0 && c->pass == PASS_MEASURE && c->at == 0)
        begin_item(c);
    while (status == ST_OK && c->item<c->item_count && * budget> 0)
        status = step_tile(c, budget, why);
    if (status == ST_OK)
        *ret_done = c->item == c->item_count;
    return status;
}

struct compress *compress_free(struct compress *c)
{
    if (c == NULL)
        return NULL;
    tensors_done(&c->base);
    tensors_done(&c->update);
    tensors_done(&c->before);
    bytes_done(&c->header);
    bytes_done(&c->left_out_header);
    largest_free(c->largest);
    free(c->items);
    free(c);
    return NULL;
}
