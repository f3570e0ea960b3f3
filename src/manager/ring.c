#include "manager/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "manager/lookup.h"

struct remembered {
    char *text; /* NULL: the slot is free */
    struct digest digest;
};

struct ring {
    struct lookup *lookup;
    uint32_t capacity;
    uint32_t next; /* the slot that is written next: the oldest one */
    size_t count;
    struct remembered slots[]; /* (capacity,) */
};

enum status ring_new(uint32_t capacity, struct ring **ret)
{
    assert(capacity >= 1);
    struct ring *r = calloc(1, sizeof *r + capacity * sizeof r->slots[0]);
    if (r == NULL)
        return ST_NOMEM;
    r->capacity = capacity;
    enum status status = lookup_new(capacity, &r->lookup);
    if (status != ST_OK) {
        free(r);
        return status;
    }
    *ret = r;
    return ST_OK;
}

static void clear(struct ring *r, uint32_t slot)
{
    if (r->slots[slot].text == NULL)
        return;
    lookup_remove(r->lookup, slot);
    free(r->slots[slot].text);
    r->slots[slot] = (struct remembered){0};
    r->count--;
}

enum status ring_put(struct ring *r, const char *text, const struct digest *digest)
{
    struct digest kept = digest == NULL ? (struct digest){0} : *digest;
    uint32_t slot;
    if (lookup_find(r->lookup, text, &slot)) {
        r->slots[slot].digest = kept;
        return ST_OK;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return ST_NOMEM;
    slot = r->next;
    clear(r, slot);
    r->slots[slot] = (struct remembered){.text = copy, .digest = kept};
    lookup_put(r->lookup, slot, copy);
    r->count++;
    r->next = (slot + 1) % r->capacity;
    return ST_OK;
}

bool ring_find(const struct ring *r, const char *text, struct digest *ret_digest)
{
    uint32_t slot;
    if (!lookup_find(r->lookup, text, &slot))
        return false;
    if (ret_digest != NULL)
        *ret_digest = r->slots[slot].digest;
    return true;
}

void ring_forget(struct ring *r, const char *text)
{
    uint32_t slot;
    if (lookup_find(r->lookup, text, &slot))
        clear(r, slot);
}

const char *ring_next(const struct ring *r, size_t *cursor)
{
    while (*cursor < r->capacity) {
        const char *text = r->slots[(r->next + (*cursor)++) % r->capacity].text;
        if (text != NULL)
            return text;
    }
    return NULL;
}

size_t ring_count(const struct ring *r)
{
    return r->count;
}

struct ring *ring_free(struct ring *r)
{
    if (r == NULL)
        return NULL;
    for (uint32_t i = 0; i < r->capacity; i++)
        free(r->slots[i].text);
    lookup_free(r->lookup);
    free(r);
    return NULL;
}
