#include "aggregate/geometric.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/fold.h"
#include "aggregate/kernel.h"
#include "aggregate/section.h"
#include "aggregate/values.h"

#define MAGIC 0x67656f6du /* "geom" */

/* Coordinates at a time: z and one update's values stay in the first-level cache. */
#define TILE ((size_t)2048)
_Static_assert(TILE % KERNEL_LANES == 0, "a tile ends where the lanes begin anew");

struct geometric {
    uint32_t magic;
    size_t count;
    double smoothing;
    struct sections sections;
    bool measured[SECTIONS_MAX];
    double *weights;         /* (count,): what sources had at first */
    double *squares;         /* (sections, count): squared distances to z */
    struct source sources[]; /* (count,), with the present weights */
};

enum status geometric_new(const struct source *sources, size_t count, size_t param_count,
                          double smoothing, struct geometric **ret)
{
    if (!(smoothing >= 0x1p-100 && smoothing <= 0x1p100) || count < 1 || param_count < 1 ||
        param_count > MODEL_PARAMS_MAX)
        return ST_INVALID;
    if (count > ROUND_PARTICIPANTS_MAX)
        return ST_LIMIT;

    struct sections sections = sections_of(param_count);
    struct geometric *g = malloc(sizeof *g + count * sizeof g->sources[0]);
    double *weights = malloc(count * sizeof weights[0]);
    double *squares = malloc(sections.count * count * sizeof squares[0]);
    if (g == NULL || weights == NULL || squares == NULL) {
        free(g);
        free(weights);
        free(squares);
        return ST_NOMEM;
    }
    *g = (struct geometric){
        .magic = MAGIC,
        .count = count,
        .smoothing = smoothing,
        .sections = sections,
        .weights = weights,
        .squares = squares,
    };
    for (size_t i = 0; i < count; i++) {
        g->sources[i] = sources[i];
        weights[i] = sources[i].weight;
    }
    *ret = g;
    return ST_OK;
}

size_t geometric_section_count(const struct geometric *g)
{
    return g->sections.count;
}

/* lanes: (count, KERNEL_LANES), to be added to */
static enum status measure_tile(const struct geometric *g, size_t from, size_t to, double *lanes)
{
    float z[TILE], room[TILE];
    enum status status = fold_mean(g->sources, g->count, from, to, z);
    if (status != ST_OK)
        return status;
    const struct kernel *kernel = kernel_best();
    for (size_t i = 0; i < g->count; i++) {
        const float *values = values_of(&g->sources[i], from, to, room);
        kernel->squares[DTYPE_F32]((const uint8_t *)values, 0, z, to - from,
                                   lanes + i * KERNEL_LANES);
    }
    return ST_OK;
}

enum status geometric_measure(struct geometric *g, size_t section)
{
    assert(g != NULL && g->magic == MAGIC && section < g->sections.count);
    double *lanes = calloc(g->count * KERNEL_LANES, sizeof lanes[0]);
    if (lanes == NULL)
        return ST_NOMEM;

    enum status status = ST_OK;
    size_t end = section_to(&g->sections, section);
    for (size_t from = section_from(&g->sections, section); from < end && status == ST_OK;
         from += TILE)
        status = measure_tile(g, from, from + TILE < end ? from + TILE : end, lanes);
    for (size_t i = 0; i < g->count && status == ST_OK; i++) {
        double sum = 0;
        for (size_t lane = 0; lane < KERNEL_LANES; lane++)
            sum += lanes[i * KERNEL_LANES + lane];
        g->squares[section * g->count + i] = sum;
    }
    free(lanes);
    g->measured[section] = status == ST_OK;
    return status;
}

static double distance(const struct geometric *g, size_t i)
{
    double sum = 0;
    for (size_t section = 0; section < g->sections.count; section++)
        sum += g->squares[section * g->count + i];
    return sqrt(sum);
}

void geometric_next(struct geometric *g)
{
    assert(g != NULL && g->magic == MAGIC);
    for (size_t section = 0; section < g->sections.count; section++)
        assert(g->measured[section]);

    /* Weights of sources are 2^-60..2^60 and distances below 2^142: what comes out, times
     * a float32, is far within the range of float64. */
    for (size_t i = 0; i < g->count; i++)
        g->sources[i].weight = g->weights[i] / fmax(g->smoothing, distance(g, i));
    memset(g->measured, 0, sizeof g->measured);
}

const struct source *geometric_sources(const struct geometric *g)
{
    return g->sources;
}

struct geometric *geometric_free(struct geometric *g)
{
    if (g == NULL)
        return NULL;
    assert(g->magic == MAGIC);
    *(volatile uint32_t *)&g->magic = 0;
    free(g->weights);
    free(g->squares);
    free(g);
    return NULL;
}
