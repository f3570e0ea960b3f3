#include "secagg/keys.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "secagg/hkdf.h"
#include "secagg/members.h"

struct secagg_keys {
    uint8_t box_secret[SECAGG_PUBLIC_SIZE];
    uint8_t mask_secret[SECAGG_PUBLIC_SIZE];
    struct scalar mask_seed;
    struct scalar self_seed;
    struct secagg_public public;
};

/* What is derived for: one purpose, one text, and behind it the context and two ranks, so
 * that no two purposes, rounds or pairs ever have the same. */
struct purpose {
    uint8_t bytes[32 + 2 * 32 + 2 * 2];
};

static struct purpose purpose(const char *name, const struct secagg_context *context, uint32_t a,
                              uint32_t b)
{
    struct purpose p = {0};
    size_t size = strlen(name);
    assert(size < 32 && a < MEMBERS_MAX && b < MEMBERS_MAX);
    memcpy(p.bytes, name, size);
    memcpy(p.bytes + 32, context->config.bytes, 32);
    memcpy(p.bytes + 64, context->roster.bytes, 32);
    const uint8_t ranks[4] = {(uint8_t)a, (uint8_t)(a >> 8), (uint8_t)b, (uint8_t)(b >> 8)};
    memcpy(p.bytes + 96, ranks, sizeof ranks);
    return p;
}

static enum status derive(const uint8_t secret[32], struct view info, uint8_t ret[32])
{
    return hkdf_sha256(view_of(secret, 32), view_of(NULL, 0), info, ret, 32);
}

/* ---- making ---- */

/* From the mask seed to its key pair. */
static enum status make_mask_pair(struct secagg_keys *k)
{
    enum status status =
        derive(k->mask_seed.bytes, view_text("fml-secagg-v1 mask key"), k->mask_secret);
    if (status == ST_OK)
        (void)crypto_scalarmult_base(k->public.mask, k->mask_secret);
    return status;
}

static struct secagg_keys *allocate(void)
{
    struct secagg_keys *k = sodium_init() < 0 ? NULL : sodium_malloc(sizeof *k);
    if (k != NULL)
        memset(k, 0, sizeof *k);
    return k;
}

enum status secagg_keys_new(struct secagg_keys **ret)
{
    struct secagg_keys *k = allocate();
    if (k == NULL)
        return ST_NOMEM;
    randombytes_buf(k->box_secret, sizeof k->box_secret);
    (void)crypto_scalarmult_base(k->public.box, k->box_secret);
    scalar_random(&k->mask_seed);
    scalar_random(&k->self_seed);
    enum status status = make_mask_pair(k);
    if (status != ST_OK) {
        secagg_keys_free(k);
        return status;
    }
    *ret = k;
    return ST_OK;
}

enum status secagg_keys_rebuild(const struct scalar *mask_seed, const struct secagg_public *public,
                                struct secagg_keys **ret)
{
    struct secagg_keys *k = allocate();
    if (k == NULL)
        return ST_NOMEM;
    k->mask_seed = *mask_seed;
    enum status status = make_mask_pair(k);
    if (status == ST_OK && sodium_memcmp(k->public.mask, public->mask, SECAGG_PUBLIC_SIZE) != 0)
        status = ST_CORRUPT;
    if (status != ST_OK) {
        secagg_keys_free(k);
        return status;
    }
    *ret = k;
    return ST_OK;
}

struct secagg_keys *secagg_keys_free(struct secagg_keys *k)
{
    sodium_free(k); /* wipes */
    return NULL;
}

const struct secagg_public *secagg_keys_public(const struct secagg_keys *k)
{
    return &k->public;
}

/* ---- sharing ---- */

void secagg_keys_share(const struct secagg_keys *k, uint32_t threshold, uint32_t count,
                       struct secagg_shares *ret)
{
    struct scalar shares[SHAMIR_SHARES_MAX];
    shamir_split(&k->mask_seed, threshold, count, shares);
    for (uint32_t i = 0; i < count; i++)
        ret[i].mask_seed = shares[i];
    shamir_split(&k->self_seed, threshold, count, shares);
    for (uint32_t i = 0; i < count; i++)
        ret[i].self_seed = shares[i];
    sodium_memzero(shares, count * sizeof shares[0]);
}

