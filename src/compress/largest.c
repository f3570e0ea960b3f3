#include "compress/largest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The magnitude's 31 bits in two digits. */
#define LOW_BITS  15
#define LOW_MASK  (((uint32_t)1 << LOW_BITS) - 1)
#define HIGH_SIZE ((size_t)1 << 16)
#define LOW_SIZE  ((size_t)1 << LOW_BITS)

struct largest {
    size_t k;
    uint32_t high; /* the upper digit of the k-th magnitude; known after the first look */
    size_t above;  /* how many are of a higher one */
    bool second;   /* the second look has begun */
    bool ready;    /* threshold and ties are known */
    uint32_t threshold;
    size_t ties; /* how many of exactly this magnitude are still to be taken */
    uint32_t high_counts[HIGH_SIZE];
    uint32_t low_counts[LOW_SIZE];
};

enum status largest_new(struct largest **ret)
{
    struct largest *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ST_NOMEM;
    *ret = l;
    return ST_OK;
}

void largest_begin(struct largest *l, size_t k)
{
    assert(k >= 1);
    memset(l, 0, sizeof *l);
    l->k = k;
}

static uint32_t magnitude_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

void largest_count(struct largest *l, const float *values, size_t count)
{
    assert(!l->second);
    for (size_t i = 0; i < count; i++)
        l->high_counts[magnitude_of(values[i]) >> LOW_BITS]++;
}

/* From the highest digit down to where the k-th is; *above gets what lies higher. */
static uint32_t find_digit(const uint32_t *counts, size_t size, size_t k, size_t *above)
{
    size_t seen = *above;
    for (size_t digit = size; digit-- > 0;) {
        if (seen + counts[digit] >= k) {
            *above = seen;
            return (uint32_t)digit;
        }
        seen += counts[digit];
    }
    assert(!"there are at least k values");
    return 0;
}

void largest_count_again(struct largest *l, const float *values, size_t count)
{
    assert(!l->ready);
    if (!l->second) {
        l->high = find_digit(l->high_counts, HIGH_SIZE, l->k, &l->above);
        l->second = true;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude = magnitude_of(values[i]);
        if (magnitude >> LOW_BITS == l->high)
            l->low_counts[magnitude & LOW_MASK]++;
    }
}

bool largest_takes(struct largest *l, float value)
{
    assert(l->second);
    if (!l->ready) {
        size_t above = l->above;
        uint32_t low = find_digit(l->low_counts, LOW_SIZE, l->k, &above);
        l->threshold = l->high << LOW_BITS | low;
        l->ties = l->k - above;
        l->ready = true;
    }
    uint32_t magnitude = magnitude_of(value);
    if (magnitude != l->threshold)
        return magnitude > l->threshold;
    if (l->ties == 0)
        return false;
    l->ties--;
    return true;
}

struct largest *largest_free(struct largest *l)
{
    free(l);
    return NULL;
}
