/* Updates as whole numbers, so that sums are exact, masks fit and noise is exact: scale
 * times the update, each coordinate rounded up or down at random, right in the mean.
 *
 * Source of the conditional rounding: Kairouz, Liu, Steinke 2021, arXiv:2102.06387,
 * section 4.1 and Algorithm 1, in units of one whole number (granularity 1 / scale).
 * Rounding can make a vector longer. With c = scale * clip, d coordinates and any beta in
 * (0, 1), it is drawn anew until its norm is at most D,
 *     D^2 = min(c^2 + d / 4 + sqrt(2 ln(1 / beta)) (c + sqrt(d) / 2), (c + sqrt(d))^2)
 * which one draw does with a probability of at least 1 - beta. D is then the sensitivity,
 * for the accountant and for the noise. Drawing anew bends the mean, by at most
 * beta / (1 - beta) sqrt(d) in the norm; beta = exp(-1/2) is the paper's.
 *
 * The rounding of one coordinate is without any bias: scale and update are float32, their
 * product is exact in float64, and its fraction is compared with as many random bits as
 * it takes. */
#ifndef DP_FIXED_H
#define DP_FIXED_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "dp/random.h"

#define FIXED_BETA 0.60653065971263342 /* exp(-1/2) */

#define FIXED_SCALE_MIN 0x1p-20f
#define FIXED_SCALE_MAX 0x1p40f

/* Of D, and of each coordinate: finer than that is finer than float32 anyway. */
#define FIXED_NORM_MAX 0x1p31

/* Draws of the whole vector. After these it is rounded towards zero, whose norm is never
 * above c: once in beta^FIXED_DRAWS_MAX, 2^-46 for exp(-1/2). */
#define FIXED_DRAWS_MAX 64

/* D^2, cut to a whole number: the square of the norm of whole numbers is one.
 * scale: a float32; clip: above 0; count: 1..MODEL_PARAMS_MAX; beta: above 0, below 1
 * fails: ST_INVALID (out of these ranges, scale out of its own, or a NaN), ST_LIMIT (D would
 *        be above FIXED_NORM_MAX: a smaller scale is needed) */
MUST_CHECK enum status fixed_square_max(float scale, double clip, size_t count, double beta,
                                        uint64_t *ret_square_max);

/* D, rounded up: the L2 sensitivity of sums of such vectors. */
double fixed_sensitivity(uint64_t square_max);

/* Rounds a vector to whole numbers with a norm of at most sqrt(square_max).
 * x: (count,) float32, clipped as fixed_square_max() was told
 * ret: (count,), the caller's; untouched if x is refused
 * fails: ST_NOT_FINITE; ST_INVALID (x is longer than its clip: rounded towards zero it is
 *        still above square_max); ST_LIMIT (a coordinate beyond FIXED_NORM_MAX) */
MUST_CHECK enum status fixed_encode(float scale, uint64_t square_max, const float *x, size_t count,
                                    struct dp_random *r, int64_t *ret);

/* One draw of a part of a vector, for vectors that are not in memory at once: the parts' sums
 * of squares together must be at most square_max, or all parts are drawn anew.
 * x: (count,) float32 with |scale x| <= FIXED_NORM_MAX, finite; r NULL: towards zero, for the
 *    last time
 * ret: (count,), the caller's
 * Returns the part's sum of squares. */
__uint128_t fixed_round(float scale, const float *x, size_t count, struct dp_random *r,
                        int64_t *ret);

/* What a word of a ring of 2^bits means when half of it are the negative numbers:
 * -2^(bits-1)..2^(bits-1)-1. bits: 1..64; higher bits of word are not looked at */
int64_t fixed_centred(uint64_t word, unsigned bits);

/* ret = sum / (scale * divisor): the mean over `divisor` devices. The divisor is public, or
 * was noised itself.
 * sum: (count,); divisor: above 0; ret: (count,) float32, the caller's
 * fails: ST_NOT_FINITE (too large for a float32); ret is of no meaning then */
MUST_CHECK enum status fixed_decode(float scale, double divisor, const int64_t *sum, size_t count,
                                    float *ret);

#endif
