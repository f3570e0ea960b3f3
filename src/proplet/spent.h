/* What this device's updates have spent of its privacy, over all rounds with noise that it ever
 * sent one to: the device's own account, which no coordinator can set back. A record
 * (record.h) in the state folder. */
#ifndef PROPLET_SPENT_H
#define PROPLET_SPENT_H

#include "device/limits.h"
#include "dp/rdp.h"

struct spent {
    char path[PROPLET_PATH_SIZE + 16];
    uint64_t releases;
    struct rdp rdp;
};

/* Reads path, which need not be there: nothing was spent. One that is damaged is not taken for
 * nothing, or whoever damages it could begin anew.
 * path: at most PROPLET_PATH_SIZE + 15 bytes
 * fails: ST_CORRUPT, ST_NOMEM, ST_IO, with a sentence that says what to do */
MUST_CHECK enum status spent_open(struct spent *s, const char *path, struct why *why);

/* What it would be with this: epsilon at delta. fails: ST_INVALID (delta) */
MUST_CHECK enum status spent_with(const struct spent *s, const struct rdp *more, double delta,
                                  double *ret_epsilon);

/* Adds it. To be called before the update leaves: it is durable when it returns, so no crash
 * makes it less than it was.
 * fails: ST_NOMEM, ST_FULL, ST_IO; all is then as it was */
MUST_CHECK enum status spent_add(struct spent *s, const struct rdp *more);

#endif
