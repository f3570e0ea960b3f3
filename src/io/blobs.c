#include "io/blobs.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

#define BLOBS_MAGIC 0x626c6f62u /* "blob" */

struct blobs {
    uint32_t magic;
    char folder[PATH_MAX];
};

enum status blobs_open(const char *folder, struct blobs **ret)
{
    struct blobs *b = calloc(1, sizeof *b);
    if (b == NULL)
        return ST_NOMEM;
    int size = snprintf(b->folder, sizeof b->folder, "%s", folder);
    enum status status = ST_IO;
    if (size > 0 && (size_t)size < sizeof b->folder - DIGEST_HEX_SIZE - 8)
        status = file_make_folder(folder);
    if (status == ST_OK)
        status = file_sweep(folder);
    if (status != ST_OK) {
        free(b);
        return status;
    }
    b->magic = BLOBS_MAGIC;
    *ret = b;
    return ST_OK;
}

enum status blobs_path(struct blobs *b, const struct digest *d, char *ret_path, size_t size)
{
    assert(b != NULL && b->magic == BLOBS_MAGIC);
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    int length = snprintf(ret_path, size, "%s/%s", b->folder, hex);
    return length > 0 && (size_t)length < size ? ST_OK : ST_LIMIT;
}

enum status blobs_put(struct blobs *b, struct view bytes, struct digest *ret_digest)
{
    char path[PATH_MAX];
    struct digest d = digest_of(bytes);
    enum status status = blobs_path(b, &d, path, sizeof path);
    if (status != ST_OK)
        return ST_IO;

    /* What is there already is trusted only as far as its bytes: a damaged blob
     * is repaired by the next write of the same content. */
    struct bytes old = {0};
    status = blobs_get(b, &d, bytes.size, &old);
    bytes_done(&old);
    if (status != ST_OK)
        status = file_write(path, bytes);
    if (status == ST_OK && ret_digest != NULL)
        *ret_digest = d;
    return status;
}

enum status blobs_get(struct blobs *b, const struct digest *d, size_t size_max, struct bytes *ret)
{
    char path[PATH_MAX];
    struct bytes fresh = {0};
    enum status status = blobs_path(b, d, path, sizeof path);
    if (status != ST_OK)
        return ST_IO;
    status = file_read(path, size_max, &fresh);
    if (status != ST_OK)
        return status;
    struct digest found = digest_of(bytes_view(&fresh));
    if (!digest_equal(&found, d)) {
        bytes_done(&fresh);
        return ST_CORRUPT;
    }
    bytes_done(ret);
    *ret = fresh;
    return ST_OK;
}

bool blobs_has(struct blobs *b, const struct digest *d)
{
    char path[PATH_MAX];
    struct stat info;
    return blobs_path(b, d, path, sizeof path) == ST_OK && stat(path, &info) == 0 &&
           S_ISREG(info.st_mode);
}

enum status blobs_remove(struct blobs *b, const struct digest *d)
{
    char path[PATH_MAX];
    if (blobs_path(b, d, path, sizeof path) != ST_OK)
        return ST_IO;
    return unlink(path) == 0 || errno == ENOENT ? ST_OK : ST_IO;
}

struct blobs *blobs_close(struct blobs *b)
{
    if (b != NULL)
        *(volatile uint32_t *)&b->magic = 0;
    free(b);
    return NULL;
}
