/* How many training rounds this device has ever taken part in: one number in the state folder,
 * a record (record.h), for the owner who allows only so many. */
#ifndef PROPLET_ROUNDS_TAKEN_H
#define PROPLET_ROUNDS_TAKEN_H

#include "base/status.h"
#include "device/limits.h"

struct rounds_taken {
    char path[PROPLET_PATH_SIZE];
    uint64_t count;
};

/* Reads path, which need not be there: none was taken. One that is damaged is not taken for
 * none, or whoever damages it could begin anew.
 * path: at most PROPLET_PATH_SIZE - 1 bytes
 * fails: ST_CORRUPT, ST_NOMEM, ST_IO, with a sentence that says what to do */
MUST_CHECK enum status rounds_taken_open(struct rounds_taken *r, const char *path, struct why *why);

/* One more. To be called before its guest runs: it is durable when it returns, so no crash
 * makes it less than it was; one in between may make it one more.
 * fails: ST_NOMEM, ST_FULL, ST_IO; the count is then as it was */
MUST_CHECK enum status rounds_taken_add(struct rounds_taken *r);

#endif
