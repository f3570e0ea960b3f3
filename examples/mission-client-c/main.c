/* The FML demo's client: JSON in the environment, JSON on standard output. */
#include <stdlib.h>

#include "fml_guest.h"

#define SAMPLES     512
#define WEIGHTS_MAX 4096
#define NOISE       0.05

struct settings {
    uint64_t epochs;
    uint64_t batch_size;
    double rate;
};

/* The toy's points, and the model in float64. */
struct toy {
    size_t weights;
    double *x; /* (SAMPLES, weights) */
    double *y; /* (SAMPLES,) */
    double *w; /* (weights,) */
    double *g; /* (weights,): the gradient at w */
    double b;
};

static enum fml_status read_settings(const struct fml_env *env, struct settings *ret)
{
    enum fml_status status = fml_hyperparam_integer(env, "epochs", 1, 1, 1000, &ret->epochs);
    if (status == FML_OK)
        status = fml_hyperparam_integer(env, "batch_size", 16, 1, SAMPLES, &ret->batch_size);
    if (status == FML_OK)
        status = fml_hyperparam_real(env, "lr", 0.01, 0.0, 1000.0, &ret->rate);
    return status;
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001B3u;
    return h;
}

static double within(struct fml_rng *r, double limit)
{
    return (2.0 * fml_rng_unit(r) - 1.0) * limit;
}

static void draw_points(struct toy *t, const char *proplet_id)
{
    struct fml_rng r = {hash(proplet_id)};
    for (size_t i = 0; i < SAMPLES; i++) {
        t->y[i] = 0.5;
        for (size_t j = 0; j < t->weights; j++) {
            double x = within(&r, 1.0);
            t->x[i * t->weights + j] = x;
            t->y[i] += 0.1 * (double)(j + 1) * x;
        }
        t->y[i] += within(&r, NOISE);
    }
}

static void toy_done(struct toy *t)
{
    free(t->x);
    free(t->y);
    free(t->w);
    free(t->g);
}

static enum fml_status toy_new(const struct fml_tensor *w, const struct fml_tensor *b,
                               const char *proplet_id, struct toy *ret)
{
    struct toy t = {
        .weights = w->count,
        .x = calloc(SAMPLES, w->count * sizeof(double)),
        .y = calloc(SAMPLES, sizeof(double)),
        .w = calloc(w->count, sizeof(double)),
        .g = calloc(w->count, sizeof(double)),
        .b = (double)b->data[0],
    };
    if (t.x == NULL || t.y == NULL || t.w == NULL || t.g == NULL) {
        toy_done(&t);
        return fml_fail(FML_NO_MEMORY, "no memory for %d points", SAMPLES);
    }
    for (size_t j = 0; j < w->count; j++)
        t.w[j] = (double)w->data[j];
    draw_points(&t, proplet_id);
    *ret = t;
    return FML_OK;
}

/* One step over points first..first+count-1. Returns their sum of squared errors. */
static double step(struct toy *t, size_t first, size_t count, double rate)
{
    double loss = 0.0;
    double gb = 0.0;

    for (size_t j = 0; j < t->weights; j++)
        t->g[j] = 0.0;
    for (size_t i = first; i < first + count; i++) {
        const double *x = t->x + i * t->weights;
        double error = t->b - t->y[i];
        for (size_t j = 0; j < t->weights; j++)
            error += t->w[j] * x[j];
        loss += error * error;
        gb += error;
        for (size_t j = 0; j < t->weights; j++)
            t->g[j] += error * x[j];
    }
    double scale = 2.0 * rate / (double)count;
    for (size_t j = 0; j < t->weights; j++)
        t->w[j] -= scale * t->g[j];
    t->b -= scale * gb;
    return loss;
}

/* Returns the mean squared error over the last epoch, each batch before its step. */
static double train(struct toy *t, const struct settings *s)
{
    double loss = 0.0;
    for (uint64_t epoch = 0; epoch < s->epochs; epoch++) {
        loss = 0.0;
        for (size_t first = 0; first < SAMPLES; first += (size_t)s->batch_size) {
            size_t left = SAMPLES - first;
            loss += step(t, first, left < s->batch_size ? left : (size_t)s->batch_size, s->rate);
        }
    }
    return loss / SAMPLES;
}

static enum fml_status run(const struct fml_env *env, struct fml_model *m)
{
    const struct fml_tensor *w = fml_model_find(m, "w");
    const struct fml_tensor *b = fml_model_find(m, "b");
    struct settings settings;
    struct toy toy;

    if (w == NULL || b == NULL || w->rank != 1 || b->rank != 0 || w->count > WEIGHTS_MAX ||
        fml_model_tensor_count(m) != 2)
        return fml_fail(FML_SHAPE, "the model is not {\"w\":[...],\"b\":...}");
    enum fml_status status = read_settings(env, &settings);
    if (status == FML_OK)
        status = toy_new(w, b, env->proplet_id, &toy);
    if (status != FML_OK)
        return status;

    if (env->mode == FML_EVALUATE) /* a step of rate 0 only measures */
        settings = (struct settings){.epochs = 1, .batch_size = SAMPLES, .rate = 0.0};
    const struct fml_metric loss = {"loss", train(&toy, &settings)};
    for (size_t j = 0; j < w->count; j++)
        w->data[j] = (float)toy.w[j];
    b->data[0] = (float)toy.b;
    toy_done(&toy);
    return fml_update_print(
        env, &(struct fml_update){env->mode == FML_EVALUATE ? NULL : m, SAMPLES, &loss, 1, 0});
}

int main(void)
{
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    enum fml_status status = fml_env_read(&env);
    if (status == FML_OK)
        status = fml_env_model(&env, &m);
    if (status == FML_OK)
        status = run(&env, m);
    fml_model_free(m);
    fml_env_done(&env);
    return status == FML_OK ? 0 : fml_report("mission-client-c", status);
}
