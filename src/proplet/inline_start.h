/* What only a start on Propeller's shared topic has: everybody hears it, and it
 * carries its module inside (PROTOCOL 1.2). Pure. */
#ifndef PROPLET_INLINE_START_H
#define PROPLET_INLINE_START_H

#include <stdbool.h>

#include "base/id.h"

/* True if the payload names this proplet. All others are no business of ours,
 * also those that cannot be read. */
bool inline_start_is_for(struct view payload, const struct id *proplet);

/* The module in `file`, standard base64; nothing if there is none.
 * gives: *ret_module, empty or at most IMAGE_SIZE_MAX bytes
 * fails: ST_INVALID (not base64), ST_NOMEM and as jsn_parse(), with a sentence */
MUST_CHECK enum status inline_start_module(struct view payload, struct bytes *ret_module,
                                           struct why *why);

#endif
