/* What the manager knows: proplets and images (PROTOCOL 1.5). */
#ifndef CLI_ROSTER_H
#define CLI_ROSTER_H

#include "cli/ids.h"
#include "cli/session.h"

/* The manager's whole status answer. gives: *ret: json_decref(). fails: as session_ask() */
MUST_CHECK enum status roster_ask(struct session *s, uint64_t limit_ms, json_t **ret,
                                  struct why *why);

/* The ids of all proplets that are alive.
 * gives: *ret (zeroed or empty before), to be ended with ids_done()
 * fails: as session_ask(), roster_read() of wire/roster_msg.h */
MUST_CHECK enum status roster_fetch_alive(struct session *s, struct ids *ret, struct why *why);

/* A round whose image nobody has would only run into its deadline.
 * fails: ST_NOT_FOUND, with a sentence that says what to do; as session_ask() */
MUST_CHECK enum status roster_find_image(struct session *s, const char *image, struct why *why);

#endif
