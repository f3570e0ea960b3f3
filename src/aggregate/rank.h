/* Rules that rank: for each coordinate, what lies in the middle of all values.
 *
 * Source: Yin et al. 2018, arXiv:1803.01498: coordinate-wise median (option I) and
 * coordinate-wise trimmed mean (option II, which drops a share beta of the values
 * at each end).
 *
 * Both are one: for each coordinate the count values are sorted, `trim` of them
 * dropped at each end, and the rest summed in ascending order in float64, divided
 * by their number, and rounded to float32. The median drops all but the middle one,
 * or the middle two if count is even. Sorted, -0 stands before +0; so the same
 * values give the same bytes in whatever order they come, on every processor, and
 * however a range is split.
 *
 * Limits: with f participants that lie, the median needs count > 2f and the trimmed
 * mean trim >= f, else they choose the result; where honest participants have
 * different data, both pull towards what most of them have. Weights (samples) are
 * not looked at: who lies may lie about these too. Every participant must have the
 * coordinate: partial updates make no sense here, nor do updates to different bases.
 * Memory: some 256 KiB, and 192 bytes a participant where there are more than 1,300.
 */
#ifndef AGGREGATE_RANK_H
#define AGGREGATE_RANK_H

#include "aggregate/source.h"

/* Over the coordinates [from, to) of sources that pass sources_check().
 * ret_median: (to - from,) float32, the caller's; of no meaning on failure
 * fails: ST_NOT_FINITE (a value was not finite), ST_NOMEM */
MUST_CHECK enum status rank_median(const struct source *sources, size_t count, size_t from,
                                   size_t to, float *ret_median);

/* trim: values dropped at each end, 2 * trim < count (see rule_trim() of rule.h) */
MUST_CHECK enum status rank_trimmed_mean(const struct source *sources, size_t count, size_t trim,
                                         size_t from, size_t to, float *ret_mean);

#endif