void secagg_self_commitment(const struct scalar *self_seed, const struct secagg_context *context,
                            uint32_t rank, struct digest *ret)
{
    uint8_t bytes[sizeof(struct purpose) + SCALAR_SIZE];
    struct purpose what = purpose("fml-secagg-v1 commitment", context, rank, rank);
    memcpy(bytes, what.bytes, sizeof what.bytes);
    memcpy(bytes + sizeof what.bytes, self_seed->bytes, SCALAR_SIZE);
    *ret = digest_of(view_of(bytes, sizeof bytes));
    sodium_memzero(bytes, sizeof bytes);
}

void secagg_keys_commitment(const struct secagg_keys *k, const struct secagg_context *context,
                            uint32_t rank, struct digest *ret)
{
    secagg_self_commitment(&k->self_seed, context, rank, ret);
}

/* ---- what two devices have in common ---- */

static enum status agree(const uint8_t secret[32], const uint8_t public[32],
                         const struct purpose *what, uint8_t ret[32])
{
    uint8_t common[crypto_scalarmult_BYTES];
    enum status status = ST_INVALID;
    if (crypto_scalarmult(common, secret, public) == 0)
        status = derive(common, view_of(what->bytes, sizeof what->bytes), ret);
    sodium_memzero(common, sizeof common);
    return status;
}

/* A box's key is used once, so its nonce may be 0. */
static const uint8_t no_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

enum status secagg_box_close(const struct secagg_keys *k, const struct secagg_context *context,
                             uint32_t me, uint32_t other, const struct secagg_public *other_public,
                             const struct secagg_shares *shares, uint8_t ret[SECAGG_BOX_SIZE])
{
    uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
    struct purpose what = purpose("fml-secagg-v1 box", context, me, other);
    enum status status = agree(k->box_secret, other_public->box, &what, key);
    if (status != ST_OK)
        return status;
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(ret, NULL, (const uint8_t *)shares,
                                                    sizeof *shares, NULL, 0, NULL, no_nonce, key);
    sodium_memzero(key, sizeof key);
    return ST_OK;
}

enum status secagg_box_open(const struct secagg_keys *k, const struct secagg_context *context,
                            uint32_t me, uint32_t other, const struct secagg_public *other_public,
                            const uint8_t box[SECAGG_BOX_SIZE], struct secagg_shares *ret)
{
    uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
    struct secagg_shares shares;
    struct purpose what = purpose("fml-secagg-v1 box", context, other, me);
    enum status status = agree(k->box_secret, other_public->box, &what, key);
    if (status != ST_OK)
        return status;
    int failed = crypto_aead_chacha20poly1305_ietf_decrypt((uint8_t *)&shares, NULL, NULL, box,
                                                           SECAGG_BOX_SIZE, NULL, 0, no_nonce, key);
    sodium_memzero(key, sizeof key);
    if (failed == 0 && scalar_is_canonical(&shares.mask_seed) &&
        scalar_is_canonical(&shares.self_seed))
        *ret = shares;
    else
        status = ST_CORRUPT;
    sodium_memzero(&shares, sizeof shares);
    return status;
}

/* ---- masks ---- */

enum status secagg_pair_mask(const struct secagg_keys *k, const struct secagg_context *context,
                             uint32_t me, uint32_t other, const struct secagg_public *other_public,
                             struct mask *ret)
{
    assert(me != other);
    uint32_t low = me < other ? me : other, high = me < other ? other : me;
    struct purpose what = purpose("fml-secagg-v1 pair mask", context, low, high);
    ret->subtract = me == high;
    return agree(k->mask_secret, other_public->mask, &what, ret->key);
}

enum status secagg_self_mask(const struct scalar *self_seed, const struct secagg_context *context,
                             uint32_t of, struct mask *ret)
{
    struct purpose what = purpose("fml-secagg-v1 self mask", context, of, of);
    ret->subtract = false;
    return derive(self_seed->bytes, view_of(what.bytes, sizeof what.bytes), ret->key);
}

enum status secagg_keys_self_mask(const struct secagg_keys *k, const struct secagg_context *context,
                                  uint32_t me, struct mask *ret)
{
    return secagg_self_mask(&k->self_seed, context, me, ret);
}
