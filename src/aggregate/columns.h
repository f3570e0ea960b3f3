/* Sorts many short columns at once: the inner loop of the rules that rank.
 *
 * A tile holds one row of keys for each participant; column c is what all of them
 * have for one coordinate. A key is a float32 as a whole number with the same
 * order, in which -0 stands before +0 and no two different floats are equal: so a
 * sorted column is the same bits whatever order its rows came in.
 *
 * Every kernel gives the same bits as columns_plain; columns_test.c compares them.
 * Not for use outside of this folder. */
#ifndef AGGREGATE_COLUMNS_H
#define AGGREGATE_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

/* Columns are sorted in strips of so many; a tile's width is a multiple of it. */
#define COLUMNS_STRIP ((size_t)32)

struct columns {
    const char *name;

    /* The keys of count values. returns: true if all are finite */
    bool (*keys)(const float *values, size_t count, int32_t *ret_keys);

    /* Sorts each column of a strip ascending, as far as [first, last) needs it:
     * the rows first..last-1 are what they are in the sorted column, the others
     * are in any order.
     * strip: (rows, COLUMNS_STRIP) keys, `stride` apart; rows at least 1
     * 0 <= first < last <= rows */
    void (*sort)(int32_t *strip, size_t rows, size_t stride, size_t first, size_t last);

    /* Sums of the rows first..last-1 as floats again, in float64, in that order.
     * ret_sums: (COLUMNS_STRIP,) */
    void (*sum)(const int32_t *strip, size_t stride, size_t first, size_t last, double *ret_sums);
};

/* The reference: an insertion sort that one can read. */
extern const struct columns columns_plain;

/* The fastest one that this processor has. */
const struct columns *columns_best(void);

/* All that this processor has, columns_plain first; NULL after the last. */
const struct columns *columns_at(size_t index);

#endif
