#include "cli/ids.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool ids_have(const struct ids *list, const struct id *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (id_equal(&list->items[i], id))
            return true;
    return false;
}

enum status ids_add(struct ids *list, const struct id *id)
{
    if (ids_have(list, id))
        return ST_OK;
    if (list->count == ROUND_PARTICIPANTS_MAX)
        return ST_LIMIT;
    struct id *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return ST_NOMEM;
    items[list->count] = *id;
    list->items = items;
    list->count++;
    return ST_OK;
}

static enum status add_text(struct ids *list, const char *text, size_t size, struct why *why)
{
    struct id id;
    enum status status = id_of(view_of(text, size), &id);
    if (status != ST_OK) {
        why_set(why, "'%.*s' is not an id: 1 to %zu letters, digits, '.', '_', '-' or ':'",
                size > 80 ? 80 : (int)size, text, ID_SIZE_MAX);
        return status;
    }
    if (ids_have(list, &id)) {
        why_set(why, "%s is named twice", id.text);
        return ST_INVALID;
    }
    status = ids_add(list, &id);
    if (status == ST_LIMIT)
        why_set(why, "more than %d ids", ROUND_PARTICIPANTS_MAX);
    return status;
}

enum status ids_parse(const char *text, struct ids *ret, struct why *why)
{
    assert(text != NULL && ret != NULL);
    struct ids list = {0};
    const char *at = text;
    for (;;) {
        size_t size = strcspn(at, ",");
        enum status status = add_text(&list, at, size, why);
        if (status != ST_OK) {
            ids_done(&list);
            return status;
        }
        at += size;
        if (*at == '\0')
            break;
        at++;
    }
    *ret = list;
    return ST_OK;
}

void ids_subtract(struct ids *list, const struct ids *others)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!ids_have(others, &list->items[i]))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

void ids_done(struct ids *list)
{
    if (list == NULL)
        return;
    free(list->items);
    *list = (struct ids){0};
}
