/* A step from the base model along the participants' differences to it: what rules
 * do whose weights have not the sum 1, where a mean of parameters would be wrong.
 *
 *     x = base + sum_k factor_k (x_k - base_k)
 *
 * factor_k is, for
 *   a mean         difference_shares() below
 *   norm bounding  norm_bound_factors() below
 *   FedNova        weight_fednova()
 *   FedBuff        rate / count * weight_fedbuff(staleness_k), where base_k is the
 *                  version that k began with
 *
 * All in float64, each operation rounded on its own, sources in their order, then
 * rounded to float32: the rule of source.h holds. */
#ifndef AGGREGATE_DIFFERENCES_H
#define AGGREGATE_DIFFERENCES_H

#include "aggregate/source.h"

/* Over the coordinates [from, to) of sources that pass sources_check(). Their weights
 * are not looked at.
 * factors: (count,) finite
 * bases:   (count,) what each trained from, each (param_count,) float32; NULL: base
 * base:    (param_count,) float32: the model that is stepped from
 * ret:     (to - from,) float32, the caller's; of no meaning on failure
 * fails:   ST_NOT_FINITE (a value or a result was not finite) */
MUST_CHECK enum status differences_add(const struct source *sources, const double *factors,
                                       const float *const *bases, size_t count, const float *base,
                                       size_t from, size_t to, float *ret);

/* What multiplies each difference in a weighted mean of them: weight / sum of weights.
 * ret_factors: (count,) */
void difference_shares(const struct source *sources, size_t count, double *ret_factors);

/* Norm bounding: nobody moves the model by more than his share of `bound`.
 *
 * Source: Sun et al. 2019, arXiv:1911.07963: each difference is divided by
 * max(1, |difference| / bound), then they are averaged; here with the sources'
 * weights. Where all are within the bound this is the weighted mean, but for its
 * last place.
 *
 * Limits: it bounds what f who lie can do to f * bound of the sum, and does not take
 * their direction away. Weights are what sources say. Norms are those of a whole
 * update. It needs each single update: not for sums of masked ones.
 * squares:     (count,) squared norm of each difference, of source_measure()
 * bound:       above 0 and finite, in the units of parameters
 * ret_factors: (count,) */
void norm_bound_factors(const struct source *sources, const double *squares, size_t count,
                        double bound, double *ret_factors);

#endif
