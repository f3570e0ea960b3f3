/* One round as a pure state machine: events and `now` in, actions out.
 *
 * It opens no socket and no file, reads no clock and never waits. The owner
 * feeds it what happened and carries out the actions it gets back, in order.
 *
 *     OPENING   the base model is awaited
 *     OPEN      updates are counted; when enough are in they are aggregated
 *     UNMASKING a masked round only: counting is over; what is left on the sum is awaited
 *     STORING   counting is over; the new version is awaited on its topic
 *     ENDED     complete was given; updates are still answered
 *
 * In mode evaluate there is no new version: OPEN is followed by ENDED.
 *
 * now_ms is any clock that never jumps, in milliseconds. Not thread-safe. */
#ifndef ROUND_ROUND_H
#define ROUND_ROUND_H

#include <stdbool.h>

#include "fl/complete.h"
#include "fl/receipt.h"
#include "fl/round_start.h"
#include "fl/update.h"
#include "model/model.h"
#include "protect/protection.h"
#include "round/hands.h"

#define ROUND_MODEL_WAIT_MS   10000u /* for the base model */
#define ROUND_STORE_WAIT_MS   5000u  /* for the new version; then it is published again */
#define ROUND_STORE_TRIES_MAX 6u

/* Why a round ended, as it stands in `complete`. The owner adds its own through
 * round_cancel(). */
#define ROUND_REASON_ALL_COUNTED      "all_counted"     /* completed */
#define ROUND_REASON_K_OF_N           "k_of_n"          /* completed */
#define ROUND_REASON_TIME             "timeout"         /* completed: asynchronous, some counted */
#define ROUND_REASON_TOO_FEW          "too_few_updates" /* expired */
#define ROUND_REASON_BASE_MISSING     "base_model_missing" /* failed, as the rest */
#define ROUND_REASON_BASE_DIGEST      "base_model_digest"
#define ROUND_REASON_BASE_EMPTY       "base_model_empty"
#define ROUND_REASON_BASE_STATE       "base_model_state" /* is no optimiser's of this round */
#define ROUND_REASON_MODEL_NOT_STORED "model_not_stored"
#define ROUND_REASON_NOT_AGGREGATED   "not_aggregated" /* the rule gives no finite model */
#define ROUND_REASON_CORRUPT          "state_corrupt"  /* an update is not what it was */
#define ROUND_REASON_NO_MEMORY        "out_of_memory"
#define ROUND_REASON_CORRUPT_SUM      "corrupt_sum"           /* protected: it does not add up */
#define ROUND_REASON_NO_PROTECTION    "protection_impossible" /* not of this base model */

struct round;

enum round_state { ROUND_OPENING, ROUND_OPEN, ROUND_UNMASKING, ROUND_STORING, ROUND_ENDED };

enum round_action_kind {
    ROUND_SEND_RECEIPT,  /* receipt */
    ROUND_UNMASK,        /* the updates that counted are those to be summed: see below */
    ROUND_PUBLISH_MODEL, /* model; the same one again until round_stored() */
    ROUND_SEND_COMPLETE, /* complete: filled but for completed_at and the version's
                          * facts (has_version, model_*), which the owner knows */
};

struct round_action {
    enum round_action_kind kind;
    struct receipt receipt;
    /* The aggregate, with the tensors, their order and the metadata of the base. The
     * same updates give the same bytes, in whatever order they came. Borrowed until the round has
     * ended. Its numbers are the round's; what it is called (name, version, lineage) is metadata,
     * and the owner sets it. */
    struct model *model;
    struct complete complete;
};

/* What one event led to, in the order to carry out. At most this many. */
#define ROUND_ACTIONS_MAX 4
struct round_actions {
    size_t count;
    struct round_action items[ROUND_ACTIONS_MAX];
};

/* Starts a round in OPENING; its time runs from here. start is copied, but for
 * the hyperparams: they are for the guests, the copy's are an empty object.
 * gives: *ret, to be ended with round_free()
 * fails: ST_NOMEM; ST_INVALID (a start that round_start_decode() would refuse: no
 *        participants or one twice, k_of_n not in 1..participants; or an aggregation
 *        that rule_read() would) */
MUST_CHECK enum status round_new(const struct round_start *start, uint64_t now_ms,
                                 struct round **ret);

/* What its aggregation may use from now on; hands->owner must outlive the round's counting. */
void round_lend(struct round *r, const struct hands *hands);

