#include "proplet/revocation_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/file.h"
#include "proplet/record.h"

struct revocation_file {
    const char *path;
    char kept[PROPLET_PATH_SIZE];
    const struct key_public *fleet;
    struct revocations *list; /* NULL: none is known yet */
};

/* What an earlier life has read. */
static enum status read_kept(struct revocation_file *f, struct why *why)
{
    struct record record = {0};
    enum status status = record_read(f->kept, REVOCATIONS_SIZE_MAX, &record);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    if (status != ST_OK) {
        why_set(why, "%.150s: %s, so an older list could not be told; remove it to begin anew",
                f->kept, status_name(status));
        return status;
    }
    status = revocations_check(record.body, f->fleet, NULL, &f->list, NULL);
    record_done(&record);
    /* The record is whole: what does not count in it is a list that another fleet has signed. */
    return status == ST_NOMEM ? status : ST_OK;
}

static enum status keep(const struct revocation_file *f, struct view bytes, struct why *why)
{
    json_t *header = json_object();
    enum status status = header == NULL ? ST_NOMEM : record_write(f->kept, header, bytes);
    json_decref(header);
    if (status != ST_OK)
        why_set(why, "%.150s cannot be written: %s", f->kept, status_name(status));
    return status;
}

/* bytes: what lies at path now */
static enum status take(struct revocation_file *f, struct view bytes, struct why *why)
{
    struct revocations *fresh = NULL;
    struct why detail = {""};
    enum status status = revocations_check(bytes, f->fleet, f->list, &fresh, &detail);
    if (status != ST_OK) {
        why_set(why, "%.120s: %s", f->path, detail.text);
        return status;
    }
    if (f->list == NULL || revocations_number(fresh) > revocations_number(f->list))
        status = keep(f, bytes, why);
    if (status != ST_OK) {
        (void)revocations_free(fresh);
        return status;
    }
    (void)revocations_free(f->list);
    f->list = fresh;
    return ST_OK;
}

enum status revocation_file_read(struct revocation_file *f, struct why *why)
{
    struct bytes bytes = {0};
    enum status status = file_read(f->path, REVOCATIONS_SIZE_MAX, &bytes);
    if (status == ST_OK)
        status = take(f, bytes_view(&bytes), why);
    else
        why_set(why, "%.150s, of --revocations, cannot be read: %s", f->path, status_name(status));
    bytes_done(&bytes);
    return status;
}

enum status revocation_file_open(const char *path, const char *kept, const struct key_public *fleet,
                                 struct revocation_file **ret, struct why *why)
{
    struct revocation_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    f->path = path;
    f->fleet = fleet;
    int size = snprintf(f->kept, sizeof f->kept, "%s", kept);
    assert(size > 0 && size < (int)sizeof f->kept);
    enum status status = read_kept(f, why);
    if (status == ST_OK)
        status = revocation_file_read(f, why);
    if (status != ST_OK) {
        (void)revocation_file_close(f);
        return status;
    }
    *ret = f;
    return ST_OK;
}

const struct revocations *revocation_file_list(const struct revocation_file *f)
{
    return f->list;
}

struct revocation_file *revocation_file_close(struct revocation_file *f)
{
    if (f == NULL)
        return NULL;
    f->list = revocations_free(f->list);
    free(f);
    return NULL;
}
