#include "classifier.h"

#include <stdlib.h>

#define WINDOW         3
#define POOL           2
#define EVALUATE_BATCH ((size_t)64)

/* The parameters lie inside a model. */
struct net {
    struct fml_conv2d conv;
    struct fml_pool pool;
    size_t places; /* numbers of one example after the convolution */
    size_t pooled; /* ... after the pool */
    size_t classes;
    float *w1, *b1, *w2, *b2;
};

/* Room for one batch. */
struct work {
    float *x, *columns, *y, *dy; /* dy: the gradients at y */
    float *pooled, *dpooled, *z;
    uint32_t *from;
    uint8_t *labels;
    uint32_t *order; /* (count of the dataset,) */
};

/* What training needs beside it, each of the model's shape. */
struct training {
    struct fml_model *gradient, *base, *mean, *square;
    struct net at; /* the gradient's parts */
};

/* ---- The network in a model ---- */

static const struct fml_tensor *find(const struct fml_model *m, const char *name, size_t rank)
{
    const struct fml_tensor *t = fml_model_find(m, name);
    return t != NULL && t->rank == rank ? t : NULL;
}

/* The side of a square image of so many numbers; 0: it is none. */
static size_t side_of(size_t features)
{
    size_t side = 1;
    while (side < FML_SIDE_MAX && side * side < features)
        side++;
    return side * side == features ? side : 0;
}

static enum fml_status find_net(const struct fml_model *m, const struct fml_dataset *d,
                                struct net *ret)
{
    const struct fml_tensor *w1 = find(m, "conv1.weight", 4), *b1 = find(m, "conv1.bias", 1);
    const struct fml_tensor *w2 = find(m, "dense1.weight", 2), *b2 = find(m, "dense1.bias", 1);
    size_t side = side_of(d->features);

    if (w1 == NULL || b1 == NULL || w2 == NULL || b2 == NULL || fml_model_tensor_count(m) != 4)
        return fml_fail(FML_SHAPE, "the model is not conv1.weight (3, 3, 1, C), conv1.bias, "
                                   "dense1.weight and dense1.bias");
    if (side < POOL)
        return fml_fail(FML_SHAPE, "images of %zu numbers are not square", d->features);
    if (w1->shape[0] != WINDOW || w1->shape[1] != WINDOW || w1->shape[2] != 1 ||
        b1->shape[0] != w1->shape[3])
        return fml_fail(FML_SHAPE, "conv1 is not a window of 3 x 3 over one channel");

    struct net n = {.classes = d->classes};
    n.conv = (struct fml_conv2d){.height = side,
                                 .width = side,
                                 .in = 1,
                                 .out = w1->shape[3],
                                 .size = WINDOW,
                                 .stride = 1,
                                 .pad = 1};
    n.pool =
        (struct fml_pool){.height = side, .width = side, .channels = w1->shape[3], .size = POOL};
    enum fml_status status = fml_conv2d_check(&n.conv);
    if (status != FML_OK)
        return status;
    n.places = side * side * n.conv.out;
    n.pooled = (side / POOL) * (side / POOL) * n.conv.out;
    if (w2->shape[0] != n.pooled || w2->shape[1] != d->classes || b2->shape[0] != d->classes)
        return fml_fail(FML_SHAPE, "dense1 does not lead from %zu numbers to %zu classes", n.pooled,
                        d->classes);
    n.w1 = w1->data;
    n.b1 = b1->data;
    n.w2 = w2->data;
    n.b2 = b2->data;
    *ret = n;
    return FML_OK;
}

/* ---- One batch ---- */

static void work_done(struct work *w)
{
    free(w->x);
    free(w->columns);
    free(w->y);
    free(w->dy);
    free(w->pooled);
    free(w->dpooled);
    free(w->z);
    free(w->from);
    free(w->labels);
    free(w->order);
}

static enum fml_status work_new(const struct net *n, const struct fml_dataset *d, size_t batch,
                                struct work *ret)
{
    struct work w = {
        .x = calloc(batch, d->features * sizeof *w.x),
        .columns = calloc(batch, fml_conv2d_columns(&n->conv) * sizeof *w.columns),
        .y = calloc(batch, n->places * sizeof *w.y),
        .dy = calloc(batch, n->places * sizeof *w.dy),
        .pooled = calloc(batch, n->pooled * sizeof *w.pooled),
        .dpooled = calloc(batch, n->pooled * sizeof *w.dpooled),
        .z = calloc(batch, n->classes * sizeof *w.z),
        .from = calloc(batch, n->pooled * sizeof *w.from),
        .labels = calloc(batch, sizeof *w.labels),
        .order = calloc(d->count, sizeof *w.order),
    };
    if (w.x == NULL || w.columns == NULL || w.y == NULL || w.dy == NULL || w.pooled == NULL ||
        w.dpooled == NULL || w.z == NULL || w.from == NULL || w.labels == NULL || w.order == NULL) {
        work_done(&w);
        return fml_fail(FML_NO_MEMORY, "no memory for a batch of %zu examples", batch);
    }
    *ret = w;
    return FML_OK;
}

