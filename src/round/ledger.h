/* Who takes part in a round, and whose update counted: at most one each, in the order
 * of the participants' ids.
 *
 * An update is known by its digest, so the same bytes sent again are told from
 * another update of the same participant. Not thread-safe. */
#ifndef ROUND_LEDGER_H
#define ROUND_LEDGER_H

#include <stddef.h>

#include "base/digest.h"
#include "base/id.h"
#include "fl/metrics.h"

struct ledger;

/* What the ledger knows about an update of this sender. */
enum ledger_entry {
    LEDGER_STRANGER, /* the sender does not take part */
    LEDGER_AWAITED,  /* it does, and nothing of it was counted */
    LEDGER_SAME,     /* exactly these bytes were counted */
    LEDGER_OTHER,    /* other bytes were counted */
};

/* participants: (count,); keeps them: they must outlive the ledger
 * gives: *ret, to be ended with ledger_free()
 * fails: ST_INVALID (none, more than ROUND_PARTICIPANTS_MAX, or one twice), ST_NOMEM */
MUST_CHECK enum status ledger_new(const struct id *participants, size_t count, struct ledger **ret);

enum ledger_entry ledger_look(const struct ledger *l, const struct id *sender,
                              const struct digest *update);

/* Counts an update. The sender's entry must be LEDGER_AWAITED.
 * metrics: copied; NULL: none. fails: ST_NOMEM, and nothing is counted */
MUST_CHECK enum status ledger_count(struct ledger *l, const struct id *sender,
                                    const struct digest *update, uint64_t samples,
                                    const struct metrics *metrics);

/* Where the parameters of a counted update lie from now on: an update in either form,
 * which may be another than came, as long as it says the same.
 * bytes: borrowed until ledger_forget_bytes(); digest: of these bytes */
void ledger_keep(struct ledger *l, const struct id *sender, struct view bytes,
                 const struct digest *digest);

bool ledger_takes_part(const struct ledger *l, const struct id *participant);

/* Whether an update of this one counted. */
bool ledger_has_counted(const struct ledger *l, const struct id *participant);

size_t ledger_counted(const struct ledger *l);
size_t ledger_participants(const struct ledger *l);

/* The mean of all metrics, weighted by samples: the same whatever the order in which
 * the updates came. */
void ledger_metrics(const struct ledger *l, struct metrics *ret);

/* One counted update. */
struct counted {
    const struct id *participant;
    uint64_t samples;
    struct view bytes;    /* data NULL: ledger_keep() was not called */
    struct digest digest; /* of bytes */
    /* Set by bases_give(), of an asynchronous round: */
    const float *base;  /* (param_count,): what it was trained from; NULL: the base model */
    uint64_t staleness; /* versions that were made since that one */
};

/* All counted ones, in the order of their ids.
 * ret: (ledger_counted(l),) */
void ledger_list(const struct ledger *l, struct counted *ret);

/* Nothing of the bytes and metrics is looked at any more. */
void ledger_forget_bytes(struct ledger *l);

struct ledger *ledger_free(struct ledger *l);

#endif
