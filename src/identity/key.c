#include "identity/key.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#define KEY_MAGIC 0x6b657970u /* "keyp" */

_Static_assert(KEY_SEED_SIZE == crypto_sign_SEEDBYTES, "the seed's size");
_Static_assert(KEY_PUBLIC_SIZE == crypto_sign_PUBLICKEYBYTES, "a public key's size");
_Static_assert(KEY_SIGNATURE_SIZE == crypto_sign_BYTES, "a signature's size");

struct key {
    uint32_t magic;
    struct key_public public;
    uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* the seed, then the public key */
};

/* seed: NULL for a random one */
static enum status make(const uint8_t *seed, struct key **ret)
{
    if (sodium_init() < 0)
        return ST_IO;
    struct key *k = sodium_malloc(sizeof *k);
    if (k == NULL)
        return ST_NOMEM;
    k->magic = KEY_MAGIC;
    int failed = seed == NULL ? crypto_sign_keypair(k->public.bytes, k->secret)
                              : crypto_sign_seed_keypair(k->public.bytes, k->secret, seed);
    assert(failed == 0);
    *ret = k;
    return ST_OK;
}

enum status key_new(struct key **ret)
{
    assert(ret != NULL);
    return make(NULL, ret);
}

enum status key_of_seed(const uint8_t seed[KEY_SEED_SIZE], struct key **ret)
{
    assert(seed != NULL && ret != NULL);
    return make(seed, ret);
}

const struct key_public *key_public(const struct key *k)
{
    assert(k != NULL && k->magic == KEY_MAGIC);
    return &k->public;
}

void key_seed(const struct key *k, uint8_t ret_seed[KEY_SEED_SIZE])
{
    assert(k != NULL && k->magic == KEY_MAGIC);
    int failed = crypto_sign_ed25519_sk_to_seed(ret_seed, k->secret);
    assert(failed == 0);
}

/* Puts the domain before the message. gives: *ret: bytes_done() */
static enum status join(const char *domain, struct view message, struct bytes *ret)
{
    struct view text = view_text(domain);
    assert(text.size >= 1 && text.size <= KEY_DOMAIN_MAX);
    struct bytes joined = {0};
    enum status status = bytes_resize(&joined, 1 + text.size + message.size);
    if (status != ST_OK)
        return status;
    joined.data[0] = (uint8_t)text.size;
    memcpy(joined.data + 1, text.data, text.size);
    if (message.size > 0)
        memcpy(joined.data + 1 + text.size, message.data, message.size);
    *ret = joined;
    return ST_OK;
}

enum status key_sign(const struct key *k, const char *domain, struct view message,
                     struct key_signature *ret)
{
    assert(k != NULL && k->magic == KEY_MAGIC && ret != NULL);
    struct bytes joined;
    enum status status = join(domain, message, &joined);
    if (status != ST_OK)
        return status;
    int failed = crypto_sign_detached(ret->bytes, NULL, joined.data, joined.size, k->secret);
    assert(failed == 0);
    bytes_done(&joined);
    return ST_OK;
}

bool key_verify(const struct key_public *key, const char *domain, struct view message,
                const struct key_signature *signature)
{
    assert(key != NULL && signature != NULL);
    struct bytes joined;
    if (join(domain, message, &joined) != ST_OK)
        return false;
    int failed =
        crypto_sign_verify_detached(signature->bytes, joined.data, joined.size, key->bytes);
    bytes_done(&joined);
    return failed == 0;
}

bool key_verify_tail(const struct key_public *key, const char *domain, struct view bytes)
{
    struct key_signature signature;
    if (bytes.size < sizeof signature.bytes)
        return false;
    size_t size = bytes.size - sizeof signature.bytes;
    memcpy(signature.bytes, bytes.data + size, sizeof signature.bytes);
    return key_verify(key, domain, view_of(bytes.data, size), &signature);
}

struct key *key_free(struct key *k)
{
    assert(k == NULL || k->magic == KEY_MAGIC);
    sodium_free(k); /* wipes it; a later use is a fault of the processor */
    return NULL;
}

bool key_public_equal(const struct key_public *a, const struct key_public *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void key_public_hex(const struct key_public *key, char ret_hex[KEY_HEX_SIZE])
{
    (void)sodium_bin2hex(ret_hex, KEY_HEX_SIZE, key->bytes, sizeof key->bytes);
}

enum status key_public_parse(const char *hex, struct key_public *ret)
{
    assert(hex != NULL && ret != NULL);
    struct key_public key;
    /* libsodium takes capitals and stops at what is no digit; one key has one spelling here. */
    if (strlen(hex) != KEY_HEX_SIZE - 1 || strspn(hex, "0123456789abcdef") != KEY_HEX_SIZE - 1)
        return ST_INVALID;
    if (sodium_hex2bin(key.bytes, sizeof key.bytes, hex, KEY_HEX_SIZE - 1, NULL, NULL, NULL) != 0)
        return ST_INVALID;
    *ret = key;
    return ST_OK;
}
