#include "exchange/file_manifest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

static enum status open_regular(const char *path, uint64_t size_max, int *ret_fd,
                                uint64_t *ret_size)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ST_NOT_FOUND : ST_IO;
    enum status status = ST_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = ST_IO;
    else if (info.st_size == 0)
        status = ST_INVALID;
    else if ((uint64_t)info.st_size > size_max)
        status = ST_LIMIT;
    if (status != ST_OK) {
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    *ret_size = (uint64_t)info.st_size;
    return ST_OK;
}

static enum status read_parts(int fd, struct manifest *m, struct digest_stream *whole,
                              uint8_t *buffer)
{
    for (uint32_t i = 0; i < m->part_count; i++) {
        struct view part = view_of(buffer, manifest_part_bytes(m, i));
        enum status status = file_read_at(fd, manifest_offset(m, i), buffer, part.size);
        if (status != ST_OK)
            return status;
        m->parts[i] = digest_of(part);
        digest_more(whole, part);
    }
    return ST_OK;
}

enum status file_manifest(const char *path, uint32_t part_size, uint64_t size_max,
                          struct manifest *ret)
{
    assert(path != NULL && part_size >= 1 && ret != NULL);
    struct manifest m = {0};
    struct digest_stream *whole = NULL;
    uint8_t *buffer = NULL;
    int fd = -1;
    uint64_t size = 0;
    enum status status = open_regular(path, size_max, &fd, &size);
    if (status == ST_OK)
        status = manifest_empty(size, part_size, &m);
    if (status == ST_OK)
        status = digest_begin(&whole);
    if (status != ST_OK)
        goto done;
    buffer = malloc(part_size);
    if (buffer == NULL) {
        status = ST_NOMEM;
        goto done;
    }
    status = read_parts(fd, &m, whole, buffer);
    if (status != ST_OK)
        goto done;
    m.digest = digest_end(whole);
    whole = NULL;
    *ret = m;
    m = (struct manifest){0};
done:
    digest_drop(whole);
    free(buffer);
    manifest_done(&m);
    if (fd >= 0)
        (void)close(fd);
    return status;
}
