/* Preloaded into a program (LD_PRELOAD), stands before libc's ways to change a file
 * or to send, and kills the process with SIGKILL at the call that a torture run
 * chose. The page at FML_FAULT says which; what has no page only passes through.
 *
 * The calls are made as system calls, so nothing has to be looked up, and a
 * sanitizer's own interceptors behind this one are not needed for them. */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define NO_KIND FAULT_KINDS

static struct fault_page *page;

/* What this process starts (the guests' runner) is not counted. */
__attribute__((constructor)) static void open_page(void)
{
    const char *path = getenv("FML_FAULT");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        void *at = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        page = at == MAP_FAILED ? NULL : at;
        (void)close(fd);
    }
    (void)unsetenv("FML_FAULT");
    (void)unsetenv("LD_PRELOAD");
}

/* ---- counting ---- */

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* True: this is the call. */
static bool count(enum fault_kind kind)
{
    if (page == NULL || kind == NO_KIND)
        return false;
    atomic_fetch_add(&page->called[kind], 1);
    if (atomic_load(&page->left[kind]) <= 0 || atomic_fetch_sub(&page->left[kind], 1) != 1)
        return false;
    if (atomic_load(&page->after) == 0)
        die();
    return true;
}

static long finish(bool is_the_call, long result)
{
    if (is_the_call)
        die();
    return result;
}

/* Standard error, pipes and the wake-ups within a process are neither files nor network. */
static enum fault_kind kind_of(int fd)
{
    struct stat info;
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    int before = errno;
    enum fault_kind kind = NO_KIND;
    if (fd > STDERR_FILENO && fstat(fd, &info) == 0) {
        if (S_ISREG(info.st_mode))
            kind = FAULT_WRITE;
        else if (S_ISSOCK(info.st_mode) && getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
                 (name.ss_family == AF_INET || name.ss_family == AF_INET6))
            kind = FAULT_SEND;
    }
    errno = before;
    return kind;
}

/* ---- bytes ---- */

ssize_t write(int fd, const void *data, size_t size)
{
    bool now = count(kind_of(fd));
    return finish(now, syscall(SYS_write, fd, data, size));
}

ssize_t writev(int fd, const struct iovec *parts, int parts_count)
{
    bool now = count(kind_of(fd));
    return finish(now, syscall(SYS_writev, fd, parts, parts_count));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    bool now = count(kind_of(fd));
    return finish(now, syscall(SYS_pwrite64, fd, data, size, at));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    return pwrite(fd, data, size, at);
}

int ftruncate(int fd, off_t size)
{
    bool now = count(kind_of(fd));
    return (int)finish(now, syscall(SYS_ftruncate, fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size)
{
    bool now = count(kind_of(fd));
    return finish(now, syscall(SYS_sendto, fd, data, size, flags, to, to_size));
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    bool now = count(kind_of(fd));
    return finish(now, syscall(SYS_sendmsg, fd, message, flags));
}

/* ---- durability ---- */

int fsync(int fd)
{
    bool now = count(FAULT_SYNC);
    return (int)finish(now, syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    bool now = count(FAULT_SYNC);
    return (int)finish(now, syscall(SYS_fdatasync, fd));
}

/* ---- names ---- */

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    bool now = count(FAULT_RENAME);
    return (int)finish(now, syscall(SYS_renameat2, from_folder, from, to_folder, to, 0));
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder, const char *name, int flags)
{
    bool now = count(FAULT_REMOVE);
    return (int)finish(now, syscall(SYS_unlinkat, folder, name, flags));
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name)
{
    return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int remove(const char *name)
{
    struct stat info;
    bool is_folder = lstat(name, &info) == 0 && S_ISDIR(info.st_mode);
    return is_folder ? rmdir(name) : unlink(name);
}
