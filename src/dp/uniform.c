#include "dp/uniform.h"

#include <assert.h>
#include <endian.h>

uint64_t uniform_u64(struct dp_random *r)
{
    uint64_t word;
    r->fill(r->owner, &word, sizeof word);
    return le64toh(word); /* the same number of the same bytes on every machine */
}

uint64_t uniform_below(struct dp_random *r, uint64_t bound)
{
    assert(bound >= 1);
    __uint128_t product = (__uint128_t)uniform_u64(r) * bound;
    if ((uint64_t)product >= bound)
        return (uint64_t)(product >> 64);
    /* The lower halves below 2^64 mod bound are those that some results have one more of. */
    uint64_t surplus = -bound % bound;
    for (unsigned tries = 0; (uint64_t)product < surplus; tries++) {
        assert(tries < UNIFORM_TRIES_MAX);
        product = (__uint128_t)uniform_u64(r) * bound;
    }
    return (uint64_t)(product >> 64);
}

/* Uniform in 0..bound-1 for a bound above 2^64: bits as many as bound - 1 has, until they
 * are below it. */
static __uint128_t below_wide(struct dp_random *r, __uint128_t bound)
{
    unsigned unused = (unsigned)__builtin_clzll((unsigned long long)((bound - 1) >> 64));
    for (unsigned tries = 0;; tries++) {
        assert(tries < UNIFORM_TRIES_MAX);
        uint64_t upper = uniform_u64(r) >> unused;
        __uint128_t value = (__uint128_t)upper << 64 | uniform_u64(r);
        if (value < bound)
            return value;
    }
}

bool uniform_coin(struct dp_random *r, __uint128_t part, __uint128_t whole)
{
    assert(part <= whole && whole >= 1);
    if (part == whole)
        return true;
    if (whole <= UINT64_MAX)
        return uniform_below(r, (uint64_t)whole) < (uint64_t)part;
    if ((whole - 1) >> 64 == 0) /* 2^64 itself */
        return uniform_u64(r) < part;
    return below_wide(r, whole) < part;
}