/* Loss and hits of the batch in w->x go to sums; w->z becomes the gradient there. */
static void forward(const struct net *n, size_t batch, struct work *w, struct fml_score *sums)
{
    fml_conv2d_forward(batch, &n->conv, w->x, n->w1, n->b1, w->columns, w->y);
    fml_relu_forward(batch * n->places, w->y);
    fml_maxpool_forward(batch, &n->pool, w->y, w->from, w->pooled);
    fml_dense_forward(batch, n->pooled, n->classes, w->pooled, n->w2, n->b2, w->z);
    sums->accuracy += (double)fml_count_correct(batch, n->classes, w->z, w->labels);
    sums->loss += fml_softmax_loss(batch, n->classes, w->z, w->labels);
}

static void backward(const struct net *n, const struct net *gradient, size_t batch, struct work *w)
{
    fml_dense_backward(batch, n->pooled, n->classes, w->pooled, n->w2, w->z, gradient->w2,
                       gradient->b2, w->dpooled);
    fml_maxpool_backward(batch, &n->pool, w->dpooled, w->from, w->dy);
    fml_relu_backward(batch * n->places, w->y, w->dy);
    fml_conv2d_backward(batch, &n->conv, n->w1, w->dy, w->columns, gradient->w1, gradient->b1,
                        NULL);
}

/* ---- Training and evaluation ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void in_order(struct work *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        w->order[i] = (uint32_t)i;
}

static void training_done(struct training *t)
{
    fml_model_free(t->gradient);
    fml_model_free(t->base);
    fml_model_free(t->mean);
    fml_model_free(t->square);
}

static enum fml_status training_new(const struct fml_model *m, const struct fml_dataset *d,
                                    struct training *ret)
{
    struct training t = {0};
    enum fml_status status = fml_model_copy(m, &t.base);
    if (status == FML_OK)
        status = fml_model_copy(m, &t.gradient);
    if (status == FML_OK)
        status = fml_model_copy(m, &t.mean);
    if (status == FML_OK)
        status = fml_model_copy(m, &t.square);
    if (status == FML_OK)
        status = find_net(t.gradient, d, &t.at);
    if (status != FML_OK) {
        training_done(&t);
        return status;
    }
    for (size_t i = 0; i < fml_model_param_count(m); i++)
        fml_model_params(t.mean)[i] = fml_model_params(t.square)[i] = 0.0f;
    *ret = t;
    return FML_OK;
}

static void train(struct fml_model *m, const struct net *n, const struct fml_dataset *d,
                  const struct fml_training *o, size_t batch_max, struct work *w,
                  struct training *t, struct fml_score *sums)
{
    const struct fml_adam adam = {.rate = o->rate, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    struct fml_rng rng = fml_training_rng(o, d);
    size_t params = fml_model_param_count(m);
    uint64_t step = 0;

    for (uint64_t epoch = 0; epoch < o->epochs; epoch++) {
        in_order(w, d->count);
        fml_shuffle(w->order, d->count, &rng);
        for (size_t i = 0; i < d->count; i += batch_max) {
            size_t batch = smaller(batch_max, d->count - i);
            fml_dataset_batch(d, w->order + i, batch, w->x, w->labels);
            forward(n, batch, w, sums);
            backward(n, &t->at, batch, w);
            fml_proximal(params, (float)o->mu, fml_model_params(m), fml_model_params(t->base),
                         fml_model_params(t->gradient));
            fml_adam_step(params, &adam, ++step, fml_model_params(t->gradient),
                          fml_model_params(t->mean), fml_model_params(t->square),
                          fml_model_params(m));
        }
    }
}

enum fml_status classifier_train(struct fml_model *m, const struct fml_dataset *d,
                                 const struct fml_training *o, struct fml_score *ret)
{
    struct net n;
    struct work w = {0};
    struct training t = {0};
    struct fml_score sums = {0};
    size_t batch = smaller((size_t)o->batch_size, d->count);

    enum fml_status status = find_net(m, d, &n);
    if (status == FML_OK)
        status = work_new(&n, d, batch, &w);
    if (status == FML_OK)
        status = training_new(m, d, &t);
    if (status == FML_OK) {
        double seen = (double)d->count * (double)o->epochs;
        train(m, &n, d, o, batch, &w, &t, &sums);
        *ret = (struct fml_score){sums.loss / seen, sums.accuracy / seen};
    }
    training_done(&t);
    work_done(&w);
    return status;
}

enum fml_status classifier_evaluate(const struct fml_model *m, const struct fml_dataset *d,
                                    struct fml_score *ret)
{
    struct net n;
    struct work w = {0};
    struct fml_score sums = {0};
    size_t batch_max = smaller(EVALUATE_BATCH, d->count);

    enum fml_status status = find_net(m, d, &n);
    if (status == FML_OK)
        status = work_new(&n, d, batch_max, &w);
    if (status != FML_OK)
        return status;
    in_order(&w, d->count);
    for (size_t i = 0; i < d->count; i += batch_max) {
        size_t batch = smaller(batch_max, d->count - i);
        fml_dataset_batch(d, w.order + i, batch, w.x, w.labels);
        forward(&n, batch, &w, &sums);
    }
    work_done(&w);
    *ret = (struct fml_score){sums.loss / (double)d->count, sums.accuracy / (double)d->count};
    return FML_OK;
}
