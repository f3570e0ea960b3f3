/* The index of stored models (PROTOCOL 2.6), and models themselves, as the
 * model server keeps them at the broker. */
#ifndef CLI_INDEX_H
#define CLI_INDEX_H

#include "base/digest.h"
#include "cli/session.h"
#include "fl/topics.h"

#define INDEX_MODELS_MAX ((size_t)100000)
#define INDEX_WAIT_MS    3000u

struct index_model {
    struct model_ref ref;
    char topic[FL_TOPIC_SIZE];
    struct digest digest;
    uint64_t size;                  /* bytes */
    char form[16];                  /* "json", "safetensors" */
    char round_id[ID_SIZE_MAX + 1]; /* empty: made outside of a round */
    char created_at[40];            /* as sent; may be empty */
};

/* A zeroed index is empty. */
struct model_index {
    struct index_model *models; /* (count,), oldest first, owned */
    size_t count;
};

/* gives: *ret, to be ended with index_done()
 * fails: ST_LIMIT, ST_MALFORMED, ST_INVALID, ST_NOMEM, with a sentence */
MUST_CHECK enum status index_decode(struct view payload, struct model_index *ret, struct why *why);

/* NULL if there is none on this topic. */
const struct index_model *index_find(const struct model_index *index, const char *topic);
/* The one that was stored last, or NULL. */
const struct index_model *index_newest(const struct model_index *index);
/* "fl/models/NAME_vN", "NAME_vN", or a version "N" or "vN" of the newest model's
 * name; NULL if there is none. */
const struct index_model *index_choose(const struct model_index *index, const char *text);

void index_done(struct model_index *index);

/* Asks the broker for the index. fails: as index_decode(), ST_NOT_FOUND (there is
 * none: no model server has been here), ST_CLOSED, each with a sentence */
MUST_CHECK enum status index_fetch(struct session *s, struct model_index *ret, struct why *why);

/* Fetches a model's bytes and checks their digest.
 * fails: ST_NOT_FOUND, ST_CORRUPT, ST_CLOSED, ST_NOMEM, with a sentence */
MUST_CHECK enum status index_fetch_model(struct session *s, const struct index_model *model,
                                         struct bytes *ret, struct why *why);

/* Hands a version to the model server and waits until it is in the index.
 * gives: *ret_model, as it stands there
 * fails: ST_EXISTS (other bytes under this version), ST_INVALID (refused),
 *        ST_TIMEOUT (no model server), ST_CLOSED, ST_NOMEM, with a sentence */
MUST_CHECK enum status index_publish(struct session *s, const struct model_ref *ref,
                                     struct view bytes, struct index_model *ret_model,
                                     struct why *why);

#endif
