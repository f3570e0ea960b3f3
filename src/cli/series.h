/* A series of rounds, one after the other, driven from here: each round trains
 * on who is alive, then (if wanted) an evaluate round measures the new model. */
#ifndef CLI_SERIES_H
#define CLI_SERIES_H

#include "cli/ids.h"
#include "cli/play.h"

#define SERIES_ROUNDS_MAX   1000000u
#define SERIES_FAILURES_MAX 3u /* in a row; the default of max_failures */
#define SERIES_PREFIX_MAX   ((size_t)40)

struct series_plan {
    char prefix[SERIES_PREFIX_MAX + 1]; /* of the rounds' ids; an id */
    uint32_t rounds;                    /* 1..SERIES_ROUNDS_MAX */
    const char *image;
    const char *model;              /* as index_choose(), before the first round */
    const struct ids *participants; /* NULL: whoever is alive before each round */
    const struct ids *evaluators;   /* never train; may be empty */
    const json_t *hyperparams;      /* object; "round" is added */
    double k;                       /* below 1: fraction of the participants; else how many */
    uint32_t timeout_s;
    uint32_t grace_s;
    uint32_t max_failures; /* in a row, then the series ends */
};

/* How one round of the series went. */
struct series_row {
    uint32_t round; /* from 1 */
    struct id round_id;
    enum round_outcome outcome;
    char reason[256];        /* why it was not completed or not measured; else empty */
    uint64_t asked, counted; /* participants */
    double test_accuracy;    /* NaN: not measured */
    double test_loss;        /* NaN: not measured */
    double train_loss;       /* NaN: not reported */
    double seconds;          /* of the training round, as waited for */
    double evaluate_seconds; /* 0: not measured */
    uint64_t update_bytes;   /* of the training round's counted updates */
    uint64_t samples;
    char model_topic[FL_TOPIC_SIZE]; /* the newest model after this round */
};

/* What is under way. */
struct series_progress {
    uint32_t round;
    enum round_mode mode;
    uint64_t asked, accepted, failed;
    double seconds;
};

struct series_hooks {
    void (*on_row)(void *owner, const struct series_row *row);
    void (*on_progress)(void *owner, const struct series_progress *p);
    void *owner;
};

/* What happened in all. */
struct series_result {
    uint32_t completed;              /* rounds */
    char model_topic[FL_TOPIC_SIZE]; /* the newest model; the base if none was made */
    struct digest model_digest;
    double test_accuracy; /* the last one measured, or NaN */
    uint64_t update_bytes;
};

/* --- decisions, pure --- */

/* k for a round: a fraction is rounded up; always 1..participants. */
uint32_t series_k(double k, size_t participants);

/* Reads --k: a fraction above 0 and below 1, or a whole number from 1 up.
 * fails: ST_INVALID */
MUST_CHECK enum status series_k_parse(const char *text, double *ret, struct why *why);

/* A copy of hyperparams with "round". NULL: no memory */
json_t *series_hyperparams(const json_t *hyperparams, uint32_t round);

/* "PREFIX-r0001" for training, "PREFIX-e0001" for the evaluation after it. */
void series_round_id(const char *prefix, enum round_mode mode, uint32_t round, struct id *ret);

/* Counts failures in a row. True: the series goes on. */
bool series_goes_on(enum round_outcome outcome, uint32_t max_failures, uint32_t *failures);

/* The start of one round. base: with its digest. gives: a new object; NULL: no memory */
json_t *series_start(const struct series_plan *plan, enum round_mode mode, uint32_t round,
                     const char *model_topic, const struct digest *model_digest,
                     const struct ids *participants);

/* A row's numbers from how a round ended (the training round). */
void series_row_fill(struct series_row *row, const struct complete *complete);

/* --- the series --- */

/* Plays all rounds. A round that expires or fails is a row and the series goes on.
 * hooks: may be NULL
 * fails: ST_NOT_FOUND (base model, participants), ST_EXISTS (prefix used before),
 *        ST_CLOSED (stopped), ST_TIMEOUT (no coordinator or manager), ST_LIMIT (too
 *        many failures in a row), ST_INVALID, ST_NOMEM, with a sentence;
 *        *ret_result holds what was done up to then in each case */
MUST_CHECK enum status series_run(struct session *s, const struct series_plan *plan,
                                  const struct series_hooks *hooks,
                                  struct series_result *ret_result, struct why *why);

#endif
