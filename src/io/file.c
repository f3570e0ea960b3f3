#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status status_of_errno(void)
{
    switch (errno) {
    case ENOENT:
        return ST_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return ST_FULL;
    case ENOMEM:
        return ST_NOMEM;
    default:
        return ST_IO;
    }
}

static enum status read_all(int fd, uint8_t *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ST_IO; /* an error, or shorter than it was a moment ago */
        done += (size_t)got;
    }
    return ST_OK;
}

enum status file_read(const char *path, size_t size_max, struct bytes *ret)
{
    struct bytes fresh = {0};
    struct stat info;
    /* Not blocking: a pipe that someone put there must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return status_of_errno();

    enum status status = ST_IO;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        goto done;
    status = ST_LIMIT;
    if ((uintmax_t)info.st_size > size_max)
        goto done;
    status = bytes_resize(&fresh, (size_t)info.st_size);
    if (status != ST_OK)
        goto done;
    status = read_all(fd, fresh.data, fresh.size);
    if (status != ST_OK)
        goto done;
    bytes_done(ret);
    *ret = fresh;
    fresh = (struct bytes){0};
done:
    bytes_done(&fresh);
    (void)close(fd);
    return status;
}

static enum status write_all(int fd, struct view bytes)
{
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t put = write(fd, bytes.data + done, bytes.size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return status_of_errno();
        done += (size_t)put;
    }
    return ST_OK;
}

enum status file_write_status(int error)
{
    return error == ENOSPC || error == EDQUOT ? ST_FULL : ST_IO;
}

enum status file_sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ST_IO;
    enum status status = fsync(fd) == 0 ? ST_OK : file_write_status(errno);
    (void)close(fd);
    return status;
}

/* A rename is durable only once the folder that holds the name is. */
static enum status sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size >= sizeof folder)
        return ST_IO;
    if (slash == NULL)
        (void)strcpy(folder, ".");
    else if (size == 0)
        (void)strcpy(folder, "/");
    else {
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    return file_sync_folder(folder);
}

/* Between a file's name and the six letters that make a temporary one of it. */
#define TEMPORARY ".tmp-"

static bool is_temporary(const char *name)
{
    size_t size = strlen(name);
    size_t tail = sizeof TEMPORARY - 1 + 6;
    return size > tail && memcmp(name + size - tail, TEMPORARY, sizeof TEMPORARY - 1) == 0;
}

enum status file_sweep(const char *folder)
{
    DIR *open_folder = opendir(folder);
    if (open_folder == NULL)
        return ST_IO;
    enum status status = ST_OK;
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        if (is_temporary(entry->d_name) && unlinkat(dirfd(open_folder), entry->d_name, 0) != 0)
            status = ST_IO;
    (void)closedir(open_folder);
    return status;
}

static int put_in_place(const char *temporary, const char *path, bool must_be_new)
{
    if (must_be_new)
        return renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE);
    return rename(temporary, path);
}

static enum status write_whole(const char *path, struct view bytes, bool must_be_new)
{
    char temporary[PATH_MAX];
    int size = snprintf(temporary, sizeof temporary, "%s" TEMPORARY "XXXXXX", path);
    if (size < 0 || (size_t)size >= sizeof temporary)
        return ST_IO;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ST_IO : status_of_errno();

    enum status status = write_all(fd, bytes);
    if (status == ST_OK && fsync(fd) != 0)
        status = status_of_errno();
    if (close(fd) != 0 && status == ST_OK)
        status = status_of_errno();
    if (status == ST_OK && put_in_place(temporary, path, must_be_new) != 0)
        status = must_be_new && errno == EEXIST ? ST_EXISTS : status_of_errno();
    if (status != ST_OK) {
        (void)unlink(temporary);
        return status;
    }
    return sync_folder_of(path);
}

enum status file_write(const char *path, struct view bytes)
{
    return write_whole(path, bytes, false);
}

enum status file_write_new(const char *path, struct view bytes)
{
    return write_whole(path, bytes, true);
}

enum status file_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        return status_of_errno();
    return sync_folder_of(to);
}

enum status file_read_at(int fd, uint64_t offset, void *ret, size_t size)
{
    uint8_t *data = ret;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ST_IO;
        done += (size_t)got;
    }
    return ST_OK;
}

enum status file_write_at(int fd, uint64_t offset, struct view bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t put = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return file_write_status(errno);
        done += (size_t)put;
    }
    return ST_OK;
}

enum status file_make_folder(const char *path)
{
    char partial[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof partial)
        return ST_IO;
    for (size_t end = 1; end <= size; end++) {
        if (end < size && path[end] != '/')
            continue;
        memcpy(partial, path, end);
        partial[end] = '\0';
        bool made = mkdir(partial, 0700) == 0;
        if (!made && errno != EEXIST)
            return status_of_errno() == ST_FULL ? ST_FULL : ST_IO;
        if (made && sync_folder_of(partial) != ST_OK)
            return ST_IO;
    }
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? ST_OK : ST_IO;
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A file, a link, or an empty folder. */
static bool remove_simple(int folder, const char *name)
{
    return unlinkat(folder, name, 0) == 0 || unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

/* Moves a folder up to root, under a name that nothing there has. */
static void hoist(int root, int folder, const char *name, unsigned long *serial)
{
    char fresh[32];
    do
        (void)snprintf(fresh, sizeof fresh, "hoisted-%lu", ++*serial);
    while (renameat(folder, name, root, fresh) != 0 &&
           (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
}

/* Empties the folder `name` of root, moves its folders up to root, and removes it. */
static bool dissolve(int root, const char *name, unsigned long *serial)
{
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        if (!is_self_or_parent(entry->d_name) && !remove_simple(fd, entry->d_name))
            hoist(root, fd, entry->d_name, serial);
    (void)closedir(entries);
    return unlinkat(root, name, AT_REMOVEDIR) == 0;
}

/* One pass over root. False: nothing more could be removed. */
static bool clear_once(int root, unsigned long *serial)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    bool removed = false;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        if (!is_self_or_parent(entry->d_name))
            removed |= remove_simple(fd, entry->d_name) || dissolve(fd, entry->d_name, serial);
    (void)closedir(entries);
    return removed;
}

/* Folders are flattened and not walked down: what a guest left may be nested
 * deeper than a path can say, than the stack holds, or than files can be open. */
enum status file_remove_tree(const char *path)
{
    unsigned long serial = 0;
    if (unlink(path) == 0 || errno == ENOENT)
        return ST_OK;
    int root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0)
        return ST_IO;
    while (clear_once(root, &serial))
        ;
    (void)close(root);
    return rmdir(path) == 0 || errno == ENOENT ? ST_OK : ST_IO;
}

enum status file_resolve(const char *path, size_t size_max, char *ret, struct why *why)
{
    char *real = realpath(path, NULL);
    if (real == NULL) {
        why_set(why, "%s: %s", path, strerror(errno));
        return ST_NOT_FOUND;
    }
    size_t size = strlen(real);
    if (size <= size_max)
        memcpy(ret, real, size + 1);
    else
        why_set(why, "%s: the path has more than %zu bytes", path, size_max);
    free(real);
    return size <= size_max ? ST_OK : ST_LIMIT;
}
