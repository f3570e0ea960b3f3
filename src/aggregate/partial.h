/* The weighted mean of partial updates: each has some of the model's tensors, and each
 * tensor is the mean over those updates that have it, as fold_mean() makes it. What
 * nobody sent stays as it is in the base. So a few small tensors of a large model can be
 * trained without sending the rest (LoRA, Hu et al. 2021, arXiv:2106.09685; aggregation
 * of what was trained, as in Caldas et al. 2018, arXiv:1812.07210).
 *
 * The rule of source.h holds: the result for a coordinate depends on the values of that
 * coordinate only. */
#ifndef AGGREGATE_PARTIAL_H
#define AGGREGATE_PARTIAL_H

#include "aggregate/source.h"

/* Folds coordinates [from, to) of sources that pass sources_check() but for what they
 * lack.
 * base:    (to,) float32: the model that the updates are for
 * scratch: (count,), the caller's
 * mean:    (to - from,) float32, the caller's, not base's; of no meaning on failure
 * fails:   ST_NOT_FINITE (a value was not finite) */
MUST_CHECK enum status fold_partial(const struct source *sources, size_t count, const float *base,
                                    size_t from, size_t to, struct source *scratch, float *mean);

#endif
