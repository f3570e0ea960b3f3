/* The secrets of one device for one round, and what follows from them.
 *
 * Source: Bonawitz et al. 2017, arXiv:1611.04482, figure 4. All are drawn anew for each
 * round, lie in memory that is kept out of swap and core files as far as the system
 * allows, and never reach a disk: a device that starts anew has left the round.
 *
 *     box key pair    opens and closes the boxes in which shares travel
 *     mask seed m     gives the mask key pair; shared out, so that the pair masks of a
 *                     device that dropped out can be taken off the sum. The key pair is
 *                     made from m, so that whoever rebuilds m sees that it is the right one
 *     self seed b     gives the device's own mask; shared out, so that it can be taken off
 *                     the sum of those who did not drop out
 *
 * Everything that is derived is bound to the round's context: what the round is about (its
 * configuration) and who is in it (its roster). Two devices that were told different
 * things have different masks, and their sum is noise: a server that hands out different
 * models learns nothing (Pasquini et al. 2022, arXiv:2111.07380). */
#ifndef SECAGG_KEYS_H
#define SECAGG_KEYS_H

#include "base/digest.h"
#include "secagg/mask.h"
#include "secagg/shamir.h"

#define SECAGG_PUBLIC_SIZE 32
#define SECAGG_BOX_SIZE    (2 * SCALAR_SIZE + 16) /* two shares and the tag */

struct secagg_public {
    uint8_t box[SECAGG_PUBLIC_SIZE];
    uint8_t mask[SECAGG_PUBLIC_SIZE];
};

/* What a round's keys are bound to. */
struct secagg_context {
    struct digest config;
    struct digest roster;
};

/* One share of each of a device's secrets, for one other. */
struct secagg_shares {
    struct scalar mask_seed;
    struct scalar self_seed;
};

struct secagg_keys;

/* gives: *ret, to be ended with secagg_keys_free(). fails: ST_NOMEM */
MUST_CHECK enum status secagg_keys_new(struct secagg_keys **ret);

const struct secagg_public *secagg_keys_public(const struct secagg_keys *k);

/* Shares both seeds out. threshold, count: as for shamir_split()
 * gives: ret, (count,); the caller wipes them */
void secagg_keys_share(const struct secagg_keys *k, uint32_t threshold, uint32_t count,
                       struct secagg_shares *ret);

/* Says which self seed it is without telling it, so that a wrong share is seen when it is
 * rebuilt: SHA-256 over a domain, the context, the rank and the seed. */
void secagg_self_commitment(const struct scalar *self_seed, const struct secagg_context *context,
                            uint32_t rank, struct digest *ret);
void secagg_keys_commitment(const struct secagg_keys *k, const struct secagg_context *context,
                            uint32_t rank, struct digest *ret);

/* A box from `me` to `other`, and back: ChaCha20-Poly1305 (RFC 8439) under a key that is
 * used for this one box: HKDF of the X25519 secret (RFC 7748), the context and both ranks
 * in the order of the way.
 * other_public: of the one at the other end
 * fails: ST_INVALID (a key of low order), ST_NOMEM; opening also ST_CORRUPT (not a box from
 *        there to here; *ret is untouched) */
MUST_CHECK enum status secagg_box_close(const struct secagg_keys *k,
                                        const struct secagg_context *context, uint32_t me,
                                        uint32_t other, const struct secagg_public *other_public,
                                        const struct secagg_shares *shares,
                                        uint8_t ret[SECAGG_BOX_SIZE]);
MUST_CHECK enum status secagg_box_open(const struct secagg_keys *k,
                                       const struct secagg_context *context, uint32_t me,
                                       uint32_t other, const struct secagg_public *other_public,
                                       const uint8_t box[SECAGG_BOX_SIZE],
                                       struct secagg_shares *ret);

/* The mask that `me` puts on with `other`: the one adds what the other subtracts.
 * fails: ST_INVALID (a key of low order), ST_NOMEM */
MUST_CHECK enum status secagg_pair_mask(const struct secagg_keys *k,
                                        const struct secagg_context *context, uint32_t me,
                                        uint32_t other, const struct secagg_public *other_public,
                                        struct mask *ret);
/* The mask that `me` puts on alone. fails: ST_NOMEM */
MUST_CHECK enum status secagg_keys_self_mask(const struct secagg_keys *k,
                                             const struct secagg_context *context, uint32_t me,
                                             struct mask *ret);

/* ---- from rebuilt seeds, by who takes masks off ---- */

/* The keys of whoever had this mask seed; its box key pair and self seed are no one's.
 * fails: ST_CORRUPT (its public mask key is not `public`'s), ST_NOMEM */
MUST_CHECK enum status secagg_keys_rebuild(const struct scalar *mask_seed,
                                           const struct secagg_public *public,
                                           struct secagg_keys **ret);

/* The self mask of rank `of`. fails: ST_NOMEM */
MUST_CHECK enum status secagg_self_mask(const struct scalar *self_seed,
                                        const struct secagg_context *context, uint32_t of,
                                        struct mask *ret);

/* Wipes them. NULL is allowed; returns NULL. */
struct secagg_keys *secagg_keys_free(struct secagg_keys *k);

#endif