/* ---- asynchronous rounds ----
 * FedBuff (Nguyen et al. 2022, arXiv:2106.06639): k_of_n updates make a version, whatever
 * version each was trained from. Besides its own participants such a round counts those that
 * the rounds before it have not: it carries them (fl/asynchronous.h), so whoever is slow is
 * neither waited for nor lost. Its time closes it with whatever was counted. Each one counts
 * at most once in it; the updates are weighted as aggregate/weight.h says. */

/* Where the base lies of what it carries as start's asynchronous.carried[index]. All are
 * looked at when the updates are aggregated: one that is missing or not of its digest then
 * ends the round as ROUND_REASON_CORRUPT.
 * bytes: borrowed until counting is over; of digest carried[index].model_digest */
void round_carry(struct round *r, size_t index, struct view bytes);

/* The round that this one was asked in, as its update has to say, and as its receipt does: a
 * carried round, else this one. */
const struct id *round_task(const struct round *r, const struct id *participant);

/* Whether counting is not over yet: an update may still count. */
bool round_counts(const struct round *r, uint64_t now_ms);

/* Whether this one is a participant, or carried. */
bool round_takes_part(const struct round *r, const struct id *participant);

/* Those of ids whose update did not count here.
 * ids: (count,), of the start; ret: (count,). gives: how many */
size_t round_awaited(const struct round *r, const struct id *ids, size_t count, struct id *ret);

/* ---- protected rounds ----
 * With `privacy` in its start a round counts whole numbers (protect/), masked ones if it asks
 * for secure aggregation. Who takes part in that, and what is left on the sum, is between
 * the owner and the devices (secagg/server.h): the owner judges what a masked update is bound
 * to before it comes here, and is told by ROUND_UNMASK that counting is over. */

/* What follows from the start and the base model; NULL: it is not protected, or not OPEN yet. */
const struct protection *round_protection(const struct round *r);

/* The noise that the coordinator puts on the sum: before counting is over. Copied. */
void round_add_noise(struct round *r, const struct ftrl *noise);

/* Refuses an update before it is looked at.
 * verdict: not VERDICT_ACCEPTED. reason: NULL: that of the verdict */
void round_refuse(struct round *r, const struct id *sender, const struct digest *digest,
                  enum verdict verdict, const char *reason, struct round_actions *ret_actions);

/* UNMASKING: these are left on the sum of the updates that counted: secagg_server_masks().
 * masks: (count,), borrowed for the call. Does nothing in another state. */
void round_unmask(struct round *r, const struct mask *masks, size_t count, uint64_t now_ms,
                  struct round_actions *ret_actions);

/* The base model is here. takes: base. Does nothing more unless OPENING.
 * digest: of the bytes that base was decoded from
 * A digest other than the one the start asked for, or a base without parameters
 * in mode train, ends the round as failed.
 * fails: ST_NOMEM (the round is still OPENING; base is freed) */
MUST_CHECK enum status round_base_model(struct round *r, struct model *base,
                                        const struct digest *digest, uint64_t now_ms,
                                        struct round_actions *ret_actions);

/* The base model is on its way in parts: ROUND_MODEL_WAIT_MS begin anew, within the
 * round's own time. Does nothing unless OPENING. */
void round_base_coming(struct round *r, uint64_t now_ms);

/* Answers an update of which only the digest is known, if its answer does not depend on
 * anything else: as round_update() would.
 * fails: ST_NOT_FOUND (its bytes are needed). No receipt then, nothing changed */
MUST_CHECK enum status round_update_known(struct round *r, const struct id *sender,
                                          const struct digest *digest, uint64_t now_ms,
                                          struct round_actions *ret_actions);

/* Judges one update and answers it: the first action is its receipt, the only
 * one. Checked in this order; the first that does not hold gives the code:
 *
 *     the sender takes part                                   not_participant
 *     (these very bytes of this sender were counted: accepted, once more)
 *     counting is not over                                    late; asynchronous: stale
 *     nothing else of this sender was counted                 conflict
 *     the bytes are an update (update_read())                 malformed, too_large, wrong_dtype,
 *                                                             wrong_shape, bad_num_samples,
 *                                                             bad_local_steps
 *     proplet_id in the body, if there is one, is the sender  wrong_sender
 *     round_id in the body is this round (carried: that one)  wrong_round
 *     base_model_uri in the body is that round's model_uri    wrong_base_model
 *     train, weighted by fednova: it says local_steps         bad_local_steps
 *     train: names and shapes are the base model's (partial:  wrong_shape
 *            some of them are there),
 *            scales are above 0, all values finite            malformed, non_finite
 *     evaluate: there are no tensors, and                     wrong_shape
 *               there are metrics                             malformed
 *
 * Counting is over from the moment (inclusive) that round_deadline_ms() names,
 * whether or not round_tick() was called since.
 * An accepted update is counted before its receipt is given, and its parameters are
 * needed until counting is over: round_keep() must follow. Nothing of a refused one
 * is. When all have answered, or k_of_n have and there is no grace,
 * counting ends at once and the actions that follow from it come second.
 * sender: who sent it, from the topic
 * bytes:  the update as it came; decoded here, borrowed for the call
 * fails:  ST_NOMEM; ST_NOT_FOUND (OPENING, and the answer would depend on the base
 *         model). No receipt then, nothing changed: the sender repeats */
