/* splitmix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
 * generators", OOPSLA. The same draws as src/base/rand.c. */
#include "fml_guest.h"

uint64_t fml_rng_u64(struct fml_rng *r)
{
    r->state += 0x9E3779B97F4A7C15u;
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

double fml_rng_unit(struct fml_rng *r)
{
    return (double)(fml_rng_u64(r) >> 11) * 0x1p-53;
}

void fml_shuffle(uint32_t *items, size_t count, struct fml_rng *r)
{
    for (size_t i = count; i-- > 1;) {
        size_t j = (size_t)(fml_rng_u64(r) % (i + 1));
        uint32_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}
