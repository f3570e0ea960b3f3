/* A version holds parameters and, beside them, what a server optimiser hands on: tensors
 * whose names begin with "optimiser." and the metadata "optimiser". Here, and nowhere
 * else, the two are taken apart and put together. */
#ifndef ROUND_SPLIT_H
#define ROUND_SPLIT_H

#include "model/model.h"

/* takes:  *model, which becomes the parameters alone, in their order, with all metadata
 *         but the optimiser's; on failure it is unchanged
 * gives:  *ret_state, to be ended with model_free(); NULL if there is none
 * fails:  ST_NOMEM */
MUST_CHECK enum status split_state(struct model **model, struct model **ret_state);

/* The other way: *model becomes its tensors, then those of the state, with the metadata
 * of both; on failure it is unchanged.
 * fails: ST_LIMIT (TENSORS_MAX, MODEL_PARAMS_MAX, METADATA_MAX), ST_NOMEM */
MUST_CHECK enum status join_state(struct model **model, const struct model *state);

#endif
