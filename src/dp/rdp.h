/* Many releases: Renyi differential privacy at a fixed table of orders. What was spent
 * adds up, order by order, whatever the noise of each release was; an epsilon is only read
 * off at the end.
 *
 * Sources:
 *   one release of the Gaussian with noise multiplier z (sigma / sensitivity):
 *     alpha / (2 z^2). Mironov 2017, arXiv:1702.07476, Proposition 7
 *   the discrete Gaussian on a vector of whole numbers has at most the same: Canonne,
 *     Kamath, Steinke 2020, arXiv:2004.00010, section 2, the multivariate case too
 *   with Poisson sampling, where each device takes part with probability q on its own:
 *     log(E_{x ~ N(0, z^2)} (1 - q + q exp((2x - 1) / (2 z^2)))^alpha) / (alpha - 1).
 *     Mironov, Talwar, Zhang 2019, arXiv:1908.10530, section 3.3: a sum of binomials at
 *     whole orders. Between them it is the trapezoidal rule over the same expectation,
 *     whose error falls exponentially in the number of points: below 1e-12 with ours.
 *     At whole orders the discrete Gaussian has exactly the same: each term of the sum
 *     is a moment of it at a whole number. Between them it differs by exp(-2 pi^2 sigma^2)
 *     or so, with sigma in whole numbers
 *   from orders to epsilon: min over alpha of
 *     rdp + log((alpha - 1) / alpha) - (log(delta) + log(alpha)) / (alpha - 1).
 *     Canonne et al. 2020, Proposition 12; Balle et al. 2020, arXiv:1905.09982
 *
 * q below 1 is only true of a round whose participants were drawn that way. "The first k
 * that answer", retries, and devices that come when they like are not: they are q = 1.
 *
 * Adjacency: a device's update against zeros in its place (and for q below 1 against the
 * device not being there, which is the same sum). For replacing one by another, double the
 * sensitivity. */
#ifndef DP_RDP_H
#define DP_RDP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* 1.1, 1.2, .. 10.9; 11, 12, .. 64; 72, 80, .. 256; 512 and 1024. */
#define RDP_FINE   99
#define RDP_WHOLE  54
#define RDP_COARSE 24
#define RDP_ORDERS (RDP_FINE + RDP_WHOLE + RDP_COARSE + 2)

/* Goes up when the orders or what is counted at them change: sums of two versions do not
 * add. */
#define RDP_VERSION 1

#define RDP_Z_MIN        0.05
#define RDP_Z_MAX        1e6
#define RDP_RELEASES_MAX ((uint32_t)1 << 24)
#define RDP_DELTA_MIN    1e-30

/* What was spent. Zeroed: nothing. To be kept as RDP_ORDERS doubles, with RDP_VERSION. */
struct rdp {
    double at[RDP_ORDERS]; /* of rdp_order(i), each finite and at least 0 */
};

/* alpha of index 0..RDP_ORDERS-1, ascending. */
double rdp_order(size_t index);

/* For a struct rdp that was read from outside.
 * fails: ST_NOT_FINITE, ST_INVALID (a negative one) */
MUST_CHECK enum status rdp_check(const struct rdp *r);

/* Adds what another sum has spent. */
void rdp_add(struct rdp *r, const struct rdp *other);

/* Adds releases with noise multiplier z, sampled with probability q; q = 1 is without
 * sampling. Counts a little too much (1e-11 at each order and release), so that rounding
 * never counts too little.
 * z: RDP_Z_MIN..RDP_Z_MAX; q: above 0, at most 1; releases: 0..RDP_RELEASES_MAX
 * fails: ST_INVALID (out of these ranges, or a NaN); r is then unchanged */
MUST_CHECK enum status rdp_add_gaussian(struct rdp *r, double z, double q, uint32_t releases);

/* The epsilon that was spent at this delta, at least 0.
 * fails: ST_INVALID (delta not in RDP_DELTA_MIN..1, without 1) */
MUST_CHECK enum status rdp_epsilon(const struct rdp *r, double delta, double *ret_epsilon);

#endif
