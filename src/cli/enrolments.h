/* Which devices a fleet has: the list that its owner keeps, one JSON object a line, in the order
 * of enrolment:
 *
 *     {"enrolled_at":"…","id":"dev-1","not_after":0,"public_key":"…","serial":1}
 *
 * and "revoked_at" once a certificate is revoked. A device that is enrolled again has a second
 * line. The list says nothing that a device trusts; it is how its owner finds a serial again. */
#ifndef CLI_ENROLMENTS_H
#define CLI_ENROLMENTS_H

#include <jansson.h>

#include "identity/certificate.h"
#include "io/clock.h"

#define ENROLMENTS_MAX      ((size_t)REVOCATIONS_MAX) /* or not all could be revoked */
#define ENROLMENT_LINE_MAX  ((size_t)512)
#define ENROLMENTS_SIZE_MAX (ENROLMENTS_MAX * ENROLMENT_LINE_MAX)

struct enrolment {
    struct id id;
    uint64_t serial; /* from 1 */
    struct key_public key;
    uint64_t not_after; /* as in the certificate */
    char enrolled_at[CLOCK_TEXT_SIZE];
    char revoked_at[CLOCK_TEXT_SIZE]; /* empty: it is not */
};

struct enrolments {
    struct enrolment *items; /* (count,), owned */
    size_t count;
};

enum enrolment_state { ENROLMENT_IN_FORCE, ENROLMENT_EXPIRED, ENROLMENT_REVOKED };

/* now_s: seconds of Unix time */
enum enrolment_state enrolment_state(const struct enrolment *e, uint64_t now_s);

/* "enrolled", "expired", "revoked" */
const char *enrolment_state_name(enum enrolment_state state);

/* As one line of the list. gives: a new JSON object; NULL: no memory */
json_t *enrolment_encode(const struct enrolment *e);

/* gives: *ret, to be ended with enrolments_done()
 * fails: ST_LIMIT (more than ENROLMENTS_MAX lines), ST_MALFORMED, ST_INVALID (a field; a serial
 *        twice or not rising), ST_NOMEM, with a sentence that names the line */
MUST_CHECK enum status enrolments_decode(struct view text, struct enrolments *ret, struct why *why);

/* gives: *ret, to be ended with bytes_done(). fails: ST_NOMEM */
MUST_CHECK enum status enrolments_encode(const struct enrolments *list, struct bytes *ret);

/* Appends a copy. e: its serial is enrolments_next_serial()
 * fails: ST_LIMIT, ST_NOMEM; list is then as it was */
MUST_CHECK enum status enrolments_add(struct enrolments *list, const struct enrolment *e);

/* One more than the highest ever given. */
uint64_t enrolments_next_serial(const struct enrolments *list);

/* The line of this device that is in force; NULL: none is. */
const struct enrolment *enrolments_in_force(const struct enrolments *list, const struct id *id,
                                            uint64_t now_s);

/* NULL is allowed. */
void enrolments_done(struct enrolments *list);

#endif
