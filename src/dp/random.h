/* Secret random bytes: where all noise, rounding and keys of this folder come from.
 *
 * Who draws takes a struct dp_random, so that a test can hand in a stream that it can
 * repeat. There is one real source, below, and no way to give it a seed: noise that
 * somebody can compute again is no noise. (Noise that has to be computed again after a
 * restart has a secret key instead: ftrl.h.) */
#ifndef DP_RANDOM_H
#define DP_RANDOM_H

#include <stddef.h>

#include "base/status.h"

struct dp_random {
    /* Writes size bytes that are uniform and independent of all before. Cannot fail. */
    void (*fill)(void *owner, void *bytes, size_t size);
    void *owner;
};

/* The real source: ChaCha20 (RFC 8439), keyed by the kernel's getrandom() through
 * libsodium, and keyed anew after at most RANDOM_RESEED_BYTES. Each refill of its buffer
 * replaces its key and each byte is wiped as it is handed out, so that memory seen later
 * does not tell earlier bytes (fast key erasure, Bernstein 2017).
 *
 * fork(): key and buffer lie in memory that the kernel gives to a child as zeros
 * (MADV_WIPEONFORK), and a zeroed source keys itself anew: parent and child never hand
 * out the same bytes. That memory is not in core dumps either.
 * Not thread-safe: one source, one thread. */
#define RANDOM_RESEED_BYTES ((size_t)1 << 20)

struct random_stream;

/* gives: *ret, to be ended with random_stream_free()
 * fails: ST_NOMEM; ST_IO (a kernel without MADV_WIPEONFORK, which Linux has since 4.14, or
 *        libsodium does not start) */
MUST_CHECK enum status random_stream_new(struct random_stream **ret);

/* A source that draws from s, valid as long as s. */
struct dp_random random_stream_source(struct random_stream *s);

/* Wipes s, ends it and returns NULL. NULL is allowed. */
struct random_stream *random_stream_free(struct random_stream *s);

#endif
