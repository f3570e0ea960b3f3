#include "dp/random.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#define KEY_SIZE    crypto_stream_chacha20_ietf_KEYBYTES
#define BUFFER_SIZE ((size_t)8 << 10)

/* All zeros is a valid state: it has nothing to hand out, and no byte left under its key.
 * That is how a child finds it after fork(). */
struct random_stream {
    size_t keyed; /* bytes that may still be made before the next key of the kernel */
    size_t ready; /* bytes at the end of buffer that were not handed out */
    uint8_t key[KEY_SIZE];
    uint8_t buffer[BUFFER_SIZE];
};

enum status random_stream_new(struct random_stream **ret)
{
    assert(ret != NULL);
    if (sodium_init() < 0)
        return ST_IO;
    void *memory = mmap(NULL, sizeof(struct random_stream), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return ST_NOMEM;
    if (madvise(memory, sizeof(struct random_stream), MADV_WIPEONFORK) != 0 ||
        madvise(memory, sizeof(struct random_stream), MADV_DONTDUMP) != 0) {
        (void)munmap(memory, sizeof(struct random_stream));
        return ST_IO;
    }
    *ret = memory;
    return ST_OK;
}

/* A key makes one refill: the key of the next one, then the buffer. */
static void refill(struct random_stream *s)
{
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
    uint8_t made[KEY_SIZE + BUFFER_SIZE];
    if (s->keyed < BUFFER_SIZE) {
        randombytes_buf(s->key, sizeof s->key);
        s->keyed = RANDOM_RESEED_BYTES;
    }
    (void)crypto_stream_chacha20_ietf(made, sizeof made, nonce, s->key);
    memcpy(s->key, made, KEY_SIZE);
    memcpy(s->buffer, made + KEY_SIZE, BUFFER_SIZE);
    sodium_memzero(made, sizeof made);
    s->keyed -= BUFFER_SIZE;
    s->ready = BUFFER_SIZE;
}

/* What the samplers ask for, many times a draw: a word, of a size that the compiler knows. */
static bool fill_word(struct random_stream *s, void *bytes, size_t size)
{
    if (size != sizeof(uint64_t) || s->ready < sizeof(uint64_t))
        return false;
    uint8_t *from = s->buffer + BUFFER_SIZE - s->ready;
    memcpy(bytes, from, sizeof(uint64_t));
    memset(from, 0, sizeof(uint64_t));
    s->ready -= sizeof(uint64_t);
    return true;
}

static void fill(void *owner, void *bytes, size_t size)
{
    struct random_stream *s = owner;
    if (fill_word(s, bytes, size))
        return;
    uint8_t *to = bytes;
    while (size > 0) {
        if (s->ready == 0)
            refill(s);
        size_t part = size < s->ready ? size : s->ready;
        uint8_t *from = s->buffer + BUFFER_SIZE - s->ready;
        memcpy(to, from, part);
        memset(from, 0, part);
        s->ready -= part;
        to += part;
        size -= part;
    }
}

struct dp_random random_stream_source(struct random_stream *s)
{
    assert(s != NULL);
    return (struct dp_random){.fill = fill, .owner = s};
}

struct random_stream *random_stream_free(struct random_stream *s)
{
    if (s != NULL) {
        sodium_memzero(s, sizeof *s);
        (void)munmap(s, sizeof *s);
    }
    return NULL;
}
