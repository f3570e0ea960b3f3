/* Weighted mean of participants' parameters: the server's step of FedAvg.
 *
 * Source: McMahan et al. 2017, arXiv:1602.05629, Algorithm 1:
 *     w[t+1] = sum_k (n_k / n) w_k[t+1]
 * Sums in float64. Not thread-safe: one struct mean, one thread. */
#ifndef AGGREGATE_MEAN_H
#define AGGREGATE_MEAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

struct mean;

/* Starts a mean over vectors of param_count float32.
 * gives:  *ret_mean, to be ended with mean_free(); untouched on failure
 * fails:  ST_INVALID (param_count not in 1..MODEL_PARAMS_MAX), ST_NOMEM */
MUST_CHECK enum status mean_new(size_t param_count, struct mean **ret_mean);

/* Adds one participant's trained parameters.
 * params:  (param_count,) float32; borrowed for the call only
 * samples: examples it trained on, 1..UPDATE_SAMPLES_MAX
 * fails:   ST_INVALID (samples), ST_NOT_FINITE (a NaN or infinity in params);
 *          on failure m is as it was before the call */
MUST_CHECK enum status mean_add(struct mean *m, const float *params, uint64_t samples);

/* Writes the weighted mean.
 * ret_params: (param_count,) float32, the caller's; untouched on failure
 * fails:  ST_INVALID (nothing was added) */
MUST_CHECK enum status mean_result(const struct mean *m, float *ret_params);

/* Ends m and returns NULL, for `m = mean_free(m)`. NULL is allowed. */
struct mean *mean_free(struct mean *m);

#endif
