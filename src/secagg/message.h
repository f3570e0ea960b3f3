/* The messages of secure aggregation as bytes (PROTOCOL 2.11). All numbers are
 * little-endian, all are bound to the round's configuration by its digest, and each has one
 * form only.
 *
 *     device          coordinator
 *     advertise ─────▶              its certificate and two public keys
 *               ◀──── roster        all who advertised; the neighbours in full
 *     shares    ─────▶              one box for each neighbour
 *               ◀──── boxes         who shared; the neighbours' boxes
 *     (the masked update goes the way of every update)
 *               ◀──── survivors     whose masked updates are summed
 *     confirm   ─────▶              a signature over both sets
 *               ◀──── confirmed     the neighbours' signatures
 *     unmask    ─────▶              one share of each neighbour
 *
 * Decoded messages borrow from the bytes they were decoded from. Decoding checks the size
 * first, then the form; what the values mean is for client.h and server.h. */
#ifndef SECAGG_MESSAGE_H
#define SECAGG_MESSAGE_H

#include "base/id.h"
#include "identity/certificate.h"
#include "identity/key.h"
#include "secagg/keys.h"
#include "secagg/members.h"

#define SECAGG_MESSAGE_SIZE_MAX ((size_t)1 << 20) /* of any: the largest is a roster */

enum secagg_kind {
    SECAGG_ADVERTISE = 1,
    SECAGG_ROSTER,
    SECAGG_SHARES,
    SECAGG_BOXES,
    SECAGG_SURVIVORS,
    SECAGG_CONFIRM,
    SECAGG_CONFIRMED,
    SECAGG_UNMASK,
};
#define SECAGG_KIND_COUNT (SECAGG_UNMASK + 1)

/* "advertise", ...: as they stand in logs */
const char *secagg_kind_name(enum secagg_kind kind);

/* Which message it is, by its first bytes. fails: ST_MALFORMED */
MUST_CHECK enum status secagg_kind_of(struct view bytes, enum secagg_kind *ret);

/* The signature's domain of what a device says in this kind of message. */
const char *secagg_domain(enum secagg_kind kind);

/* What a device says of itself. */
struct secagg_entry {
    struct view certificate;
    struct secagg_public public;
    struct key_signature signature; /* over secagg_entry_signed() */
};

/* What its signature is over: configuration and keys. gives: appended to ret */
MUST_CHECK enum status secagg_entry_signed(const struct digest *config,
                                           const struct secagg_public *public, struct bytes *ret);

struct secagg_advertise {
    struct digest config;
    struct secagg_entry entry;
};

struct secagg_roster_line {
    struct id id;
    struct digest entry; /* of the entry's bytes */
};

struct secagg_neighbour {
    uint32_t rank;
    struct view entry_bytes;
    struct secagg_entry entry;
};

struct secagg_roster {
    struct digest config;
    uint32_t count;                 /* of all: 1..MEMBERS_MAX */
    struct secagg_roster_line *all; /* (count,), ids ascending, owned */
    uint32_t neighbour_count;
    struct secagg_neighbour *neighbours; /* (neighbour_count,), ranks ascending, owned: the
                                          * receiver's neighbourhood, with itself */
};

/* The digest that stands for a roster: of all its lines and the configuration. */
struct digest secagg_roster_digest(const struct digest *config,
                                   const struct secagg_roster_line *all, uint32_t count);
/* The seed of its graph. */
struct digest secagg_graph_seed(const struct digest *roster);

struct secagg_box {
    uint32_t rank;        /* shares: of whom it is for; boxes: of whom it is from */
    const uint8_t *bytes; /* SECAGG_BOX_SIZE */
};

struct secagg_shares_msg {
    struct secagg_context context;
    struct digest commitment;
    uint32_t count;
    struct view boxes; /* count of u16 rank and box, ranks ascending */
    struct view signed_part;
    struct key_signature signature;
};

struct secagg_boxes_msg {
    struct secagg_context context;
    struct members sharers; /* U2 */
    uint32_t count;
    struct view boxes;
};

/* Line i of the boxes of either; i < count. */
struct secagg_box secagg_box_at(struct view boxes, uint32_t i);

/* What the signature of a masked update is over: context and the digest of its words. */
#define SECAGG_MASKED_DOMAIN "fml-secagg-v1 masked"
MUST_CHECK enum status secagg_masked_signed(const struct secagg_context *context,
                                            const struct digest *masked, struct bytes *ret);

