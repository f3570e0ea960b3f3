/* The noise of a run whose rounds are private together (DP-FTRL): that of the nodes of
 * tree.h, each a vector of discrete Gaussians.
 *
 * What is added to the sum of round t is noise(t) - noise(t - 1), so that all sums up to t
 * carry noise(t) together. A node's noise is needed again when it is taken away, perhaps
 * after a restart: it must be the same then, as who sees two different ones can average them
 * away. So it is not kept but made again, from a secret key: ChaCha20 (RFC 8439) under a key
 * of the node (BLAKE2b of the secret, libsodium's crypto_kdf) with the number of the block
 * of coordinates as its nonce feeds the sampler of gauss.h.
 *
 * The state is 96 bytes. They belong into the transaction that stores the model, and are a
 * secret: who has them can take the noise away. */
#ifndef DP_FTRL_H
#define DP_FTRL_H

#include "base/bytes.h"
#include "base/limits.h"
#include "dp/gauss.h"
#include "dp/tree.h"

#define FTRL_BLOCK    ((size_t)1024) /* coordinates */
#define FTRL_KEY_SIZE ((size_t)32)

/* Goes up when the same key would make other noise: also if gauss.h or uniform.h come to
 * use random bytes in another way. ftrl_test.c has noise that must not change. */
#define FTRL_VERSION    1
#define FTRL_STATE_SIZE ((size_t)96)

struct ftrl {
    struct gauss noise; /* of each node and coordinate */
    size_t count;       /* coordinates, 1..MODEL_PARAMS_MAX */
    uint32_t rounds;    /* T, 1..TREE_ROUNDS_MAX */
    uint32_t done;      /* rounds that were released, 0..rounds */
    uint8_t key[FTRL_KEY_SIZE];
};

/* A run before its first round, with a key from r.
 * gives: *ret, to be wiped with ftrl_done()
 * fails: ST_INVALID (count or rounds out of range) */
MUST_CHECK enum status ftrl_init(const struct gauss *noise, size_t count, uint32_t rounds,
                                 struct dp_random *r, struct ftrl *ret);

/* noise(t) of one block: coordinates block * FTRL_BLOCK and the FTRL_BLOCK - 1 after it, as
 * far as there are any.
 * t: 0..rounds; block: below count / FTRL_BLOCK, rounded up
 * ret: (FTRL_BLOCK,), the caller's; of what is beyond count, zeros */
void ftrl_noise(const struct ftrl *f, uint32_t t, size_t block, int64_t ret[FTRL_BLOCK]);

/* noise(done + 1) - noise(done): what the next release adds. The same as often as it is
 * asked, until ftrl_advance(). On average that is two draws a coordinate. Blocks know
 * nothing of each other, and may be shared out over threads. done < rounds */
void ftrl_difference(const struct ftrl *f, size_t block, int64_t ret[FTRL_BLOCK]);

/* The next round is released. fails: ST_LIMIT (all were) */
MUST_CHECK enum status ftrl_advance(struct ftrl *f);

/* The state as bytes, of one form on every machine. They hold the key. */
void ftrl_encode(const struct ftrl *f, uint8_t ret_bytes[FTRL_STATE_SIZE]);

/* fails: ST_MALFORMED (another size, or not such a state, or one of another version),
 *        ST_CORRUPT (a byte is not as it was written), ST_INVALID (a value out of range) */
MUST_CHECK enum status ftrl_decode(struct view bytes, struct ftrl *ret);

/* Wipes the key. */
void ftrl_done(struct ftrl *f);

#endif
