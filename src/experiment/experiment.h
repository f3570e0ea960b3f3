/* One experiment as a pure state machine: which round comes next, who takes part,
 * and when it is over. Events and `now` in, actions out, as in round/round.h.
 *
 *     CHOOSING    who is there is awaited (the answer to EXPERIMENT_ASK_ROSTER)
 *     RUNNING     a round runs, to train or to evaluate
 *     DONE        the last EXPERIMENT_SAY_STATE was given
 *
 * It opens no round by itself: the owner does, and tells how it ended. All that it
 * has to remember is struct experiment_memory; the owner stores it in the same
 * transaction as what the actions lead to, and a restart goes on from there. */
#ifndef EXPERIMENT_EXPERIMENT_H
#define EXPERIMENT_EXPERIMENT_H

#include "fl/experiment_report.h"
#include "fl/experiment_start.h"

#define EXPERIMENT_ROSTER_WAIT_MS  5000u /* for an answer; then it is asked for again */
#define EXPERIMENT_ROSTER_AGAIN_MS 500u  /* after an answer with too few */

/* Why an experiment ended. */
#define EXPERIMENT_REASON_ROUNDS   "all_rounds"           /* completed */
#define EXPERIMENT_REASON_TARGET   "target_reached"       /* completed */
#define EXPERIMENT_REASON_PATIENCE "no_improvement"       /* completed */
#define EXPERIMENT_REASON_FAILURES "too_many_failures"    /* failed */
#define EXPERIMENT_REASON_REFUSED  "round_refused"        /* failed */
#define EXPERIMENT_REASON_REQUEST  "cancelled_by_request" /* cancelled */

/* Why a row has no training or no evaluation; also EXPERIMENT_REASON_REFUSED. */
#define EXPERIMENT_ROW_TOO_FEW      "too_few_participants"
#define EXPERIMENT_ROW_NO_EVALUATOR "no_evaluator"

struct experiment;

enum experiment_action_kind {
    EXPERIMENT_ASK_ROSTER,   /* who is alive? experiment_roster() is the answer */
    EXPERIMENT_START_ROUND,  /* start: borrowed until the next call */
    EXPERIMENT_CANCEL_ROUND, /* round_id: the one that runs */
    EXPERIMENT_SAY_ROW,      /* row */
    EXPERIMENT_SAY_STATE,    /* state, but for `at`; phase DONE: it is the last action of all */
};

struct experiment_action {
    enum experiment_action_kind kind;
    const struct round_start *start;
    struct id round_id;
    struct experiment_row row;
    struct experiment_state state;
};

#define EXPERIMENT_ACTIONS_MAX 3
struct experiment_actions {
    size_t count;
    struct experiment_action items[EXPERIMENT_ACTIONS_MAX];
};

/* How it ends, in this order of rank when several hold: cancelled; the target is reached;
 * max_failures rounds in a row; all rounds are over (failed as EXPERIMENT_REASON_FAILURES
 * if none was completed); patience. A round that could not begin counts as one. */

/* Begins: the first round's participants are to be chosen.
 * takes: *start (zeroed), on success
 * gives: *ret, to be ended with experiment_free(). fails: ST_NOMEM */
MUST_CHECK enum status experiment_new(struct experiment_start *start, uint64_t now_ms,
                                      struct experiment **ret, struct experiment_actions *actions);

/* Who is alive, in any order. Ignored unless CHOOSING. A round starts if enough of the
 * eligible are there (experiment/selection.h); else it is asked again, until wait_s is
 * over. Trained is on the newest model, and the round is closed by `k` of those asked.
 * An evaluation waits for all of its participants until its time is over (at most an
 * hour, after the first answer) and is completed by one.
 * An asynchronous experiment's round goes on with those who still train: it carries them,
 * asks only as many others as are missing of selection.count, and also starts if that is
 * nobody. Then `k` is of both together. Those whom it carries and who are not alive may
 * count, but nothing is expected of them, unless nobody else is there.
 * alive:   (count,), borrowed
 * carries: whose updates the next training round may still count, borrowed; NULL: nobody's
 * fails: ST_NOMEM (nothing changed; ask again at the next tick) */
