/* Draws of discrete Gaussian noise a second, and how many random bytes one takes. */
#include <math.h>
#include <stdio.h>

#include "bench.h"
#include "dp/gauss.h"

#define SOURCE_SIZE ((size_t)64 << 20) /* bytes of a keystream that are timed */

/* Counts what is asked of another source. */
struct meter {
    struct dp_random source;
    size_t bytes;
};

static void fill(void *owner, void *bytes, size_t size)
{
    struct meter *m = owner;
    m->bytes += size;
    m->source.fill(m->source.owner, bytes, size);
}

/* Not a test of the distribution, but of the work having been done. */
static void check(const int64_t *drawn, size_t count, double sigma)
{
    double squares = 0, expected = sigma * sigma;
    for (size_t i = 0; i < count; i++)
        squares += (double)drawn[i] * (double)drawn[i] / (double)count;
    /* The variance of a square is 2 sigma^4. */
    must(fabs(squares - expected) < 6 * expected * sqrt(2 / (double)count), "noise is as wide");
}

static double bytes_a_draw(const struct gauss *g, struct dp_random source, size_t draws)
{
    struct meter meter = {.source = source};
    struct dp_random metered = {.fill = fill, .owner = &meter};
    for (size_t i = 0; i < draws; i++)
        (void)gauss_draw(g, &metered);
    return (double)meter.bytes / (double)draws;
}

static void bench_sigma(double sigma, struct dp_random source, size_t draws, size_t repeats)
{
    struct gauss g;
    struct times times = {0};
    int64_t *drawn = room(draws, sizeof drawn[0]);
    must(gauss_of_sigma(sigma, &g) == ST_OK, "there is such noise");
    for (size_t r = 0; r < repeats; r++) {
        double began = now_s();
        gauss_fill(&g, &source, drawn, draws);
        times_note(&times, began);
        check(drawn, draws, sigma);
    }
    printf("draw_%.0f %.12f\n", sigma, times_least(&times) / (double)draws);
    printf("bytes_%.0f %.3f\n", sigma, bytes_a_draw(&g, source, draws));
}

void bench_gauss(size_t draws, size_t repeats)
{
    static const double sigmas[] = {1, 10, 1e4, 1e6};
    struct random_stream *stream = NULL;
    struct times keystream = {0};
    must(random_stream_new(&stream) == ST_OK, "there is randomness");
    for (size_t i = 0; i < sizeof sigmas / sizeof sigmas[0]; i++)
        bench_sigma(sigmas[i], random_stream_source(stream), draws, repeats);
    for (size_t r = 0; r < repeats; r++) {
        double began = now_s();
        (void)keystream_s(SOURCE_SIZE);
        times_note(&keystream, began);
    }
    printf("keystream_byte %.15f\n", times_least(&keystream) / (double)SOURCE_SIZE);
    random_stream_free(stream);
}
