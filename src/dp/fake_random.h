/* For tests only: a source of random bytes that is the same in each run. */
#ifndef DP_FAKE_RANDOM_H
#define DP_FAKE_RANDOM_H

#include "base/rand.h"
#include "dp/random.h"

/* splitmix64 of a counter that begins at r->state. r: lives as long as the source. */
struct dp_random fake_random(struct rand *r);

#endif
