/* What memory gives, in the words of STREAM (McCalpin 1995): the limit of every
 * other figure. Three arrays of 256 MiB, larger than any cache. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define ARRAY_SIZE  ((size_t)256 << 20)
#define ARRAY_COUNT (ARRAY_SIZE / sizeof(double))

struct arrays {
    double *a, *b, *c;
    double sums[2];
};

static void copy(void *context, size_t from, size_t to)
{
    struct arrays *x = context;
    memcpy(x->a + from, x->b + from, (to - from) * sizeof x->a[0]);
}

static void triad(void *context, size_t from, size_t to)
{
    struct arrays *x = context;
    double *a = x->a;
    const double *b = x->b, *c = x->c;
    for (size_t i = from; i < to; i++)
        a[i] = b[i] + 3 * c[i];
}

/* Eight sums, so that additions wait for memory and not for each other. */
static void read_all(void *context, size_t from, size_t to)
{
    struct arrays *x = context;
    double sums[8] = {0};
    for (size_t i = from; i + 8 <= to; i += 8)
        for (size_t j = 0; j < 8; j++)
            sums[j] += x->b[i + j];
    for (size_t j = 1; j < 8; j++)
        sums[0] += sums[j];
    x->sums[from != 0] = sums[0];
}

static void copy_1(void *context)
{
    copy(context, 0, ARRAY_COUNT);
}

static void copy_2(void *context)
{
    in_two_threads(copy, context, ARRAY_COUNT);
}

static void triad_1(void *context)
{
    triad(context, 0, ARRAY_COUNT);
}

static void triad_2(void *context)
{
    in_two_threads(triad, context, ARRAY_COUNT);
}

static void read_1(void *context)
{
    read_all(context, 0, ARRAY_COUNT);
}

static void read_2(void *context)
{
    in_two_threads(read_all, context, ARRAY_COUNT);
}

void bench_memory(size_t repeats)
{
    struct arrays x = {room(ARRAY_SIZE), room(ARRAY_SIZE), room(ARRAY_SIZE), {0}};
    struct work works[] = {
        {read_1, &x, {0}}, {read_2, &x, {0}},  {copy_1, &x, {0}},
        {copy_2, &x, {0}}, {triad_1, &x, {0}}, {triad_2, &x, {0}},
    };
    /* Bytes read and written by each, as STREAM counts them. */
    static const char *const names[] = {"read_1", "read_2",  "copy_1",
                                        "copy_2", "triad_1", "triad_2"};
    static const double arrays[] = {1, 1, 2, 2, 3, 3};
    size_t count = sizeof works / sizeof works[0];
    measure(works, count, repeats);
    for (size_t i = 0; i < count; i++)
        printf("%s %.3f\n", names[i], arrays[i] * ARRAY_SIZE / median_s(&works[i], repeats) / 1e9);
}
