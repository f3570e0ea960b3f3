/* One participant's update (PROTOCOL 2.2), in either form. */
#ifndef FL_UPDATE_H
#define FL_UPDATE_H

#include "base/digest.h"
#include "base/id.h"
#include "fl/metrics.h"
#include "fl/topics.h"
#include "model/safetensors.h"

struct update {
    struct id round_id;
    struct id proplet_id; /* empty if the body does not say */
    char base_model_uri[FL_TOPIC_SIZE];
    uint64_t num_samples; /* 1..UPDATE_SAMPLES_MAX */
    uint64_t local_steps; /* optimiser steps behind it, 1..UPDATE_STEPS_MAX; 0: it does not say */
    struct metrics metrics;
    struct model *params; /* owned; without tensors in mode evaluate */
    /* After update_read() of safetensors, instead of params: where the values lie in the
     * bytes, which it borrows. */
    struct safetensors_layout layout;
    bool differences; /* to the base model, not parameters */
};

/* What the metadata of safetensors says in `values` if they are differences. */
#define UPDATE_VALUES_DIFFERENCES "differences"

/* Why bytes are not an update; the codes of receipts (PROTOCOL 2.3). */
enum update_fault {
    UPDATE_FINE,
    UPDATE_MALFORMED,
    UPDATE_TOO_LARGE,
    UPDATE_WRONG_SHAPE,
    UPDATE_WRONG_DTYPE,
    UPDATE_NON_FINITE,
    UPDATE_BAD_NUM_SAMPLES,
    UPDATE_BAD_LOCAL_STEPS,
    UPDATE_NO_MEMORY,
};

/* Reads what an update says, and leaves the values of safetensors where they lie: they
 * may have any dtype of model/dtype.h, and may be NaN. JSON is decoded, as there is no
 * other way to know its values. For updates of any size up to MODEL_BYTES_MAX.
 * bytes: borrowed by *ret
 * gives: *ret on UPDATE_FINE, to be ended with update_done() */
MUST_CHECK enum update_fault update_read(struct view bytes, struct update *ret, struct why *why);

/* The same with a copy of the values, which are F32 and parameters.
 * gives: *ret on UPDATE_FINE, to be ended with update_done(); all values finite */
MUST_CHECK enum update_fault update_decode(struct view bytes, struct update *ret, struct why *why);

/* Appends the update in this form; texts about params are not part of it. The
 * guests write their own updates: this is for tests and tools.
 * fails: ST_LIMIT, ST_NOMEM; out is then unchanged */
MUST_CHECK enum status update_encode(const struct update *u, enum model_form form,
                                     struct bytes *out);

/* Sets the metadata that says of safetensors what u says, but for u->differences.
 * texts: a model, mostly without tensors. fails: ST_NOMEM, ST_LIMIT */
MUST_CHECK enum status update_set_facts(const struct update *u, struct model *texts);

void update_done(struct update *u);

#endif
