/* Names of rounds, proplets, tasks and models, as the network brings them.
 *
 * An id is 1..ID_SIZE_MAX letters, digits, '.', '_', '-', ':' and does not
 * begin with '.'. So it is always exactly one MQTT topic level, free of
 * wildcards, and never a path out of a folder. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/limits.h"

struct id {
    char text[ID_SIZE_MAX + 1];
};

/* fails: ST_INVALID (v is not an id); *ret_id is untouched then */
MUST_CHECK enum status id_of(struct view v, struct id *ret_id);

/* The same for a zero-terminated text. */
MUST_CHECK enum status id_from(const char *text, struct id *ret_id);

bool id_equal(const struct id *a, const struct id *b);

#endif
