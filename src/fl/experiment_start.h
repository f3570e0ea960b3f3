/* A request for an experiment: many rounds, one after the other, driven by the
 * coordinator (PROTOCOL 2.8). */
#ifndef FL_EXPERIMENT_START_H
#define FL_EXPERIMENT_START_H

#include "fl/round_start.h"

/* A number of participants: below 1 the fraction of those that there are, rounded
 * up; else how many, at most as many as there are. */
struct share {
    double value; /* 0 < value <= ROUND_PARTICIPANTS_MAX; whole from 1 up; 1.0 is one */
    bool all;     /* everyone; value means nothing then */
};

/* Always 1..of. A fraction counts exactly as it is written: 0.07 of 100 is 7, although
 * the nearest double to 0.07 times 100 is a little more. of: at least 1 */
uint32_t share_of(const struct share *share, size_t of);

/* Who of the eligible trains in a round. Sampling without replacement, anew in each
 * round: McMahan et al. 2017, arXiv:1602.05629, Algorithm 1, line 4. */
struct selection {
    struct share count; /* how many are asked, but never less than min */
    uint32_t min;       /* a round waits until so many are there; 1..ROUND_PARTICIPANTS_MAX */
    uint64_t seed;      /* the same seed and the same eligible ones: the same selections; at
                         * most 2^53 */
};

enum metric_goal { METRIC_MAX, METRIC_MIN };

/* When an experiment ends before its last round. What is looked at is the metric of
 * the evaluations; without evaluations, that of the training rounds. Without a target
 * and without patience nothing ends sooner, and the best is still found. */
struct stop_rule {
    char metric[METRIC_NAME_MAX + 1];
    enum metric_goal goal;
    bool has_target;
    double target;     /* reached when the metric is as good or better */
    uint32_t patience; /* so many measurements in a row without improvement; 0: no matter */
    double min_delta;  /* at least 0; an improvement on the best is more than this */
};

struct evaluation {
    uint32_t every;          /* after each so many completed rounds, and after the last; 0: never */
    struct id *participants; /* (participant_count,), owned, all different; they never train */
    size_t participant_count; /* 0 exactly if every is 0 */
    uint32_t timeout_s;       /* 1..ROUND_TIMEOUT_S_MAX */
};

struct experiment_start {
    struct id experiment_id; /* at most EXPERIMENT_ID_MAX */
    char model_uri[FL_TOPIC_SIZE];
    struct model_ref model; /* model_uri, read */
    bool has_model_digest;
    struct digest model_digest;
    char image[256];
    json_t *hyperparams;              /* object, owned, never NULL; each round adds "round" */
    json_t *aggregation;              /* as in round_start, for each training round */
    struct compression compression;   /* the same */
    struct privacy privacy;           /* the same, of its training rounds */
    struct asynchronous asynchronous; /* nothing is carried; without grace. Then selection.count
                                       * is how many train at once, and k makes a version */
    bool alive;                       /* eligible is whoever is alive when a round begins */
    struct id *participants;  /* else these, as far as they are alive; owned, all different */
    size_t participant_count; /* 0 exactly if alive */
    struct selection selection;
    struct share k;        /* updates that close a round, of those asked */
    uint32_t rounds;       /* 1..EXPERIMENT_ROUNDS_MAX */
    uint32_t timeout_s;    /* of a training round */
    uint32_t grace_s;      /* of a training round */
    uint32_t max_failures; /* rounds in a row that were not completed; 1..EXPERIMENT_ROUNDS_MAX */
    uint32_t wait_s;       /* for `min` participants, before a round counts as failed */
    struct evaluation evaluation;
    bool has_stop;
    struct stop_rule stop;
};

/* gives: *ret, to be ended with experiment_start_done()
 * fails: as round_start_decode(), whose rule for *ret_id_if_known holds here too. Also
 *        ST_INVALID: min participants can never be there, since so many are evaluators;
 *        hyperparams of more than EXPERIMENT_HYPERPARAMS_MAX */
MUST_CHECK enum status experiment_start_decode(struct view payload, struct experiment_start *ret,
                                               struct id *ret_id_if_known, struct why *why);

/* Every field is said, also those that had their defaults, and numbers with all their
 * digits, so that two starts that mean the same are the same text and a text is read
 * as what it was written from. gives: text, to be freed with free(); NULL: no memory */
char *experiment_start_encode(const struct experiment_start *start);

void experiment_start_done(struct experiment_start *start);

/* "{experiment}-r0001" for training, "{experiment}-e0001" for the evaluation after it. */
void experiment_round_id(const struct id *experiment, enum round_mode mode, uint32_t round,
                         struct id *ret);

#endif
