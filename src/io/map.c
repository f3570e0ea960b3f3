#include "io/map.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status check_size(int fd, uint64_t size_max, size_t *ret)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return ST_IO;
    if (info.st_size == 0)
        return ST_INVALID;
    if ((uint64_t)info.st_size > size_max)
        return ST_LIMIT;
    *ret = (size_t)info.st_size;
    return ST_OK;
}

enum status map_open(const char *path, uint64_t size_max, struct view *ret)
{
    assert(path != NULL && ret != NULL);
    /* Not blocking: a pipe that someone put there must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ST_NOT_FOUND : ST_IO;
    size_t size = 0;
    enum status status = check_size(fd, size_max, &size);
    if (status == ST_OK) {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = errno == ENOMEM ? ST_NOMEM : ST_IO;
        else
            *ret = view_of(data, size);
    }
    (void)close(fd);
    return status;
}

void map_close(struct view *v)
{
    if (v == NULL || v->data == NULL)
        return;
    int failed = munmap((void *)(uintptr_t)v->data, v->size);
    assert(failed == 0);
    *v = view_of(NULL, 0);
}
