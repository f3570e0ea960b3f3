/* A bounded memory of texts, each with an optional digest: the oldest is
 * forgotten when it is full. Holds the launch ids that were seen, and the
 * digests that are pinned to topics. Pure. */
#ifndef MANAGER_RING_H
#define MANAGER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct ring;

/* gives: *ret, which remembers the capacity newest texts. fails: ST_NOMEM */
MUST_CHECK enum status ring_new(uint32_t capacity, struct ring **ret);

/* Remembers text. One that is there gets the new digest and keeps its age.
 * digest: may be NULL, then all zero is kept
 * fails: ST_NOMEM; nothing is changed then */
MUST_CHECK enum status ring_put(struct ring *r, const char *text, const struct digest *digest);

/* ret_digest may be NULL. */
bool ring_find(const struct ring *r, const char *text, struct digest *ret_digest);

/* Nothing there is fine. */
void ring_forget(struct ring *r, const char *text);

/* Walks over all texts, the oldest first, from *cursor 0 on; NULL at the end. r
 * must not change meanwhile. */
const char *ring_next(const struct ring *r, size_t *cursor);

/* Texts that are remembered. */
size_t ring_count(const struct ring *r);

struct ring *ring_free(struct ring *r);

#endif
