/* An Ed25519 key pair (RFC 8032, section 5.1), and signatures with it.
 *
 * What is signed is always a domain and a message:
 *
 *     u8 length of the domain | domain | message
 *
 * so that no signature for one purpose is one for another, and no domain can be the
 * beginning of another. The domain is a text of the program, never of a peer.
 *
 * The secret half lies in memory that is kept out of swap and core files as far as the
 * system allows, between pages that cannot be touched, and is wiped at the end. Key
 * pairs are not changed once made; two threads may use one. */
#ifndef IDENTITY_KEY_H
#define IDENTITY_KEY_H

#include <stdbool.h>

#include "base/bytes.h"

#define KEY_SEED_SIZE      32
#define KEY_PUBLIC_SIZE    32
#define KEY_SIGNATURE_SIZE 64
#define KEY_HEX_SIZE       65 /* 64 digits + '\0' */
#define KEY_DOMAIN_MAX     64 /* bytes */

struct key_public {
    uint8_t bytes[KEY_PUBLIC_SIZE];
};

struct key_signature {
    uint8_t bytes[KEY_SIGNATURE_SIZE];
};

struct key;

/* A new key pair, from the system's randomness.
 * gives: *ret, to be ended with key_free(). fails: ST_NOMEM, ST_IO (no randomness) */
MUST_CHECK enum status key_new(struct key **ret);

/* The key pair of a seed, which is the secret key of RFC 8032, section 5.1.5. The caller
 * wipes the seed.
 * gives: *ret, to be ended with key_free(). fails: ST_NOMEM, ST_IO (no randomness) */
MUST_CHECK enum status key_of_seed(const uint8_t seed[KEY_SEED_SIZE], struct key **ret);

/* Valid as long as k. */
const struct key_public *key_public(const struct key *k);

/* Copies the seed out, to be written to a file; the caller wipes it. */
void key_seed(const struct key *k, uint8_t ret_seed[KEY_SEED_SIZE]);

/* domain: 1 to KEY_DOMAIN_MAX bytes. fails: ST_NOMEM */
MUST_CHECK enum status key_sign(const struct key *k, const char *domain, struct view message,
                                struct key_signature *ret);

/* Whether the key signed this message under this domain (RFC 8032, section 5.1.7). Refused
 * are also keys and points of low order, and any second form of a signature. False, too, if
 * memory is out: what cannot be checked does not count.
 * domain: 1 to KEY_DOMAIN_MAX bytes */
MUST_CHECK bool key_verify(const struct key_public *key, const char *domain, struct view message,
                           const struct key_signature *signature);

/* The same for bytes that end with the signature over all of them before it. False, too, if they
 * are shorter than a signature. */
MUST_CHECK bool key_verify_tail(const struct key_public *key, const char *domain,
                                struct view bytes);

/* Wipes the secret and ends k. NULL is allowed; returns NULL. */
struct key *key_free(struct key *k);

bool key_public_equal(const struct key_public *a, const struct key_public *b);

/* 64 lower-case hexadecimal digits. */
void key_public_hex(const struct key_public *key, char ret_hex[KEY_HEX_SIZE]);

/* Reads that form, and no other. fails: ST_INVALID */
MUST_CHECK enum status key_public_parse(const char *hex, struct key_public *ret);

#endif
