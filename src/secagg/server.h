/* The coordinator's side of one secure aggregation: a pure state machine.
 *
 * Source: Bonawitz et al. 2017, arXiv:1611.04482, figure 4; Bell et al. 2020, ePrint
 * 2020/704. It sees public keys, closed boxes, masked updates and, at the end, for each
 * device one of its two seeds: enough for the sum and for nothing else.
 *
 *     ADVERTISING   who is there, with which keys               -> the roster, U1
 *     SHARING       who dealt shares to its neighbours          -> U2
 *     MASKING       whose masked update is here                 -> U3
 *     CONFIRMING    who signed U2 and U3
 *     UNMASKING     who gave its shares
 *     DONE          secagg_server_masks() says what is to be taken off the sum
 *     FAILED        too few were left
 *
 * The owner closes a phase when all have answered or when its time is over. What it keeps
 * is enough to make the same machine again: every accepted message in its order, every
 * close in its place, and the clock that each was taken at. Not thread-safe. */
#ifndef SECAGG_SERVER_H
#define SECAGG_SERVER_H

#include "secagg/message.h"
#include "secagg/rules.h"

enum secagg_phase {
    SECAGG_ADVERTISING,
    SECAGG_SHARING,
    SECAGG_MASKING,
    SECAGG_CONFIRMING,
    SECAGG_UNMASKING,
    SECAGG_DONE,
    SECAGG_FAILED,
};
const char *secagg_phase_name(enum secagg_phase phase);

/* What became of a message. The name is stable: it stands in logs and counts. */
enum secagg_verdict {
    SECAGG_ACCEPTED,
    SECAGG_REPEATED, /* the very same was accepted before */
    SECAGG_V_NO_MEMORY,
    SECAGG_V_MALFORMED,
    SECAGG_V_NOT_PARTICIPANT,
    SECAGG_V_OTHER_CONFIG,    /* about another round, or this device was told another one */
    SECAGG_V_OUT_OF_TURN,     /* too early, or too late */
    SECAGG_V_CONFLICT,        /* another one of this sender was accepted */
    SECAGG_V_BAD_CERTIFICATE, /* its certificate does not count, or names another */
    SECAGG_V_BAD_SIGNATURE,   /* not signed by the sender */
    SECAGG_V_SAME_KEY,        /* another's key */
    SECAGG_V_WRONG_SETS,      /* not the lines that it has to have */
};
#define SECAGG_VERDICT_COUNT (SECAGG_V_WRONG_SETS + 1)
const char *secagg_verdict_name(enum secagg_verdict verdict);

struct secagg_server;

/* rules: they hold for so many (secagg_rules_check()). config: as secagg_client_new().
 * participants: (count,), all different, any order; copied
 * gives: *ret, to be ended with secagg_server_free(). fails: ST_NOMEM */
MUST_CHECK enum status secagg_server_new(const struct secagg_rules *rules,
                                         const struct digest *config,
                                         const struct key_public *fleet,
                                         const struct id *participants, size_t count,
                                         struct secagg_server **ret);

enum secagg_phase secagg_server_phase(const struct secagg_server *s);

/* A device's message.
 * sender: from the topic. now_s: seconds of Unix time, for certificates. revoked: NULL: none
 * is known, or it was looked at before */
MUST_CHECK enum secagg_verdict secagg_server_take(struct secagg_server *s, const struct id *sender,
                                                  struct view message, uint64_t now_s,
                                                  const struct revocations *revoked);

/* Whether this one's masked update may come, in MASKING: it dealt its shares. */
bool secagg_server_expects(const struct secagg_server *s, const struct id *sender);

/* What a masked update says of itself. It changes nothing: SECAGG_ACCEPTED means that
 * secagg_server_count() may follow.
 * masked: the digest of its words */
MUST_CHECK enum secagg_verdict secagg_server_judge(const struct secagg_server *s,
                                                   const struct id *sender,
                                                   const struct secagg_context *context,
                                                   const struct digest *masked,
                                                   const struct key_signature *signature);
/* Its masked update is here, in MASKING, and belongs to the sum. */
void secagg_server_count(struct secagg_server *s, const struct id *sender);

/* Whether waiting longer brings nothing: all that can have answered in this phase, or, from
 * CONFIRMING on, as many as everybody needs. */
bool secagg_server_is_settled(const struct secagg_server *s);

/* Ends the phase; the next one begins, or it has FAILED. Not to be called in DONE or FAILED. */
void secagg_server_close(struct secagg_server *s);

/* What this device is to be told in this phase, and again until it answers.
 * gives: *ret, empty before. fails: ST_NOT_FOUND (nothing), ST_NOMEM, ST_LIMIT */
MUST_CHECK enum status secagg_server_message(const struct secagg_server *s, const struct id *device,
                                             struct bytes *ret);
/* Whether it is awaited in this phase, and has not answered. */
bool secagg_server_awaits(const struct secagg_server *s, const struct id *device);

/* The context that devices' masked updates are bound to, from SHARING on. */
const struct secagg_context *secagg_server_context(const struct secagg_server *s);

/* In how many sets somebody is, so far: U1, U2, U3, and those who confirmed and unmasked. */
struct secagg_counts {
    uint32_t advertised, shared, masked, confirmed, unmasked;
};
struct secagg_counts secagg_server_counts(const struct secagg_server *s);

/* In DONE: all masks that are left on the sum of the survivors' updates, with the sign that
 * takes them off.
 * gives: *ret, (*ret_count,), to be freed with sodium_free()
 * fails: ST_CORRUPT (shares that do not give what their owner advertised: *ret_culprit is
 *        that owner; it, or those who gave shares of it, lied), ST_NOMEM */
MUST_CHECK enum status secagg_server_masks(const struct secagg_server *s, struct mask **ret,
                                           size_t *ret_count, struct id *ret_culprit);

/* NULL is allowed; returns NULL. */
struct secagg_server *secagg_server_free(struct secagg_server *s);

#endif
