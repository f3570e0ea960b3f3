/* MQTT topics: matching of filters, levels, and the names of the core topics
 * (docs/PROTOCOL.md section 1). Pure: nothing is sent here. */
#ifndef WIRE_TOPIC_H
#define WIRE_TOPIC_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/id.h"

struct topic {
    char text[TOPIC_SIZE_MAX];
};

/* A domain and a channel: the prefix m/{domain}/c/{channel} of all core topics. */
struct topic_space {
    struct id domain;
    struct id channel;
};

/* True if filter ('+' and a last '#' as in MQTT 5 section 4.7) matches topic.
 * A topic that begins with '$' is matched by no filter that begins with a wildcard. */
bool topic_match(const char *filter, const char *topic);

/* fails: ST_INVALID (not a valid filter: empty, too long, more than
 * TOPIC_LEVELS_MAX levels, a wildcard that does not fill its level, '#' not last) */
MUST_CHECK enum status topic_filter_check(const char *filter);

/* The level with this index (0 is the first), borrowed from topic.
 * fails: ST_NOT_FOUND */
MUST_CHECK enum status topic_level(const char *topic, unsigned index, struct view *ret_level);

/* m/{domain}/c/{channel}/{rest...}: each piece after the prefix is appended
 * with '/'. The list ends with NULL. Asserts that all fits: pieces are constants or ids. */
void topic_make(const struct topic_space *space, struct topic *ret_topic, ...)
    __attribute__((sentinel));

/* If topic is m/{domain}/c/{channel}/rest of this space, gives rest, else NULL. */
const char *topic_rest(const struct topic_space *space, const char *topic);

#endif
