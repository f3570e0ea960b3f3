/* Uniform integers and coins of a rational probability, exactly: no remainder of a
 * division makes one outcome likelier than another. */
#ifndef DP_UNIFORM_H
#define DP_UNIFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/random.h"

/* Draws that are thrown away in a row before the source is held for broken: one that is
 * random reaches this with a probability below 2^-UNIFORM_TRIES_MAX. It is an assert. */
#define UNIFORM_TRIES_MAX 1024

uint64_t uniform_u64(struct dp_random *r);

/* Uniform in 0..bound-1, bound >= 1. Lemire 2019, arXiv:1805.10941, Algorithm 5. */
uint64_t uniform_below(struct dp_random *r, uint64_t bound);

/* True with probability part / whole. part <= whole, 1 <= whole */
bool uniform_coin(struct dp_random *r, __uint128_t part, __uint128_t whole);

#endif
