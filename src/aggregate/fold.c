#include "aggregate/fold.h"

#include <assert.h>

#include "aggregate/kernel.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The values of one source over [from, to), inside the piece p. */
static void add_one(const struct kernel *kernel, const struct source *s, const struct piece *p,
                    const struct run *run, size_t from, size_t to, double *sums)
{
    if (s->base == NULL) {
        kernel->accumulate[p->dtype](run, 1, to - from, sums);
        return;
    }
    float values[FOLD_TILE];
    source_read(s, from, to, values);
    struct run decoded = {.bytes = (const uint8_t *)values, .weight = s->weight};
    kernel->accumulate[DTYPE_F32](&decoded, 1, to - from, sums);
}

/* Adds up to KERNEL_RUNS_MAX sources over [from, to), at most a tile. */
static void add_group(const struct kernel *kernel, const struct source *sources, size_t count,
                      size_t from, size_t to, double *sums)
{
    while (from < to) {
        const struct piece *pieces[KERNEL_RUNS_MAX] = {NULL};
        struct run runs[KERNEL_RUNS_MAX];
        size_t end = to;
        bool alike = true;
        for (size_t k = 0; k < count; k++) {
            const struct piece *p = source_piece(&sources[k], from);
            assert(p != NULL);
            pieces[k] = p;
            end = least(end, p->from + p->count);
            runs[k] = (struct run){
                .bytes = piece_values(p, from, end).data,
                .weight = sources[k].weight,
                .scale = p->scale,
            };
            alike &= p->dtype == pieces[0]->dtype && sources[k].base == NULL;
        }
        if (alike)
            kernel->accumulate[pieces[0]->dtype](runs, count, end - from, sums);
        else
            for (size_t k = 0; k < count; k++)
                add_one(kernel, &sources[k], pieces[k], &runs[k], from, end, sums);
        sums += end - from;
        from = end;
    }
}

void fold_begin(size_t count, double *sums)
{
    for (size_t i = 0; i < count; i++)
        sums[i] = -0.0; /* what is added to it stays, a -0.0 too */
}

void fold_add(const struct source *sources, size_t count, size_t from, size_t to, double *sums)
{
    const struct kernel *kernel = kernel_best();
    while (from < to) {
        size_t end = least(to, from - from % FOLD_TILE + FOLD_TILE);
        for (size_t k = 0; k < count; k += KERNEL_RUNS_MAX)
            add_group(kernel, sources + k, least(count - k, KERNEL_RUNS_MAX), from, end, sums);
        sums += end - from;
        from = end;
    }
}

enum status fold_end(const double *sums, double divisor, size_t count, float *mean)
{
    return kernel_best()->divide(sums, divisor, count, mean) ? ST_OK : ST_NOT_FINITE;
}

enum status fold_mean(const struct source *sources, size_t count, size_t from, size_t to,
                      float *mean)
{
    assert(sources != NULL && count >= 1 && from < to && mean != NULL);
    double divisor = 0;
    for (size_t k = 0; k < count; k++)
        divisor += sources[k].weight;

    double sums[FOLD_TILE];
    while (from < to) {
        size_t end = least(to, from - from % FOLD_TILE + FOLD_TILE);
        fold_begin(end - from, sums);
        fold_add(sources, count, from, end, sums);
        enum status status = fold_end(sums, divisor, end - from, mean);
        if (status != ST_OK)
            return status;
        mean += end - from;
        from = end;
    }
    return ST_OK;
}
