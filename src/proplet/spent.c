#include "proplet/spent.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proplet/record.h"

#define RELEASES_MAX (UINT64_C(1) << 53)

static enum status read_record(const struct record *record, struct spent *s)
{
    uint64_t accountant = 0;
    if (jsn_uint(record->header, "releases", JSN_REQUIRED, 0, RELEASES_MAX, &s->releases, NULL) !=
            ST_OK ||
        jsn_uint(record->header, "accountant", JSN_REQUIRED, RDP_VERSION, RDP_VERSION, &accountant,
                 NULL) != ST_OK ||
        record->body.size != sizeof s->rdp)
        return ST_CORRUPT;
    memcpy(&s->rdp, record->body.data, sizeof s->rdp);
    return rdp_check(&s->rdp) == ST_OK ? ST_OK : ST_CORRUPT;
}

enum status spent_open(struct spent *s, const char *path, struct why *why)
{
    *s = (struct spent){0};
    int size = snprintf(s->path, sizeof s->path, "%s", path);
    assert(size > 0 && size < (int)sizeof s->path);
    struct record record = {0};
    enum status status = record_read(path, sizeof s->rdp, &record);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    if (status == ST_OK)
        status = read_record(&record, s);
    record_done(&record);
    if (status != ST_OK)
        why_set(why,
                "%.150s: %s, so what was spent of this device's privacy is not known; remove it "
                "to begin at nothing",
                path, status_name(status));
    return status;
}

enum status spent_with(const struct spent *s, const struct rdp *more, double delta,
                       double *ret_epsilon)
{
    struct rdp sum = s->rdp;
    rdp_add(&sum, more);
    return rdp_epsilon(&sum, delta, ret_epsilon);
}

enum status spent_add(struct spent *s, const struct rdp *more)
{
    struct rdp sum = s->rdp;
    rdp_add(&sum, more);
    json_t *header = json_pack("{s:I, s:i}", "releases", (json_int_t)(s->releases + 1),
                               "accountant", RDP_VERSION);
    enum status status =
        header == NULL ? ST_NOMEM : record_write(s->path, header, view_of(&sum, sizeof sum));
    json_decref(header);
    if (status != ST_OK)
        return status;
    s->rdp = sum;
    s->releases++;
    return ST_OK;
}
