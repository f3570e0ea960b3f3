/* Who is alive, by the manager's answer to {"what":"alive"} (PROTOCOL 1.5). */
#ifndef WIRE_ROSTER_MSG_H
#define WIRE_ROSTER_MSG_H

#include "base/jsn.h"

#define ROSTER_QUESTION "{\"what\":\"alive\"}"

struct roster {
    struct id *alive; /* (count,), in the manager's order, all different; owned */
    size_t count;     /* 0..PROPLETS_MAX */
};

/* answer: as it was parsed, with CONTROL_SIZE_MAX
 * gives: *ret, to be ended with roster_done()
 * fails: ST_INVALID (something else, an error, an id twice), ST_NOMEM, with a
 *        sentence; *ret is then untouched */
MUST_CHECK enum status roster_read(const json_t *answer, struct roster *ret, struct why *why);

/* NULL is allowed. */
void roster_done(struct roster *roster);

#endif
