/* What the store remembers: versions, channels that point at them, and the
 * history of every move. And their form as JSON, in the store's file and on the
 * topics (PROTOCOL 2.6). Pure. */
#ifndef MODEL_SERVER_RECORDS_H
#define MODEL_SERVER_RECORDS_H

#include <jansson.h>

#include "base/digest.h"
#include "base/id.h"
#include "fl/topics.h"
#include "model/model_file.h"

#define RECORD_TIME_SIZE 32 /* RFC 3339, UTC; for people. As clock_text() */

#define CHANNEL_LATEST "latest" /* each publication moves it */

struct version {
    struct model_ref ref;
    enum model_form form;
    char created_at[RECORD_TIME_SIZE];
    uint64_t size;
    struct digest digest;
    uint64_t ordinal; /* the n-th of its name to be stored, from 1 */
    /* Where it comes from, as its publisher says. */
    struct id round_id; /* empty: none */
    bool has_parent;
    struct model_ref parent;
    uint64_t contributors, samples;           /* 0: not said */
    char metrics[MODEL_METRICS_SIZE_MAX + 1]; /* JSON object of numbers; empty: none */
    /* Its bytes are gone and only this record is left; empty: they are there. */
    char deleted_at[RECORD_TIME_SIZE];
};

static inline bool version_is_deleted(const struct version *v)
{
    return v->deleted_at[0] != '\0';
}

struct channel {
    struct id model, name;
    uint64_t version;
    char moved_at[RECORD_TIME_SIZE];
    char why[MODEL_REASON_MAX + 1];
};

enum event_kind { EVENT_PUBLISHED, EVENT_POINTED, EVENT_ROLLED_BACK, EVENT_DELETED };

/* One line of the history. */
struct event {
    enum event_kind kind;
    struct id model;
    struct id channel; /* empty when deleted */
    bool has_from;     /* false: the channel did not exist, or deleted */
    uint64_t from;
    uint64_t to; /* when deleted: the version that is gone */
    char at[RECORD_TIME_SIZE];
    char who[ID_SIZE_MAX + 1]; /* as they call themselves */
    char why[MODEL_REASON_MAX + 1];
};

/* "published", "pointed", "rolled_back", "deleted" */
const char *event_kind_name(enum event_kind kind);

/* Keeps the first of the metrics that fit into a record. object: numbers by name */
void version_set_metrics(struct version *v, const json_t *object);

/* gives: a new reference; NULL: no memory */
json_t *version_to_json(const struct version *v);
json_t *channel_to_json(const struct channel *c);
json_t *event_to_json(const struct event *e);

/* We wrote it, but the disk may have changed it. *ret is untouched on failure.
 * fails: ST_INVALID with a sentence, ST_NOMEM */
MUST_CHECK enum status version_from_json(const json_t *object, struct version *ret,
                                         struct why *why);
MUST_CHECK enum status channel_from_json(const json_t *object, struct channel *ret,
                                         struct why *why);
MUST_CHECK enum status event_from_json(const json_t *object, struct event *ret, struct why *why);

#endif
