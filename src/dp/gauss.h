/* The discrete Gaussian N_Z(0, sigma^2): integers x with a probability proportional to
 * exp(-x^2 / (2 sigma^2)), drawn with integers only. The bits of floating point noise tell
 * what they were added to (Mironov 2012, CCS); there are none here.
 *
 * Source: Canonne, Kamath, Steinke 2020, arXiv:2004.00010, Algorithms 1 to 3. The paper
 * proposes from a discrete Laplace of scale floor(sigma) + 1. sigma is a fraction here,
 * num / den, and so is the scale of the proposal (Algorithm 2 with t = num, s = den): then
 * the exponent of Algorithm 3 is (|y| den - num)^2 / (2 num^2), which fits 128 bits for
 * every sigma up to 2^48. Any scale gives the same distribution; this one is also the one
 * that is accepted most often.
 *
 * Exact means: each comparison is one of integers. Only what no run will see is cut off,
 * a proposal beyond 128 sigma and a coin that is thrown 64 times: together they move less
 * than 2^-180 of the probability.
 *
 * A draw does not take constant time; its time depends on the noise, not on what it is
 * added to. Who can time single draws learns something of the noise (Jin et al. 2022,
 * arXiv:2112.05307): draw in bulk, where nobody but the owner looks. */
#ifndef DP_GAUSS_H
#define DP_GAUSS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "dp/random.h"

#define GAUSS_PART_MAX  ((uint64_t)1 << 48) /* of num and of den */
#define GAUSS_SIGMA_MIN 0x1p-16
#define GAUSS_SIGMA_MAX 0x1p40

/* sigma = num / den. Made by one of the two below; a copy is as good. */
struct gauss {
    uint64_t num, den;
    __uint128_t twice_square; /* 2 num^2 */
};

/* fails: ST_INVALID (num or den not in 1..GAUSS_PART_MAX) */
MUST_CHECK enum status gauss_of(uint64_t num, uint64_t den, struct gauss *ret);

/* The smallest fraction of its form that is not below sigma: never less noise than asked
 * for, and more by a factor of at most 1 + 2^-30. den is a power of two, and 1 from
 * 2^30 on.
 * sigma: GAUSS_SIGMA_MIN..GAUSS_SIGMA_MAX
 * fails: ST_INVALID (out of this range, or a NaN) */
MUST_CHECK enum status gauss_of_sigma(double sigma, struct gauss *ret);

/* num / den, rounded to a double. */
double gauss_sigma(const struct gauss *g);

/* One draw, of a magnitude of at most 128 num / den. */
int64_t gauss_draw(const struct gauss *g, struct dp_random *r);

/* count independent draws. ret: (count,), the caller's */
void gauss_fill(const struct gauss *g, struct dp_random *r, int64_t *ret, size_t count);

#endif
