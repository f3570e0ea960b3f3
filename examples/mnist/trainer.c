#include "trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MAX     2
#define EVALUATE_BATCH ((size_t)256)

struct layer {
    size_t in;
    size_t out;
    float *w; /* (in, out), inside a model */
    float *b; /* (out,) */
};

struct network {
    size_t depth; /* 1 or 2 */
    struct layer layers[LAYERS_MAX];
};

/* Room for one batch, and the gradients. */
struct work {
    float *x;                    /* (batch, features) */
    float *y[LAYERS_MAX];        /* (batch, out) of each layer */
    float *dy;                   /* (batch, out of layer 1): the hidden gradient */
    uint8_t *labels;             /* (batch,) */
    uint32_t *order;             /* (count of the dataset,) */
    struct fml_model *gradients; /* of the model's shape */
    struct fml_model *base;      /* the parameters before training */
};

/* ---- The network in a model ---- */

static enum fml_status find_layer(const struct fml_model *m, size_t number, size_t in,
                                  struct layer *ret)
{
    char weight[40];
    char bias[40];
    snprintf(weight, sizeof weight, "dense%zu.weight", number);
    snprintf(bias, sizeof bias, "dense%zu.bias", number);

    const struct fml_tensor *w = fml_model_find(m, weight);
    const struct fml_tensor *b = fml_model_find(m, bias);
    if (w == NULL || b == NULL)
        return fml_fail(FML_SHAPE, "the model lacks %s", w == NULL ? weight : bias);
    if (w->rank != 2 || w->shape[0] != in)
        return fml_fail(FML_SHAPE, "%s is not a matrix with %zu rows", weight, in);
    if (b->rank != 1 || b->shape[0] != w->shape[1])
        return fml_fail(FML_SHAPE, "%s has not the %zu values that %s needs", bias, w->shape[1],
                        weight);
    *ret = (struct layer){.in = in, .out = w->shape[1], .w = w->data, .b = b->data};
    return FML_OK;
}

static enum fml_status find_network(const struct fml_model *m, const struct fml_dataset *d,
                                    struct network *ret)
{
    struct network n = {.depth = fml_model_tensor_count(m) / 2};
    size_t in = d->features;

    if (fml_model_tensor_count(m) != 2 && fml_model_tensor_count(m) != 4)
        return fml_fail(FML_SHAPE, "the model has %zu tensors; networks here have 2 or 4",
                        fml_model_tensor_count(m));
    for (size_t i = 0; i < n.depth; i++) {
        enum fml_status status = find_layer(m, i + 1, in, &n.layers[i]);
        if (status != FML_OK)
            return status;
        in = n.layers[i].out;
    }
    if (in != d->classes)
        return fml_fail(FML_SHAPE, "the model tells %zu classes apart, and the data has %zu", in,
                        d->classes);
    *ret = n;
    return FML_OK;
}

/* ---- One batch ---- */

static void work_done(struct work *w)
{
    free(w->x);
    free(w->y[0]);
    free(w->y[1]);
    free(w->dy);
    free(w->labels);
    free(w->order);
    fml_model_free(w->gradients);
    fml_model_free(w->base);
}

static enum fml_status work_new(const struct network *n, const struct fml_dataset *d, size_t batch,
                                struct work *ret)
{
    struct work w = {
        .x = calloc(batch, d->features * sizeof *w.x),
        .y = {calloc(batch, n->layers[0].out * sizeof *w.x),
              calloc(batch, n->layers[n->depth - 1].out * sizeof *w.x)},
        .dy = calloc(batch, n->layers[0].out * sizeof *w.x),
        .labels = calloc(batch, sizeof *w.labels),
        .order = calloc(d->count, sizeof *w.order),
    };
    if (w.x == NULL || w.y[0] == NULL || w.y[1] == NULL || w.dy == NULL || w.labels == NULL ||
        w.order == NULL) {
        work_done(&w);
        return fml_fail(FML_NO_MEMORY, "no memory for a batch of %zu examples", batch);
    }
    for (size_t i = 0; i < d->count; i++)
        w.order[i] = (uint32_t)i;
    *ret = w;
    return FML_OK;
}

/* Fills w->y; the last layer's are the logits. */
static float *forward(const struct network *n, size_t batch, struct work *w)
{
    const float *x = w->x;
    for (size_t i = 0; i < n->depth; i++) {
        const struct layer *l = &n->layers[i];
        fml_dense_forward(batch, l->in, l->out, x, l->w, l->b, w->y[i]);
        if (i + 1 < n->depth)
            fml_relu_forward(batch * l->out, w->y[i]);
        x = w->y[i];
    }
    return w->y[n->depth - 1];
}