MUST_CHECK enum status experiment_roster(struct experiment *x, const struct id *alive, size_t count,
                                         const struct asynchronous *carries, uint64_t now_ms,
                                         struct experiment_actions *ret_actions);

/* A round that it started has ended. Ignored if it is not the one that runs, so it may
 * be told as often as one likes. */
void experiment_round_ended(struct experiment *x, const struct complete *complete, uint64_t now_ms,
                            struct experiment_actions *ret_actions);

/* The round from EXPERIMENT_START_ROUND could not be opened. Ignored unless a round runs.
 * for_now: it is tried again after EXPERIMENT_ROSTER_AGAIN_MS (too many are open);
 *          else the experiment fails as EXPERIMENT_REASON_REFUSED */
void experiment_round_refused(struct experiment *x, bool for_now, uint64_t now_ms,
                              struct experiment_actions *ret_actions);

/* Ends it: cancels the round that runs, and is DONE when that has ended, or at once if
 * none runs. Does nothing when it is DONE or being cancelled. reason: a code */
void experiment_cancel(struct experiment *x, const char *reason, uint64_t now_ms,
                       struct experiment_actions *ret_actions);

/* Time passed: asks again, gives up waiting. After experiment_restore() it asks at once,
 * and waits for an answer also if wait_s is over meanwhile; if the round that runs is
 * to be cancelled, it says so again. */
void experiment_tick(struct experiment *x, uint64_t now_ms, struct experiment_actions *ret_actions);

/* When experiment_tick() has something to do next; UINT64_MAX: never. */
uint64_t experiment_deadline_ms(const struct experiment *x);

const struct experiment_start *experiment_start_of(const struct experiment *x);

/* Where it is: as EXPERIMENT_SAY_STATE would say now, but for `at`. */
void experiment_state_now(const struct experiment *x, uint64_t now_ms,
                          struct experiment_state *ret);

/* The round that runs. False: none does */
bool experiment_round_now(const struct experiment *x, struct id *ret);

/* ---- what has to be remembered ---- */

enum experiment_stage {
    EXPERIMENT_CHOOSING_TRAIN,
    EXPERIMENT_TRAINING,
    EXPERIMENT_CHOOSING_EVALUATE,
    EXPERIMENT_EVALUATING,
    EXPERIMENT_ENDED,
};

struct experiment_memory {
    enum experiment_stage stage;
    uint64_t started_ms;       /* when the experiment began */
    uint64_t stage_ms;         /* when this stage began */
    char cancelling[64];       /* why, while the end of the round is awaited; else empty */
    uint32_t failures;         /* in a row */
    uint32_t since_best;       /* measurements without improvement */
    uint32_t trained;          /* the last training round that was opened and ended; 0: none */
    struct experiment_row row; /* of the round under way, as far as it is known */
    struct experiment_state state;
};

/* Borrowed; changes with each event. */
const struct experiment_memory *experiment_memory(const struct experiment *x);

/* Reads what was written, to the last bit of each number.
 * gives: text, to be freed with free(); NULL: no memory */
char *experiment_memory_encode(const struct experiment_memory *memory);
MUST_CHECK enum status experiment_memory_decode(struct view text, struct experiment_memory *ret,
                                                struct why *why);

/* An experiment as it was. In a CHOOSING stage it asks for the roster again at the
 * next experiment_tick(); in TRAINING and EVALUATING the owner, who has the round,
 * tells its end, also if that came before.
 * now_ms of later calls: of the same clock as before, which did not jump back
 * takes: *start (zeroed), on success
 * fails: ST_NOMEM; ST_INVALID (memory of another one, or that it could not have) */
MUST_CHECK enum status experiment_restore(struct experiment_start *start,
                                          const struct experiment_memory *memory,
                                          struct experiment **ret);

/* NULL is allowed; returns NULL. */
struct experiment *experiment_free(struct experiment *x);

#endif
