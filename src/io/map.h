/* A file's bytes without a copy: for files too large to be held in memory.
 *
 * The kernel brings in what is looked at and drops it when memory is short. The file
 * must not be cut while it is mapped (that would end the process): only files in a
 * folder of our own, which are replaced by a rename and never changed. */
#ifndef IO_MAP_H
#define IO_MAP_H

#include "base/bytes.h"

/* gives: *ret, at least 1 byte, to be ended with map_close()
 * fails: ST_NOT_FOUND, ST_INVALID (empty), ST_LIMIT (more than size_max bytes),
 *        ST_NOMEM, ST_IO (also: not a regular file) */
MUST_CHECK enum status map_open(const char *path, uint64_t size_max, struct view *ret);

/* Makes a file of a size, or empties one, to be written where it is mapped; its room on the
 * disk is had at once. size: at least 1
 * gives: *ret, (size,), zeros, the file's; to be ended with map_close() after map_sync(), if
 *        it is to last
 * fails: ST_FULL, ST_NOMEM, ST_IO; no file is left then */
MUST_CHECK enum status map_create(const char *path, size_t size, uint8_t **ret);

/* What was written there is durable when it returns; that the file has its name is not.
 * fails: ST_FULL, ST_IO */
MUST_CHECK enum status map_sync(uint8_t *mapped, size_t size);

/* The memory of a part may go until it is looked at again, when it is read from the file
 * once more.
 * mapped: from map_open() or map_create(), or any map of a file; part: within it
 * May be called from any thread. */
void map_let_go(struct view mapped, struct view part);

/* Leaves *v empty. An empty one needs no end. */
void map_close(struct view *v);

#endif
