/* From the words of many devices to what they mean: the sum in the ring, the masks that are
 * left on it taken off, noise put on, and one mean difference out. Part by part, so that the
 * owner may share it out. Whole numbers: the same updates give the same values, in whatever
 * order. */
#ifndef PROTECT_SUM_H
#define PROTECT_SUM_H

#include "fl/metrics.h"
#include "protect/protection.h"

#define SUM_PART FTRL_BLOCK /* words of one part */

struct sum {
    const struct protection *protection;
    const struct view *words; /* (count,): each of word_count words, at any alignment */
    size_t count;             /* 1..MEMBERS_MAX if masked */
    const struct mask *masks; /* (mask_count,): those that secagg_server_masks() gave */
    size_t mask_count;
    const struct ftrl *noise; /* the coordinator's; NULL: none */
};

/* What the words behind the parameters say. */
struct sum_tail {
    double weight;    /* the divisor: of all together, in units of the largest weight */
    uint64_t samples; /* in all; devices if all weigh the same */
    uint32_t clipped; /* devices that were longer than the clip; 0 with noise: not known */
    struct metrics metrics;
};

/* fails: ST_CORRUPT (what comes out cannot be: masks, shares or an update are wrong; with a
 *        sentence), ST_NOMEM */
MUST_CHECK enum status sum_tail(const struct sum *s, struct sum_tail *ret, struct why *why);

/* The mean difference at parameters [part * SUM_PART, ...), at most SUM_PART of them.
 * weight: of sum_tail()
 * ret: (SUM_PART,) float32, the caller's; gives: *ret_count, how many
 * fails: ST_CORRUPT (a value beyond what so many devices can say), ST_NOMEM */
MUST_CHECK enum status sum_part(const struct sum *s, size_t part, double weight, float *ret,
                                size_t *ret_count);

/* Whether one update that is not masked keeps to its norm: the square of its words' norm is at
 * most square_max. words: (param_count,) of protection's words */
bool sum_is_within(const struct protection *p, struct view words);

#endif
