/* Which parts of a blob are missing, which of them were asked for and when to ask
 * again. It knows no bytes: whoever keeps them says which parts are there. Pure:
 * `now` is any clock that does not jump, in milliseconds. */
#ifndef TRANSFER_PLAN_H
#define TRANSFER_PLAN_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/limits.h"

#define PLAN_RETRY_MS  5000u /* a part that was asked for and did not come */
#define PLAN_TRIES_MAX 6u

struct plan;

/* part_count: 1..PARTS_MAX
 * window: parts that may be under way at once, 1..PARTS_IN_FLIGHT_MAX
 * gives: *ret, to be ended with plan_free(). fails: ST_NOMEM */
MUST_CHECK enum status plan_new(uint32_t part_count, uint32_t window, struct plan **ret);

/* The next part to ask for, if any may be asked for now: never more than `window`
 * are under way, and one that is older than PLAN_RETRY_MS is asked for again. Call
 * until it gives false. */
bool plan_next(struct plan *p, uint64_t now_ms, uint32_t *ret_part);

/* This part is still on its way, as whoever carries it knows: it is asked for again
 * PLAN_RETRY_MS from now at the soonest. Waiting for it is no try. A part that was not
 * asked for is ignored. */
void plan_still_coming(struct plan *p, uint32_t part, uint64_t now_ms);

/* The part is kept, whether or not it was asked for. part: below part_count */
void plan_there(struct plan *p, uint32_t part);
bool plan_has(const struct plan *p, uint32_t part);

/* All that is under way was lost (the connection was): it is asked for anew, and
 * counts as never tried. */
void plan_forget_asked(struct plan *p);

/* Parts that were asked for less than PLAN_RETRY_MS ago and have not come. */
uint32_t plan_under_way(const struct plan *p, uint64_t now_ms);

uint32_t plan_missing(const struct plan *p); /* parts; 0: complete */

/* True when a part was asked for PLAN_TRIES_MAX times in vain. Whoever does not want
 * to give up does not look. */
bool plan_given_up(const struct plan *p, uint64_t now_ms);

struct plan *plan_free(struct plan *p);

#endif
