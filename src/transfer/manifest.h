/* What a blob consists of: its digest, size and the digests of its parts
 * (PROTOCOL 1.6). With a manifest in hand a receiver can check every part on
 * its own, whoever sent it, and ask only for those that are missing. */
#ifndef TRANSFER_MANIFEST_H
#define TRANSFER_MANIFEST_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/jsn.h"

struct manifest {
    struct digest digest; /* of the whole */
    uint64_t size;        /* bytes, 1..size_max of whoever decodes */
    uint32_t part_size;   /* bytes of each part but the last */
    uint32_t part_count;  /* ceil(size / part_size), 1..PARTS_MAX */
    struct digest *parts; /* (part_count,), owned */
    char *url;            /* where the bytes can be had by HTTP, too; owned; NULL: nowhere */
};

/* Describes bytes. gives: *ret, to be ended with manifest_done()
 * part_size: >= 1
 * fails: ST_INVALID (empty), ST_LIMIT (more than PARTS_MAX parts), ST_NOMEM */
MUST_CHECK enum status manifest_of(struct view blob, uint32_t part_size, struct manifest *ret);

/* A manifest of `size` bytes, whose digests are all still zero.
 * fails: as manifest_of() */
MUST_CHECK enum status manifest_empty(uint64_t size, uint32_t part_size, struct manifest *ret);

/* gives: *ret, a copy. fails: ST_NOMEM */
MUST_CHECK enum status manifest_copy(const struct manifest *m, struct manifest *ret);

/* Reads the JSON object; NULL is one that the message around it did not have. Of a url
 * it is only known that it is 1 to URL_SIZE_MAX printable ASCII characters: whether it
 * may be used is for src/web to say.
 * gives: *ret, to be ended with manifest_done()
 * fails: ST_INVALID (a field missing or out of range, parts that do not make up
 *        size), ST_LIMIT (size above size_max), ST_NOMEM */
MUST_CHECK enum status manifest_decode(const json_t *object, uint64_t size_max,
                                       struct manifest *ret, struct why *why);

/* Says where the bytes can be had by HTTP. url: copied, as manifest_decode() takes it
 * fails: ST_INVALID, ST_NOMEM; m is then as it was */
MUST_CHECK enum status manifest_set_url(struct manifest *m, const char *url);

/* Whether a folder of blobs can be said to be served there, by an operator: everybody hears
 * it, so it holds no credentials, and devices use plain URLs only (web/allow.h).
 * fails: ST_INVALID, with a sentence */
MUST_CHECK enum status manifest_url_base_check(const char *base, struct why *why);

/* Where a folder that is served at base has this blob: base/{hex digest}.
 * ret: room for URL_SIZE_MAX + 1. False: it would be too long */
bool manifest_url_below(const char *base, const struct digest *d, char *ret);

/* gives: a new JSON object; NULL: no memory */
json_t *manifest_encode(const struct manifest *m);

/* The bytes of part index within blob. index < part_count; blob is the whole. */
struct view manifest_part(const struct manifest *m, struct view blob, uint32_t index);

/* Where part index begins, and how many bytes it has. index < part_count */
uint64_t manifest_offset(const struct manifest *m, uint32_t index);
size_t manifest_part_bytes(const struct manifest *m, uint32_t index);

/* Whether these bytes are that part: its size, then its digest. index < part_count */
bool manifest_part_is(const struct manifest *m, uint32_t index, struct view bytes);

void manifest_done(struct manifest *m);

#endif
