/* A list of different ids: participants of a round. Pure. */
#ifndef CLI_IDS_H
#define CLI_IDS_H

#include <stdbool.h>

#include "base/id.h"

/* A zeroed list is empty. */
struct ids {
    struct id *items; /* (count,), owned */
    size_t count;
};

/* Reads "proplet-1,proplet-2". ret is a list without memory of its own before.
 * fails: ST_INVALID (empty, not an id, one twice), ST_LIMIT (more than
 *        ROUND_PARTICIPANTS_MAX), ST_NOMEM, with a sentence; ret is untouched */
MUST_CHECK enum status ids_parse(const char *text, struct ids *ret, struct why *why);

/* Adds one that is not there yet; one that is there is ST_OK and nothing.
 * fails: ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status ids_add(struct ids *list, const struct id *id);

bool ids_have(const struct ids *list, const struct id *id);

/* Takes out of list what is in others; the order stays. */
void ids_subtract(struct ids *list, const struct ids *others);

void ids_done(struct ids *list);

#endif
