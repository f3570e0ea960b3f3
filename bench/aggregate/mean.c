/* The mean of resident updates: a plain streaming kernel (one pass an update,
 * as it arrives, into an accumulator of the model's size, in float64) against
 * the fold, in one thread and in two. The time of the streaming kernel leaves
 * out the clearing of its accumulator and the division at the end; that of the
 * fold is the whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct fleet {
    size_t participants, params;
    float **updates;
    struct piece *pieces;
    struct source *sources;
    double *sums;
    float *streamed, *folded, *folded_2;
};

static struct fleet make_fleet(size_t participants, size_t params)
{
    struct fleet f = {participants, params, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    f.updates = room(participants * sizeof f.updates[0]);
    f.pieces = room(participants * sizeof f.pieces[0]);
    f.sources = room(participants * sizeof f.sources[0]);
    f.sums = room(params * sizeof f.sums[0]);
    f.streamed = room(params * sizeof f.streamed[0]);
    f.folded = room(params * sizeof f.folded[0]);
    f.folded_2 = room(params * sizeof f.folded_2[0]);
    for (size_t k = 0; k < participants; k++) {
        f.updates[k] = room(params * sizeof f.updates[k][0]);
        draw(f.updates[k], params, k);
        f.pieces[k] = (struct piece){
            .count = params, .bytes = (const uint8_t *)f.updates[k], .dtype = DTYPE_F32};
        f.sources[k] =
            (struct source){.weight = (double)(100 + k), .pieces = &f.pieces[k], .piece_count = 1};
        (void)snprintf(f.sources[k].participant.text, ID_SIZE_MAX, "p%05zu", k);
    }
    return f;
}

static void stream(void *context)
{
    struct fleet *f = context;
    for (size_t k = 0; k < f->participants; k++) {
        double weight = f->sources[k].weight;
        const float *restrict update = f->updates[k];
        double *restrict sums = f->sums;
        for (size_t i = 0; i < f->params; i++)
            sums[i] += weight * (double)update[i];
    }
}

/* Ends the program unless all three ways have given the same bytes. */
static void check_means(struct fleet *f)
{
    double weights = 0;
    for (size_t k = 0; k < f->participants; k++)
        weights += f->sources[k].weight;
    memset(f->sums, 0, f->params * sizeof f->sums[0]);
    stream(f);
    for (size_t i = 0; i < f->params; i++)
        f->streamed[i] = (float)(f->sums[i] / weights);
    if (memcmp(f->streamed, f->folded, f->params * sizeof f->folded[0]) != 0 ||
        memcmp(f->folded, f->folded_2, f->params * sizeof f->folded[0]) != 0) {
        (void)fprintf(stderr, "the means differ\n");
        exit(1);
    }
}

static void fold_part(struct fleet *f, float *mean, size_t from, size_t to)
{
    if (fold_mean(f->sources, f->participants, from, to, mean + from) != ST_OK)
        abort();
}

static void fold_1(void *context)
{
    struct fleet *f = context;
    fold_part(f, f->folded, 0, f->params);
}

static void fold_part_2(void *context, size_t from, size_t to)
{
    struct fleet *f = context;
    fold_part(f, f->folded_2, from, to);
}

static void fold_2(void *context)
{
    struct fleet *f = context;
    in_two_threads(fold_part_2, f, f->params);
}

/* How fast the same bytes can be read at all, in one thread and in two. */
static volatile float sink;

static void read_part(void *context, size_t from, size_t to)
{
    struct fleet *f = context;
    float sums[32] = {0};
    for (size_t k = 0; k < f->participants; k++)
        for (size_t i = from; i + 32 <= to; i += 32)
            for (size_t j = 0; j < 32; j++)
                sums[j] += f->updates[k][i + j];
    for (size_t j = 0; j < 32; j++)
        sink = sums[j];
}

static void read_1(void *context)
{
    struct fleet *f = context;
    read_part(f, 0, f->params);
}

static void read_2(void *context)
{
    struct fleet *f = context;
    in_two_threads(read_part, f, f->params);
}

void bench_mean(size_t participants, size_t params, size_t repeats)
{
    struct fleet f = make_fleet(participants, params);
    struct work works[] = {
        {stream, &f, {0}}, {fold_1, &f, {0}}, {fold_2, &f, {0}},
        {read_1, &f, {0}}, {read_2, &f, {0}},
    };
    static const char *const names[] = {"stream", "fold_1", "fold_2", "read_1", "read_2"};
    size_t count = sizeof works / sizeof works[0];
    measure(works, count, repeats);
    check_means(&f);
    for (size_t i = 0; i < count; i++)
        printf("%s %.6f\n", names[i], median_s(&works[i], repeats));
}
