/* The receiving side of a blob in parts: which parts to ask for next, and the
 * check of each that comes. Pure: `now` is handed in, nothing is sent. */
#ifndef TRANSFER_RECEIVER_H
#define TRANSFER_RECEIVER_H

#include <stdbool.h>

#include "transfer/manifest.h"
#include "transfer/plan.h"

#define RECEIVER_RETRY_MS  PLAN_RETRY_MS
#define RECEIVER_TRIES_MAX PLAN_TRIES_MAX

struct receiver;

/* takes: *m (emptied). gives: *ret. fails: ST_NOMEM (m is then unchanged) */
MUST_CHECK enum status receiver_new(struct manifest *m, struct receiver **ret);

/* The next part to ask for, if any may be asked for now: never more than
 * PARTS_IN_FLIGHT are under way, and one that is older than RECEIVER_RETRY_MS is
 * asked for again. Call until it gives false.
 * now_ms: any clock that does not jump */
bool receiver_next(struct receiver *r, uint64_t now_ms, uint32_t *ret_part);

/* Takes in one part. A part that is there already is ST_OK and ignored.
 * fails: ST_INVALID (no such part), ST_CORRUPT (its bytes do not have its
 *        digest): nothing is changed, the part is asked for again */
MUST_CHECK enum status receiver_part(struct receiver *r, uint32_t part, struct view bytes);

bool receiver_complete(const struct receiver *r);

/* True when a part was asked for RECEIVER_TRIES_MAX times in vain. */
bool receiver_given_up(const struct receiver *r, uint64_t now_ms);

/* The whole, once complete; its digest was checked.
 * gives: the bytes to *ret (r keeps none). fails: ST_CORRUPT */
MUST_CHECK enum status receiver_take(struct receiver *r, struct bytes *ret);

const struct manifest *receiver_manifest(const struct receiver *r);

/* What is missing, for who gets parts in another way; borrowed. */
struct plan *receiver_plan(struct receiver *r);

struct receiver *receiver_free(struct receiver *r);

#endif
