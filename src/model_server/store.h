/* The versions on disk: files {name}_v{N}.json or .safetensors in one folder,
 * exactly as they were published, and index.json, which says what they are.
 *
 * A version is there when the index says so, and it never changes. The file is
 * durable before the index is, and each is written whole or not at all, so after
 * a crash there is at most a file too many. A file whose bytes are not those of
 * the index is never handed out. Not thread-safe. */
#ifndef MODEL_SERVER_STORE_H
#define MODEL_SERVER_STORE_H

#include "base/bytes.h"
#include "base/digest.h"
#include "fl/topics.h"
#include "model/model_file.h"

struct store;

struct version {
    struct model_ref ref;
    enum model_form form;
    struct id round_id;  /* that made it; empty: none */
    char created_at[32]; /* RFC 3339, UTC; for people */
    uint64_t size;
    struct digest digest;
    uint64_t ordinal; /* the n-th of its name to be stored, from 1 */
};

/* Opens a folder and makes it if need be. No index.json is an empty store.
 * gives: *ret, to be ended with store_close()
 * fails: ST_CORRUPT (index.json is not what we write), ST_NOMEM, ST_FULL, ST_IO,
 *        with a sentence */
MUST_CHECK enum status store_open(const char *folder, struct store **ret, struct why *why);

/* Oldest first, index < store_count(). Borrowed until the next store_add(). */
size_t store_count(const struct store *s);
const struct version *store_at(const struct store *s, size_t index);
/* NULL: there is none. */
const struct version *store_find(const struct store *s, const struct model_ref *ref);
/* The one stored last of this name, NULL: none. */
const struct version *store_newest(const struct store *s, const struct id *name);

/* Adds a version; durable when it returns. The very same bytes again are fine: a
 * damaged file is then written anew, and nothing else changes.
 * facts:  ref, form, round_id, created_at; the rest is found out here
 * ret:    borrowed as above
 * fails:  ST_EXISTS (the version has other bytes, or a file that is not in the
 *         index has its name), ST_LIMIT (MODEL_VERSIONS_MAX; or a path too long),
 *         ST_FULL, ST_IO, ST_NOMEM; the store is then as it was */
MUST_CHECK enum status store_add(struct store *s, const struct version *facts, struct view bytes,
                                 const struct version **ret);

/* Reads one version, checked.
 * fails: ST_CORRUPT (not the bytes that were stored), ST_NOT_FOUND (the file is
 *        gone), ST_NOMEM, ST_IO */
MUST_CHECK enum status store_read(const struct store *s, const struct version *v,
                                  struct bytes *ret);

/* What index.json holds and fl/models/index says (PROTOCOL 2.6).
 * gives: text, to be freed with free(); NULL: no memory */
char *store_index(const struct store *s);

struct store *store_close(struct store *s);

#endif
