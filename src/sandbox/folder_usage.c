#include "sandbox/folder_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct usage {
    uint64_t bytes;
    unsigned entries;
    bool over;
};

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void count(struct usage *u, const struct stat *st)
{
    uint64_t size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    u->bytes += size > FOLDER_ENTRY_BYTES ? size : FOLDER_ENTRY_BYTES;
    u->over = u->over || ++u->entries > FOLDER_ENTRIES_MAX;
}

/* Takes fd over. */
static void walk(struct usage *u, int fd, int depth)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    u->over = u->over || depth > FOLDER_DEPTH_MAX;
    const struct dirent *entry;
    while (!u->over && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (is_dots(entry->d_name) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        count(u, &st);
        if (S_ISDIR(st.st_mode))
            walk(u,
                 openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                 depth + 1);
    }
    closedir(dir);
}

uint64_t folder_usage(const char *path)
{
    struct usage u = {0};
    walk(&u, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 1);
    return u.over ? UINT64_MAX : u.bytes;
}

uint64_t removed_files_usage(pid_t process)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)process);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return 0;
    uint64_t bytes = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;
        /* The entry is a link that the kernel follows to the open file itself. */
        if (!is_dots(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode) && st.st_nlink == 0)
            bytes += st.st_size > 0 ? (uint64_t)st.st_size : 0;
    }
    closedir(dir);
    return bytes;
}
