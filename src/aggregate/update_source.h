/* From an update's bytes to the source that aggregate/ works on. The same on the day it
 * is judged and on the day it is aggregated. */
#ifndef AGGREGATE_UPDATE_SOURCE_H
#define AGGREGATE_UPDATE_SOURCE_H

#include "aggregate/source.h"
#include "fl/update.h"

struct update_source {
    struct piece *pieces; /* (piece_count,), owned; into the update's bytes, or decoded */
    size_t piece_count;
    struct model *decoded; /* owned: the values of JSON, in the base's order; else NULL */
    const float *base;     /* NULL: parameters; else what the values are differences to */
};

/* base: the model that the update is for; borrowed, as is what u borrows, until
 *       update_source_done()
 * partial: safetensors may lack tensors of base, but not all
 * takes: u's params
 * gives: *ret, which has each tensor of base (partial: some) in its shape; the values may
 *        be NaN
 * fails: ST_SHAPE (another set of tensors, another shape), ST_INVALID (a scale that is
 *        none), ST_NOMEM; each with a sentence */
MUST_CHECK enum status update_source_of(const struct model *base, bool partial, struct update *u,
                                        struct update_source *ret, struct why *why);

/* It as a source of this participant; borrows s. weight: as in struct source */
struct source update_source_as(const struct update_source *s, const struct id *participant,
                               double weight);

/* Of a zeroed one: nothing. */
void update_source_done(struct update_source *s);

#endif
