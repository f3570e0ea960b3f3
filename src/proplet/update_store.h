/* Updates on disk, from before they are first sent until they are settled: one
 * record for each task, its bytes whole and durable, found out if damaged.
 *
 *     {folder}/{task}.update     {folder}/{task}.blob     {folder}.clock
 *
 * A record holds the message as it is sent. Of a large update that is a reference, and
 * the update itself is the blob beside it.
 *
 * Times are lasting ones (lasting_clock.h): they go on over restarts. */
#ifndef PROPLET_UPDATE_STORE_H
#define PROPLET_UPDATE_STORE_H

#include "base/digest.h"
#include "fl/topics.h"
#include "device/limits.h"

struct update_store;

struct kept_update {
    struct id task;
    struct id round;
    char topic[FL_TOPIC_SIZE]; /* where it is sent */
    struct digest digest;      /* of the update */
    uint64_t size;             /* the same, in bytes */
    bool in_blob;
    uint64_t since_ms, until_ms;           /* kept, and to be kept; lasting times */
    uint64_t wall_ms, cpu_ms, peak_rss_kb; /* what its task took */
};

/* Makes the folder, and removes half-written files.
 * folder: at most PROPLET_FOLDER_MAX + 16 bytes
 * gives: *ret, to be ended with update_store_close(). fails: ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status update_store_open(const char *folder, const char *boot_id, uint64_t now_ms,
                                         struct update_store **ret);

/* What is there, in any order; u is NULL for one that is damaged, which is removed.
 * One that cannot be read for now (ST_NOMEM, ST_IO) stays for the next life and is
 * logged. fails: ST_IO */
MUST_CHECK enum status update_store_list(struct update_store *s,
                                         void (*found)(void *owner, const struct id *task,
                                                       const struct kept_update *u),
                                         void *owner, uint64_t now_ms);

/* Durable when it returns. u->until_ms - u->since_ms is at most UPDATE_KEPT_MS_MAX.
 * fails: ST_EXISTS (an update of this task is there: no task has two), ST_NOMEM,
 *        ST_FULL, ST_IO; nothing is left then */
MUST_CHECK enum status update_store_put(struct update_store *s, const struct kept_update *u,
                                        struct view bytes);

/* The same for one that is too large for a message: the file at path becomes its blob.
 * u->in_blob is true. reference: what is sent, which refers to u->digest and u->size
 * fails: as above, and the file at path may be gone */
MUST_CHECK enum status update_store_put_file(struct update_store *s, const struct kept_update *u,
                                             const char *path, struct view reference);

/* Where its blob is. u->in_blob is true */
void update_store_blob(const struct update_store *s, const struct id *task,
                       char ret[PROPLET_PATH_SIZE]);

/* What is sent of it, verified. gives: *ret, what it held is freed
 * fails: ST_NOT_FOUND, ST_CORRUPT, ST_NOMEM, ST_IO */
MUST_CHECK enum status update_store_get(struct update_store *s, const struct kept_update *u,
                                        struct bytes *ret);

/* Nothing there is fine. */
void update_store_remove(struct update_store *s, const struct id *task);

/* The lasting time. */
uint64_t update_store_ms(const struct update_store *s, uint64_t now_ms);
/* Saves the time, so that a reboot does not give back what has passed since. Once
 * in each life at least, or that of a restart would not count. */
void update_store_checkpoint(struct update_store *s, uint64_t now_ms);

struct update_store *update_store_close(struct update_store *s);

#endif
