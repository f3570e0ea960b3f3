/* The updates that count in one round, one behind the other in files that only grow:
 * one sync makes a whole batch of them durable, and where they lie they are mapped, so
 * that a round can look at all of them at its end without a copy of any.
 *
 *     {folder}/updates-0000, updates-0001, …
 *
 * What a transaction that failed has left is never looked at again; it goes with the
 * round's folder. Not thread-safe. */
#ifndef COORDINATOR_SPOOL_H
#define COORDINATOR_SPOOL_H

#include "base/bytes.h"

#define SPOOL_SEGMENT_SIZE ((uint64_t)64 << 20) /* of a file; one larger update is alone in one */
#define SPOOL_SEGMENTS_MAX 16384                /* one large update of each participant, and more */

struct spool;

/* Where an update lies. */
struct spooled {
    uint32_t segment;
    uint64_t offset, size;
};

/* In a folder that is there. What an earlier process left is mapped again.
 * gives: *ret, to be ended with spool_close(). fails: ST_LIMIT, ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status spool_open(const char *folder, struct spool **ret);

/* Writes bytes behind the others; not durable before spool_sync().
 * gives: *ret_place, and *ret_bytes, where they lie until spool_close()
 * fails: ST_FULL, ST_IO, ST_LIMIT (SPOOL_SEGMENTS_MAX), ST_NOMEM */
MUST_CHECK enum status spool_add(struct spool *s, struct view bytes, struct spooled *ret_place,
                                 struct view *ret_bytes);

/* The same for bytes that lie in a file on the same disk, whole and durable: the file
 * becomes one of the spool's, and is gone from path unless this fails. */
MUST_CHECK enum status spool_add_file(struct spool *s, const char *path, struct spooled *ret_place,
                                      struct view *ret_bytes);

/* All that was added is durable. Does nothing if nothing was. fails: ST_FULL, ST_IO */
MUST_CHECK enum status spool_sync(struct spool *s);

/* What lies at a place; the bytes may be anything, whoever reads them knows their
 * digest. fails: ST_CORRUPT (there is no such place) */
MUST_CHECK enum status spool_at(const struct spool *s, const struct spooled *place,
                                struct view *ret_bytes);

/* The memory of these bytes may go until they are read again; those that are not of this
 * spool stay as they are. May be called from any thread, but not while it grows. */
void spool_let_go(const struct spool *s, struct view bytes);

/* Removes the files of a spool that nobody has open. fails: ST_LIMIT (path too long), ST_IO */
MUST_CHECK enum status spool_remove(const char *folder);

/* NULL is allowed; returns NULL. */
struct spool *spool_close(struct spool *s);

#endif
