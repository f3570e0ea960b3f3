/* What makes a task one of learning: its environment names a round and a base
 * model (PROTOCOL 1.2, 3). Any other task is plain: it runs, and what it prints
 * is its result. Pure. */
#ifndef DEVICE_LEARNING_H
#define DEVICE_LEARNING_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/jsn.h"
#include "fl/compression.h"
#include "fl/privacy.h"
#include "fl/topics.h"

struct learning {
    struct id round;
    struct model_ref model;
    char model_topic[FL_TOPIC_SIZE];
    bool has_digest;
    struct digest digest;           /* that the base model must have */
    struct compression compression; /* of its update */
    bool evaluates; /* MODE and spec.mode (where it is) say so; anything else may train */
    bool quiet;     /* spec.privacy is there: nothing but its update may tell of the data */
    struct privacy privacy;
    uint32_t k_of_n; /* spec.round.k_of_n; 0: it does not say */
};

/* env: an object of texts; spec: an object, or NULL
 * gives: true in *ret_is and the rest in *ret; false for a plain task
 * fails: ST_INVALID (a round that is no id, a model that is no model's topic, a
 *        digest, compression, mode or privacy that cannot be read), with a sentence; both are then
 * untouched */
MUST_CHECK enum status learning_read(const json_t *env, const json_t *spec, bool *ret_is,
                                     struct learning *ret, struct why *why);

#endif
