/* The holder's side: which blobs there are, whose requests wait, and in which order
 * they are answered.
 *
 * Requests are answered in the order in which they came, but only a few receivers are
 * served at once: each has a few parts under way, and all of them together are what
 * the broker has to hold. Who waits is served when another is done. */
#ifndef EXCHANGE_OFFERS_H
#define EXCHANGE_OFFERS_H

#include "exchange/exchange.h"
#include "transfer/get_msg.h"

struct offers;

MUST_CHECK enum status offers_new(struct offers **ret);

/* As exchange_offer() and exchange_withdraw(). */
MUST_CHECK enum status offers_add(struct offers *o, const struct manifest *m, const char *path);
void offers_remove(struct offers *o, const struct digest *d);

/* NULL if it is not offered. Borrowed until it is removed. */
const struct manifest *offers_find(const struct offers *o, const struct digest *d);

/* Takes in a request for a part. One that waits already is ST_OK and ignored.
 * fails: ST_NOT_FOUND (not offered), ST_INVALID (no such part), ST_LIMIT
 *        (EXCHANGE_REQUESTS_MAX), ST_NOMEM */
MUST_CHECK enum status offers_ask(struct offers *o, const struct get_msg *get, uint64_t now_ms);

/* As exchange_asked_ms(). */
uint64_t offers_asked_ms(const struct offers *o, const struct digest *d);

struct offered_part {
    struct id client;
    struct digest digest;
    uint32_t part;
    struct view bytes; /* borrowed until the next call */
};

/* The next part to send, if one may be sent now. It stays in its place until
 * offers_sent(). false: none; with *ret_unread true, a file could not be read and the
 * request is gone (client and digest say whose it was). */
bool offers_next(struct offers *o, uint64_t now_ms, struct offered_part *ret, bool *ret_unread);
void offers_sent(struct offers *o);

struct offers *offers_free(struct offers *o);

#endif
