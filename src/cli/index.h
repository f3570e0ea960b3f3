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
    uint64_t size;                            /* bytes */
    char form[16];                            /* "json", "safetensors" */
    char round_id[ID_SIZE_MAX + 1];           /* empty: made outside of a round */
    char created_at[40];                      /* as sent; may be empty */
    char parent[FL_TOPIC_SIZE];               /* topic of the base; empty: not said */
    uint64_t contributors, samples;           /* 0: not said */
    char metrics[MODEL_METRICS_SIZE_MAX + 1]; /* JSON object; empty: none */
    bool deleted;                             /* only its record is left */
};

/* What points at a version. */
struct index_channel {
    struct id model, name;
    uint64_t version;
};

/* A zeroed index is empty. */
struct model_index {
    struct index_model *models; /* (count,), oldest first, owned */
    size_t count;
    struct index_channel *channels; /* (channel_count,), owned */
    size_t channel_count;
};

/* gives: *ret, to be ended with index_done()
 * fails: ST_LIMIT, ST_MALFORMED, ST_INVALID, ST_NOMEM, with a sentence */
MUST_CHECK enum status index_decode(struct view payload, struct model_index *ret, struct why *why);

/* NULL if there is none on this topic. */
const struct index_model *index_find(const struct model_index *index, const char *topic);
/* The one that was stored last, or NULL. */
const struct index_model *index_newest(const struct model_index *index);
/* What a round starts from if nothing else is said: the version that channel
 * `latest` of the newest model's name points at, or (no channel) the newest. */
const struct index_model *index_default(const struct model_index *index);
/* "fl/models/NAME_vN", "NAME_vN", "NAME@CHANNEL", "sha256:" and at least 8 digits of
 * a digest, or of the newest model's name a version "N" or "vN" or "@CHANNEL"; text
 * NULL is index_default(). NULL if there is none, more than one, or its bytes were
 * deleted. */
const struct index_model *index_choose(const struct model_index *index, const char *text);

/* "latest, stable": the channels that point at a model, cut at size; "" if none. */
void index_channels_of(const struct model_index *index, const struct index_model *model,
                       char *ret_text, size_t size);

void index_done(struct model_index *index);

/* Asks the broker for the index. fails: as index_decode(), ST_NOT_FOUND (there is
 * none: no model server has been here), ST_CLOSED, each with a sentence */
MUST_CHECK enum status index_fetch(struct session *s, struct model_index *ret, struct why *why);

/* Asks for the index and chooses from it, as index_choose().
 * fails: ST_NOT_FOUND (no such model), as index_fetch(), each with a sentence */
MUST_CHECK enum status index_fetch_choice(struct session *s, const char *text,
                                          struct index_model *ret, struct why *why);

#endif