MUST_CHECK enum status round_update(struct round *r, const struct id *sender, struct view bytes,
                                    uint64_t now_ms, struct round_actions *ret_actions);

/* Where the parameters lie of the update that was accepted last; to be called before
 * anything else, in mode train. Ignored when counting is over.
 * bytes:  the update as it came, or the same values in the other form; borrowed until
 *         counting is over
 * digest: of bytes. Bytes that do not have it any more when they are aggregated end
 *         the round as ROUND_REASON_CORRUPT */
void round_keep(struct round *r, struct view bytes, const struct digest *digest);

/* Whether round_keep() must be called now. */
bool round_wants_keep(const struct round *r);

/* The version that was handed out is being taken, in parts: ROUND_STORE_WAIT_MS and the
 * tries begin anew. Does nothing unless STORING. */
void round_being_stored(struct round *r, uint64_t now_ms);

/* The version that was handed out is on its topic. Does nothing unless STORING. */
void round_stored(struct round *r, uint64_t now_ms, struct round_actions *ret_actions);

/* Ends the round before its time. Does nothing when it has ended.
 * reason: a stable code, cut at the size of complete.reason */
void round_cancel(struct round *r, enum round_outcome outcome, const char *reason, uint64_t now_ms,
                  struct round_actions *ret_actions);

/* Time passed: deadlines, grace, storing again. */
void round_tick(struct round *r, uint64_t now_ms, struct round_actions *ret_actions);

/* When round_tick() has something to do next; UINT64_MAX: never. */
uint64_t round_deadline_ms(const struct round *r);

enum round_state round_state(const struct round *r);
/* "opening", "open", "unmasking", "storing", "ended" */
const char *round_state_name(enum round_state state);
const struct round_start *round_start_of(const struct round *r);
/* Facts so far, as they would stand in `complete`; outcome and reason mean
 * something once the round has ended. Costs as much as there are participants. */
void round_facts(const struct round *r, uint64_t now_ms, struct complete *ret);
/* Of the base; 0 while it is awaited, and after the end. */
/* Whether a server optimiser makes the new version, which then holds its state. */
bool round_has_optimiser(const struct round *r);
size_t round_param_count(const struct round *r);
/* Two of them, for nothing: updates that counted, and their samples in all. */
uint64_t round_counted(const struct round *r);
uint64_t round_samples(const struct round *r);

/* ---- after a restart ----
 * An open round is fed its start, its base model and the updates that counted, each
 * at its own time, and is then what it was. */

struct round_kept {
    struct digest update; /* of the bytes that came */
    uint64_t size;        /* of the bytes that came */
    struct view bytes;    /* as in round_keep(): no second call is needed */
    struct digest digest;
};

/* Counts an update that counted before. No receipt is given, but what follows from it.
 * fails: ST_CORRUPT (it would not count; nothing changed), ST_NOMEM */
MUST_CHECK enum status round_restore_update(struct round *r, const struct id *participant,
                                            const struct round_kept *update, uint64_t now_ms,
                                            struct round_actions *ret_actions);

/* So many updates were refused with this verdict before. */
void round_restore_rejected(struct round *r, enum verdict verdict, uint64_t count);

/* An ended round, from what was kept of it; start: as in round_new()
 * complete: what was said at its end
 * gives: *ret. fails: as round_new() */
MUST_CHECK enum status round_restore_ended(const struct round_start *start,
                                           const struct complete *complete, struct round **ret);

/* This update was counted in a round from round_restore_ended().
 * fails: ST_INVALID (not a participant, or counted already), ST_NOMEM */
MUST_CHECK enum status round_restore_counted(struct round *r, const struct id *participant,
                                             const struct digest *update);

/* NULL is allowed; returns NULL. */
struct round *round_free(struct round *r);

#endif
