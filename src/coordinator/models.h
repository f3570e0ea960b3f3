/* What the coordinator knows of models: the bytes of the recent ones, and the
 * highest version of each name.
 *
 * The bytes are a bounded cache (MODELS_CACHED_MAX, MODELS_CACHED_BYTES_MAX); the
 * one that was needed longest ago goes first, and can be asked for at the broker
 * again. Whoever needs a model decodes its own. Not thread-safe. */
#ifndef COORDINATOR_MODELS_H
#define COORDINATOR_MODELS_H

#include "base/bytes.h"
#include "base/digest.h"
#include "fl/topics.h"

struct models;

/* gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status models_new(struct models **ret);

/* Keeps a copy. Bytes that are there already are replaced.
 * fails: ST_LIMIT (larger than the whole cache), ST_NOMEM; nothing is kept then */
MUST_CHECK enum status models_put(struct models *m, const struct model_ref *ref, struct view bytes,
                                  const struct digest *digest);

/* Borrowed until the next models_put(). False: not in the cache. */
bool models_get(struct models *m, const struct model_ref *ref, struct view *ret_bytes,
                struct digest *ret_digest);

void models_drop(struct models *m, const struct model_ref *ref);

/* This version exists somewhere.
 * fails: ST_LIMIT (MODEL_NAMES_MAX other names are known) */
MUST_CHECK enum status models_note(struct models *m, const struct model_ref *ref);

/* False: no version of this name is known. */
bool models_highest(const struct models *m, const struct id *name, uint64_t *ret_version);

struct models *models_free(struct models *m);

#endif
