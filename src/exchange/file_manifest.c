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

struct manifest_job {
    int fd;
    struct manifest manifest;
    struct digest_stream *whole; /* NULL once it is done */
    uint8_t *buffer;             /* of one part */
    uint32_t next;               /* part to read */
};

enum status manifest_job_new(const char *path, uint32_t part_size, uint64_t size_max,
                             struct manifest_job **ret)
{
    assert(path != NULL && part_size >= 1 && ret != NULL);
    struct manifest_job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return ST_NOMEM;
    j->fd = -1;
    uint64_t size = 0;
    enum status status = open_regular(path, size_max, &j->fd, &size);
    if (status == ST_OK)
        status = manifest_empty(size, part_size, &j->manifest);
    if (status == ST_OK)
        status = digest_begin(&j->whole);
    if (status == ST_OK && (j->buffer = malloc(part_size)) == NULL)
        status = ST_NOMEM;
    if (status != ST_OK) {
        manifest_job_free(j);
        return status;
    }
    *ret = j;
    return ST_OK;
}

static enum status read_next(struct manifest_job *j)
{
    struct manifest *m = &j->manifest;
    struct view part = view_of(j->buffer, manifest_part_bytes(m, j->next));
    enum status status = file_read_at(j->fd, manifest_offset(m, j->next), j->buffer, part.size);
    if (status != ST_OK)
        return status;
    /* What is still only in memory begins to be written, so that a sync that follows is
     * short; of a file that is on the disk this does nothing. */
    (void)sync_file_range(j->fd, (off_t)manifest_offset(m, j->next), (off_t)part.size,
                          SYNC_FILE_RANGE_WRITE);
    m->parts[j->next++] = digest_of(part);
    digest_more(j->whole, part);
    return ST_OK;
}

enum status manifest_job_step(struct manifest_job *j, int64_t *budget, bool *ret_done)
{
    assert(j != NULL && budget != NULL && ret_done != NULL);
    while (*budget > 0 && j->next < j->manifest.part_count) {
        enum status status = read_next(j);
        if (status != ST_OK)
            return status;
        *budget -= j->manifest.part_size;
    }
    if (j->next == j->manifest.part_count && j->whole != NULL) {
        j->manifest.digest = digest_end(j->whole);
        j->whole = NULL;
    }
    *ret_done = j->whole == NULL;
    return ST_OK;
}

const struct manifest *manifest_job_result(const struct manifest_job *j)
{
    assert(j != NULL && j->whole == NULL);
    return &j->manifest;
}

struct manifest_job *manifest_job_free(struct manifest_job *j)
{
    if (j == NULL)
        return NULL;
    digest_drop(j->whole);
    free(j->buffer);
    manifest_done(&j->manifest);
    if (j->fd >= 0)
        (void)close(j->fd);
    free(j);
    return NULL;
}

enum status file_manifest(const char *path, uint32_t part_size, uint64_t size_max,
                          struct manifest *ret)
{
    assert(ret != NULL);
    struct manifest_job *j = NULL;
    int64_t all = INT64_MAX;
    bool done = false;
    enum status status = manifest_job_new(path, part_size, size_max, &j);
    if (status == ST_OK)
        status = manifest_job_step(j, &all, &done);
    if (status == ST_OK) {
        assert(done);
        *ret = j->manifest;
        j->manifest = (struct manifest){0};
    }
    manifest_job_free(j);
    return status;
}
