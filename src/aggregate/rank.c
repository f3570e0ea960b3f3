#include "aggregate/rank.h"

#include <assert.h>
#include <stdlib.h>

#include "aggregate/columns.h"
#include "aggregate/values.h"

/* A tile of keys that stays in the second-level cache while it is sorted. */
#define TILE_KEYS ((size_t)1 << 16)
#define WIDTH_MAX ((size_t)1024)

struct tile {
    int32_t *keys; /* (count, stride) */
    size_t width;
    size_t stride;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static enum status tile_new(size_t count, struct tile *ret)
{
    size_t width = TILE_KEYS / count;
    width = least(width - width % COLUMNS_STRIP, WIDTH_MAX);
    width = width < COLUMNS_STRIP ? COLUMNS_STRIP : width;
    /* An odd number of cache lines, so that the rows of a strip spread over all
     * sets of the cache. */
    size_t stride = width + COLUMNS_STRIP / 2;
    int32_t *keys = calloc(count * stride, sizeof keys[0]);
    if (keys == NULL)
        return ST_NOMEM;
    *ret = (struct tile){keys, width, stride};
    return ST_OK;
}

/* fails: ST_NOT_FINITE */
static enum status tile_read(const struct tile *t, const struct source *sources, size_t count,
                             size_t from, size_t to)
{
    const struct columns *kernel = columns_best();
    float room[WIDTH_MAX];
    bool finite = true;
    for (size_t k = 0; k < count; k++) {
        const float *values = values_of(&sources[k], from, to, room);
        finite &= kernel->keys(values, to - from, t->keys + k * t->stride);
    }
    return finite ? ST_OK : ST_NOT_FINITE;
}

/* What rows first..last-1 of each sorted column have as their mean. columns: at
 * most the tile's width */
static void tile_means(const struct tile *t, size_t count, size_t first, size_t last,
                       size_t columns, float *means)
{
    const struct columns *kernel = columns_best();
    for (size_t c = 0; c < columns; c += COLUMNS_STRIP) {
        double sums[COLUMNS_STRIP];
        kernel->sort(t->keys + c, count, t->stride, first, last);
        kernel->sum(t->keys + c, t->stride, first, last, sums);
        for (size_t i = 0; i < least(COLUMNS_STRIP, columns - c); i++)
            means[c + i] = (float)(sums[i] / (double)(last - first));
    }
}

enum status rank_trimmed_mean(const struct source *sources, size_t count, size_t trim, size_t from,
                              size_t to, float *ret_mean)
{
    assert(sources != NULL && count >= 1 && count <= ROUND_PARTICIPANTS_MAX);
    assert(trim < count - trim && from < to && ret_mean != NULL);
    struct tile tile;
    enum status status = tile_new(count, &tile);
    if (status != ST_OK)
        return status;

    while (from < to && status == ST_OK) {
        size_t end = least(to, from + tile.width);
        status = tile_read(&tile, sources, count, from, end);
        if (status == ST_OK)
            tile_means(&tile, count, trim, count - trim, end - from, ret_mean);
        ret_mean += end - from;
        from = end;
    }
    free(tile.keys);
    return status;
}

enum status rank_median(const struct source *sources, size_t count, size_t from, size_t to,
                        float *ret_median)
{
    assert(count >= 1);
    return rank_trimmed_mean(sources, count, (count - 1) / 2, from, to, ret_median);
}