/* From the gradient at the logits (in the last y) to those of all parameters. */
static void backward(const struct network *n, const struct network *gradient, size_t batch,
                     struct work *w)
{
    const struct layer *first = &n->layers[0];
    float *dy = w->y[n->depth - 1];

    if (n->depth == 2) {
        const struct layer *last = &n->layers[1];
        fml_dense_backward(batch, last->in, last->out, w->y[0], last->w, dy, gradient->layers[1].w,
                           gradient->layers[1].b, w->dy);
        fml_relu_backward(batch * first->out, w->y[0], w->dy);
        dy = w->dy;
    }
    fml_dense_backward(batch, first->in, first->out, w->x, first->w, dy, gradient->layers[0].w,
                       gradient->layers[0].b, NULL);
}

/* Adds the batch's loss and hits to sums; y becomes the gradient at the logits. */
static void score(const struct network *n, size_t batch, struct work *w, struct fml_score *sums)
{
    float *z = forward(n, batch, w);
    size_t classes = n->layers[n->depth - 1].out;
    sums->accuracy += (double)fml_count_correct(batch, classes, z, w->labels);
    sums->loss += fml_softmax_loss(batch, classes, z, w->labels);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Training and evaluation ---- */

static void train(struct fml_model *m, const struct network *n, const struct network *gradient,
                  const struct fml_dataset *d, const struct fml_training *o, size_t batch_max,
                  struct work *w, struct fml_score *sums)
{
    struct fml_rng rng = fml_training_rng(o, d);
    size_t params = fml_model_param_count(m);
    float *g = fml_model_params(w->gradients);

    for (uint64_t epoch = 0; epoch < o->epochs; epoch++) {
        for (size_t i = 0; i < d->count; i++)
            w->order[i] = (uint32_t)i;
        fml_shuffle(w->order, d->count, &rng);
        for (size_t i = 0; i < d->count; i += batch_max) {
            size_t batch = smaller(batch_max, d->count - i);
            fml_dataset_batch(d, w->order + i, batch, w->x, w->labels);
            score(n, batch, w, sums);
            backward(n, gradient, batch, w);
            if (o->mu > 0.0)
                fml_proximal(params, (float)o->mu, fml_model_params(m), fml_model_params(w->base),
                             g);
            fml_sgd_step(params, (float)o->rate, g, fml_model_params(m));
        }
    }
}

enum fml_status trainer_train(struct fml_model *m, const struct fml_dataset *d,
                              const struct fml_training *t, struct fml_score *ret)
{
    struct network n;
    struct network gradient;
    struct work w = {0};
    struct fml_score sums = {0};
    size_t batch = smaller((size_t)t->batch_size, d->count);

    enum fml_status status = find_network(m, d, &n);
    if (status == FML_OK)
        status = work_new(&n, d, batch, &w);
    if (status != FML_OK)
        return status;
    status = fml_model_copy(m, &w.gradients);
    if (status == FML_OK && t->mu > 0.0)
        status = fml_model_copy(m, &w.base);
    if (status == FML_OK)
        status = find_network(w.gradients, d, &gradient);
    if (status == FML_OK) {
        double seen = (double)d->count * (double)t->epochs;
        train(m, &n, &gradient, d, t, batch, &w, &sums);
        *ret = (struct fml_score){sums.loss / seen, sums.accuracy / seen};
    }
    work_done(&w);
    return status;
}

enum fml_status trainer_evaluate(const struct fml_model *m, const struct fml_dataset *d,
                                 struct fml_score *ret)
{
    struct network n;
    struct work w = {0};
    struct fml_score sums = {0};
    size_t batch_max = smaller(EVALUATE_BATCH, d->count);

    enum fml_status status = find_network(m, d, &n);
    if (status == FML_OK)
        status = work_new(&n, d, batch_max, &w);
    if (status != FML_OK)
        return status;
    for (size_t i = 0; i < d->count; i += batch_max) {
        size_t batch = smaller(batch_max, d->count - i);
        fml_dataset_batch(d, w.order + i, batch, w.x, w.labels);
        score(&n, batch, &w, &sums);
    }
    work_done(&w);
    *ret = (struct fml_score){sums.loss / (double)d->count, sums.accuracy / (double)d->count};
    return FML_OK;
}
