#include "aggregate/distances.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/products.h"
#include "aggregate/values.h"

#define MAGIC 0x64697374u /* "dist" */

#define CACHE_LINE ((size_t)64)

struct distances {
    uint32_t magic;
    size_t count;
    size_t panels; /* of PRODUCTS_WIDTH sources; the last one is filled up with zeros */
    struct sections sections;
    bool added[SECTIONS_MAX];
    double sums[]; /* (sections, width, width): g, where i's panel <= j's panel */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t width(const struct distances *d)
{
    return d->panels * PRODUCTS_WIDTH;
}

static size_t matrix_size(const struct distances *d)
{
    return width(d) * width(d);
}

enum status distances_new(size_t count, size_t param_count, struct distances **ret)
{
    if (count < 1 || param_count < 1 || param_count > MODEL_PARAMS_MAX)
        return ST_INVALID;
    if (count > DISTANCES_SOURCES_MAX)
        return ST_LIMIT;

    struct distances shape = {
        .magic = MAGIC,
        .count = count,
        .panels = (count + PRODUCTS_WIDTH - 1) / PRODUCTS_WIDTH,
        .sections = sections_of(param_count),
    };
    size_t sums = shape.sections.count * matrix_size(&shape);
    struct distances *d = calloc(1, sizeof *d + sums * sizeof d->sums[0]);
    if (d == NULL)
        return ST_NOMEM;
    memcpy(d, &shape, sizeof shape);
    *ret = d;
    return ST_OK;
}

size_t distances_section_count(const struct distances *d)
{
    return d->sections.count;
}

size_t distances_source_count(const struct distances *d)
{
    return d->count;
}

/* All sources' values of [from, to), at most a tile, panel by panel. */
static void pack(const struct distances *d, const struct source *sources, size_t from, size_t to,
                 double *panels)
{
    static const float none[SECTION_TILE];
    float values[PRODUCTS_WIDTH][SECTION_TILE];
    for (size_t panel = 0; panel < d->panels; panel++) {
        const float *rows[PRODUCTS_WIDTH];
        for (size_t i = 0; i < PRODUCTS_WIDTH; i++) {
            size_t k = panel * PRODUCTS_WIDTH + i;
            rows[i] = k < d->count ? values_of(&sources[k], from, to, values[i]) : none;
        }
        products_best()->pack(rows, to - from, panels + panel * SECTION_TILE * PRODUCTS_WIDTH);
    }
}

/* Adds the products of a tile to the sums of its section. */
static void multiply(const struct distances *d, const double *panels, size_t count, double *sums)
{
    const struct products *products = products_best();
    for (size_t j = 0; j < d->panels; j++) {
        bool narrow = d->count - j * PRODUCTS_WIDTH <= PRODUCTS_NARROW;
        for (size_t i = 0; i <= j; i++)
            (narrow ? products->add_narrow : products->add)(
                panels + i * SECTION_TILE * PRODUCTS_WIDTH,
                panels + j * SECTION_TILE * PRODUCTS_WIDTH, count,
                sums + i * PRODUCTS_WIDTH * width(d) + j * PRODUCTS_WIDTH, width(d));
    }
}

/* Asks for the bytes of the next tile while this one is multiplied: the processor
 * itself does not see so many streams coming. */
static void fetch(const struct distances *d, const struct source *sources, size_t from)
{
    for (size_t k = 0; k < d->count; k++) {
        const struct piece *p = source_piece(&sources[k], from);
        if (p == NULL || p->indices != NULL) /* those come in another order */
            continue;
        size_t begin = (from - p->from) * dtype_size(p->dtype);
        size_t end = least(p->count * dtype_size(p->dtype), begin + SECTION_TILE * 4);
        for (; begin < end; begin += CACHE_LINE)
            __builtin_prefetch(p->bytes + begin, 0, 2); /* to read, from the second level */
    }
}

/* Squares of finite float32 do not overflow float64, nor do sums of so few. */
static bool all_finite(const struct distances *d, const double *sums)
{
    for (size_t i = 0; i < d->count; i++)
        if (!isfinite(sums[i * width(d) + i]))
            return false;
    return true;
}

enum status distances_add(struct distances *d, const struct source *sources, size_t section)
{
    assert(d != NULL && d->magic == MAGIC && sources != NULL);
    assert(section < d->sections.count && !d->added[section]);
    double *panels = malloc(width(d) * SECTION_TILE * sizeof panels[0]);
    if (panels == NULL)
        return ST_NOMEM;

    double *sums = d->sums + section * matrix_size(d);
    size_t end = section_to(&d->sections, section);
    for (size_t from = section_from(&d->sections, section); from < end; from += SECTION_TILE) {
        size_t to = least(from + SECTION_TILE, end);
        pack(d, sources, from, to, panels);
        fetch(d, sources, to);
        multiply(d, panels, to - from, sums);
    }
    free(panels);
    if (!all_finite(d, sums)) {
        memset(sums, 0, matrix_size(d) * sizeof sums[0]);
        return ST_NOT_FINITE;
    }
    d->added[section] = true;
    return ST_OK;
}

static double product(const struct distances *d, size_t i, size_t j)
{
    double sum = 0;
    for (size_t section = 0; section < d->sections.count; section++) {
        assert(d->added[section]);
        sum += d->sums[section * matrix_size(d) + i * width(d) + j];
    }
    return sum;
}

double distances_squared(const struct distances *d, size_t i, size_t j)
{
    assert(d != NULL && d->magic == MAGIC && i < d->count && j < d->count);
    if (i > j)
        return distances_squared(d, j, i);
    double squared = product(d, i, i) + product(d, j, j) - 2 * product(d, i, j);
    return squared > 0 ? squared : 0;
}

struct distances *distances_free(struct distances *d)
{
    if (d == NULL)
        return NULL;
    assert(d->magic == MAGIC);
    *(volatile uint32_t *)&d->magic = 0;
    free(d);
    return NULL;
}
