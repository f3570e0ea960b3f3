/* Updates that have no answer yet (PROTOCOL 2.2, 2.3).
 *
 * A broker's acknowledgement says nothing about the coordinator, so an update is
 * on disk before it is first sent, and is sent again, the very same bytes, over
 * reconnects, restarts and crashes, until its receipt, the end of its round, or
 * until nobody can be waiting for it any more. While a round has updates here, its
 * receipts and its end are subscribed to. `now` is handed in.
 *
 * Of an update that is too large for a message a reference is sent (PROTOCOL 2.9), and
 * its parts are given to whoever asks, until it is settled. */
#ifndef PROPLET_OUTBOX_H
#define PROPLET_OUTBOX_H

#include "exchange/exchange.h"
#include "device/out.h"
#include "proplet/update_store.h"

struct outbox;

struct outbox_settings {
    const struct proplet_out *out;
    struct exchange *exchange; /* gives parts of large updates */
    struct id me;              /* this proplet */
    uint32_t resend_ms;
    const char *folder;  /* of an update_store */
    const char *boot_id; /* of the boot that now_ms counts from; "": unknown */
    /* While it opens: the update of this task was damaged on the disk and is gone. */
    void (*on_lost)(void *owner, const struct id *task);
    /* The update of this task goes: it was accepted, or it was not, as far as is known. */
    void (*on_settled)(void *owner, const struct id *task, bool accepted);
    void *owner;
};

/* Takes up what an earlier life left; it is sent when out is quiet.
 * keeps: settings->out and exchange. gives: *ret, to be ended with outbox_free()
 * fails: ST_NOMEM, ST_FULL, ST_IO, as out's subscribe */
MUST_CHECK enum status outbox_open(const struct outbox_settings *settings, uint64_t now_ms,
                                   struct outbox **ret);

struct outbox_update {
    struct id task;
    struct id round;
    uint64_t until_ms; /* kept until then at the latest; at most UPDATE_KEPT_MS_MAX ahead */
    uint64_t wall_ms, cpu_ms, peak_rss_kb; /* what its task took */
};

/* Keeps the update on disk, then sends it for the first time. Beyond
 * OUTBOX_UPDATES_MAX or OUTBOX_BYTES_MAX the oldest go: their rounds are the
 * likeliest to be over.
 * bytes: borrowed for the call
 * gives: in *ret what is kept, borrowed until the next call
 * fails: ST_EXISTS (the task has an update here), ST_FULL, ST_IO (the disk),
 *        ST_TOO_LARGE (for the broker), ST_NOMEM, as out's subscribe; nothing is kept or
 *        sent then */
MUST_CHECK enum status outbox_add(struct outbox *o, const struct outbox_update *update,
                                  struct view bytes, uint64_t now_ms,
                                  const struct kept_update **ret);

/* The same for the file at path, which is given in parts (PROTOCOL 2.9): it is taken.
 * m: of this file
 * fails: as outbox_add() and exchange_offer(); the file may be gone then */
MUST_CHECK enum status outbox_add_file(struct outbox *o, const struct outbox_update *update,
                                       const struct manifest *m, const char *path, uint64_t now_ms,
                                       const struct kept_update **ret);

/* A receipt for these bytes in this round came, which decides about them.
 * Returns how many updates it settled; 0: nobody waited for it. */
size_t outbox_receipt(struct outbox *o, const struct id *round, const struct digest *digest,
                      bool accepted);

/* The round is over. Returns how many updates were still unanswered. */
size_t outbox_round_over(struct outbox *o, const struct id *round);

/* Sends again what is due (out must be quiet), drops what is past its time. */
void outbox_tick(struct outbox *o, uint64_t now_ms);

size_t outbox_count(const struct outbox *o);
/* Oldest first; borrowed until the next call. */
const struct kept_update *outbox_at(const struct outbox *o, size_t index);
/* NULL: the task has none here. */
const struct kept_update *outbox_find(const struct outbox *o, const struct id *task);

/* What is kept stays on the disk. Unsubscribes from nothing: the connection is
 * about to end. */
struct outbox *outbox_free(struct outbox *o);

#endif
