#include "dp/fake_random.h"

#include <string.h>

static void fill(void *owner, void *bytes, size_t size)
{
    uint8_t *to = bytes;
    while (size > 0) {
        uint64_t word = rand_u64(owner);
        size_t part = size < sizeof word ? size : sizeof word;
        memcpy(to, &word, part);
        to += part;
        size -= part;
    }
}

struct dp_random fake_random(struct rand *r)
{
    return (struct dp_random){.fill = fill, .owner = r};
}
