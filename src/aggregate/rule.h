/* The rules of aggregation by name, their settings and ranges, and which of them make
 * sense together: what a round's start is checked with, before anybody trains.
 *
 * In a round's start: "aggregation": {"rule": "trimmed_mean", "trim": 0.1}
 *
 * | rule             | settings                | of n updates at least          |
 * |------------------|-------------------------|--------------------------------|
 * | mean             | weighting               | 1                              |
 * | median           |                         | 3                              |
 * | trimmed_mean     | trim                    | so many that it drops one      |
 * | krum             | byzantine               | 2 byzantine + 3                |
 * | multi_krum       | byzantine, keep         | the same, and keep + byzantine |
 * | geometric_median | smoothing, iterations,  | 3                              |
 * |                  | weighting               |                                |
 * | norm_bound       | bound, weighting        | 1                              |
 *
 * Papers and limits are in rank.h, krum.h, geometric.h, differences.h, weight.h. */
#ifndef AGGREGATE_RULE_H
#define AGGREGATE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum rule {
    RULE_MEAN,
    RULE_MEDIAN,
    RULE_TRIMMED_MEAN,
    RULE_KRUM,
    RULE_MULTI_KRUM,
    RULE_GEOMETRIC_MEDIAN,
    RULE_NORM_BOUND,
};
#define RULE_COUNT 7

/* What an update weighs. */
enum weighting {
    WEIGHTING_EQUAL,     /* all the same */
    WEIGHTING_SAMPLES,   /* examples that it was trained on */
    WEIGHTING_FEDNOVA,   /* samples, and differences divided by local steps */
    WEIGHTING_STALENESS, /* all the same, less the older its base is (FedBuff) */
};
#define WEIGHTING_COUNT 4

#define RULE_TRIM_MAX       0.49
#define RULE_ITERATIONS_MAX 100

struct rule_settings {
    enum rule rule;
    enum weighting weighting;
    double trim;         /* share dropped at each end, above 0 up to RULE_TRIM_MAX */
    uint32_t byzantine;  /* f: how many may send anything */
    uint32_t keep;       /* m: updates that Multi-Krum keeps, 1 to n - f */
    double bound;        /* of a difference's norm, 1e-9..1e9 */
    double smoothing;    /* 1e-12..1 */
    uint32_t iterations; /* 1..RULE_ITERATIONS_MAX */
    bool partial;        /* updates may lack tensors, mean only: see partial.h. Who owns the
                          * round looks at it; aggregation_new() wants whole ones */
};

/* What a round is like, as far as rules care. */
struct rule_round {
    size_t updates_min;  /* it may end with so many: k_of_n; at least 1 */
    size_t participants; /* and with so many at most */
    bool partial;        /* updates may lack tensors */
    bool asynchronous;   /* updates may be to different bases */
    bool masked;         /* only the sum of updates is seen (secure aggregation) */
};

/* "mean", "median", ... as in the table above. */
const char *rule_name(enum rule rule);
/* "equal", "samples", "fednova", "staleness" */
const char *weighting_name(enum weighting weighting);

/* fails: ST_NOT_FOUND; why names those that there are */
MUST_CHECK enum status rule_named(const char *name, enum rule *ret_rule, struct why *why);
MUST_CHECK enum status weighting_named(const char *name, enum weighting *ret_weighting,
                                       struct why *why);

/* Where a start says no more than the rule: weighting by samples for mean,
 * geometric_median and norm_bound, else equal; trim 0.1; iterations 3, smoothing
 * 1e-6. byzantine, keep and bound are 0: nobody but the owner of a round knows them,
 * and rule_check() asks for what the rule needs. */
struct rule_settings rule_defaults(enum rule rule);

/* Whether a round may be aggregated so. Settings that the rule has no use for are not
 * looked at, but for the weighting.
 * fails: ST_INVALID (a setting out of its range, too few updates for the rule, or
 *        things that do not go together), ST_LIMIT (too many participants for the
 *        rule); why says what is wrong and what would be right */
MUST_CHECK enum status rule_check(const struct rule_settings *s, const struct rule_round *r,
                                  struct why *why);

/* How many values of n a trim drops at each end: trim * n, rounded down (but 0.29 of
 * 100 is 29, which no product in binary gives). Twice that is below n. */
size_t rule_trim(double trim, size_t n);

#endif
