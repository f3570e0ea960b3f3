/* Follows one experiment at the coordinator: starts it, gives each of its rows once
 * and in order whatever is missed on the way, tells what runs, waits for its end. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/experiments.h"
#include "cli/track.h"
#include "fl/experiment_start.h"

#define FOLLOW_CANCEL_MS  10000u  /* for an experiment that is being cancelled to end */
#define FOLLOW_QUIET_MS   30000u  /* without a word; then the coordinator is asked */
#define FOLLOW_SILENCE_MS 600000u /* without a word or an answer; then we give up */

/* What happened; each may be NULL. Borrowed for the call. */
struct follow_watch {
    void (*on_row)(void *owner, const struct experiment_row *row);
    /* While a round runs, at each change and about twice a second. */
    void (*on_progress)(void *owner, const struct track_round *round, double seconds);
    /* "fml-coordinator" or "the broker" does not answer; once, until it does again. */
    void (*on_quiet)(void *owner, const char *who);
    void *owner;
};

struct follow;

/* Listens. keeps: s, watch (may be NULL).
 * gives: *ret, to be ended with follow_close(). fails: ST_NOMEM, with a sentence */
MUST_CHECK enum status follow_open(struct session *s, const struct id *experiment,
                                   const struct follow_watch *watch, struct follow **ret,
                                   struct why *why);

/* Publishes the start of this experiment and waits until the coordinator has it.
 * fails: ST_EXISTS (the id was used before), ST_NOT_FOUND (image), ST_INVALID (refused),
 *        ST_TIMEOUT (no coordinator or manager), ST_CLOSED (stopped), ST_NOMEM, with a
 *        sentence */
MUST_CHECK enum status follow_start(struct follow *f, const struct experiment_start *start,
                                    struct why *why);

/* Gives all rows, from round 1 on, until the experiment has ended. After ST_CLOSED it
 * may be called again and goes on.
 * gives: *ret, the end
 * fails: ST_NOT_FOUND (the coordinator does not know it), ST_CLOSED (stopped),
 *        ST_TIMEOUT (FOLLOW_SILENCE_MS), ST_INVALID and such (answers that cannot be
 *        read), ST_NOMEM, with a sentence; the experiment is not touched by any of them */
MUST_CHECK enum status follow_wait(struct follow *f, struct experiment_state *ret, struct why *why);

/* Asks for its end and waits for that, at most FOLLOW_CANCEL_MS. Shows nothing.
 * gives: *ret, the end
 * fails: ST_INVALID (refused: unknown, or ended before), ST_TIMEOUT (it may still end),
 *        ST_CLOSED, ST_NOMEM, with a sentence */
MUST_CHECK enum status follow_cancel(struct follow *f, struct experiment_state *ret,
                                     struct why *why);

/* Listens no more; the experiment goes on. NULL is allowed; returns NULL. */
struct follow *follow_close(struct follow *f);

#endif
