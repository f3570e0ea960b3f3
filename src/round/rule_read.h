/* How a round's updates are to be aggregated, from its start (PROTOCOL 2.1):
 *     "aggregation": {"rule": "trimmed_mean", "trim": 0.1}
 * Its ranges, and what goes together, are those of aggregate/rule.h. */
#ifndef ROUND_RULE_READ_H
#define ROUND_RULE_READ_H

#include "aggregate/rule.h"
#include "fl/round_start.h"

/* Without "aggregation": the mean, weighted by samples. Fields that are not known are
 * ignored.
 * why: may be NULL
 * fails: ST_INVALID with a sentence (a field of a wrong type or range, a rule that is
 *        not known, things that do not go together, too few updates for the rule) */
MUST_CHECK enum status rule_read(const struct round_start *start, struct rule_settings *ret,
                                 struct why *why);

#endif
