/* One participant's parameters as they lie in memory: the bytes of its update,
 * read or mapped, at any alignment, never decoded as a whole. What every rule
 * of this folder works on.
 *
 * The parameters of a model are one vector; a coordinate is an index into it. A
 * rule takes the sources of all participants and a range [from, to) of
 * coordinates, and what it gives for a coordinate depends on the values of that
 * coordinate only. So an owner may split [0, param_count) as it likes, over time
 * or over threads, and gets the same bytes; a source need only cover the range
 * that is folded, so that files can be read window by window. And because sources
 * stand in the order of their participants' ids, the same updates give the same
 * bytes in whatever order they arrived.
 *
 * Nothing here is changed by reading, so threads may share sources. */
#ifndef AGGREGATE_SOURCE_H
#define AGGREGATE_SOURCE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/limits.h"
#include "model/dtype.h"

/* Weights are samples, or samples times a factor of the strategy. Within these
 * bounds neither a product with a float32 nor a sum of ROUND_PARTICIPANTS_MAX
 * of them leaves the normal range of float64. */
#define SOURCE_WEIGHT_MIN 0x1p-60
#define SOURCE_WEIGHT_MAX 0x1p60

/* The values of one tensor: coordinates [from, from + count). */
struct piece {
    size_t from;
    size_t count;         /* at least 1 */
    const uint8_t *bytes; /* count (if listed: listed) * dtype_size(dtype); borrowed */
    enum dtype dtype;     /* one of values */
    float scale;          /* of DTYPE_I8: finite, above 0; not looked at for the others */
    /* NULL: each coordinate has its value. Else only a few have one, the others are 0, and
     * these are where: (listed,) uint32 little-endian from `from` on, ascending, below count;
     * borrowed. Of differences only. */
    const uint8_t *indices;
    size_t listed; /* 1..count */
};

/* The bytes of p's values for coordinates [from, to) within it. */
struct view piece_values(const struct piece *p, size_t from, size_t to);
/* The same of its indices; empty if it has none. */
struct view piece_indices(const struct piece *p, size_t from, size_t to);

struct source {
    struct id participant;
    double weight;              /* SOURCE_WEIGHT_MIN..SOURCE_WEIGHT_MAX */
    const struct piece *pieces; /* (piece_count,) by from, no overlap; borrowed */
    size_t piece_count;
    /* NULL: the pieces hold parameters. Else they hold differences to this base
     * model, (param_count,) float32, borrowed; each value is base + difference,
     * rounded to float32. */
    const float *base;
};

/* Whether a rule may fold these sources over [from, to). To be asked once before
 * the ranges are folded; the rules assert it.
 * fails: ST_INVALID (no source, an empty range, ids not ascending or one twice, a
 *        weight or scale out of range, pieces out of order), ST_LIMIT (more than
 *        ROUND_PARTICIPANTS_MAX), ST_SHAPE (a source does not cover the range) */
MUST_CHECK enum status sources_check(const struct source *sources, size_t count, size_t from,
                                     size_t to, struct why *why);

/* The piece that holds a coordinate; NULL if s has none. */
const struct piece *source_piece(const struct source *s, size_t coordinate);

/* Decodes the values of [from, to), which s covers.
 * ret_values: (to - from,) float32, the caller's */
void source_read(const struct source *s, size_t from, size_t to, float *ret_values);

/* What is looked at when an update arrives, in one pass over its bytes: are all
 * values finite, and how far do they lie from a model.
 * model:       (end of the last piece,) float32, or NULL for the zero vector
 * ret_squares: sum of (value - model)^2 over all coordinates that s has, in
 *              float64; the same on every processor
 * fails:       ST_NOT_FINITE; why names the coordinate */
MUST_CHECK enum status source_measure(const struct source *s, const float *model,
                                      double *ret_squares, struct why *why);

#endif
