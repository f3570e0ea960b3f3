/* The list of certificates that no longer count (identity/revocations.h), as a file that somebody
 * puts there anew now and then. The newest list that was ever read is kept in the state folder, as
 * a record (record.h), so that an older one is refused after a restart, too: whoever holds back a
 * list, or brings back an old one, would bring back a device that was thrown out. */
#ifndef PROPLET_REVOCATION_FILE_H
#define PROPLET_REVOCATION_FILE_H

#include "device/limits.h"
#include "identity/revocations.h"

struct revocation_file;

/* Reads it for the first time.
 * path, fleet: borrowed
 * kept: the record, which need not be there, of at most PROPLET_PATH_SIZE - 1 bytes. A list of
 *       another fleet in it is as none: the device has changed its fleet
 * gives: *ret, to be ended with revocation_file_close()
 * fails: as revocation_file_read(), and ST_CORRUPT (the record is damaged), with a sentence */
MUST_CHECK enum status revocation_file_open(const char *path, const char *kept,
                                            const struct key_public *fleet,
                                            struct revocation_file **ret, struct why *why);

/* Reads it again; durable when it returns.
 * fails: ST_NOT_FOUND, ST_LIMIT, ST_MALFORMED, ST_CORRUPT (the fleet did not sign it), ST_EXISTS
 *        (older than one that was read before), ST_NOMEM, ST_FULL, ST_IO, with a sentence; the
 *        list is then as it was */
MUST_CHECK enum status revocation_file_read(struct revocation_file *f, struct why *why);

/* The newest list. Valid until the next revocation_file_read(). */
const struct revocations *revocation_file_list(const struct revocation_file *f);

/* NULL is allowed; returns NULL. */
struct revocation_file *revocation_file_close(struct revocation_file *f);

#endif
