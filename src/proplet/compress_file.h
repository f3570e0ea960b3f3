/* A guest's update file made smaller (compress/compress.h), in turns of the loop and with
 * little of it in memory. */
#ifndef PROPLET_COMPRESS_FILE_H
#define PROPLET_COMPRESS_FILE_H

#include "fl/compression.h"

struct compress_file;

struct compress_files {
    const char *base, *update;
    const char *before; /* what was left out before; NULL or not there: nothing. One that cannot
                         * be read is removed */
    const char *out;    /* is made */
    const char *after;  /* what is left out is made there, with top_k; NULL: it is not wanted */
};

/* files: borrowed for the call; all on disks of ours, and not changed meanwhile
 * gives: *ret, to be ended with compress_file_free()
 * fails: as compress_new(), ST_FULL, ST_IO; no file is left then */
MUST_CHECK enum status compress_file_new(const struct compress_files *files,
                                         const struct compression *how, uint64_t seed,
                                         struct compress_file **ret, struct why *why);

/* Goes on for a part that no heartbeat waits for.
 * gives: *ret_done: true when both files are whole, and `after` is durable
 * fails: as compress_step(), ST_FULL, ST_IO; both files are gone then */
MUST_CHECK enum status compress_file_step(struct compress_file *f, bool *ret_done, struct why *why);

/* Before it is done: both files go. NULL is allowed; returns NULL. */
struct compress_file *compress_file_free(struct compress_file *f);

#endif
