/* The server optimiser of a round, from its start (PROTOCOL 2.1):
 *     "aggregation": {"optimiser": {"kind": "fedadam", "rate": 0.1}}
 * Its ranges are those of aggregate/optimiser.h. */
#ifndef ROUND_OPTIMISER_READ_H
#define ROUND_OPTIMISER_READ_H

#include "aggregate/optimiser.h"
#include "fl/round_start.h"

/* What is not said has the value of optimiser_defaults(). Unknown fields are ignored.
 * ret_has: whether there is one; without, *ret stays as it is
 * why:     may be NULL
 * fails:   ST_INVALID with a sentence (no object, no or an unknown kind, a field of a
 *          wrong type or range) */
MUST_CHECK enum status optimiser_read(const struct round_start *start, bool *ret_has,
                                      struct optimiser *ret, struct why *why);

#endif
