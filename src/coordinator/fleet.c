#include "coordinator/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define KEY_FILE_MAX ((size_t)4096)

static enum status read_key(const char *path, struct key_public *ret, struct why *why)
{
    struct bytes bytes = {0};
    enum status status = file_read(path, KEY_FILE_MAX, &bytes);
    if (status != ST_OK) {
        why_set(why, "%s cannot be read: %s", path, status_name(status));
        return status;
    }
    while (bytes.size > 0 && strchr(" \t\r\n", bytes.data[bytes.size - 1]) != NULL)
        bytes.size--;
    char *text = text_of(bytes_view(&bytes));
    status = text == NULL ? ST_INVALID : key_public_parse(text, ret);
    if (status != ST_OK)
        why_set(why, "%s is no public key: 64 hexadecimal digits, as fml fleet init writes them",
                path);
    free(text);
    bytes_done(&bytes);
    return status;
}

static enum status read_list(const char *path, struct fleet *f, struct why *why)
{
    struct bytes bytes = {0};
    if (path == NULL)
        return ST_OK;
    enum status status = file_read(path, REVOCATIONS_SIZE_MAX, &bytes);
    if (status != ST_OK)
        why_set(why, "%s cannot be read: %s", path, status_name(status));
    else
        status = revocations_check(bytes_view(&bytes), &f->key, NULL, &f->revoked, why);
    bytes_done(&bytes);
    return status;
}

enum status fleet_open(const char *key_path, const char *revocations_path, struct fleet *ret,
                       struct why *why)
{
    struct fleet f = {0};
    enum status status = read_key(key_path, &f.key, why);
    if (status == ST_OK)
        status = read_list(revocations_path, &f, why);
    if (status == ST_OK)
        *ret = f;
    return status;
}

void fleet_done(struct fleet *f)
{
    f->revoked = revocations_free(f->revoked);
}
