#include "wire/roster_msg.h"

#include <assert.h>
#include <stdlib.h>

#include "base/id_set.h"

static enum status check_different(const struct roster *r, struct why *why)
{
    struct id_set set;
    enum status status = id_set_new(r->alive, r->count, &set);
    if (status != ST_OK)
        return status;
    const struct id *twice = id_set_twice(&set);
    if (twice != NULL) {
        why_set(why, "alive names %s twice", twice->text);
        status = ST_INVALID;
    }
    id_set_done(&set);
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
