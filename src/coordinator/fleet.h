/* Whose devices may aggregate securely: the fleet's public key and its list of revocations, as
 * `fml fleet init` and `fml fleet revoke` write them. Read at the start. */
#ifndef COORDINATOR_FLEET_H
#define COORDINATOR_FLEET_H

#include "identity/revocations.h"

struct fleet {
    struct key_public key;
    struct revocations *revoked; /* owned; NULL: no list was given */
};

/* key_path: 64 hexadecimal digits; revocations_path: a list that the key signed, NULL: none
 * gives: *ret, to be ended with fleet_done(). fails: as file_read(); ST_INVALID (no key),
 *        as revocations_check(); each with a sentence */
MUST_CHECK enum status fleet_open(const char *key_path, const char *revocations_path,
                                  struct fleet *ret, struct why *why);

/* Of a zeroed one: nothing. */
void fleet_done(struct fleet *f);

#endif
