/* A source's values as an array of float32, without a copy where they are one. Not
 * for use outside of this folder. */
#ifndef AGGREGATE_VALUES_H
#define AGGREGATE_VALUES_H

#include <stdalign.h>

#include "aggregate/source.h"

/* The values of [from, to), which s covers.
 * room: (to - from,), written to where the bytes of s cannot be looked at as they are
 * returns: room, or a place in the bytes of s, which are memory that was had or mapped
 *          and so have no type of their own */
static inline const float *values_of(const struct source *s, size_t from, size_t to, float *room)
{
    const struct piece *p = source_piece(s, from);
    if (p != NULL && p->dtype == DTYPE_F32 && s->base == NULL && to <= p->from + p->count) {
        const uint8_t *bytes = p->bytes + (from - p->from) * sizeof(float);
        if ((uintptr_t)bytes % alignof(float) == 0)
            return (const float *)(const void *)bytes;
    }
    source_read(s, from, to, room);
    return room;
}

#endif
