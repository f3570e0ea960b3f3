/* A fleet's folder, on the machine of its owner:
 *
 *     fleet.key     the secret key (identity/identity_file.h); whoever has it makes devices
 *     fleet.pub     the public key, 64 hexadecimal digits and a line end
 *     revocations   the newest signed list (identity/revocations.h)
 *     devices       who was enrolled (cli/enrolments.h)
 *
 * One command at a time works in it; a second one waits. What is changed is on disk before the
 * call returns, and in an order in which a crash leaves nothing that counts unrecorded. */
#ifndef CLI_AUTHORITY_H
#define CLI_AUTHORITY_H

#include "cli/enrolments.h"
#include "identity/identity_file.h"

#define AUTHORITY_PATH_MAX   ((size_t)1024)
#define AUTHORITY_ENROLL_MAX 1000 /* at once */

struct authority;

/* Makes the folder, a new key, and the empty lists.
 * ret_key: the public key
 * fails: ST_EXISTS (one of its files is there: nothing is changed), ST_LIMIT (path), ST_FULL,
 *        ST_IO, ST_NOMEM, with a sentence */
MUST_CHECK enum status authority_init(const char *folder, struct key_public *ret_key,
                                      struct why *why);

/* Opens a folder to look at it; the secret key is not read.
 * folder: copied
 * gives: *ret, to be ended with authority_close()
 * fails: ST_NOT_FOUND, ST_INVALID, ST_MALFORMED, ST_CORRUPT (the list of revocations is not signed
 *        by the key), ST_LIMIT, ST_IO, ST_NOMEM, with a sentence */
MUST_CHECK enum status authority_open(const char *folder, struct authority **ret, struct why *why);

/* Reads the secret key, too, for the two calls below.
 * fails: ST_NOT_FOUND, ST_INVALID (not the key of fleet.pub) and as identity_file_decode(), with a
 *        sentence */
MUST_CHECK enum status authority_unlock(struct authority *a, struct why *why);

/* Gives certificates to devices that have none in force, and records them.
 * ids: (count,), all different, 1 to AUTHORITY_ENROLL_MAX
 * key: the one that the (single) device made; NULL: a new one for each
 * not_after: seconds of Unix time; 0: never
 * gives: ret[0..count-1], each to be ended with identity_file_done(); without a secret key if key
 *        was given
 * fails: ST_EXISTS (one has a certificate in force), ST_LIMIT, ST_FULL, ST_IO, ST_NOMEM, with a
 *        sentence; nobody is enrolled then */
MUST_CHECK enum status authority_enroll(struct authority *a, const struct id *ids, size_t count,
                                        const struct key_public *key, uint64_t not_after,
                                        struct identity_file *ret, struct why *why);

/* Revokes all certificates of a device that are not revoked yet, in a new list.
 * fails: ST_NOT_FOUND (it has none), ST_LIMIT, ST_FULL, ST_IO, ST_NOMEM, with a sentence */
MUST_CHECK enum status authority_revoke(struct authority *a, const struct id *id, struct why *why);

const struct key_public *authority_key(const struct authority *a);
const struct enrolments *authority_devices(const struct authority *a);
const struct revocations *authority_revoked(const struct authority *a);

/* NULL is allowed; returns NULL. */
struct authority *authority_close(struct authority *a);

#endif
