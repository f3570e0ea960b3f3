/* The manifest of a file, read once from end to end with one part in memory: all at
 * once, or in steps for who must not be held up. */
#ifndef EXCHANGE_FILE_MANIFEST_H
#define EXCHANGE_FILE_MANIFEST_H

#include "transfer/manifest.h"

/* gives: *ret, to be ended with manifest_done()
 * fails: ST_NOT_FOUND, ST_INVALID (empty), ST_LIMIT (more than size_max bytes, or than
 *        PARTS_MAX parts), ST_IO (also: it changed meanwhile), ST_NOMEM */
MUST_CHECK enum status file_manifest(const char *path, uint32_t part_size, uint64_t size_max,
                                     struct manifest *ret);

struct manifest_job;

/* The file is open from now on, and may be renamed.
 * gives: *ret, to be ended with manifest_job_free()
 * fails: as file_manifest() */
MUST_CHECK enum status manifest_job_new(const char *path, uint32_t part_size, uint64_t size_max,
                                        struct manifest_job **ret);

/* Reads on as long as *budget is above 0, and takes the bytes off it.
 * gives: *ret_done: true when all was read. fails: ST_IO, ST_NOMEM */
MUST_CHECK enum status manifest_job_step(struct manifest_job *j, int64_t *budget, bool *ret_done);

/* Once done: borrowed until manifest_job_free(). */
const struct manifest *manifest_job_result(const struct manifest_job *j);

/* NULL is allowed; returns NULL. */
struct manifest_job *manifest_job_free(struct manifest_job *j);

#endif
