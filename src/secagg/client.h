/* One device in one secure aggregation: a pure state machine, messages in, messages out.
 *
 * Source: Bonawitz et al. 2017, arXiv:1611.04482, figure 4, with the parts against a
 * malicious server (signed keys, consistency check), over the graph of Bell et al. 2020,
 * ePrint 2020/704. What the coordinator sends is hostile until it was checked: a device
 * gives a share of a self seed or of a mask seed of each other device, never both, and for
 * one set of survivors only.
 *
 *     NEW ─ advertise ─▶ ADVERTISED ─ roster ─▶ SHARED ─ boxes ─▶ MASKING
 *         ─ survivors ─▶ CONFIRMED ─ confirmed ─▶ UNMASKED
 *
 * The same message once more gives the same answer, byte for byte; another one of the same
 * kind is refused. A refusal ends the client: it answers nothing any more, which the others
 * see as a drop-out. All its secrets are in memory (keys.h) and gone with it.
 *
 * Not thread-safe. */
#ifndef SECAGG_CLIENT_H
#define SECAGG_CLIENT_H

#include "identity/certificate.h"
#include "secagg/keys.h"
#include "secagg/rules.h"

/* Why a device leaves the aggregation. The name is stable: it stands in results and logs. */
enum secagg_refusal {
    SECAGG_FINE,
    SECAGG_NO_MEMORY,
    SECAGG_MALFORMED,       /* not a message, or not for here */
    SECAGG_OTHER_CONFIG,    /* about another round, or another configuration of it */
    SECAGG_OUT_OF_TURN,     /* nothing of the kind is awaited now */
    SECAGG_SECOND_ANSWER,   /* another message of a kind that was answered already */
    SECAGG_NOT_LISTED,      /* the roster does not hold this device, or not as it is */
    SECAGG_SMALL_COHORT,    /* fewer devices than the owner accepts */
    SECAGG_LOW_THRESHOLD,   /* k_of_n is too low for so many: rules.h */
    SECAGG_TOO_FEW,         /* fewer than the threshold */
    SECAGG_WRONG_GRAPH,     /* the neighbours are not those that the roster gives */
    SECAGG_BAD_CERTIFICATE, /* a neighbour's certificate does not count */
    SECAGG_BAD_SIGNATURE,   /* a neighbour did not sign what is said to be its */
    SECAGG_SAME_KEY,        /* two of the roster have one key */
    SECAGG_BAD_BOX,         /* a neighbour's box does not open */
    SECAGG_WRONG_SETS,      /* the survivors are none of those who shared, or not us */
    SECAGG_UNCONFIRMED,     /* too few confirmed the same survivors */
};
#define SECAGG_REFUSAL_COUNT (SECAGG_UNCONFIRMED + 1)
const char *secagg_refusal_name(enum secagg_refusal refusal);

/* Who this device is, and what it trusts; all borrowed, and outlive the client. */
struct secagg_self {
    struct id id;
    const struct key *key;
    struct view certificate;
    struct key_public fleet;           /* whose certificates count */
    const struct revocations *revoked; /* NULL: none is known */
    uint32_t cohort_min; /* devices in a sum, SECAGG_COHORT_MIN or more: the owner's wish */
};

struct secagg_client;

/* rules: copied. config: the digest of all that the round is about, as every device and the
 * coordinator compute it for themselves
 * gives: *ret, to be ended with secagg_client_free(). fails: ST_NOMEM */
MUST_CHECK enum status secagg_client_new(const struct secagg_self *self,
                                         const struct secagg_rules *rules,
                                         const struct digest *config, struct secagg_client **ret);

/* The first message, the same each time. Borrowed until the end. */
struct view secagg_client_advertise(const struct secagg_client *c);

/* Takes what the coordinator says.
 * now_s: seconds of Unix time, for certificates
 * gives: *ret_answer: what to send, borrowed until the next call; empty: nothing (boxes, and
 *        any refusal)
 * SECAGG_FINE, or the refusal that ended the client; SECAGG_MALFORMED, _OTHER_CONFIG,
 * _OUT_OF_TURN and _SECOND_ANSWER end nothing: whoever may write to the device's topic could
 * end it otherwise. */
MUST_CHECK enum secagg_refusal secagg_client_take(struct secagg_client *c, struct view message,
                                                  uint64_t now_s, struct view *ret_answer);

/* The refusal that ended it, and whom it blames (an empty id: nobody). */
enum secagg_refusal secagg_client_refusal(const struct secagg_client *c, struct id *ret_culprit);

/* Whether its update is to be masked now, or was. */
bool secagg_client_can_mask(const struct secagg_client *c);

/* Masks a part of the encoded update: as masks_apply(). Masking the same part twice takes
 * nothing off: the owner masks each part once. secagg_client_can_mask() must hold.
 * fails: ST_NOMEM */
MUST_CHECK enum status secagg_client_mask(const struct secagg_client *c, enum mask_word word,
                                          uint64_t first, void *words, size_t count);

/* Signs the digest of the masked words, which say that they are this device's in this round.
 * gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status secagg_client_sign(const struct secagg_client *c,
                                          const struct digest *masked, struct key_signature *ret);

/* The round's context, once the roster was accepted. */
const struct secagg_context *secagg_client_context(const struct secagg_client *c);
/* How many are in the roster; 0 before. */
uint32_t secagg_client_cohort(const struct secagg_client *c);

/* Wipes its secrets. NULL is allowed; returns NULL. */
struct secagg_client *secagg_client_free(struct secagg_client *c);

#endif
