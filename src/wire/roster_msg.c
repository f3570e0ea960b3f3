#include "wire/roster_msg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare_ids(const void *a, const void *b)
{
    const struct id *x = a, *y = b;
    return strcmp(x->text, y->text);
}

/* By sorting a copy: a list of 10,000 that comes from outside allows no loop in a loop. */
static enum status check_different(const struct roster *r, struct why *why)
{
    if (r->count < 2)
        return ST_OK;
    struct id *sorted = malloc(r->count * sizeof *sorted);
    if (sorted == NULL)
        return ST_NOMEM;
    memcpy(sorted, r->alive, r->count * sizeof *sorted);
    qsort(sorted, r->count, sizeof *sorted, compare_ids);
    enum status status = ST_OK;
    for (size_t i = 1; i < r->count && status == ST_OK; i++)
        if (id_equal(&sorted[i - 1], &sorted[i])) {
            why_set(why, "alive names %s twice", sorted[i].text);
            status = ST_INVALID;
        }
    free(sorted);
    return status;
}

static enum status read_ids(const json_t *array, struct roster *r, struct why *why)
{
    for (size_t i = 0; i < r->count; i++) {
        const json_t *item = json_array_get(array, i);
        struct view text = view_of(json_string_value(item), json_string_length(item));
        if (id_of(text, &r->alive[i]) != ST_OK) {
            why_set(why, "alive[%zu] is not a name of a proplet", i);
            return ST_INVALID;
        }
    }
    return check_different(r, why);
}

enum status roster_read(const json_t *answer, struct roster *ret, struct why *why)
{
    assert(answer != NULL && ret != NULL);
    json_t *array = NULL;
    enum status status = jsn_array(answer, "alive", JSN_REQUIRED, PROPLETS_MAX, &array, why);
    if (status != ST_OK)
        return status;
    struct roster r = {.count = json_array_size(array)};
    if (r.count > 0) {
        r.alive = calloc(r.count, sizeof *r.alive);
        if (r.alive == NULL)
            return ST_NOMEM;
        status = read_ids(array, &r, why);
    }
    if (status != ST_OK) {
        roster_done(&r);
        return status;
    }
    *ret = r;
    return ST_OK;
}

void roster_done(struct roster *roster)
{
    if (roster == NULL)
        return;
    free(roster->alive);
    *roster = (struct roster){0};
}
