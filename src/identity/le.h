/* Whole numbers as little-endian bytes, as certificates and lists hold them. */
#ifndef IDENTITY_LE_H
#define IDENTITY_LE_H

#include <stddef.h>
#include <stdint.h>

/* Writes the lowest `size` bytes of value. size: 1..8 */
static inline void le_put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t le_get(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

#endif
