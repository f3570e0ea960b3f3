#include "base/id_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct id *const *x = a, *const *y = b;
    return strcmp((*x)->text, (*y)->text);
}

enum status id_set_new(const struct id *ids, size_t count, struct id_set *ret)
{
    assert((ids != NULL || count == 0) && ret != NULL);
    const struct id **sorted = calloc(count + 1, sizeof(const struct id *));
    if (sorted == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &ids[i];
    qsort(sorted, count, sizeof(const struct id *), compare);
    *ret = (struct id_set){sorted, count};
    return ST_OK;
}

bool id_set_has(const struct id_set *set, const struct id *id)
{
    assert(set->sorted != NULL);
    return bsearch(&id, set->sorted, set->count, sizeof(const struct id *), compare) != NULL;
}

const struct id *id_set_twice(const struct id_set *set)
{
    for (size_t i = 1; i < set->count; i++)
        if (id_equal(set->sorted[i - 1], set->sorted[i]))
            return set->sorted[i];
    return NULL;
}

void id_set_unify(struct id_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (kept == 0 || !id_equal(set->sorted[kept - 1], set->sorted[i]))
            set->sorted[kept++] = set->sorted[i];
    set->count = kept;
}

void id_set_done(struct id_set *set)
{
    if (set == NULL)
        return;
    free(set->sorted);
    *set = (struct id_set){0};
}
