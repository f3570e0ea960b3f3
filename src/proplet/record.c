#include "proplet/record.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "io/file.h"

#define MAGIC       "fml-record-1 "
#define FIRST_SIZE  (sizeof MAGIC - 1 + DIGEST_HEX_SIZE) /* with its line's end */
#define HEADER_SIZE ((size_t)4096)

/* ---- writing ---- */

static enum status encode(const char *header, struct view body, struct bytes *ret)
{
    const size_t all = FIRST_SIZE + HEADER_SIZE + body.size;
    char hex[DIGEST_HEX_SIZE];
    enum status status = bytes_resize(ret, FIRST_SIZE);
    if (status == ST_OK)
        status = bytes_append(ret, view_text(header), all);
    if (status == ST_OK)
        status = bytes_append(ret, view_text("\n"), all);
    if (status == ST_OK)
        status = bytes_append(ret, body, all);
    if (status != ST_OK)
        return status;
    struct digest d = digest_of(view_of(ret->data + FIRST_SIZE, ret->size - FIRST_SIZE));
    digest_hex(&d, hex);
    memcpy(ret->data, MAGIC, sizeof MAGIC - 1);
    memcpy(ret->data + sizeof MAGIC - 1, hex, DIGEST_HEX_SIZE - 1);
    ret->data[FIRST_SIZE - 1] = '\n';
    return ST_OK;
}

enum status record_write(const char *path, const json_t *header, struct view body)
{
    struct bytes file = {0};
    char *text = jsn_text(header);
    if (text == NULL)
        return ST_NOMEM;
    assert(strlen(text) < HEADER_SIZE); /* ids, topics and numbers only */
    enum status status = encode(text, body, &file);
    free(text);
    if (status == ST_OK)
        status = file_write(path, bytes_view(&file));
    bytes_done(&file);
    return status;
}

/* ---- reading ---- */

/* Gives what follows the first line, if it is what that line says. */
static enum status check_digest(struct view file, struct view *ret_rest)
{
    if (file.size < FIRST_SIZE || memcmp(file.data, MAGIC, sizeof MAGIC - 1) != 0 ||
        file.data[FIRST_SIZE - 1] != '\n')
        return ST_CORRUPT;
    char hex[DIGEST_HEX_SIZE];
    struct digest said;
    memcpy(hex, file.data + sizeof MAGIC - 1, DIGEST_HEX_SIZE - 1);
    hex[DIGEST_HEX_SIZE - 1] = '\0';
    *ret_rest = view_of(file.data + FIRST_SIZE, file.size - FIRST_SIZE);
    struct digest is = digest_of(*ret_rest);
    return digest_parse(hex, &said) == ST_OK && digest_equal(&said, &is) ? ST_OK : ST_CORRUPT;
}

static enum status decode(struct view rest, size_t body_max, struct record *ret)
{
    const uint8_t *end = memchr(rest.data, '\n', rest.size);
    if (end == NULL)
        return ST_CORRUPT;
    size_t header_size = (size_t)(end - rest.data);
    struct view body = view_of(end + 1, rest.size - header_size - 1);
    if (body.size > body_max)
        return ST_CORRUPT;
    enum status status =
        jsn_parse(view_of(rest.data, header_size), HEADER_SIZE, &ret->header, NULL);
    if (status != ST_OK)
        return status == ST_NOMEM ? ST_NOMEM : ST_CORRUPT;
    ret->body = body;
    return ST_OK;
}

enum status record_read(const char *path, size_t body_max, struct record *ret)
{
    struct record r = {0};
    struct view rest = {0};
    enum status status = file_read(path, FIRST_SIZE + HEADER_SIZE + body_max, &r.file);
    if (status == ST_LIMIT)
        status = ST_CORRUPT;
    if (status == ST_OK)
        status = check_digest(bytes_view(&r.file), &rest);
    if (status == ST_OK)
        status = decode(rest, body_max, &r);
    if (status != ST_OK) {
        record_done(&r);
        return status;
    }
    *ret = r;
    return ST_OK;
}

void record_done(struct record *r)
{
    json_decref(r->header);
    bytes_done(&r->file);
    *r = (struct record){0};
}

/* ---- names ---- */

void record_path(const char *folder, const struct id *task, const char *suffix,
                 char ret_path[PROPLET_PATH_SIZE])
{
    int size = snprintf(ret_path, PROPLET_PATH_SIZE, "%s/%s%s", folder, task->text, suffix);
    assert(size > 0 && size < PROPLET_PATH_SIZE);
}

static bool name_parse(const char *name, const char *suffix, struct id *ret_task)
{
    size_t size = strlen(name), end = strlen(suffix);
    return size > end && strcmp(name + size - end, suffix) == 0 &&
           id_of(view_of(name, size - end), ret_task) == ST_OK;
}

enum status record_list(const char *folder, const char *const *suffixes, size_t count,
                        void (*found)(void *owner, const struct id *task, size_t suffix),
                        void *owner)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return ST_IO;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        struct id task;
        size_t i = 0;
        while (i < count && !name_parse(entry->d_name, suffixes[i], &task))
            i++;
        if (i < count)
            found(owner, &task, i);
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    }
    (void)closedir(entries);
    return ST_OK;
}
