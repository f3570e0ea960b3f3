#include "base/id.h"

#include <assert.h>
#include <string.h>

static bool id_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
}

enum status id_of(struct view v, struct id *ret_id)
{
    assert(ret_id != NULL);
    if (v.size < 1 || v.size > ID_SIZE_MAX || v.data[0] == '.')
        return ST_INVALID;
    for (size_t i = 0; i < v.size; i++)
        if (!id_letter(v.data[i]))
            return ST_INVALID;
    memset(ret_id, 0, sizeof *ret_id);
    memcpy(ret_id->text, v.data, v.size);
    return ST_OK;
}

enum status id_from(const char *text, struct id *ret_id)
{
    return id_of(view_text(text), ret_id);
}

bool id_equal(const struct id *a, const struct id *b)
{
    return strcmp(a->text, b->text) == 0;
}
