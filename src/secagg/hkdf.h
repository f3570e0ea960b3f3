/* HKDF with SHA-256 (RFC 5869), by OpenSSL: libsodium has it from 1.0.19 only. */
#ifndef SECAGG_HKDF_H
#define SECAGG_HKDF_H

#include "base/bytes.h"

#define HKDF_SIZE_MAX ((size_t)255 * 32)

/* salt, info: may be empty. size: 1..HKDF_SIZE_MAX
 * gives: ret, (size,) bytes. fails: ST_NOMEM; ret is then untouched */
MUST_CHECK enum status hkdf_sha256(struct view key, struct view salt, struct view info,
                                   uint8_t *ret, size_t size);

#endif
