/* Who is there: proplets as the manager knows them (PROTOCOL 1.5). */
#ifndef CLI_ROSTER_H
#define CLI_ROSTER_H

#include "cli/ids.h"
#include "cli/session.h"

/* The ids of all proplets in a status answer that are alive.
 * gives: *ret (zeroed or empty before), to be ended with ids_done()
 * fails: ST_INVALID, ST_NOMEM, with a sentence */
MUST_CHECK enum status roster_alive(const json_t *answer, struct ids *ret, struct why *why);

/* The manager's whole status answer. gives: *ret: json_decref(). fails: as session_ask() */
MUST_CHECK enum status roster_ask(struct session *s, uint64_t limit_ms, json_t **ret,
                                  struct why *why);

/* Both in one. fails: as both */
MUST_CHECK enum status roster_fetch_alive(struct session *s, struct ids *ret, struct why *why);

#endif
