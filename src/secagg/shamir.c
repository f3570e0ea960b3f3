#include "secagg/shamir.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

void scalar_random(struct scalar *ret)
{
    crypto_core_ed25519_scalar_random(ret->bytes);
}

bool scalar_is_canonical(const struct scalar *s)
{
    uint8_t wide[crypto_core_ed25519_NONREDUCEDSCALARBYTES] = {0};
    uint8_t reduced[SCALAR_SIZE];
    memcpy(wide, s->bytes, SCALAR_SIZE);
    crypto_core_ed25519_scalar_reduce(reduced, wide);
    bool canonical = sodium_memcmp(reduced, s->bytes, SCALAR_SIZE) == 0;
    sodium_memzero(wide, sizeof wide);
    sodium_memzero(reduced, sizeof reduced);
    return canonical;
}

static struct scalar wide(uint64_t value)
{
    struct scalar s = {{0}};
    for (size_t i = 0; i < sizeof value; i++)
        s.bytes[i] = (uint8_t)(value >> 8 * i);
    return s;
}

static struct scalar small(uint32_t value)
{
    return wide(value);
}

static void multiply(struct scalar *s, const struct scalar *by)
{
    crypto_core_ed25519_scalar_mul(s->bytes, s->bytes, by->bytes);
}

/* ---- splitting ---- */

/* Horner's rule; coefficients: (count,), the constant term first. */
static void value_at(const struct scalar *coefficients, uint32_t count, uint32_t point,
                     struct scalar *ret)
{
    struct scalar x = small(point);
    *ret = coefficients[count - 1];
    for (uint32_t i = count - 1; i > 0; i--) {
        multiply(ret, &x);
        crypto_core_ed25519_scalar_add(ret->bytes, ret->bytes, coefficients[i - 1].bytes);
    }
}

void shamir_split(const struct scalar *secret, uint32_t threshold, uint32_t count,
                  struct scalar *ret)
{
    assert(threshold >= 1 && threshold <= count && count <= SHAMIR_SHARES_MAX);
    struct scalar coefficients[SHAMIR_SHARES_MAX];
    coefficients[0] = *secret;
    for (uint32_t i = 1; i < threshold; i++)
        scalar_random(&coefficients[i]);
    for (uint32_t i = 0; i < count; i++)
        value_at(coefficients, threshold, i + 1, &ret[i]);
    sodium_memzero(coefficients, threshold * sizeof coefficients[0]);
}

/* ---- combining ---- */

static bool are_points(const uint32_t *points, size_t count)
{
    uint8_t seen[SHAMIR_SHARES_MAX + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        if (points[i] < 1 || points[i] > SHAMIR_SHARES_MAX || seen[points[i]]++ > 0)
            return false;
    }
    return true;
}

/* Several differences of points fit into one number before the field has to multiply. */
#define FACTOR_MAX (UINT64_MAX / SHAMIR_SHARES_MAX)

/* The product of x_j - x_i over all j but i. The points are public. */
static void product_of_differences(const uint32_t *points, size_t count, size_t i,
                                   struct scalar *ret)
{
    uint64_t factor = 1;
    bool negative = false;
    *ret = small(1);
    for (size_t j = 0; j < count; j++) {
        if (j == i)
            continue;
        bool below = points[j] < points[i];
        factor *= below ? points[i] - points[j] : points[j] - points[i];
        negative ^= below;
        if (factor > FACTOR_MAX) {
            struct scalar s = wide(factor);
            multiply(ret, &s);
            factor = 1;
        }
    }
    struct scalar s = wide(factor);
    multiply(ret, &s);
    if (negative)
        crypto_core_ed25519_scalar_negate(ret->bytes, ret->bytes);
}

/* Every value by its inverse, with one inversion for all (Montgomery's trick): the product
 * of all is inverted, and each takes its part of it off again. None is 0. */
static void invert_all(struct scalar *values, size_t count)
{
    struct scalar before[SHAMIR_SHARES_MAX]; /* the product of the values before this one */
    struct scalar rest = small(1);
    for (size_t i = 0; i < count; i++) {
        before[i] = rest;
        multiply(&rest, &values[i]);
    }
    int failed = crypto_core_ed25519_scalar_invert(rest.bytes, rest.bytes);
    assert(failed == 0);
    for (size_t i = count; i > 0; i--) {
        struct scalar value = values[i - 1];
        values[i - 1] = before[i - 1];
        multiply(&values[i - 1], &rest);
        multiply(&rest, &value);
    }
}

enum status shamir_weights(const uint32_t *points, size_t count, struct scalar *ret)
{
    assert(count >= 1 && count <= SHAMIR_SHARES_MAX);
    if (!are_points(points, count))
        return ST_INVALID;
    /* weight i = product of x_j over j but i, divided by the product of x_j - x_i. With
     * the product of all points above, the one below gets x_i too. */
    struct scalar all = small(1);
    for (size_t i = 0; i < count; i++) {
        struct scalar x = small(points[i]);
        multiply(&all, &x);
        product_of_differences(points, count, i, &ret[i]);
        multiply(&ret[i], &x);
    }
    invert_all(ret, count);
    for (size_t i = 0; i < count; i++)
        multiply(&ret[i], &all);
    return ST_OK;
}

void shamir_combine(const struct scalar *weights, const struct scalar *shares, size_t count,
                    struct scalar *ret)
{
    struct scalar sum = small(0);
    for (size_t i = 0; i < count; i++) {
        struct scalar term = shares[i];
        multiply(&term, &weights[i]);
        crypto_core_ed25519_scalar_add(sum.bytes, sum.bytes, term.bytes);
        sodium_memzero(&term, sizeof term);
    }
    *ret = sum;
    sodium_memzero(&sum, sizeof sum);
}
