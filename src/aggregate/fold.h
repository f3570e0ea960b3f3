/* Weighted mean of many participants' parameters, folded when counting is over.
 *
 * Source: McMahan et al. 2017, arXiv:1602.05629, Algorithm 1:
 *     w[t+1] = sum_k (n_k / n) w_k[t+1]
 * For each coordinate: the sum of weight * value over the sources in their
 * order, divided by the sum of the weights in the same order, all in float64
 * (each product, sum and quotient rounded on its own), then rounded to float32.
 * Where participants agree, the result is what they agree on, to the last bit.
 *
 * The rule of source.h holds: the same sources give the same bytes, however the
 * range is split, on every processor. No memory is had, no thread started. */
#ifndef AGGREGATE_FOLD_H
#define AGGREGATE_FOLD_H

#include "aggregate/source.h"

/* Ranges that begin at a multiple of this are folded without a short tile. */
#define FOLD_TILE ((size_t)4096)

/* Folds coordinates [from, to) of sources that pass sources_check().
 * mean:  (to - from,) float32, the caller's; of no meaning on failure
 * fails: ST_NOT_FINITE (a value was not finite) */
MUST_CHECK enum status fold_mean(const struct source *sources, size_t count, size_t from, size_t to,
                                 float *mean);

/* The same in steps, for who has to let go of some sources before the others are looked
 * at: begin, add each source once in their order, a few at a time, end. The bits are those of
 * fold_mean().
 * sums: (to - from,) float64, the caller's, between the steps */
void fold_begin(size_t count, double *sums);
void fold_add(const struct source *sources, size_t count, size_t from, size_t to, double *sums);
/* sums: (count,); divisor: the sum of the weights in the same order
 * mean: (count,) float32. fails: ST_NOT_FINITE */
MUST_CHECK enum status fold_end(const double *sums, double divisor, size_t count, float *mean);

#endif
