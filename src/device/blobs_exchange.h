/* Large bytes over the proplet's way out: base models come, and updates go, as references
 * whose parts are asked for (PROTOCOL 2.9). */
#ifndef DEVICE_BLOBS_EXCHANGE_H
#define DEVICE_BLOBS_EXCHANGE_H

#include "exchange/exchange.h"
#include "device/out.h"

/* keeps: out. gives: *ret, to be ended with exchange_free(). fails: ST_NOMEM */
MUST_CHECK enum status blobs_exchange_new(const struct id *me, const struct proplet_out *out,
                                          struct exchange **ret);

/* Its filters. fails: as out's subscribe */
MUST_CHECK enum status blobs_exchange_subscribe(const struct exchange *x,
                                                const struct proplet_out *out);

/* Asks, answers and checks for one turn of the loop, which stays short. */
void blobs_exchange_step(struct exchange *x, uint64_t now_ms);

#endif
