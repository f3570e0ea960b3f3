/* A Wasm module that carries its publisher's signature, whatever way it takes: its last section
 * is a custom one (WebAssembly core specification 2.0, sections 5.5.2 and 5.5.3), which runtimes
 * pass over. Its bytes:
 *
 *     size   what
 *     1      0, a custom section
 *     1      110, the size of what follows
 *     1      13, the size of the name
 *     13     "fml.publisher"
 *     32     the publisher's public key
 *     64     its signature over the SHA-256 of all bytes before this section, domain
 *            "fml-image-v1"
 *
 * It ends where the module ends, and no other section has its name. */
#ifndef IDENTITY_SIGNED_IMAGE_H
#define IDENTITY_SIGNED_IMAGE_H

#include "base/limits.h"
#include "identity/key.h"

#define SIGNED_IMAGE_SECTION_SIZE ((size_t)112)

enum signed_image_verdict {
    SIGNED_IMAGE_FINE,
    SIGNED_IMAGE_UNSIGNED,
    SIGNED_IMAGE_MALFORMED, /* not the sections of a module, or the section is not as above */
    SIGNED_IMAGE_UNKNOWN,   /* signed by none of those that were asked for */
    SIGNED_IMAGE_FORGED,    /* names one of them, who did not sign it */
};
#define SIGNED_IMAGE_VERDICT_COUNT (SIGNED_IMAGE_FORGED + 1)

/* The stable code: "fine", "unsigned", "malformed", "unknown_publisher", "forged". */
const char *signed_image_verdict_name(enum signed_image_verdict verdict);

/* Signs a module, in place of a signature that it may have.
 * gives: *ret, to be ended with bytes_done()
 * fails: ST_MALFORMED (not a module, or it has a section of that name that is not as above),
 *        ST_LIMIT (more than IMAGE_SIZE_MAX bytes with the signature), ST_NOMEM */
MUST_CHECK enum status signed_image_sign(struct view module, const struct key *publisher,
                                         struct bytes *ret);

/* Whether one of these publishers signed it. Reads each section's head only, and all bytes once
 * for the digest.
 * publishers: (count,)
 * ret_which: the index of the one who did; set for SIGNED_IMAGE_FINE only; may be NULL */
MUST_CHECK enum signed_image_verdict signed_image_check(struct view module,
                                                        const struct key_public *publishers,
                                                        size_t count, size_t *ret_which);

#endif
