/* Shamir's secret sharing over the scalar field of Ed25519, the integers modulo
 * l = 2^252 + 27742317777372353535851937790883648493.
 *
 * Source: Shamir 1979, "How to share a secret", CACM 22(11). The secret is the constant
 * term of a random polynomial of degree threshold - 1, share x its value at x. RFC 9591,
 * appendix E.1, prints a polynomial and its values over this field: shamir_test.c.
 * The arithmetic is libsodium's, whose time does not depend on what is shared. */
#ifndef SECAGG_SHAMIR_H
#define SECAGG_SHAMIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define SCALAR_SIZE       32
#define SHAMIR_SHARES_MAX 1024 /* of one secret */

/* An element of the field, little-endian. */
struct scalar {
    uint8_t bytes[SCALAR_SIZE];
};

/* Uniform, and not 0. */
void scalar_random(struct scalar *ret);

/* Whether it is below l, as bytes from outside have to be. Its time tells about s only
 * whether it is. */
bool scalar_is_canonical(const struct scalar *s);

/* threshold: 1..count: so many shares give the secret, and fewer say nothing of it
 * count:     1..SHAMIR_SHARES_MAX
 * gives:     ret, (count,): share i, of the point x = i + 1. The caller wipes them. */
void shamir_split(const struct scalar *secret, uint32_t threshold, uint32_t count,
                  struct scalar *ret);

/* What each share is multiplied by, so that their sum is the secret: Lagrange's
 * coefficients at 0. They depend on the points alone, so one set serves all secrets that
 * were shared to the same points.
 * points: (count,), each 1..SHAMIR_SHARES_MAX; count: 1..SHAMIR_SHARES_MAX
 * gives:  ret, (count,)
 * fails:  ST_INVALID (a point twice, or out of range) */
MUST_CHECK enum status shamir_weights(const uint32_t *points, size_t count, struct scalar *ret);

/* The secret, if count is at least the threshold that it was split with; else, or if one
 * of the shares is not what it was, some other scalar.
 * weights, shares: (count,), of the same points in the same order */
void shamir_combine(const struct scalar *weights, const struct scalar *shares, size_t count,
                    struct scalar *ret);

#endif
