/* For tests: vectors as they stand in documents. */
#ifndef SECAGG_HEX_H
#define SECAGG_HEX_H

#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

/* text: of 2 * size digits. gives: ret, (size,) */
static inline void from_hex(const char *text, uint8_t *ret, size_t size)
{
    size_t read = 0;
    int failed = sodium_hex2bin(ret, size, text, strlen(text), NULL, &read, NULL);
    assert(failed == 0 && read == size);
}

#endif
