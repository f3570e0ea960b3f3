/* Who takes part in a round, and whose update counted: at most one each.
 *
 * An update is known by its digest, so the same bytes sent again are told from
 * another update of the same participant. Not thread-safe. */
#ifndef ROUND_LEDGER_H
#define ROUND_LEDGER_H

#include <stddef.h>

#include "base/digest.h"
#include "base/id.h"

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

/* Counts an update. The sender's entry must be LEDGER_AWAITED. */
void ledger_count(struct ledger *l, const struct id *sender, const struct digest *update);

size_t ledger_counted(const struct ledger *l);
size_t ledger_participants(const struct ledger *l);

struct ledger *ledger_free(struct ledger *l);

#endif
