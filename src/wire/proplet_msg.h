/* Registration, heartbeat (PROTOCOL 1.1). */
#ifndef WIRE_PROPLET_MSG_H
#define WIRE_PROPLET_MSG_H

#include <stdbool.h>

#include "base/jsn.h"

/* How a proplet wants its starts addressed. Propeller's proplets filter the
 * shared topic; ours have a topic of their own. */
enum start_topic { START_SHARED, START_OWN };

struct proplet_msg {
    struct id proplet_id;
    bool offline; /* of alive: status "offline" */
    enum start_topic start_topic;
    json_t *metadata; /* of create: an object, owned; NULL if none */
};

/* Decodes `create` or `alive`.
 * gives: *ret_msg, to be ended with proplet_msg_done()
 * fails: as jsn_parse(), ST_INVALID, with a sentence in why */
MUST_CHECK enum status proplet_msg_decode(struct view payload, struct proplet_msg *ret_msg,
                                          struct why *why);

/* Encode ours. metadata (may be NULL) is borrowed.
 * gives: text, to be freed with free(); NULL: no memory */
char *proplet_create_encode(const struct id *proplet_id, const json_t *metadata);
char *proplet_alive_encode(const struct id *proplet_id, bool offline);

void proplet_msg_done(struct proplet_msg *msg);

#endif
