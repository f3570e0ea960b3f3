/* What is promised to each device, as it is kept beside a model version and told to people.
 * A promise without its unit, its adjacency and its accountant is none. */
#ifndef DP_GUARANTEE_H
#define DP_GUARANTEE_H

#include "base/jsn.h"

#include "dp/rdp.h"

enum guarantee_mechanism {
    GUARANTEE_GAUSS,       /* one discrete Gaussian on the sum: gauss.h */
    GUARANTEE_DISTRIBUTED, /* a share of it from each device: distributed.h */
    GUARANTEE_TREE,        /* correlated over rounds: ftrl.h */
};
#define GUARANTEE_MECHANISMS 3

/* The unit is always one device with all of its data, the adjacency always zero-out: that
 * device's updates against zeros in their place. */
struct guarantee {
    enum guarantee_mechanism mechanism;
    double z;            /* noise multiplier, RDP_Z_MIN..RDP_Z_MAX */
    double clip;         /* L2, above 0 and finite; the last one if it is adaptive */
    double q;            /* Poisson sampling, above 0, at most 1; 1 for none */
    uint32_t releases;   /* so far, 0..RDP_RELEASES_MAX */
    double epsilon;      /* at least 0, finite */
    double delta;        /* RDP_DELTA_MIN..1, without 1 */
    uint32_t accountant; /* RDP_VERSION of when it was counted, at least 1 */
};

/* "gauss", "distributed", "tree". */
const char *guarantee_mechanism_name(enum guarantee_mechanism mechanism);

/* fails: ST_INVALID (a value out of its range, or a NaN; why names it) */
MUST_CHECK enum status guarantee_check(const struct guarantee *g, struct why *why);

/* One line for people, without a newline:
 *   "epsilon 1.712 at delta 1e-05 for each device with all of its data (its updates or zeros
 *   in their place), after 100 releases with gauss noise 1.1 and clip 0.5, sampled with
 *   probability 0.01; accountant 1"
 * epsilon is rounded up. g: passes guarantee_check() */
#define GUARANTEE_TEXT_SIZE 320
void guarantee_text(const struct guarantee *g, char ret_text[GUARANTEE_TEXT_SIZE]);

/* As a JSON object of mechanism, unit ("device"), adjacency ("zero-out"), z, clip, q,
 * releases, epsilon, delta and accountant. Write it with jsn_text_exact(): the doubles are
 * then read back as they were.
 * gives: a new reference; NULL: no memory */
json_t *guarantee_encode(const struct guarantee *g);

/* fails: ST_INVALID (a field that is missing, of another type or out of range; another unit
 *        or adjacency, which would be another promise) */
MUST_CHECK enum status guarantee_decode(const json_t *object, struct guarantee *ret,
                                        struct why *why);

#endif
