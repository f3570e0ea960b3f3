/* Files that one life of the device agent leaves for the next, and that say
 * themselves whether they are whole:
 *
 *     fml-record-1 {SHA-256 of all that follows this line}
 *     {header: a JSON object on one line}
 *     {body: any bytes}
 *
 * A record is written whole and durably or not at all, under a task's id. */
#ifndef PROPLET_RECORD_H
#define PROPLET_RECORD_H

#include "base/id.h"
#include "base/jsn.h"
#include "device/limits.h"

struct record {
    json_t *header;   /* owned */
    struct view body; /* within file */
    struct bytes file;
};

/* Durable when it returns.
 * fails: ST_NOMEM, ST_FULL, ST_IO; what was at path is then as it was */
MUST_CHECK enum status record_write(const char *path, const json_t *header, struct view body);

/* gives: *ret, to be ended with record_done()
 * fails: ST_NOT_FOUND, ST_CORRUPT (not what was written; a body of more than
 *        body_max bytes), ST_NOMEM, ST_IO */
MUST_CHECK enum status record_read(const char *path, size_t body_max, struct record *ret);

/* Of a zeroed one: nothing. */
void record_done(struct record *r);

/* {folder}/{task}{suffix}. folder: at most PROPLET_FOLDER_MAX + 16 bytes; suffix: at most 16 */
void record_path(const char *folder, const struct id *task, const char *suffix,
                 char ret_path[PROPLET_PATH_SIZE]);

/* Says of each file in the folder that is named {task}{suffix} whose it is, in any
 * order, and removes all others: what a crash left half-written. found may remove
 * the file.
 * fails: ST_IO (the folder cannot be listed) */
MUST_CHECK enum status record_list(const char *folder, const char *const *suffixes, size_t count,
                                   void (*found)(void *owner, const struct id *task, size_t suffix),
                                   void *owner);

#endif
