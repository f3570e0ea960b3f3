/* Fetches one image in verified parts: first its manifest, then what is missing
 * (PROTOCOL 1.6). Pure: it says what to ask for; `now` is handed in. */
#ifndef DEVICE_IMAGE_FETCH_H
#define DEVICE_IMAGE_FETCH_H

#include "transfer/receiver.h"

struct image_fetch;

enum image_fetch_state {
    IMAGE_FETCH_GOING,
    IMAGE_FETCH_COMPLETE,
    IMAGE_FETCH_REFUSED, /* the holder said no */
    IMAGE_FETCH_SILENT,  /* asked in vain too often */
    IMAGE_FETCH_CORRUPT, /* what came was not what the digest promised */
};

/* size: bytes, 0 if not known. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status image_fetch_new(const struct digest *digest, uint64_t size,
                                       struct image_fetch **ret);

const struct digest *image_fetch_digest(const struct image_fetch *f);

/* The next thing to ask the holder for: the manifest (*ret_part is
 * IMAGE_FETCH_MANIFEST) or a part. Call until it gives false. */
#define IMAGE_FETCH_MANIFEST UINT32_MAX
bool image_fetch_next(struct image_fetch *f, uint64_t now_ms, uint32_t *ret_part);

/* The holder's answer: the object that has this image's digest, a manifest or a
 * refusal. What is unusable is ignored (and asked for again).
 * fails: ST_INVALID, ST_LIMIT, ST_NOMEM with a sentence: nothing was changed */
MUST_CHECK enum status image_fetch_manifest(struct image_fetch *f, const json_t *object,
                                            struct why *why);

/* fails: ST_INVALID (not asked for), ST_CORRUPT: nothing was changed but that
 * the fetch remembers to say so in the end */
MUST_CHECK enum status image_fetch_part(struct image_fetch *f, uint32_t part, struct view bytes);

/* What there is to get, once the holder has said so, else NULL; borrowed. */
const struct manifest *image_fetch_described(const struct image_fetch *f);
/* What of it is missing, for who gets parts in another way; described */
struct plan *image_fetch_plan(struct image_fetch *f);

/* The parts come in another way from now on, or not any more. Meanwhile it is not for us to
 * lose patience; then the holder is asked as if nobody had been asked before. described */
void image_fetch_elsewhere(struct image_fetch *f, bool elsewhere);

/* The state; a sentence about a failure goes into why (may be NULL). */
enum image_fetch_state image_fetch_state(const struct image_fetch *f, uint64_t now_ms,
                                         struct why *why);

/* The image, once complete; its digest was checked. fails: ST_CORRUPT */
MUST_CHECK enum status image_fetch_take(struct image_fetch *f, struct bytes *ret);

struct image_fetch *image_fetch_free(struct image_fetch *f);

#endif
