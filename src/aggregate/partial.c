#include "aggregate/partial.h"

#include <assert.h>
#include <string.h>

#include "aggregate/fold.h"

/* Where the piece of s that lies at or behind a coordinate begins; SIZE_MAX: there is none. */
static size_t next_piece(const struct source *s, size_t coordinate)
{
    size_t low = 0, high = s->piece_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->pieces[middle].from < coordinate)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->piece_count ? s->pieces[low].from : SIZE_MAX;
}

/* Gathers those that have a coordinate. *end: cut to where that may change
 * gives: how many, in their order */
static size_t gather(const struct source *sources, size_t count, size_t coordinate,
                     struct source *scratch, size_t *end)
{
    size_t gathered = 0;
    for (size_t k = 0; k < count; k++) {
        const struct piece *p = source_piece(&sources[k], coordinate);
        size_t change = p == NULL ? next_piece(&sources[k], coordinate) : p->from + p->count;
        *end = change < *end ? change : *end;
        if (p != NULL)
            scratch[gathered++] = sources[k];
    }
    return gathered;
}

enum status fold_partial(const struct source *sources, size_t count, const float *base, size_t from,
                         size_t to, struct source *scratch, float *mean)
{
    assert(sources != NULL && base != NULL && scratch != NULL && from < to && mean != NULL);
    enum status status = ST_OK;
    while (from < to && status == ST_OK) {
        size_t end = to;
        size_t gathered = gather(sources, count, from, scratch, &end);
        if (gathered == 0)
            memcpy(mean, base + from, (end - from) * sizeof mean[0]);
        else
            status = fold_mean(scratch, gathered, from, end, mean);
        mean += end - from;
        from = end;
    }
    return status;
}
