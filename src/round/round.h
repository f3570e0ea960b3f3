/* One round as a pure state machine: events and `now` in, actions out.
 *
 * It opens no socket and no file, reads no clock and never waits. The owner
 * feeds it what happened and carries out the actions it gets back, in order.
 *
 *     OPENING   the base model is awaited
 *     OPEN      updates are counted
 *     STORING   the new version was handed out and is awaited on its topic
 *     ENDED     complete was given; updates are still answered
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

#define ROUND_MODEL_WAIT_MS   10000u /* for the base model */
#define ROUND_STORE_WAIT_MS   5000u  /* for the new version; then it is published again */
#define ROUND_STORE_TRIES_MAX 6u

struct round;

enum round_state { ROUND_OPENING, ROUND_OPEN, ROUND_STORING, ROUND_ENDED };

enum round_action_kind {
    ROUND_SEND_RECEIPT,  /* receipt */
    ROUND_PUBLISH_MODEL, /* model: borrowed from the round until it has ended */
    ROUND_SEND_COMPLETE, /* complete: filled but for completed_at and the version's
                          * facts, which the owner knows */
};

struct round_action {
    enum round_action_kind kind;
    struct receipt receipt;
    const struct model *model;
    struct complete complete;
};

/* What one event led to, in the order to carry out. At most this many. */
#define ROUND_ACTIONS_MAX 4
struct round_actions {
    size_t count;
    struct round_action items[ROUND_ACTIONS_MAX];
};

/* Starts a round in OPENING. start is copied.
 * gives: *ret, to be ended with round_free(). fails: ST_NOMEM */
MUST_CHECK enum status round_new(const struct round_start *start, uint64_t now_ms,
                                 struct round **ret);

/* The base model is here. takes: base. Does nothing unless OPENING.
 * A digest other than the one the start asked for ends the round as failed.
 * fails: ST_NOMEM (the round is still OPENING; base is freed) */
MUST_CHECK enum status round_base_model(struct round *r, struct model *base,
                                        const struct digest *digest, uint64_t now_ms,
                                        struct round_actions *ret_actions);

/* Judges one update and answers it; every call gives exactly one receipt first.
 * sender:  who sent it, from the topic
 * bytes:   the update as it came; decoded here, borrowed for the call
 * An accepted one is folded into the mean before the receipt is given. When all
 * have answered, or k_of_n have and there is no grace, the round closes at once.
 * fails:   ST_NOMEM, or ST_NOT_FOUND while OPENING: no receipt, the sender repeats */
MUST_CHECK enum status round_update(struct round *r, const struct id *sender, struct view bytes,
                                    uint64_t now_ms, struct round_actions *ret_actions);

/* The version that was handed out is on its topic. Does nothing unless STORING. */
void round_stored(struct round *r, uint64_t now_ms, struct round_actions *ret_actions);

/* Ends the round before its time. Does nothing when it has ended. */
void round_cancel(struct round *r, enum round_outcome outcome, const char *reason, uint64_t now_ms,
                  struct round_actions *ret_actions);

/* Time passed: deadlines, grace, storing again. */
void round_tick(struct round *r, uint64_t now_ms, struct round_actions *ret_actions);

/* When round_tick() has something to do next; UINT64_MAX: never. */
uint64_t round_deadline_ms(const struct round *r);

enum round_state round_state(const struct round *r);
const struct round_start *round_start_of(const struct round *r);
/* Facts so far, as they would stand in `complete`. */
void round_facts(const struct round *r, uint64_t now_ms, struct complete *ret);

struct round *round_free(struct round *r);

#endif
