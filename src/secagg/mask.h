/* Masks: the keystream of ChaCha20 (RFC 8439, nonce 0) under one key, as little-endian
 * words that are added to a vector, or subtracted from it, modulo 2^32 or 2^64.
 *
 * A word's place in the vector says its place in the keystream, so that parts of a vector
 * can be masked in any order and by any number of threads. OpenSSL's ChaCha20 gives the
 * bytes of libsodium's and is 2.8 times as fast here. */
#ifndef SECAGG_MASK_H
#define SECAGG_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MASK_KEY_SIZE  32
#define MASK_ALIGN     16                  /* words; where a part of a vector may begin */
#define MASK_WORDS_MAX ((uint64_t)1 << 32) /* of one vector: the block counter has 32 bits */

struct mask {
    uint8_t key[MASK_KEY_SIZE];
    bool subtract;
};

enum mask_word { MASK_WORD_32 = 4, MASK_WORD_64 = 8 }; /* bytes */

/* Applies all masks to a part of the vector, while it is in the cache.
 * masks: (mask_count,)
 * first: where the part begins in the whole vector, in words; a multiple of MASK_ALIGN
 * words: (count,) of `word` bytes each, aligned to them, changed in place;
 *        first + count <= MASK_WORDS_MAX
 * fails: ST_NOMEM; the words are then spoilt */
MUST_CHECK enum status masks_apply(const struct mask *masks, size_t mask_count, enum mask_word word,
                                   uint64_t first, void *words, size_t count);

#endif
