/* What is said of an experiment while it runs and at its end (PROTOCOL 2.8). */
#ifndef FL_EXPERIMENT_REPORT_H
#define FL_EXPERIMENT_REPORT_H

#include "fl/complete.h"

/* One round of an experiment is over, with its evaluation if it had one. */
struct experiment_row {
    struct id experiment_id;
    uint32_t round; /* from 1 */
    bool has_train; /* false: it could not begin; reason says why */
    struct complete train;
    bool has_evaluate; /* an evaluation began and has ended, however */
    struct complete evaluate;
    char reason[64];                 /* a code when something is missing; else empty */
    char model_topic[FL_TOPIC_SIZE]; /* the newest model after this round */
};

char *experiment_row_encode(const struct experiment_row *row); /* free(); NULL: no memory */
json_t *experiment_row_to_json(const struct experiment_row *row);
/* object: parsed with the limits of base/jsn.h. fails: ST_INVALID; *ret is then untouched */
MUST_CHECK enum status experiment_row_from_json(const json_t *object, struct experiment_row *ret,
                                                struct why *why);
MUST_CHECK enum status experiment_row_decode(struct view payload, struct experiment_row *ret,
                                             struct why *why);

/* The whole experiment: where it is, or how it ended. */
enum experiment_phase { EXPERIMENT_RUNNING, EXPERIMENT_DONE };

struct experiment_state {
    struct id experiment_id;
    enum experiment_phase phase;
    enum round_outcome outcome;      /* DONE: completed, failed or cancelled */
    char reason[64];                 /* DONE: a code, see experiment/experiment.h */
    uint32_t round;                  /* the one under way; DONE: the last that has a row, or 0 */
    uint32_t rounds;                 /* how many at most */
    uint32_t completed;              /* training rounds that made a version */
    char model_topic[FL_TOPIC_SIZE]; /* the newest model; the base if none was made */
    bool has_model_digest;           /* always once a version was made */
    struct digest model_digest;
    uint64_t update_bytes;  /* of counted updates, in all its rounds */
    struct metrics metrics; /* the last measured, as for the stop rule; may be empty */
    bool has_best;          /* with a stop rule, once its metric was measured */
    double best;
    uint32_t best_round;
    char best_model_topic[FL_TOPIC_SIZE];
    uint64_t duration_ms;
    char at[32]; /* RFC 3339, UTC: when this was said */
};

char *experiment_state_encode(const struct experiment_state *state); /* free(); NULL: no memory */
json_t *experiment_state_to_json(const struct experiment_state *state);
MUST_CHECK enum status experiment_state_from_json(const json_t *object,
                                                  struct experiment_state *ret, struct why *why);
MUST_CHECK enum status experiment_state_decode(struct view payload, struct experiment_state *ret,
                                               struct why *why);

#endif
