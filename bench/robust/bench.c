/* Seconds that the robust rules need for whole updates in memory, in one thread and in
 * two. ../robust.py runs it beside others.
 *
 * usage: robust_bench PARTICIPANTS PARAMS REPEATS
 * prints for each rule its name and the medians of REPEATS runs, after one that is not
 * counted; and before them how many float64 products a second one thread can add at most. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "aggregate/aggregation.h"
#include "base/rand.h"

#define REPEATS_MAX 99
#define RANGE       ((size_t)64 << 10) /* coordinates of the result at a time */

struct round {
    size_t count, params;
    struct source *sources;
    float *base, *result;
    double *squares;
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
        .squares = room(count, sizeof(double)),
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
        must(source_measure(s, round.base, &round.squares[k], NULL));
    }
    return round;
}

struct worker {
    struct aggregation *aggregation;
    const struct round *round;
    size_t first, step; /* which sections or ranges */
    bool write;
};

static void *work(void *argument)
{
    const struct worker *w = argument;
    size_t params = w->round->params;
    if (!w->write)
        for (size_t i = w->first; i < aggregation_section_count(w->aggregation); i += w->step)
            must(aggregation_measure(w->aggregation, i));
    for (size_t i = w->first; w->write && i * RANGE < params; i += w->step) {
        size_t from = i * RANGE, to = from + RANGE < params ? from + RANGE : params;
        must(aggregation_write(w->aggregation, from, to, w->round->result + from));
    }
    return NULL;
}

static void in_threads(struct aggregation *a, const struct round *r, size_t threads, bool write)
{
    struct worker workers[] = {{a, r, 0, threads, write}, {a, r, 1, threads, write}};
    pthread_t second;
    if (threads == 2 && pthread_create(&second, NULL, work, &workers[1]) != 0)
        must(ST_NOMEM);
    (void)work(&workers[0]);
    if (threads == 2)
        (void)pthread_join(second, NULL);
}

static void aggregate(const struct rule_settings *s, const struct round *r, size_t threads)
{
    const struct aggregation_input in = {
        .sources = r->sources,
        .count = r->count,
        .param_count = r->params,
        .base = r->base,
        .squares = r->squares,
    };
    struct aggregation *a = NULL;
    must(aggregation_new(s, &in, &a, NULL));
    for (size_t pass = 0; pass < aggregation_passes(a); pass++) {
        in_threads(a, r, threads, false);
        must(aggregation_next(a));
    }
    in_threads(a, r, threads, true);
    aggregation_free(a);
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

static double seconds(const struct rule_settings *s, const struct round *r, size_t threads,
                      size_t repeats)
{
    double times[REPEATS_MAX];
    aggregate(s, r, threads);
    for (size_t i = 0; i < repeats; i++) {
        double began = now();
        aggregate(s, r, threads);
        times[i] = now() - began;
    }
    qsort(times, repeats, sizeof times[0], compare);
    return times[repeats / 2];
}

/* ---- the limit ---- */

#if defined(__x86_64__)
#include <immintrin.h>

#define ROUNDS ((size_t)20000000)

/* Twelve sums that do not wait for each other, four products each. */
__attribute__((target("avx2,fma"))) static double products_per_second(void)
{
    __m256d sums[12], factor = _mm256_set1_pd(1 - 1e-9), little = _mm256_set1_pd(1e-9);
    for (size_t i = 0; i < 12; i++)
        sums[i] = _mm256_set1_pd((double)i);
    double began = now();
    for (size_t k = 0; k < ROUNDS; k++)
#pragma GCC unroll 12
        for (size_t i = 0; i < 12; i++)
            sums[i] = _mm256_fmadd_pd(sums[i], factor, little);
    double took = now() - began;
    volatile double seen = 0; /* or nothing of it would be done */
    for (size_t i = 0; i < 12; i++)
        seen += _mm256_cvtsd_f64(sums[i]);
    return (double)ROUNDS * 12 * 4 / took;
}

static double limit(void)
{
    return __builtin_cpu_supports("fma") ? products_per_second() : 0;
}
#else
static double limit(void)
{
    return 0; /* not known */
}
#endif

int main(int argc, char **argv)
{
    static const enum rule rules[] = {RULE_MEDIAN,     RULE_TRIMMED_MEAN,     RULE_KRUM,
                                      RULE_MULTI_KRUM, RULE_GEOMETRIC_MEDIAN, RULE_NORM_BOUND};
    size_t numbers[3] = {0};
    for (int i = 1; i < argc && i <= 3; i++)
        numbers[i - 1] = strtoul(argv[i], NULL, 10);
    if (argc != 4 || numbers[0] < 10 || numbers[1] < 1 || numbers[2] < 1 ||
        numbers[2] > REPEATS_MAX) {
        (void)fprintf(stderr, "usage: robust_bench PARTICIPANTS PARAMS REPEATS\n");
        return 2;
    }
    printf("limit %.0f\n", limit());
    struct round round = drawn(numbers[0], numbers[1]);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct rule_settings s = rule_defaults(rules[i]);
        s.byzantine = (uint32_t)(round.count / 10); /* as the peer is told */
        s.keep = (uint32_t)round.count - s.byzantine;
        s.bound = 1;
        printf("%s %.6f %.6f\n", rule_name(rules[i]), seconds(&s, &round, 1, numbers[2]),
               seconds(&s, &round, 2, numbers[2]));
    }
    return 0;
}
