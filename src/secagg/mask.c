#include "secagg/mask.h"

#include <assert.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#define STREAM_SIZE 16384 /* bytes of keystream at once: with its words, half of a first cache */
#define BLOCK_SIZE  64    /* bytes of ChaCha20 for each step of its counter */

static void add32(uint32_t *words, const uint32_t *stream, size_t count, bool subtract)
{
    if (subtract)
        for (size_t i = 0; i < count; i++)
            words[i] -= stream[i];
    else
        for (size_t i = 0; i < count; i++)
            words[i] += stream[i];
}

static void add64(uint64_t *words, const uint64_t *stream, size_t count, bool subtract)
{
    if (subtract)
        for (size_t i = 0; i < count; i++)
            words[i] -= stream[i];
    else
        for (size_t i = 0; i < count; i++)
            words[i] += stream[i];
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the keystream is read as words");

/* size bytes of the keystream under this key, from byte `offset` on.
 * offset: a multiple of BLOCK_SIZE */
static bool keystream(EVP_CIPHER_CTX *context, const uint8_t *key, uint64_t offset, uint8_t *ret,
                      size_t size)
{
    static const uint8_t zeros[STREAM_SIZE];
    /* OpenSSL's iv is the block counter, little-endian, and the nonce behind it. */
    uint32_t counter = (uint32_t)(offset / BLOCK_SIZE);
    uint8_t iv[16] = {0};
    int made = 0;
    memcpy(iv, &counter, sizeof counter);
    return EVP_EncryptInit_ex(context, NULL, NULL, key, iv) == 1 &&
           EVP_EncryptUpdate(context, ret, &made, zeros, (int)size) == 1 && made == (int)size;
}

static bool apply_to_block(EVP_CIPHER_CTX *context, const struct mask *masks, size_t mask_count,
                           enum mask_word word, uint64_t first, void *words, size_t count)
{
    _Alignas(64) uint8_t stream[STREAM_SIZE];
    bool done = true;
    for (size_t m = 0; done && m < mask_count; m++) {
        done = keystream(context, masks[m].key, first * word, stream, count * word);
        if (word == MASK_WORD_32)
            add32(words, (const uint32_t *)(const void *)stream, count, masks[m].subtract);
        else
            add64(words, (const uint64_t *)(const void *)stream, count, masks[m].subtract);
    }
    sodium_memzero(stream, sizeof stream);
    return done;
}

enum status masks_apply(const struct mask *masks, size_t mask_count, enum mask_word word,
                        uint64_t first, void *words, size_t count)
{
    assert(first % MASK_ALIGN == 0 && first + count <= MASK_WORDS_MAX);
    assert(word == MASK_WORD_32 || word == MASK_WORD_64);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done =
        context != NULL && EVP_EncryptInit_ex(context, EVP_chacha20(), NULL, NULL, NULL) == 1;
    size_t at_once = STREAM_SIZE / word;
    for (size_t at = 0; done && at < count; at += at_once) {
        size_t size = count - at < at_once ? count - at : at_once;
        done = apply_to_block(context, masks, mask_count, word, first + at,
                              (uint8_t *)words + at * word, size);
    }
    EVP_CIPHER_CTX_free(context);
    return done ? ST_OK : ST_NOMEM;
}
