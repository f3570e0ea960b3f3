#include "base/rand.h"

#include <assert.h>

uint64_t rand_u64(struct rand *r)
{
    r->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double rand_unit(struct rand *r)
{
    return (double)(rand_u64(r) >> 11) * 0x1.0p-53;
}

uint64_t rand_below(struct rand *r, uint64_t bound)
{
    assert(bound >= 1);
    return rand_u64(r) % bound;
}
