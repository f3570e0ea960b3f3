#include "manager/changes.h"

#include <stdlib.h>

enum status changes_init(struct changes *c, uint32_t slot_count)
{
    *c = (struct changes){0};
    c->marked = calloc(slot_count, sizeof *c->marked);
    c->list = calloc(slot_count, sizeof *c->list);
    return c->marked == NULL || c->list == NULL ? ST_NOMEM : ST_OK;
}

void changes_mark(struct changes *c, uint32_t slot)
{
    if (c->marked[slot])
        return;
    c->marked[slot] = true;
    c->list[c->count++] = slot;
}

void changes_clear(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++)
        c->marked[c->list[i]] = false;
    c->count = 0;
}

void changes_done(struct changes *c)
{
    free(c->marked);
    free(c->list);
    *c = (struct changes){0};
}
