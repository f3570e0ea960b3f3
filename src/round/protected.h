/* The aggregate of a protected round: from the words of the updates that counted to the new
 * parameters, the way of protect/sum.h. */
#ifndef ROUND_PROTECTED_H
#define ROUND_PROTECTED_H

#include "protect/sum.h"
#include "round/combine.h"

struct protected_sum {
    const struct protection *protection;
    const struct mask *masks; /* (mask_count,): left on the sum; none if it is not masked */
    size_t mask_count;
    const struct ftrl *noise; /* the coordinator's; NULL: none */
};

/* Replaces the base model's parameters by base + mean difference, or by a step towards it.
 * updates: (count,) those that masks are about, with their bytes
 * step, hands: as combine_updates()
 * gives: what the words behind the parameters say
 * fails: ST_CORRUPT (an update is not what it was, or the sum cannot be right),
 *        ST_NOT_FINITE, ST_NOMEM; each with a sentence; the model is then of no meaning */
MUST_CHECK enum status protected_combine(const struct protected_sum *s,
                                         const struct counted *updates, size_t count,
                                         const struct combine_step *step, const struct hands *hands,
                                         struct model *model, struct sum_tail *ret_tail,
                                         struct why *why);

#endif
