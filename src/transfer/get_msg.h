/* A request for a part of a blob, or for its manifest (PROTOCOL 1.6, 2.9). */
#ifndef TRANSFER_GET_MSG_H
#define TRANSFER_GET_MSG_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/jsn.h"

struct get_msg {
    struct id client_id; /* who asks, and where the answer goes */
    struct digest digest;
    bool wants_part; /* false: the manifest */
    uint32_t part;   /* 0..PARTS_MAX-1 */
};

/* fails: as jsn_parse(), ST_INVALID with a sentence */
MUST_CHECK enum status get_msg_decode(struct view payload, struct get_msg *ret_msg,
                                      struct why *why);
/* gives: text, to be freed with free(); NULL: no memory */
char *get_msg_encode(const struct get_msg *msg);

#endif
