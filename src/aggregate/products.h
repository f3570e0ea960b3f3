/* Products of updates with each other, eight by eight: the inner loop of distances.
 *
 * A product of two float32 is exact in float64, so a fused multiply-add rounds no
 * other than a product and a sum: every kernel gives the bits of products_plain,
 * and products_test.c compares them. Not for use outside of this folder. */
#ifndef AGGREGATE_PRODUCTS_H
#define AGGREGATE_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>

#define PRODUCTS_WIDTH  ((size_t)8)
#define PRODUCTS_NARROW ((size_t)4)

struct products {
    const char *name;

    /* Turns eight rows of float32 into one of eight columns of float64.
     * rows: eight of (count,); ret_panel: (count, PRODUCTS_WIDTH) */
    void (*pack)(const float *const rows[PRODUCTS_WIDTH], size_t count, double *ret_panel);

    /* sums[i][j] += the sum over k, ascending from 0, of a[k][i] * b[k][j].
     * a, b: (count, PRODUCTS_WIDTH), values that are float32
     * sums: (PRODUCTS_WIDTH, PRODUCTS_WIDTH), rows `stride` apart */
    void (*add)(const double *a, const double *b, size_t count, double *sums, size_t stride);

    /* The same for the first PRODUCTS_NARROW columns of b only: where a panel is not
     * full, half of the work may be for nobody. */
    void (*add_narrow)(const double *a, const double *b, size_t count, double *sums, size_t stride);
};

/* The reference: loops that one can read. */
extern const struct products products_plain;

/* The fastest one that this processor has. */
const struct products *products_best(void);

/* All that this processor has, products_plain first; NULL after the last. */
const struct products *products_at(size_t index);

#endif
