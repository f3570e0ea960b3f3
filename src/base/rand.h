/* splitmix64: every draw that must be repeatable (splits, initial weights,
 * jitter). Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
 * generators", OOPSLA. Never for secrets: those come from libsodium. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

struct rand {
    uint64_t state; /* the seed; any value */
};

uint64_t rand_u64(struct rand *r);

/* Uniform in [0, 1), 53 bits. */
double rand_unit(struct rand *r);

/* Uniform in 0..bound-1 by remainder (bias below bound / 2^64). bound >= 1 */
uint64_t rand_below(struct rand *r, uint64_t bound);

#endif
