/* One round from start to end: publishes the start, then shows what happens
 * until the coordinator says how it ended. */
#ifndef CLI_PLAY_H
#define CLI_PLAY_H

#include "cli/session.h"
#include "cli/task_event.h"
#include "fl/complete.h"
#include "fl/receipt.h"
#include "fl/round_start.h"

/* What happened; each may be NULL. Borrowed for the call. */
struct play_watch {
    void (*on_task)(void *owner, const struct task_event *e);
    void (*on_receipt)(void *owner, const struct receipt *r);
    /* About twice a second while the round runs. */
    void (*on_wait)(void *owner);
    void *owner;
};

/* Checks a start as the coordinator would, so that a mistake is named at once.
 * gives: *ret, to be ended with round_start_done(). fails: as round_start_decode() */
MUST_CHECK enum status play_check(const json_t *start, struct round_start *ret, struct why *why);

/* Publishes a start that was checked and does not wait for the round. */
MUST_CHECK enum status play_start(struct session *s, const json_t *start, struct why *why);

/* Publishes a start that was checked and waits for the round's end, at most as
 * long as a coordinator that lives could need.
 * watch: may be NULL
 * gives: *ret, whatever the outcome was
 * fails: ST_TIMEOUT (no coordinator, or it never came back), ST_EXISTS (the round
 *        id was used before), ST_NOT_FOUND (image), ST_INVALID (refused), ST_CLOSED (stopped),
 * ST_NOMEM, with a sentence */
MUST_CHECK enum status play_round(struct session *s, const json_t *start,
                                  const struct play_watch *watch, struct complete *ret,
                                  struct why *why);

#endif
