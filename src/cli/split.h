/* Which device holds which example: a partition that is skewed by label.
 *
 * Source: Hsu, Qi, Brown 2019, arXiv:1909.06335, in the per-label form of Yurochkin
 * et al. 2019: for each label, the shares of the devices are drawn from
 * Dirichlet(alpha). Small alpha: few labels per device; large: all alike.
 * Pure, and the same for the same seed (splitmix64 and libm). */
#ifndef CLI_SPLIT_H
#define CLI_SPLIT_H

#include "base/rand.h"
#include "base/status.h"

#define SPLIT_DEVICES_MAX 10000u
#define SPLIT_ALPHA_MIN   1e-3
#define SPLIT_ALPHA_MAX   1e6

/* Natural logarithm of one draw from Gamma(alpha, 1), alpha > 0. The logarithm,
 * because for a small alpha most draws are below the least double. */
double split_log_gamma_draw(double alpha, struct rand *r);

/* One draw from Dirichlet(alpha, ..., alpha).
 * ret_shares: (count,), each in [0, 1], sum 1 within rounding */
void split_dirichlet_draw(double alpha, uint32_t count, struct rand *r, double *ret_shares);

/* Gives each example to one device; each device gets at least one example.
 * labels:     (count,) class of each example, any byte
 * ret_device: (count,) 0..devices-1; untouched on failure
 * fails: ST_INVALID (devices not in 1..SPLIT_DEVICES_MAX, alpha out of range,
 *        fewer examples than devices), ST_NOMEM */
MUST_CHECK enum status split_by_label(const uint8_t *labels, uint32_t count, uint32_t devices,
                                      double alpha, uint64_t seed, uint32_t *ret_device,
                                      struct why *why);

#endif
