/* How a round protects its updates: `privacy` of a start (PROTOCOL 2.1), which reaches the
 * devices in the task's `spec`. Read and written here; what goes with what, and whether the
 * numbers have room, is for protect/protection.h. */
#ifndef FL_PRIVACY_H
#define FL_PRIVACY_H

#include <stdbool.h>

#include "base/jsn.h"

#define PRIVACY_METRICS_MAX  8
#define PRIVACY_PHASE_S      10 /* by default */
#define PRIVACY_PHASE_S_MAX  3600
#define PRIVACY_CLIP         10.0 /* by default, without noise */
#define PRIVACY_CLIP_MIN     1e-6
#define PRIVACY_CLIP_MAX     1e6
#define PRIVACY_SAMPLES_MAX  ((uint32_t)1 << 20)
#define PRIVACY_DELTA        1e-5 /* by default */
#define PRIVACY_RELEASES_MAX ((uint32_t)1000000)

/* Where the noise is made. */
enum privacy_noise {
    PRIVACY_NO_NOISE,
    PRIVACY_CENTRAL,     /* by the coordinator, on the sum */
    PRIVACY_DISTRIBUTED, /* by each device, a share */
    PRIVACY_TREE,        /* by the coordinator, correlated over the rounds of a run */
};
/* "none", "central", "distributed", "tree" */
const char *privacy_noise_name(enum privacy_noise noise);

/* A metric that is summed like the update: its mean is known, and no device's own. */
struct privacy_metric {
    char name[METRIC_NAME_MAX + 1];
    double low, high; /* values beyond are cut to these; finite, low < high */
};

/* All numbers have at most 9 significant digits: others are rounded to them when read.
 * A zeroed one is none: updates go as they are. */
struct privacy {
    bool is_on;
    /* secure_aggregation: the coordinator sees the sum only */
    bool is_masked;
    bool is_curious;     /* "server":"curious"; else "malicious" */
    uint32_t neighbours; /* even; 0: by the number of devices */
    uint32_t bits;       /* of a word: 32 or 64 */
    uint32_t phase_s;    /* how long the coordinator waits in each phase, 1..PRIVACY_PHASE_S_MAX */
    /* what a device may say at most */
    double clip;          /* L2 norm of its difference to the base */
    double scale;         /* whole numbers to one unit; 0: by clip and bits */
    uint32_t samples_max; /* weighted by samples, up to so many; 0: all weigh the same */
    size_t metric_count;  /* in the order of their names, which is that of their sums */
    struct privacy_metric metrics[PRIVACY_METRICS_MAX];
    /* noise: differential privacy */
    enum privacy_noise noise;
    double multiplier; /* standard deviation on the sum over what one device moves it */
    double delta;
    double epsilon;    /* what all releases together may spend; 0: only counted */
    uint32_t releases; /* PRIVACY_TREE: rounds of the run; else 0 */
};

/* Reads the field `privacy`; none if it is absent.
 * fails: ST_INVALID (also: a field that it does not have: a misspelt one would be a
 *        protection that is not there), with a sentence */
MUST_CHECK enum status privacy_read(const json_t *object, struct privacy *ret, struct why *why);

/* Sets the field, unless it is none. 0, or -1 without memory; object may be NULL then. */
int privacy_set(json_t *object, const struct privacy *p);

/* One line for people: "secure aggregation (malicious server), clip 10", "differential
 * privacy (distributed noise 1.1, delta 1e-05), clip 1", "none". */
#define PRIVACY_TEXT_SIZE 160
void privacy_text(const struct privacy *p, char ret_text[PRIVACY_TEXT_SIZE]);

#endif
