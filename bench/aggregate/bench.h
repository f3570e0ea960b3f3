/* What the parts of the aggregation bench share. */
#ifndef BENCH_AGGREGATE_BENCH_H
#define BENCH_AGGREGATE_BENCH_H

#include <stddef.h>

#include "aggregate/fold.h"
#include "model/model.h"

#define REPEATS_MAX 99

/* Some work that is timed. */
struct work {
    void (*run)(void *context);
    void *context;
    double seconds[REPEATS_MAX];
};

double now_s(void);

/* Runs all works in turns, repeats (odd, 1..REPEATS_MAX) times after one warm-up,
 * so that what else happens on the machine meets all of them. */
void measure(struct work *works, size_t count, size_t repeats);

/* Of the last measure(). */
double median_s(const struct work *work, size_t repeats);

/* Zeroed, page-aligned, present, until the program ends; which it does at once if
 * there is no memory. */
void *room(size_t size);

/* Runs part(context, from, to) over [0, count), the first half in one thread and
 * the second in another, divided at a multiple of FOLD_TILE. */
void in_two_threads(void (*part)(void *, size_t, size_t), void *context, size_t count);

/* Fills count floats with values in [-1, 1) of a stream. */
void draw(float *values, size_t count, uint64_t stream);

/* Models of the bench have so many tensors of about the same size. */
#define LAYERS 8

/* A model of params values of a stream. */
struct model *layers(size_t params, uint64_t stream);

/* The modes, see main.c. */
void bench_memory(size_t repeats);
void bench_mean(size_t participants, size_t params, size_t repeats);
void bench_make_files(const char *folder, size_t participants, size_t params);
void bench_files(const char *folder, size_t participants, size_t params);
void bench_update(size_t params, size_t repeats);

#endif
