/* Seconds that the robust rules need for whole updates in memory, in one thread where
 * nothing else is said. ../robust.py runs it beside others.
 *
 * usage: robust_bench PARTICIPANTS PARAMS REPEATS
 * prints for each rule its name and the median of REPEATS runs, after one that is
 * not counted. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "aggregate/differences.h"
#include "aggregate/fold.h"
#include "aggregate/geometric.h"
#include "aggregate/krum.h"
#include "aggregate/rank.h"
#include "base/rand.h"

#define REPEATS_MAX 99

struct round {
    size_t count, params;
    struct source *sources;
    float *base, *result;
};

static void must(enum status status)
{
    if (status == ST_OK)
        return;
    (void)fprintf(stderr, "robust_bench: %s\n", status_name(status));
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL)
        must(ST_NOMEM);
    return p;
}

static struct round drawn(size_t count, size_t params)
{
    struct rand r = {1};
    struct round round = {
        .count = count,
        .params = params,
        .sources = room(count, sizeof *round.sources),
        .base = room(params, sizeof(float)),
        .result = room(params, sizeof(float)),
    };
    struct piece *pieces = room(count, sizeof *pieces);
    for (size_t k = 0; k < count; k++) {
        float *values = room(params, sizeof *values);
        for (size_t i = 0; i < params; i++)
            values[i] = (float)(rand_unit(&r) * 2 - 1);
        pieces[k] = (struct piece){.count = params, .bytes = (const uint8_t *)values};
        struct source *s = &round.sources[k];
        *s = (struct source){.weight = 1, .pieces = &pieces[k], .piece_count = 1};
        (void)snprintf(s->participant.text, sizeof s->participant.text, "p%05zu", k);
    }
    return round;
}

static void median(const struct round *r)
{
    must(rank_median(r->sources, r->count, 0, r->params, r->result));
}

static void trimmed_mean(const struct round *r)
{
    must(rank_trimmed_mean(r->sources, r->count, r->count / 10, 0, r->params, r->result));
}

struct half {
    struct distances *distances;
    const struct source *sources;
    size_t first, step; /* sections */
};

static void *add_half(void *argument)
{
    struct half *h = argument;
    for (size_t section = h->first; section < distances_section_count(h->distances);
         section += h->step)
        must(distances_add(h->distances, h->sources, section));
    return NULL;
}

/* As many lie as the peer is told: a tenth. */
static void krum_in(const struct round *r, size_t threads)
{
    struct distances *d = NULL;
    struct source chosen;
    must(distances_new(r->count, r->params, &d));
    struct half halves[] = {{d, r->sources, 0, threads}, {d, r->sources, 1, threads}};
    pthread_t second;
    if (threads == 2 && pthread_create(&second, NULL, add_half, &halves[1]) != 0)
        must(ST_NOMEM);
    add_half(&halves[0]);
    if (threads == 2)
        (void)pthread_join(second, NULL);
    must(krum_choose(d, r->count / 10, 1, r->sources, &chosen));
    must(fold_mean(&chosen, 1, 0, r->params, r->result));
    distances_free(d);
}

static void krum(const struct round *r)
{
    krum_in(r, 1);
}

static void krum_two_threads(const struct round *r)
{
    krum_in(r, 2);
}

static void geometric_median(const struct round *r)
{
    struct geometric *g = NULL;
    must(geometric_new(r->sources, r->count, r->params, 1e-6, &g));
    for (int iteration = 0; iteration < 3; iteration++) {
        for (size_t section = 0; section < geometric_section_count(g); section++)
            must(geometric_measure(g, section));
        geometric_next(g);
    }
    must(fold_mean(geometric_sources(g), r->count, 0, r->params, r->result));
    geometric_free(g);
}

static void norm_bound(const struct round *r)
{
    double *squares = room(r->count, sizeof *squares), *factors = room(r->count, sizeof *factors);
    for (size_t k = 0; k < r->count; k++)
        must(source_measure(&r->sources[k], r->base, &squares[k], NULL));
    norm_bound_factors(r->sources, squares, r->count, 1, factors);
    must(differences_add(r->sources, factors, NULL, r->count, r->base, 0, r->params, r->result));
    free(squares);
    free(factors);
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double seconds(void (*rule)(const struct round *), const struct round *r, size_t repeats)
{
    double times[REPEATS_MAX];
    rule(r);
    for (size_t i = 0; i < repeats; i++) {
        double began = now();
        rule(r);
        times[i] = now() - began;
    }
    qsort(times, repeats, sizeof times[0], compare);
    return times[repeats / 2];
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*rule)(const struct round *);
    } rules[] = {{"median", median},
                 {"trimmed_mean", trimmed_mean},
                 {"krum", krum},
                 {"krum_two_threads", krum_two_threads},
                 {"geometric_median", geometric_median},
                 {"norm_bound", norm_bound}};

    size_t numbers[3] = {0};
    for (int i = 1; i < argc && i <= 3; i++)
        numbers[i - 1] = strtoul(argv[i], NULL, 10);
    if (argc != 4 || numbers[0] < 4 || numbers[1] < 1 || numbers[2] < 1 ||
        numbers[2] > REPEATS_MAX) {
        (void)fprintf(stderr, "usage: robust_bench PARTICIPANTS PARAMS REPEATS\n");
        return 2;
    }
    struct round round = drawn(numbers[0], numbers[1]);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        printf("%s %.6f\n", rules[i].name, seconds(rules[i].rule, &round, numbers[2]));
    return 0;
}
