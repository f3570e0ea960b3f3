/* An owned buffer (struct bytes) and a borrowed one (struct view).
 *
 * A zeroed struct bytes is empty and needs no end. Not thread-safe. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct view {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
};

struct bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static inline struct view view_of(const void *data, size_t size)
{
    return (struct view){data, size};
}

/* text: zero-terminated, borrowed. */
struct view view_text(const char *text);

static inline struct view bytes_view(const struct bytes *b)
{
    return (struct view){b->data, b->size};
}

bool view_equal(struct view a, struct view b);

/* Appends a copy of v.
 * fails: ST_LIMIT (more than size_max in all), ST_NOMEM; b is then unchanged */
MUST_CHECK enum status bytes_append(struct bytes *b, struct view v, size_t size_max);

/* Grows or shrinks to size; new bytes are zero. fails: ST_NOMEM */
MUST_CHECK enum status bytes_resize(struct bytes *b, size_t size);

/* Makes b a copy of v, whatever it held. fails: ST_NOMEM; b is then unchanged */
MUST_CHECK enum status bytes_copy(struct bytes *b, struct view v);

/* Frees what b holds and leaves it empty. */
void bytes_done(struct bytes *b);

/* A zero-terminated copy of v, to be freed with free(). NULL: no memory, or v
 * holds a zero byte. */
char *text_of(struct view v);

/* After a text was cut to fit: removes the UTF-8 character at its end that the
 * cut left incomplete, or JSON could not carry the text. */
void text_trim(char *text);

#endif
