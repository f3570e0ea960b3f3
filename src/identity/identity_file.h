/* A secret key as a file that a person can look at: small JSON with
 *
 *     {"kind":"fml device identity","version":1,"proplet_id":"…","seed":"…","certificate":"…"}
 *     {"kind":"fml fleet key","version":1,"seed":"…"}
 *     {"kind":"fml publisher key","version":1,"seed":"…"}
 *
 * where seed is 64 lower-case hexadecimal digits (identity/key.h), and certificate the text of
 * one (identity/certificate.h) for the key of that seed. Other fields are refused.
 *
 * The text is a secret: its owner wipes it, and writes it for itself alone (mode 0600). The JSON
 * library never sees the seed, as it does not wipe what it frees. */
#ifndef IDENTITY_IDENTITY_FILE_H
#define IDENTITY_IDENTITY_FILE_H

#include "identity/certificate.h"

#define IDENTITY_FILE_SIZE_MAX ((size_t)4096)

enum identity_kind { IDENTITY_DEVICE, IDENTITY_FLEET, IDENTITY_PUBLISHER };

struct identity_file {
    enum identity_kind kind;
    struct key *key; /* owned */
    /* Of IDENTITY_DEVICE only: */
    struct certificate certificate; /* what it says; whether it counts: certificate_check() */
    struct certificate_bytes certificate_bytes;
};

/* gives: *ret, a secret, to be ended with identity_file_wipe(). fails: ST_NOMEM */
MUST_CHECK enum status identity_file_encode(const struct identity_file *file, struct bytes *ret);

/* kind: what it has to be
 * gives: *ret, to be ended with identity_file_done()
 * fails: ST_LIMIT (more than IDENTITY_FILE_SIZE_MAX bytes), ST_MALFORMED (not JSON), ST_INVALID
 *        (another kind or version, a field wrong, missing or unknown, a certificate for another
 *        key or id), ST_NOMEM, ST_IO (no randomness), with a sentence that says nothing of the
 *        seed */
MUST_CHECK enum status identity_file_decode(struct view text, enum identity_kind kind,
                                            struct identity_file *ret, struct why *why);

/* Wipes a text that holds a secret, and frees it. */
void identity_file_wipe(struct bytes *text);

/* NULL is allowed. */
void identity_file_done(struct identity_file *file);

#endif
