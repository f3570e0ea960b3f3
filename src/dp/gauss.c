#include "dp/gauss.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "dp/uniform.h"

#define FRACTION_BITS 31 /* of num, in gauss_of_sigma(): 2 num^2 then fits 64 bits */

/* Where loops end that end by chance. Of the first two the probability is in the header;
 * an attempt succeeds with a probability above 1/8, so that only a broken source of
 * randomness reaches the third, and that is an assert. */
#define LAPLACE_TURNS_MAX 128 /* scales that a proposal is away from 0: exp(-128) */
#define EXP_TERMS_MAX     64  /* 1 / 64! */
#define ATTEMPTS_MAX      4096

enum status gauss_of(uint64_t num, uint64_t den, struct gauss *ret)
{
    assert(ret != NULL);
    if (num < 1 || num > GAUSS_PART_MAX || den < 1 || den > GAUSS_PART_MAX)
        return ST_INVALID;
    *ret = (struct gauss){
        .num = num,
        .den = den,
        .twice_square = 2 * (__uint128_t)num * num,
    };
    return ST_OK;
}

enum status gauss_of_sigma(double sigma, struct gauss *ret)
{
    if (!(sigma >= GAUSS_SIGMA_MIN && sigma <= GAUSS_SIGMA_MAX))
        return ST_INVALID;
    int exponent;
    (void)frexp(sigma, &exponent); /* sigma < 2^exponent */
    int shift = exponent < FRACTION_BITS ? FRACTION_BITS - exponent : 0;
    /* The shift is exact, and ceil() is: nothing is rounded but upwards. */
    return gauss_of((uint64_t)ceil(ldexp(sigma, shift)), (uint64_t)1 << shift, ret);
}

double gauss_sigma(const struct gauss *g)
{
    return (double)g->num / (double)g->den;
}

/* True with probability exp(-part / whole), part <= whole: Algorithm 1. A coin of
 * probability part / (k whole) is one of 1 / k and one of part / whole. */
static bool coin_exp(struct dp_random *r, __uint128_t part, __uint128_t whole)
{
    unsigned k = 1;
    while (k < EXP_TERMS_MAX && (k == 1 || uniform_below(r, k) == 0) &&
           uniform_coin(r, part, whole))
        k++;
    return k % 2 == 1;
}

/* The same for part > whole too: one coin of exp(-1) for each whole. */
static bool coin_exp_long(struct dp_random *r, __uint128_t part, __uint128_t whole)
{
    for (; part > whole; part -= whole) /* at most LAPLACE_TURNS_MAX^2 / 2 times */
        if (!coin_exp(r, 1, 1))
            return false;
    return coin_exp(r, part, whole);
}

/* One attempt at |y|, geometric with scale num / den: Algorithm 2 without its sign. */
static bool try_magnitude(const struct gauss *g, struct dp_random *r, uint64_t *ret)
{
    uint64_t rest = uniform_below(r, g->num);
    if (!coin_exp(r, rest, g->num))
        return false;
    uint64_t turns = 0;
    while (coin_exp(r, 1, 1))
        if (++turns == LAPLACE_TURNS_MAX)
            return false;
    *ret = (rest + g->num * turns) / g->den;
    return true;
}

/* Algorithm 3, with the sign drawn before the last coin: a zero counts once. */
static bool try_draw(const struct gauss *g, struct dp_random *r, int64_t *ret)
{
    uint64_t magnitude;
    if (!try_magnitude(g, r, &magnitude))
        return false;
    bool negative = uniform_u64(r) >> 63;
    if (negative && magnitude == 0)
        return false;
    uint64_t scaled = magnitude * g->den;
    uint64_t distance = scaled > g->num ? scaled - g->num : g->num - scaled;
    if (!coin_exp_long(r, (__uint128_t)distance * distance, g->twice_square))
        return false;
    *ret = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

int64_t gauss_draw(const struct gauss *g, struct dp_random *r)
{
    assert(g->num >= 1 && g->den >= 1);
    int64_t value = 0;
    for (unsigned attempts = 0; !try_draw(g, r, &value); attempts++)
        assert(attempts < ATTEMPTS_MAX);
    return value;
}

void gauss_fill(const struct gauss *g, struct dp_random *r, int64_t *ret, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = gauss_draw(g, r);
}
