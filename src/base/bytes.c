#include "base/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct view view_text(const char *text)
{
    assert(text != NULL);
    return view_of(text, strlen(text));
}

bool view_equal(struct view a, struct view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static enum status reserve(struct bytes *b, size_t capacity)
{
    if (capacity <= b->capacity)
        return ST_OK;
    /* Doubling keeps appending linear in all; the first step avoids tiny ones. */
    size_t grown = b->capacity < 64 ? 64 : b->capacity;
    while (grown < capacity)
        grown = grown > SIZE_MAX / 2 ? capacity : grown * 2;
    uint8_t *data = realloc(b->data, grown);
    if (data == NULL)
        return ST_NOMEM;
    b->data = data;
    b->capacity = grown;
    return ST_OK;
}

enum status bytes_append(struct bytes *b, struct view v, size_t size_max)
{
    assert(b != NULL && (v.data != NULL || v.size == 0));
    if (b->size > size_max || v.size > size_max - b->size)
        return ST_LIMIT;
    enum status status = reserve(b, b->size + v.size);
    if (status != ST_OK)
        return status;
    if (v.size > 0)
        memcpy(b->data + b->size, v.data, v.size);
    b->size += v.size;
    return ST_OK;
}

enum status bytes_resize(struct bytes *b, size_t size)
{
    assert(b != NULL);
    enum status status = reserve(b, size);
    if (status != ST_OK)
        return status;
    if (size > b->size)
        memset(b->data + b->size, 0, size - b->size);
    b->size = size;
    return ST_OK;
}

enum status bytes_copy(struct bytes *b, struct view v)
{
    struct bytes fresh = {0};
    enum status status = bytes_append(&fresh, v, SIZE_MAX);
    if (status != ST_OK)
        return status;
    bytes_done(b);
    *b = fresh;
    return ST_OK;
}

void bytes_done(struct bytes *b)
{
    if (b == NULL)
        return;
    free(b->data);
    *b = (struct bytes){0};
}

char *text_of(struct view v)
{
    if (v.size > 0 && memchr(v.data, 0, v.size) != NULL)
        return NULL;
    char *text = malloc(v.size + 1);
    if (text == NULL)
        return NULL;
    if (v.size > 0)
        memcpy(text, v.data, v.size);
    text[v.size] = '\0';
    return text;
}

void text_trim(char *text)
{
    assert(text != NULL);
    size_t size = strlen(text);
    size_t lead = size; /* behind the lead byte of the last character */
    while (lead > 0 && size - lead < 3 && ((uint8_t)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    lead--;
    uint8_t c = (uint8_t)text[lead];
    size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    if (size - lead < whole)
        text[lead] = '\0';
}
