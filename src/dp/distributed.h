/* Noise that devices add themselves: each a discrete Gaussian of its own, and what the
 * server sees is the sum of at least k of them. That sum is no discrete Gaussian, only
 * nearly one; this counts the difference.
 *
 * Source: Kairouz, Liu, Steinke 2021, arXiv:2102.06387, Proposition 14, with Delta the L2
 * sensitivity, sigma of each device, n devices and d coordinates:
 *     rdp(alpha) = min(alpha / 2 * Delta^2 / (n sigma^2) + tau d,
 *                      alpha / 2 * (Delta / (sqrt(n) sigma) + tau sqrt(d))^2)
 *     tau = 10 sum over k = 1..n-1 of exp(-2 pi^2 sigma^2 k / (k + 1))
 *
 * Each device's share is made for the fewest that may be summed: with more of them there is
 * only more noise. Devices that lie about theirs, or are one with who looks, add none: h of
 * k such leave the guarantee of k - h. */
#ifndef DP_DISTRIBUTED_H
#define DP_DISTRIBUTED_H

#include <stddef.h>
#include <stdint.h>

#include "dp/rdp.h"

#define DISTRIBUTED_DEVICES_MAX ((uint32_t)10000)
#define DISTRIBUTED_COUNT_MAX   ((size_t)1 << 28)
#define DISTRIBUTED_SIGMA_MIN   0.5 /* where the proposition begins */

struct distributed {
    double sigma;       /* of each device's noise, in whole numbers' units; at least 1/2 */
    double sensitivity; /* L2, in the same units: fixed_sensitivity(). Above 0 */
    uint32_t devices;   /* the fewest that are summed, 1..DISTRIBUTED_DEVICES_MAX */
    size_t count;       /* coordinates, 1..DISTRIBUTED_COUNT_MAX */
};

/* Each one's sigma, so that the sum of `devices` of them has the variance sigma^2. */
double distributed_share(double sigma, uint32_t devices);

/* How far the sum is from a discrete Gaussian: tau. 0 for one device.
 * sigma: at least DISTRIBUTED_SIGMA_MIN */
double distributed_tau(double sigma, uint32_t devices);

/* Adds releases of such sums, without sampling.
 * fails: ST_INVALID (a value out of its range; a noise multiplier sqrt(devices) sigma /
 *        sensitivity not in RDP_Z_MIN..RDP_Z_MAX); r is then unchanged */
MUST_CHECK enum status distributed_add(struct rdp *r, const struct distributed *d,
                                       uint32_t releases);

#endif
