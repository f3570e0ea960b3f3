#include "aggregate/source.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "aggregate/kernel.h"

/* Values decoded at a time where a base is added. A multiple of KERNEL_LANES,
 * so that the lanes of a piece stay the same. */
#define TILE ((size_t)1024)
_Static_assert(TILE % KERNEL_LANES == 0, "a tile ends where the lanes begin anew");

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t piece_end(const struct piece *p)
{
    return p->from + p->count;
}

static size_t index_at(const struct piece *p, size_t i)
{
    uint32_t index;
    memcpy(&index, p->indices + i * sizeof index, sizeof index);
    return index;
}

/* How many of its indices lie before offset. */
static size_t listed_before(const struct piece *p, size_t offset)
{
    size_t low = 0, high = p->listed;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index_at(p, middle) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Which of its stored values are those of coordinates [from, to). */
static void stored(const struct piece *p, size_t from, size_t to, size_t *ret_begin,
                   size_t *ret_end)
{
    assert(p->from <= from && from <= to && to <= p->from + p->count);
    *ret_begin = p->indices == NULL ? from - p->from : listed_before(p, from - p->from);
    *ret_end = p->indices == NULL ? to - p->from : listed_before(p, to - p->from);
}

struct view piece_values(const struct piece *p, size_t from, size_t to)
{
    size_t begin, end, size = dtype_size(p->dtype);
    stored(p, from, to, &begin, &end);
    return view_of(p->bytes + begin * size, (end - begin) * size);
}

struct view piece_indices(const struct piece *p, size_t from, size_t to)
{
    size_t begin, end;
    if (p->indices == NULL)
        return view_of(NULL, 0);
    stored(p, from, to, &begin, &end);
    return view_of(p->indices + begin * sizeof(uint32_t), (end - begin) * sizeof(uint32_t));
}

const struct piece *source_piece(const struct source *s, size_t coordinate)
{
    size_t low = 0, high = s->piece_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (piece_end(&s->pieces[middle]) <= coordinate)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->piece_count && s->pieces[low].from <= coordinate ? &s->pieces[low] : NULL;
}

static enum status check_pieces(const struct source *s, struct why *why)
{
    const char *participant = s->participant.text;
    size_t end = 0;
    for (size_t i = 0; i < s->piece_count; i++) {
        const struct piece *p = &s->pieces[i];
        if (p->from < end || p->count < 1 || p->count > MODEL_PARAMS_MAX ||
            p->from > MODEL_PARAMS_MAX - p->count || p->bytes == NULL) {
            why_set(why, "piece %zu of %s lies before the end of the one before it, or is none", i,
                    participant);
            return ST_INVALID;
        }
        if (p->dtype == DTYPE_I8 && !(p->scale > 0 && isfinite(p->scale))) {
            why_set(why, "piece %zu of %s has a scale that is not above 0", i, participant);
            return ST_INVALID;
        }
        if (p->indices != NULL && (p->listed < 1 || p->listed > p->count || s->base == NULL)) {
            why_set(why, "piece %zu of %s lists values that are not a few differences", i,
                    participant);
            return ST_INVALID;
        }
        end = piece_end(p);
    }
    return ST_OK;
}

static enum status check_cover(const struct source *s, size_t from, size_t to, struct why *why)
{
    while (from < to) {
        const struct piece *p = source_piece(s, from);
        if (p == NULL) {
            why_set(why, "%s has no value for coordinate %zu", s->participant.text, from);
            return ST_SHAPE;
        }
        from = piece_end(p);
    }
    return ST_OK;
}

enum status sources_check(const struct source *sources, size_t count, size_t from, size_t to,
                          struct why *why)
{
    if (count < 1 || from >= to) {
        why_set(why, "%zu sources over coordinates %zu to %zu are nothing to fold", count, from,
                to);
        return ST_INVALID;
    }
    if (count > ROUND_PARTICIPANTS_MAX) {
        why_set(why, "%zu sources are more than the limit of %d", count, ROUND_PARTICIPANTS_MAX);
        return ST_LIMIT;
    }
    for (size_t k = 0; k < count; k++) {
        const struct source *s = &sources[k];
        if (k > 0 && strcmp(sources[k - 1].participant.text, s->participant.text) >= 0) {
            why_set(why, "%s does not come after %s", s->participant.text,
                    sources[k - 1].participant.text);
            return ST_INVALID;
        }
        if (!(s->weight >= SOURCE_WEIGHT_MIN && s->weight <= SOURCE_WEIGHT_MAX)) {
            why_set(why, "%s has a weight of %g", s->participant.text, s->weight);
            return ST_INVALID;
        }
        enum status status = check_pieces(s, why);
        if (status == ST_OK)
            status = check_cover(s, from, to, why);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* The values of [from, to) within a piece of few values. */
static void read_listed(const struct piece *p, size_t from, size_t to, float *ret_values)
{
    float values[TILE];
    size_t begin, end, size = dtype_size(p->dtype);
    stored(p, from, to, &begin, &end);
    memset(ret_values, 0, (to - from) * sizeof ret_values[0]);
    for (; begin < end; begin += TILE) {
        size_t count = least(TILE, end - begin);
        kernel_best()->decode[p->dtype](p->bytes + begin * size, p->scale, count, values);
        for (size_t i = 0; i < count; i++)
            ret_values[p->from + index_at(p, begin + i) - from] = values[i];
    }
}

/* The values of [from, to) within a piece. */
static void read_piece(const struct piece *p, size_t from, size_t to, float *ret_values)
{
    if (p->indices != NULL)
        read_listed(p, from, to, ret_values);
    else
        kernel_best()->decode[p->dtype](piece_values(p, from, to).data, p->scale, to - from,
                                        ret_values);
}

void source_read(const struct source *s, size_t from, size_t to, float *ret_values)
{
    while (from < to) {
        const struct piece *p = source_piece(s, from);
        assert(p != NULL);
        size_t count = least(to, piece_end(p)) - from;
        read_piece(p, from, from + count, ret_values);
        if (s->base != NULL)
            for (size_t i = 0; i < count; i++)
                ret_values[i] += s->base[from + i];
        ret_values += count;
        from += count;
    }
}

/* Squares of a piece whose values have to be added to a base first. */
static void measure_differences(const struct source *s, const struct piece *p, const float *model,
                                double lanes[KERNEL_LANES])
{
    float values[TILE];
    for (size_t from = p->from; from < piece_end(p); from += TILE) {
        size_t to = least(from + TILE, piece_end(p));
        source_read(s, from, to, values);
        kernel_best()->squares[DTYPE_F32]((const uint8_t *)values, 0,
                                          model == NULL ? NULL : model + from, to - from, lanes);
    }
}

/* The first value that is not finite, of a source that has one. */
static size_t find_not_finite(const struct source *s)
{
    for (size_t i = 0; i < s->piece_count; i++)
        for (size_t c = s->pieces[i].from; c < piece_end(&s->pieces[i]); c++) {
            float value;
            source_read(s, c, c + 1, &value);
            if (!isfinite(value))
                return c;
        }
    assert(!"a value is not finite");
    return 0;
}

enum status source_measure(const struct source *s, const float *model, double *ret_squares,
                           struct why *why)
{
    double lanes[KERNEL_LANES] = {0};
    for (size_t i = 0; i < s->piece_count; i++) {
        const struct piece *p = &s->pieces[i];
        if (s->base != NULL)
            measure_differences(s, p, model, lanes);
        else
            kernel_best()->squares[p->dtype](
                p->bytes, p->scale, model == NULL ? NULL : model + p->from, p->count, lanes);
    }
    double squares = 0;
    for (size_t lane = 0; lane < KERNEL_LANES; lane++)
        squares += lanes[lane];
    /* Squares of differences of float32 do not overflow float64. */
    if (!isfinite(squares)) {
        why_set(why, "the value at %zu is not finite", find_not_finite(s));
        return ST_NOT_FINITE;
    }
    *ret_squares = squares;
    return ST_OK;
}
