#include "coordinator/held.h"

#include <assert.h>
#include <stdlib.h>

/* FNV-1a: Fowler, Noll and Vo, the 32 bits of it. */
static uint32_t add_text(uint32_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

static size_t place_of(const struct id *asked, const struct id *sender)
{
    return add_text(add_text(2166136261u, asked->text), sender->text) % HELD_PLACES;
}

static const struct held *find(const struct held_updates *h, const struct id *asked,
                               const struct id *sender)
{
    const struct held *u = h->places[place_of(asked, sender)];
    while (u != NULL && !(id_equal(&u->asked, asked) && id_equal(&u->sender, sender)))
        u = u->beside;
    return u;
}

static void append(struct held_updates *h, struct held *u)
{
    struct held **place = &h->places[place_of(&u->asked, &u->sender)];
    u->beside = *place;
    *place = u;
    if (h->last == NULL)
        h->first = u;
    else
        h->last->next = u;
    h->last = u;
}

bool held_add(struct held_updates *h, const struct id *asked, const struct id *sender,
              struct view payload)
{
    assert(h != NULL && asked != NULL && sender != NULL);
    const struct held *known = find(h, asked, sender);
    if (known != NULL)
        return view_equal(bytes_view(&known->payload), payload);
    size_t room = HELD_UPDATES_BYTES_MAX - h->bytes;
    if (room < sizeof(struct held) || payload.size > room - sizeof(struct held))
        return false;
    struct held *u = calloc(1, sizeof *u);
    if (u == NULL || bytes_copy(&u->payload, payload) != ST_OK) {
        free(u);
        return false;
    }
    u->asked = *asked;
    u->sender = *sender;
    h->bytes += sizeof *u + payload.size;
    append(h, u);
    return true;
}

bool held_has(const struct held_updates *h, const struct id *asked, const struct id *sender)
{
    assert(h != NULL && asked != NULL && sender != NULL);
    return find(h, asked, sender) != NULL;
}

void held_done(struct held_updates *h)
{
    assert(h != NULL);
    while (h->first != NULL) {
        struct held *u = h->first;
        h->first = u->next;
        bytes_done(&u->payload);
        free(u);
    }
    *h = (struct held_updates){0};
}
