/* From the privacy that is wanted to the noise that it takes. */
#ifndef DP_PLAN_H
#define DP_PLAN_H

#include <stdint.h>

#include "base/status.h"

#define PLAN_EPSILON_MIN  0.01
#define PLAN_EPSILON_MAX  1000.0
#define PLAN_DELTA_MIN    1e-15
#define PLAN_DELTA_MAX    0.1
#define PLAN_RELEASES_MAX ((uint32_t)1000000)

struct plan {
    double epsilon;    /* to be held, PLAN_EPSILON_MIN..PLAN_EPSILON_MAX */
    double delta;      /* PLAN_DELTA_MIN..PLAN_DELTA_MAX */
    double q;          /* Poisson sampling, above 0, at most 1; 1 for none (see rdp.h) */
    uint32_t releases; /* that a device may be in, in all: 1..PLAN_RELEASES_MAX */
};

/* fails: ST_INVALID (out of range, or a NaN; why names the value) */
MUST_CHECK enum status plan_check(const struct plan *p, struct why *why);

/* The smallest noise multiplier z (sigma / sensitivity) with which rdp_epsilon() after all
 * releases is at most epsilon, to 1e-9 of itself and from above; RDP_Z_MIN if less would do.
 * The accountant is the one that the releases are then counted with, also for a single one
 * (analytic.h would need less noise, but its sums do not add). Noise that devices share adds
 * what distributed.h counts: nothing to speak of where a share is of three whole numbers.
 * fails: ST_INVALID (as plan_check()), ST_LIMIT (no z up to RDP_Z_MAX is enough) */
MUST_CHECK enum status plan_noise(const struct plan *p, double *ret_z, struct why *why);

#endif
