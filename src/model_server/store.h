/* A folder of model versions and their index.
 *
 * A version's file is written first, the index after it: whatever the index
 * names is there, and a file that no index names never was. Both writes are
 * whole or not at all (io/file.h). Not thread-safe; one process per folder. */
#ifndef MODEL_SERVER_STORE_H
#define MODEL_SERVER_STORE_H

#include <stdbool.h>

#include <jansson.h>

#include "base/digest.h"
#include "fl/topics.h"
#include "model/model.h"

#define STORE_VERSIONS_MAX 10000u

struct store;

struct stored_version {
    struct model_ref ref;
    struct digest digest;
    uint64_t size; /* bytes */
    enum model_form form;
    struct id round_id;  /* the round that made it; empty text if none did */
    char created_at[32]; /* RFC 3339, UTC */
};

/* Opens (and makes) a folder and reads its index.
 * gives: *ret
 * fails: ST_CORRUPT (the index is damaged: nothing is served from what nobody
 *        can vouch for), ST_FULL, ST_IO, ST_NOMEM, each with a sentence */
MUST_CHECK enum status store_open(const char *folder, struct store **ret, struct why *why);

/* Adds a version; durable when it returns. version's digest and size are set here.
 * The same bytes under the same number are ST_OK and change nothing.
 * fails: ST_EXISTS (other bytes have this number), ST_LIMIT (STORE_VERSIONS_MAX),
 *        ST_FULL, ST_IO, ST_NOMEM; the store is then as it was */
MUST_CHECK enum status store_put(struct store *s, struct stored_version *version,
                                 struct view bytes);

/* Versions in the order they came. index < store_count() */
size_t store_count(const struct store *s);
const struct stored_version *store_at(const struct store *s, size_t index);
/* NULL: there is none. */
const struct stored_version *store_find(const struct store *s, const struct model_ref *ref);

/* Its bytes, checked. fails: ST_CORRUPT, ST_NOT_FOUND, ST_IO, ST_NOMEM */
MUST_CHECK enum status store_get(struct store *s, const struct stored_version *version,
                                 struct bytes *ret);

/* PROTOCOL 2.6. gives: a new object; NULL: no memory */
json_t *store_index(const struct store *s);

struct store *store_close(struct store *s);

#endif
