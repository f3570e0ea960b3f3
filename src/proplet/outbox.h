/* Updates that were sent and not yet answered (PROTOCOL 2.2, 2.3).
 *
 * A broker's acknowledgement says nothing about the coordinator, so an update is
 * kept and sent again, the very same bytes, until its receipt, the end of its
 * round, or until nobody can be waiting for it any more. While a round has
 * updates here, its receipts and its end are subscribed to. `now` is handed in. */
#ifndef PROPLET_OUTBOX_H
#define PROPLET_OUTBOX_H

#include "base/digest.h"
#include "base/id.h"
#include "proplet/out.h"

struct outbox;

struct outbox_update {
    struct id task;
    struct id round;
    struct digest digest; /* of the bytes */
    uint64_t until_ms;    /* kept until then at the latest */
};

/* me: this proplet. keeps: out. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status outbox_new(const struct proplet_out *out, const struct id *me,
                                  uint32_t resend_ms, struct outbox **ret);

/* Sends the update for the first time and keeps it. Beyond OUTBOX_UPDATES_MAX or
 * OUTBOX_BYTES_MAX the oldest go: their rounds are the likeliest to be over.
 * takes: *bytes (emptied), on success only
 * fails: as out's publish and subscribe; nothing is kept then */
MUST_CHECK enum status outbox_add(struct outbox *o, const struct outbox_update *update,
                                  struct bytes *bytes, uint64_t now_ms);

/* A receipt for these bytes in this round came.
 * Returns how many updates it settled; 0: nobody waited for it. */
size_t outbox_receipt(struct outbox *o, const struct id *round, const struct digest *digest);

/* The round is over. Returns how many updates were still unanswered. */
size_t outbox_round_over(struct outbox *o, const struct id *round);

/* Sends again what is due (out must be quiet), drops what is past its time. */
void outbox_tick(struct outbox *o, uint64_t now_ms);

size_t outbox_count(const struct outbox *o);

/* Unsubscribes from nothing: the connection is about to end. */
struct outbox *outbox_free(struct outbox *o);

#endif
