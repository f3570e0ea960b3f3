/* What the owner of the device gave it: who it is, what it allows, and whose word counts no more.
 *
 *     --identity FILE     a key and the fleet's certificate for it (identity/identity_file.h),
 *                         which only the device's user may read
 *     --policy FILE       what the owner allows (identity/policy.h); read once, at the start
 *     --revocations FILE  the fleet's list (identity/revocations.h), signed by the policy's
 *                         fleet_key; read again when it is asked for
 *
 * Each is optional, and nothing that comes over the network changes any of them. What has to last
 * is in the state folder, so that neither a restart nor a crash gives back what was used up:
 *
 *     {state}/revocations    the newest list that was read (proplet/revocation_file.h)
 *     {state}/rounds_taken   how many training rounds it took part in while there was a policy
 *                            (proplet/rounds_taken.h)
 *
 * Here the files are read. What the policy means for a task is said in proplet/permission.h. */
#ifndef PROPLET_TRUST_H
#define PROPLET_TRUST_H

#include "identity/certificate.h"
#include "identity/policy.h"

struct trust;

/* Paths; NULL: not given. Borrowed. */
struct trust_files {
    const char *identity, *policy, *revocations;
};

/* Reads identity and policy.
 * files: at least one is given
 * me: whom the identity must name
 * gives: *ret, to be ended with trust_close()
 * fails: ST_INVALID (the identity is another device's or can be read by others, or is not of the
 *        policy's fleet; revocations without a fleet_key), as identity_file_decode(),
 *        policy_decode() and file_read(), with a sentence that says what to do */
MUST_CHECK enum status trust_open(const struct trust_files *files, const struct id *me,
                                  struct trust **ret, struct why *why);

/* Takes up what earlier lives left in the state folder, and reads the list of revocations;
 * before all below, when the folder is this process's own.
 * state_dir: at most PROPLET_FOLDER_MAX bytes
 * fails: as revocation_file_open() and rounds_taken_open(), with a sentence */
MUST_CHECK enum status trust_enter(struct trust *t, const char *state_dir, struct why *why);

/* Reads the list of revocations again, if there is one.
 * fails: as revocation_file_read(), with a sentence; all is then as it was */
MUST_CHECK enum status trust_read_revocations(struct trust *t, struct why *why);

/* NULL: no policy was given, and all is as without one. */
const struct policy *trust_policy(const struct trust *t);

/* The device's own key and certificate; NULL, and no bytes: no identity was given. */
const struct key *trust_key(const struct trust *t);
struct view trust_certificate(const struct trust *t);

/* NULL: no list was given. Valid until the next trust_read_revocations(). */
const struct revocations *trust_revocations(const struct trust *t);

/* Whether the device's own certificate still counts with its fleet, as far as is known here:
 * CERTIFICATE_FINE also where there is none, or no fleet_key.
 * now_s: seconds of Unix time */
enum certificate_verdict trust_own_verdict(const struct trust *t, uint64_t now_s);

/* Training rounds that were ever begun under a policy; 0 without one. */
uint64_t trust_rounds_taken(const struct trust *t);
/* One more, if there is a policy; before its guest runs.
 * fails: as rounds_taken_add() */
MUST_CHECK enum status trust_take_round(struct trust *t);

/* Wipes the key. NULL is allowed; returns NULL. */
struct trust *trust_close(struct trust *t);

#endif