struct secagg_survivors {
    struct secagg_context context;
    struct members survivors; /* U3 */
};

/* What confirming signs: context, U2 and U3. gives: appended to ret */
MUST_CHECK enum status secagg_confirm_signed(const struct secagg_context *context,
                                             const struct members *sharers,
                                             const struct members *survivors, struct bytes *ret);

struct secagg_confirm {
    struct secagg_context context;
    struct key_signature signature;
};

struct secagg_confirmed {
    struct secagg_context context;
    uint32_t count;
    struct view lines; /* count of u16 rank and signature, ranks ascending */
};

uint32_t secagg_confirmed_rank(const struct secagg_confirmed *m, uint32_t i);
struct key_signature secagg_confirmed_signature(const struct secagg_confirmed *m, uint32_t i);

/* One share for each of the neighbourhood that shared, ranks ascending: of the self seed
 * of a survivor, of the mask seed of one that dropped out. */
struct secagg_unmask {
    struct secagg_context context;
    uint32_t count;
    struct view shares; /* count of u16 rank and scalar */
    struct view signed_part;
    struct key_signature signature;
};

uint32_t secagg_unmask_rank(const struct secagg_unmask *m, uint32_t i);
struct scalar secagg_unmask_share(const struct secagg_unmask *m, uint32_t i);

/* ---- decoding ---- fails: ST_LIMIT (larger than any may be), ST_MALFORMED, ST_NOMEM */

MUST_CHECK enum status secagg_advertise_decode(struct view bytes, struct secagg_advertise *ret);
/* gives: *ret, to be ended with secagg_roster_done() */
MUST_CHECK enum status secagg_roster_decode(struct view bytes, struct secagg_roster *ret);
void secagg_roster_done(struct secagg_roster *r);
MUST_CHECK enum status secagg_shares_decode(struct view bytes, struct secagg_shares_msg *ret);
MUST_CHECK enum status secagg_boxes_decode(struct view bytes, struct secagg_boxes_msg *ret);
MUST_CHECK enum status secagg_survivors_decode(struct view bytes, struct secagg_survivors *ret);
MUST_CHECK enum status secagg_confirm_decode(struct view bytes, struct secagg_confirm *ret);
MUST_CHECK enum status secagg_confirmed_decode(struct view bytes, struct secagg_confirmed *ret);
MUST_CHECK enum status secagg_unmask_decode(struct view bytes, struct secagg_unmask *ret);

/* ---- encoding ---- All append to *ret, which is empty before; fails: ST_NOMEM, ST_LIMIT */

MUST_CHECK enum status secagg_entry_encode(const struct secagg_entry *e, struct bytes *ret);
MUST_CHECK enum status secagg_advertise_encode(const struct secagg_advertise *m, struct bytes *ret);
MUST_CHECK enum status secagg_roster_encode(const struct secagg_roster *m, struct bytes *ret);
/* boxes: (count,). What is to be signed; the signature is appended by
 * secagg_append_signature(). */
MUST_CHECK enum status secagg_shares_encode(const struct secagg_context *context,
                                            const struct digest *commitment,
                                            const struct secagg_box *boxes, uint32_t count,
                                            struct bytes *ret);
MUST_CHECK enum status secagg_boxes_encode(const struct secagg_context *context,
                                           const struct members *sharers,
                                           const struct secagg_box *boxes, uint32_t count,
                                           struct bytes *ret);
MUST_CHECK enum status secagg_survivors_encode(const struct secagg_survivors *m, struct bytes *ret);
MUST_CHECK enum status secagg_confirm_encode(const struct secagg_confirm *m, struct bytes *ret);
/* ranks, signatures: (count,) */
MUST_CHECK enum status secagg_confirmed_encode(const struct secagg_context *context,
                                               const uint16_t *ranks,
                                               const struct key_signature *signatures,
                                               uint32_t count, struct bytes *ret);
/* ranks, shares: (count,). As secagg_shares_encode(). */
MUST_CHECK enum status secagg_unmask_encode(const struct secagg_context *context,
                                            const uint16_t *ranks, const struct scalar *shares,
                                            uint32_t count, struct bytes *ret);
MUST_CHECK enum status secagg_append_signature(const struct key_signature *signature,
                                               struct bytes *ret);

#endif
