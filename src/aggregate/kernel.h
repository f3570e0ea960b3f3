/* The inner loops over one run of coordinates, once for each kind of processor.
 *
 * Every kernel does for each coordinate the same operations in the same order
 * as kernel_plain, so all give the same bits; kernel_test.c compares them. Not
 * for use outside of this folder. */
#ifndef AGGREGATE_KERNEL_H
#define AGGREGATE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/dtype.h"

/* Runs that accumulate() takes at once: so many streams of bytes are read while
 * a sum is loaded and stored once. */
#define KERNEL_RUNS_MAX 4
/* Partial sums of squares(). */
#define KERNEL_LANES 16

/* One source's values of a run of coordinates. */
struct run {
    const uint8_t *bytes; /* at any alignment */
    double weight;
    float scale; /* of DTYPE_I8 */
};

struct kernel {
    const char *name;

    /* values[i] = the number at i, in float32. values: (count,) */
    void (*decode[DTYPE_VALUES])(const uint8_t *bytes, float scale, size_t count, float *values);

    /* For each run in order: sums[i] += weight * value, in float64.
     * runs: (run_count,), 1..KERNEL_RUNS_MAX; sums: (count,) */
    void (*accumulate[DTYPE_VALUES])(const struct run *runs, size_t run_count, size_t count,
                                     double *sums);

    /* lanes[i % KERNEL_LANES] += (values[i] - model[i])^2, in float64. A value
     * that is not finite leaves a lane that is not. model: (count,) or NULL for
     * zeros. */
    void (*squares[DTYPE_VALUES])(const uint8_t *bytes, float scale, const float *model,
                                  size_t count, double lanes[KERNEL_LANES]);

    /* results[i] = sums[i] / divisor, rounded to float32.
     * returns: true if all results are finite */
    bool (*divide)(const double *sums, double divisor, size_t count, float *results);
};

/* The reference: loops that one can read. */
extern const struct kernel kernel_plain;

/* The fastest one that this processor has. */
const struct kernel *kernel_best(void);

/* All that this processor has, kernel_plain first; NULL after the last. */
const struct kernel *kernel_at(size_t index);

#endif
