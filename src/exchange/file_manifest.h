/* The manifest of a file, read once from end to end with one part in memory. */
#ifndef EXCHANGE_FILE_MANIFEST_H
#define EXCHANGE_FILE_MANIFEST_H

#include "transfer/manifest.h"

/* gives: *ret, to be ended with manifest_done()
 * fails: ST_NOT_FOUND, ST_INVALID (empty), ST_LIMIT (more than size_max bytes, or than
 *        PARTS_MAX parts), ST_IO (also: it changed meanwhile), ST_NOMEM */
MUST_CHECK enum status file_manifest(const char *path, uint32_t part_size, uint64_t size_max,
                                     struct manifest *ret);

#endif
