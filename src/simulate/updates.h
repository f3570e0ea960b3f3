/* Updates of all devices that have no receipt yet (PROTOCOL 2.2, 2.3): kept in memory, sent
 * once at once, and again, the same bytes, until the receipt, the round's end, or the end
 * of their time. A simulation that ends loses them, with its devices. */
#ifndef SIMULATE_UPDATES_H
#define SIMULATE_UPDATES_H

#include "base/digest.h"
#include "base/id.h"
#include "device/out.h"

struct updates;

/* keeps: out. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status updates_new(const struct proplet_out *out, uint32_t resend_ms,
                                   struct updates **ret);

/* Sends and keeps one.
 * bytes: taken over, also on failure; until_ms: how long it is kept
 * gives: its digest. fails: ST_TOO_LARGE (for the broker), ST_LIMIT, ST_NOMEM: it is not
 *        kept */
MUST_CHECK enum status updates_add(struct updates *u, const struct id *round,
                                   const struct id *device, struct bytes *bytes, uint64_t until_ms,
                                   struct digest *ret_digest);

/* Answered, and not to be sent again; false: none of these bytes is here. */
bool updates_receipt(struct updates *u, const struct id *round, const struct id *device,
                     const struct digest *digest);

/* Nobody waits for those of this round any more. Returns how many there were. */
size_t updates_round_over(struct updates *u, const struct id *round);

/* Sends again what is due, once the broker has all that was sent before. */
void updates_tick(struct updates *u, uint64_t now_ms);

size_t updates_count(const struct updates *u);
size_t updates_bytes(const struct updates *u);

struct updates *updates_free(struct updates *u);

#endif
