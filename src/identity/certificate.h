/* The fleet's key says: this device has this key. The bytes, little-endian:
 *
 *     offset   size   what
 *     0        4      "FMLC"
 *     4        1      1, the version
 *     5        1      n, 1 to ID_SIZE_MAX
 *     6        n      the device's id (base/id.h)
 *     6 + n    32     its public key
 *     38 + n   8      serial, unique within the fleet
 *     46 + n   8      the last second in which it counts, of Unix time; 0: it always does
 *     54 + n   64     the fleet's signature over all before it, domain "fml-certificate-v1"
 *
 * One certificate has one form: a single byte that differs is another certificate, or none. */
#ifndef IDENTITY_CERTIFICATE_H
#define IDENTITY_CERTIFICATE_H

#include "base/id.h"
#include "identity/key.h"
#include "identity/revocations.h"

#define CERTIFICATE_SIZE_MIN  ((size_t)119)
#define CERTIFICATE_SIZE_MAX  (CERTIFICATE_SIZE_MIN - 1 + ID_SIZE_MAX)
#define CERTIFICATE_TEXT_SIZE 245 /* base64 of as many bytes, and '\0' */

struct certificate {
    struct id id;
    struct key_public key;
    uint64_t serial;
    uint64_t not_after; /* seconds of Unix time; 0: never */
};

/* One as it travels. */
struct certificate_bytes {
    uint8_t data[CERTIFICATE_SIZE_MAX];
    size_t size;
};

static inline struct view certificate_view(const struct certificate_bytes *b)
{
    return view_of(b->data, b->size);
}

enum certificate_verdict {
    CERTIFICATE_FINE,
    CERTIFICATE_MALFORMED, /* not the bytes above */
    CERTIFICATE_FORGED,    /* the fleet's key did not sign them; another's may have */
    CERTIFICATE_EXPIRED,
    CERTIFICATE_REVOKED,
};
#define CERTIFICATE_VERDICT_COUNT (CERTIFICATE_REVOKED + 1)

/* The stable code: "fine", "malformed", "forged", "expired", "revoked". */
const char *certificate_verdict_name(enum certificate_verdict verdict);

/* Signs what c says. fails: ST_NOMEM */
MUST_CHECK enum status certificate_sign(const struct certificate *c, const struct key *fleet,
                                        struct certificate_bytes *ret);

/* Reads what it says, and checks nothing but the form: for lists and error texts.
 * fails: ST_MALFORMED */
MUST_CHECK enum status certificate_read(struct view bytes, struct certificate *ret);

/* Whether it counts: form, then signature, then time, then revocation; the first that fails is
 * the verdict. *ret is set for CERTIFICATE_FINE only.
 * now_s: seconds of Unix time
 * revoked: a list that was checked itself; NULL: none is known */
MUST_CHECK enum certificate_verdict
certificate_check(struct view bytes, const struct key_public *fleet, uint64_t now_s,
                  const struct revocations *revoked, struct certificate *ret);

/* As text: base64 (RFC 4648, section 4), without a line end; and back.
 * fails: ST_MALFORMED (not base64, or the form is not that of a certificate) */
void certificate_text(const struct certificate_bytes *b, char ret_text[CERTIFICATE_TEXT_SIZE]);
MUST_CHECK enum status certificate_parse(const char *text, struct certificate_bytes *ret);

#endif
