/* Which slots of a table are not as they were last recorded. Pure. */
#ifndef MANAGER_CHANGES_H
#define MANAGER_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct changes {
    bool *marked;   /* (slot_count,) */
    uint32_t *list; /* (count,) of room for slot_count, in the order of marking */
    size_t count;
};

/* For slots 0..slot_count-1. fails: ST_NOMEM; changes_done() is fine then too */
MUST_CHECK enum status changes_init(struct changes *c, uint32_t slot_count);

void changes_mark(struct changes *c, uint32_t slot);
void changes_clear(struct changes *c);
void changes_done(struct changes *c);

#endif
