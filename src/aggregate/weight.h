/* Weights of updates where samples alone are not fair.
 *
 * Pure functions of small numbers; the same on every processor, and for each
 * participant the same in whatever order the others are given. */
#ifndef AGGREGATE_WEIGHT_H
#define AGGREGATE_WEIGHT_H

#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

#define WEIGHT_STEPS_MAX     UPDATE_STEPS_MAX    /* local steps of one participant in a round */
#define WEIGHT_STALENESS_MAX ((uint32_t)1 << 20) /* versions between base and now */

/* What one participant says of its local training. */
struct local_work {
    uint64_t samples; /* 1..UPDATE_SAMPLES_MAX */
    uint64_t steps;   /* tau: optimiser steps that it took, 1..WEIGHT_STEPS_MAX */
};

/* FedNova: normalised averaging, for participants that did different numbers of
 * local steps.
 *
 * Source: Wang et al. 2020, arXiv:2007.07481, for local SGD without
 * momentum, where |a_i|_1 = tau_i:
 *     x[t+1] = x[t] + tau_eff * sum_i p_i (x_i - x[t]) / tau_i
 *     p_i = n_i / n,  tau_eff = sum_i p_i tau_i
 * ret_weights: (count,), what multiplies x_i - x[t]: p_i tau_eff / tau_i. With
 *              equal steps these are p_i, as of FedAvg; otherwise their sum is not 1,
 *              so they weigh differences to the base model and never parameters.
 *              Between 2^-74 and 2^30.
 * fails: ST_INVALID (count 0, or a number out of its range; why names the index),
 *        ST_LIMIT (more than ROUND_PARTICIPANTS_MAX); ret_weights is untouched then
 * Limits: the weighting is right for plain SGD only (the paper gives |a_i|_1 for
 * momentum and proximal terms). Steps are a participant's own word. */
MUST_CHECK enum status weight_fednova(const struct local_work *work, size_t count,
                                      double *ret_weights, struct why *why);

/* FedBuff: the factor of an update whose base is `staleness` versions old.
 *
 * Source: Nguyen et al. 2022, arXiv:2106.06639 (polynomial staleness
 * with exponent 1/2): 1 / sqrt(1 + staleness). It multiplies the difference to the
 * version that the participant began with.
 * staleness: above WEIGHT_STALENESS_MAX counts as this; the owner refuses such
 *            updates long before. returns: from 1 down to 2^-10 */
double weight_fedbuff(uint64_t staleness);

#endif
