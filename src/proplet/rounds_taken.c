#include "proplet/rounds_taken.h"

#include <assert.h>
#include <stdio.h>

#include "proplet/record.h"

#define COUNT_MAX (UINT64_C(1) << 53) /* exact as JSON; more than a device has seconds */

enum status rounds_taken_open(struct rounds_taken *r, const char *path, struct why *why)
{
    *r = (struct rounds_taken){0};
    int size = snprintf(r->path, sizeof r->path, "%s", path);
    assert(size > 0 && size < (int)sizeof r->path);
    struct record record = {0};
    enum status status = record_read(path, 0, &record);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    if (status == ST_OK &&
        jsn_uint(record.header, "rounds", JSN_REQUIRED, 0, COUNT_MAX, &r->count, NULL) != ST_OK)
        status = ST_CORRUPT;
    record_done(&record);
    if (status != ST_OK)
        why_set(why,
                "%.150s: %s, so the rounds of rounds_max cannot be counted; remove it to "
                "begin at 0",
                path, status_name(status));
    return status;
}

enum status rounds_taken_add(struct rounds_taken *r)
{
    assert(r->count < COUNT_MAX);
    json_t *header = json_pack("{s:I}", "rounds", (json_int_t)(r->count + 1));
    enum status status =
        header == NULL ? ST_NOMEM : record_write(r->path, header, view_of(NULL, 0));
    json_decref(header);
    if (status == ST_OK)
        r->count++;
    return status;
}
