/* From the bytes of the counted updates to the new parameters: the way of an update's
 * values through aggregate/, in the order of the participants' ids. */
#ifndef ROUND_COMBINE_H
#define ROUND_COMBINE_H

#include "aggregate/optimiser.h"
#include "aggregate/rule.h"
#include "model/model.h"
#include "round/hands.h"
#include "round/ledger.h"

/* What steps in the direction of the aggregate; without one, the aggregate is the next
 * version. */
struct combine_step {
    const struct optimiser *optimiser;
    struct optimiser_state state; /* overwritten by that of after the step */
};

/* Whether an update is what it was when it counted, to the last bit; few of its bytes are in
 * memory at any time. fails: ST_CORRUPT, ST_NOMEM */
MUST_CHECK enum status combine_unchanged(const struct counted *update, const struct hands *hands);

/* Puts an aggregate, or a step towards it, in the base's place at [from, to): a coordinate's
 * result depends on that coordinate of the base alone, so what is overwritten is not looked
 * at again.
 * step: may be NULL; values: (to - from,), overwritten. fails: ST_NOT_FINITE */
MUST_CHECK enum status combine_put(const struct combine_step *step, struct model *model,
                                   size_t from, size_t to, float *values);

/* Replaces the base model's parameters by the aggregate of the updates. Each update
 * has the base's names and shapes, in any order and in either form. Safetensors are
 * read where they lie, window by window: with let_go, each thread needs of each update
 * one of 64 to 256 KiB, and its edges.
 * updates: (count,) in the order of ids, at least 1, with their bytes; each with a base, or
 *          none (then all are to the model)
 * step:    may be NULL
 * hands:   may be NULL; the result does not depend on it
 * model:   the base; on failure its parameters are of no meaning
 * fails:   ST_CORRUPT (bytes that are not what they were when they counted),
 *          ST_NOT_FINITE (the result would not be), ST_INVALID (the rule cannot
 *          judge so few), ST_NOMEM; each with a sentence */
MUST_CHECK enum status combine_updates(const struct rule_settings *rule,
                                       const struct counted *updates, size_t count,
                                       const struct combine_step *step, const struct hands *hands,
                                       struct model *model, struct why *why);

#endif
