/* The versions on disk: files {name}_v{N}.json or .safetensors in one folder,
 * exactly as they were published, and index.json, which holds a record of each
 * version, the channels and the history (records.h).
 *
 * A version is there when the index says so, and it never changes: its digest is
 * in its record, and a file with other bytes is never handed out. The file is
 * durable before the index is, and each is written whole or not at all. One write
 * of the index carries a record, the pointer that moves with it and the line of
 * history, so after a crash there is at most a file too many. Nothing is removed
 * from the history, and no record either: of a deleted version only the bytes go,
 * after the index says so. Not thread-safe. */
#ifndef MODEL_SERVER_STORE_H
#define MODEL_SERVER_STORE_H

#include <limits.h>

#include "base/bytes.h"
#include "model_server/records.h"

struct store;

/* Opens a folder, makes it if need be, and sweeps what a crash left. No index.json is an empty
 * store. One of a release that knew no channels is read: `latest` is then the last one stored.
 * gives: *ret, to be ended with store_close()
 * fails: ST_CORRUPT (index.json is not what we write), ST_NOMEM, ST_FULL, ST_IO,
 *        with a sentence */
MUST_CHECK enum status store_open(const char *folder, struct store **ret, struct why *why);

/* ---- versions ---- */

/* Oldest first, index < store_count(), deleted ones too. Borrowed until the next
 * store_add(). */
size_t store_count(const struct store *s);
const struct version *store_at(const struct store *s, size_t index);
/* Deleted ones too. NULL: there is none. */
const struct version *store_find(const struct store *s, const struct model_ref *ref);
/* One that has these bytes and was not deleted, NULL: none. */
const struct version *store_find_bytes(const struct store *s, const struct digest *d);
/* The one stored last of this name, NULL: none. */
const struct version *store_newest(const struct store *s, const struct id *name);

/* Adds a version and moves the name's channel `latest` to it; durable when it
 * returns. The very same bytes again are fine: a damaged file is then written anew,
 * and nothing else changes.
 * facts:  ref, form, created_at and the lineage; the rest is found out here
 * ret:    borrowed as above
 * fails:  ST_EXISTS (the version has other bytes, or a file that is not in the
 *         index has its name), ST_NOT_FOUND (it was deleted), ST_LIMIT
 *         (MODEL_VERSIONS_MAX, MODEL_CHANNELS_MAX, MODEL_INDEX_SIZE_MAX; or a path too
 *         long), ST_FULL, ST_IO, ST_NOMEM; the store is then as it was */
MUST_CHECK enum status store_add(struct store *s, const struct version *facts, struct view bytes,
                                 const struct version **ret);

/* One version's bytes, checked, without a copy of them.
 * gives: *ret, to be ended with map_close()
 * fails: ST_CORRUPT (not the bytes that were stored), ST_NOT_FOUND (the file is
 *        gone, or was deleted), ST_NOMEM, ST_IO */
MUST_CHECK enum status store_read(const struct store *s, const struct version *v, struct view *ret);

/* The path of a version's file, for who reads or offers it. fails: ST_LIMIT */
MUST_CHECK enum status store_path(const struct store *s, const struct version *v,
                                  char ret[PATH_MAX]);

/* Whether a version could be added whose bytes are not here yet, as far as that can be
 * known before they are.
 * v: ref, form, size and digest
 * gives: *ret_there: it is in the store, with its bytes as they should be
 * fails: as store_add() */
MUST_CHECK enum status store_expect(const struct store *s, const struct version *v,
                                    bool *ret_there);

/* Deletes the bytes of versions and records that; no channel may point at one.
 * chosen: (store_count(s),)
 * what:   at, who, why; the rest is found out here
 * fails:  ST_LIMIT (MODEL_EVENTS_MAX), ST_FULL, ST_IO, ST_NOMEM; the store is then as
 *         it was */
MUST_CHECK enum status store_delete(struct store *s, const bool *chosen, const struct event *what);

/* ---- channels ---- */

/* In the order of their making. Borrowed until the next change. */
size_t store_channel_count(const struct store *s);
const struct channel *store_channel_at(const struct store *s, size_t index);
/* NULL: there is none. */
const struct channel *store_channel(const struct store *s, const struct id *model,
                                    const struct id *channel);
bool store_is_pointed_at(const struct store *s, const struct version *v);

/* Points a channel at a version, and makes it if there is none. Where it points
 * already, nothing happens.
 * what:  all but has_from and from, which are found out here
 * fails: ST_NOT_FOUND (no such version, or deleted), ST_LIMIT (MODEL_CHANNELS_MAX,
 *        MODEL_EVENTS_MAX), ST_FULL, ST_IO, ST_NOMEM; the store is then as it was */
MUST_CHECK enum status store_move(struct store *s, const struct event *what);

/* ---- history ---- */

/* Oldest first. Borrowed until the next change. */
size_t store_event_count(const struct store *s);
const struct event *store_event_at(const struct store *s, size_t index);

/* What fl/models/index says (PROTOCOL 2.6): versions and channels.
 * gives: text, to be freed with free(); NULL: no memory */
char *store_index(const struct store *s);

struct store *store_close(struct store *s);

#endif
