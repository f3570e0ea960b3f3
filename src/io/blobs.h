/* A folder of files named by the SHA-256 of their content.
 *
 * A blob never changes, so a write that is repeated is no write, and a read
 * that is not what its name says is ST_CORRUPT and never handed out. */
#ifndef IO_BLOBS_H
#define IO_BLOBS_H

#include <stdbool.h>

#include "base/digest.h"

struct blobs;

/* Opens (and makes) a folder; sweeps away what a crash left half-written. gives: *ret. fails:
 * ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status blobs_open(const char *folder, struct blobs **ret);

/* Durable when it returns. ret_digest may be NULL. fails: ST_FULL, ST_IO, ST_NOMEM */
MUST_CHECK enum status blobs_put(struct blobs *b, struct view bytes, struct digest *ret_digest);

/* fails: ST_NOT_FOUND, ST_LIMIT (larger than size_max), ST_CORRUPT, ST_NOMEM, ST_IO */
MUST_CHECK enum status blobs_get(struct blobs *b, const struct digest *d, size_t size_max,
                                 struct bytes *ret);

bool blobs_has(struct blobs *b, const struct digest *d);

/* The file's path, whether it exists or not. fails: ST_LIMIT (path too long) */
MUST_CHECK enum status blobs_path(struct blobs *b, const struct digest *d, char *ret_path,
                                  size_t size);

/* Nothing there is fine. fails: ST_IO */
MUST_CHECK enum status blobs_remove(struct blobs *b, const struct digest *d);

struct blobs *blobs_close(struct blobs *b);

#endif
