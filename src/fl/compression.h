/* How a device is asked to write its update: `compression` of a round's start (PROTOCOL
 * 2.1), which reaches the device in the task's `spec`. */
#ifndef FL_COMPRESSION_H
#define FL_COMPRESSION_H

#include <stdbool.h>

#include "base/jsn.h"
#include "model/dtype.h"

/* A zeroed one is none: values as the guest wrote them. */
struct compression {
    enum dtype dtype; /* of the values that are sent: F32, F16, BF16 or I8 */
    double top_k;     /* the share of each tensor's values that are sent, those of the largest
                       * magnitude; 0 < top_k < 1, or 0 for all */
};

bool compression_is_none(const struct compression *c);

/* Reads the field `compression` of a message or a spec; none if it is absent.
 * fails: ST_INVALID (also: a field that it does not have) */
MUST_CHECK enum status compression_read(const json_t *object, struct compression *ret,
                                        struct why *why);

/* Sets the field, unless it is none. 0, or -1 without memory; object may be
 * NULL then. */
int compression_set(json_t *object, const struct compression *c);

#endif
