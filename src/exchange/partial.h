/* A blob's file that is not whole yet: `{path}.part`, of the full size from the
 * beginning, into which parts are written where they belong. When all are there and
 * the digest of the whole is right, it is made durable and renamed to path.
 *
 * After a crash the file is looked through again: a part is there if its bytes have
 * its digest. So nothing else has to be kept about it. */
#ifndef EXCHANGE_PARTIAL_H
#define EXCHANGE_PARTIAL_H

#include "transfer/manifest.h"
#include "transfer/plan.h"

struct partial;

/* m: borrowed until partial_close()
 * gives: *ret. fails: ST_FULL, ST_IO, ST_LIMIT (path too long), ST_NOMEM */
MUST_CHECK enum status partial_open(const char *path, const struct manifest *m, uint32_t window,
                                    struct partial **ret);

/* Which parts to ask for; what was left behind counts as missing until partial_check()
 * came by. */
struct plan *partial_plan(struct partial *p);

/* True while an old file has to be looked through before anything is asked for. */
bool partial_is_scanning(const struct partial *p);

/* Writes one part. One that is there already is ST_OK and ignored.
 * fails: ST_INVALID (no such part), ST_CORRUPT (not its bytes), ST_FULL, ST_IO */
MUST_CHECK enum status partial_write(struct partial *p, uint32_t part, struct view bytes);

/* Checks more bytes, as long as *budget is above 0, and takes them off it: looks
 * through an old file, and takes what is there into the digest of the whole. When
 * everything is in it the file gets its name.
 * gives: *ret_done: true when it has its name
 * fails: ST_CORRUPT (all parts are right and the whole is not), ST_FULL, ST_IO */
MUST_CHECK enum status partial_check(struct partial *p, int64_t *budget, bool *ret_done);

/* Whether partial_check() has something to do now. */
bool partial_has_more(const struct partial *p);

uint64_t partial_bytes_there(const struct partial *p);

/* remove: what is not whole is removed. NULL is allowed; returns NULL. */
struct partial *partial_close(struct partial *p, bool remove);

#endif
