#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rand.h"
#include "bench.h"

double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void measure(struct work *works, size_t count, size_t repeats)
{
    assert(repeats % 2 == 1 && repeats <= REPEATS_MAX);
    for (size_t i = 0; i < count; i++)
        works[i].run(works[i].context);
    for (size_t r = 0; r < repeats; r++)
        for (size_t i = 0; i < count; i++) {
            double begin = now_s();
            works[i].run(works[i].context);
            works[i].seconds[r] = now_s() - begin;
        }
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double median_s(const struct work *work, size_t repeats)
{
    double sorted[REPEATS_MAX];
    memcpy(sorted, work->seconds, repeats * sizeof sorted[0]);
    qsort(sorted, repeats, sizeof sorted[0], compare);
    return sorted[repeats / 2];
}

void *room(size_t size)
{
    size = (size + 4095) / 4096 * 4096;
    void *p = aligned_alloc(4096, size);
    if (p == NULL) {
        (void)fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(1);
    }
    return memset(p, 0, size);
}

struct half {
    void (*part)(void *, size_t, size_t);
    void *context;
    size_t from, to;
};

static void *run_half(void *argument)
{
    struct half *h = argument;
    h->part(h->context, h->from, h->to);
    return NULL;
}

void in_two_threads(void (*part)(void *, size_t, size_t), void *context, size_t count)
{
    size_t middle = count / 2 - count / 2 % FOLD_TILE;
    struct half first = {part, context, 0, middle};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_half, &first) != 0) {
        (void)fprintf(stderr, "no second thread\n");
        exit(1);
    }
    part(context, middle, count);
    (void)pthread_join(thread, NULL);
}

void draw(float *values, size_t count, uint64_t stream)
{
    struct rand r = {stream};
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(rand_unit(&r) * 2 - 1);
}

struct model *layers(size_t params, uint64_t stream)
{
    struct model_shape shapes[LAYERS] = {{{0}, 0, {0}}};
    for (size_t i = 0; i < LAYERS; i++) {
        size_t first = params / LAYERS;
        (void)snprintf(shapes[i].name, sizeof shapes[i].name, "layer%zu", i);
        shapes[i].rank = 1;
        shapes[i].shape[0] = i + 1 < LAYERS ? first : params - first * (LAYERS - 1);
    }
    struct model *m = NULL;
    if (model_new(shapes, LAYERS, &m) != ST_OK)
        abort();
    draw(model_params_mutable(m), params, stream);
    return m;
}
