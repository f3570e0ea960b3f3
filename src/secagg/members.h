/* A set of those who aggregate, by their rank: their place in the order of their ids. */
#ifndef SECAGG_MEMBERS_H
#define SECAGG_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMBERS_MAX 1024

struct members {
    uint8_t bits[MEMBERS_MAX / 8]; /* rank r is bit r % 8 of byte r / 8 */
};

static inline bool members_has(const struct members *m, uint32_t rank)
{
    return rank < MEMBERS_MAX && (m->bits[rank / 8] >> (rank % 8) & 1) != 0;
}

static inline void members_add(struct members *m, uint32_t rank)
{
    m->bits[rank / 8] = (uint8_t)(m->bits[rank / 8] | 1u << (rank % 8));
}

static inline uint32_t members_count(const struct members *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        count += members_has(m, i);
    return count;
}

/* Whether all of a are in b. */
static inline bool members_within(const struct members *a, const struct members *b)
{
    for (size_t i = 0; i < sizeof a->bits; i++)
        if ((a->bits[i] & ~b->bits[i]) != 0)
            return false;
    return true;
}

#endif
