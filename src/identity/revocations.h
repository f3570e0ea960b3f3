/* Which certificates no longer count: a list of serials that the fleet's key signs. Each new
 * list has a higher number, so that an old one cannot be played back. The bytes,
 * little-endian:
 *
 *     offset    size   what
 *     0         4      "FMLR"
 *     4         1      1, the version
 *     5         8      number; the fleet's first list, with nobody in it, has 0
 *     13        4      n, 0 to REVOCATIONS_MAX
 *     17        8 n    the serials, each larger than the one before
 *     17 + 8n   64     the fleet's signature over all before it, domain "fml-revocations-v1"
 */
#ifndef IDENTITY_REVOCATIONS_H
#define IDENTITY_REVOCATIONS_H

#include "base/limits.h"
#include "identity/key.h"

#define REVOCATIONS_SIZE_MIN ((size_t)81)
#define REVOCATIONS_SIZE_MAX (REVOCATIONS_SIZE_MIN + 8 * (size_t)REVOCATIONS_MAX)

struct revocations;

/* The empty list, number 0. gives: *ret, to be ended with revocations_free(). fails: ST_NOMEM */
MUST_CHECK enum status revocations_new(struct revocations **ret);

/* Adds one serial, and 1 to the number.
 * fails: ST_EXISTS (it is in the list), ST_LIMIT (the list is full), ST_NOMEM; r is then as it
 *        was */
MUST_CHECK enum status revocations_add(struct revocations *r, uint64_t serial);

/* gives: *ret, to be ended with bytes_done(); what it held is freed. fails: ST_NOMEM */
MUST_CHECK enum status revocations_sign(const struct revocations *r, const struct key *fleet,
                                        struct bytes *ret);

/* Reads what a list says, and checks nothing but the form.
 * gives: *ret, to be ended with revocations_free(). fails: ST_MALFORMED, ST_NOMEM */
MUST_CHECK enum status revocations_read(struct view bytes, struct revocations **ret);

/* Reads a list that is to take the place of the known one.
 * known: NULL: none. It stays the caller's
 * gives: *ret, to be ended with revocations_free()
 * fails: ST_MALFORMED, ST_CORRUPT (the fleet's key did not sign it), ST_EXISTS (older than the
 *        known one, or of its number and not the same), ST_NOMEM, with a sentence */
MUST_CHECK enum status revocations_check(struct view bytes, const struct key_public *fleet,
                                         const struct revocations *known, struct revocations **ret,
                                         struct why *why);

bool revocations_contain(const struct revocations *r, uint64_t serial);
uint64_t revocations_number(const struct revocations *r);
size_t revocations_count(const struct revocations *r);

/* NULL is allowed; returns NULL. */
struct revocations *revocations_free(struct revocations *r);

#endif
