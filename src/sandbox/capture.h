/* Bytes of a stream whose length someone else decides: either the first max of
 * them, with a word when there are more, or the last max. */
#ifndef SANDBOX_CAPTURE_H
#define SANDBOX_CAPTURE_H

#include "base/bytes.h"

struct capture {
    struct bytes data; /* up to 2 * max while a tail is collected */
    size_t max;
    bool tail;
};

/* fails: ST_LIMIT (more than max in all; never for a tail), ST_NOMEM; what
 *        fitted is kept */
MUST_CHECK enum status capture_add(struct capture *c, struct view v);

/* At most max bytes, borrowed from c. */
struct view capture_view(const struct capture *c);

void capture_done(struct capture *c);

#endif
