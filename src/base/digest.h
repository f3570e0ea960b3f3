/* SHA-256 (FIPS 180-4) of bytes and its text form, "sha256:" and 64 lower-case
 * hexadecimal digits, as in OCI references. The computation is OpenSSL's, which uses
 * the processor's own instructions: eight times libsodium's speed where there are. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>

#include "base/bytes.h"

#define DIGEST_TEXT_SIZE 72 /* "sha256:" + 64 digits + '\0' */
#define DIGEST_HEX_SIZE  65 /* 64 digits + '\0' */

struct digest {
    uint8_t bytes[32];
};

struct digest digest_of(struct view v);

/* The same of bytes that come one after the other. */
struct digest_stream;

/* gives: *ret, to be ended with digest_end() or digest_drop(). fails: ST_NOMEM */
MUST_CHECK enum status digest_begin(struct digest_stream **ret);
void digest_more(struct digest_stream *s, struct view v);
/* Ends s. */
struct digest digest_end(struct digest_stream *s);
/* Ends s without a digest. NULL is allowed. */
void digest_drop(struct digest_stream *s);

bool digest_equal(const struct digest *a, const struct digest *b);

/* Writes the text form, with the prefix or (hex) without it. */
void digest_text(const struct digest *d, char ret_text[DIGEST_TEXT_SIZE]);
void digest_hex(const struct digest *d, char ret_hex[DIGEST_HEX_SIZE]);

/* Reads either form. fails: ST_INVALID */
MUST_CHECK enum status digest_parse(const char *text, struct digest *ret_digest);

#endif
