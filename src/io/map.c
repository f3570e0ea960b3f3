#include "io/map.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

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

enum status map_create(const char *path, size_t size, uint8_t **ret)
{
    assert(path != NULL && size > 0 && ret != NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_write_status(errno);
    /* Without room a write to the memory would end the process. */
    int error = posix_fallocate(fd, 0, (off_t)size);
    enum status status = error == 0 ? ST_OK : file_write_status(error);
    if (status == ST_OK) {
        void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            status = errno == ENOMEM ? ST_NOMEM : ST_IO;
        else
            *ret = data;
    }
    (void)close(fd);
    if (status != ST_OK)
        (void)unlink(path);
    return status;
}

enum status map_sync(uint8_t *mapped, size_t size)
{
    return msync(mapped, size, MS_SYNC) == 0 ? ST_OK : file_write_status(errno);
}

/* The page that the part shares with what comes after it stays: somebody may be reading
 * there, and the fault that brings it back brings a whole folio of the page cache with it
 * (Linux 6.18), also what was let go of before. */
void map_let_go(struct view mapped, struct view part)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)mapped.data;
    uintptr_t from = (uintptr_t)part.data, to = from + part.size;
    assert(from >= begin && to <= begin + mapped.size);
    from -= from % page; /* not before begin, which is a page's first byte */
    if (to < begin + mapped.size)
        to -= to % page;
    if (from < to)
        (void)madvise((void *)from, (size_t)(to - from), MADV_DONTNEED);
}

void map_close(struct view *v)
{
    if (v == NULL || v->data == NULL)
        return;
    int failed = munmap((void *)(uintptr_t)v->data, v->size);
    assert(failed == 0);
    *v = view_of(NULL, 0);
}
