/* A coordinator's refusal of a start (fl/rounds/refused, fl/experiments/refused). Pure. */
#ifndef CLI_REFUSAL_H
#define CLI_REFUSAL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/id.h"

struct refusal {
    char code[64];
    char reason[200]; /* cut; may be empty */
};

/* True if payload is a refusal of this id. key: "round_id" or "experiment_id" */
bool refusal_read(struct view payload, const char *key, const struct id *id, struct refusal *ret);

#endif
