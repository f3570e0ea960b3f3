#include "model_server/by_digest.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

#define FRESH ".new"

/* suffix: of a link that is to take the other's place */
static enum status path_of(const char *folder, const struct digest *d, const char *suffix,
                           char ret[PATH_MAX])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    int size = snprintf(ret, PATH_MAX, "%s/" BY_DIGEST_FOLDER "/%s%s", folder, hex, suffix);
    return size > 0 && size < PATH_MAX ? ST_OK : ST_LIMIT;
}

static enum status make_folder(const char *folder)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/" BY_DIGEST_FOLDER, folder);
    return size > 0 && (size_t)size < sizeof path ? file_make_folder(path) : ST_LIMIT;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static enum status unlink_if_there(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? ST_OK : ST_IO;
}

static enum status link_at(const char *path, const char *link_path)
{
    if (link(path, link_path) == 0)
        return ST_OK;
    return errno == ENOSPC || errno == EDQUOT ? ST_FULL : ST_IO;
}

enum status by_digest_add(const char *folder, const struct digest *d, const char *path)
{
    char link_path[PATH_MAX], fresh[PATH_MAX];
    enum status status = path_of(folder, d, "", link_path);
    if (status == ST_OK)
        status = path_of(folder, d, FRESH, fresh);
    if (status == ST_OK)
        status = make_folder(folder);
    if (status != ST_OK || is_same_file(path, link_path))
        return status;
    /* A version whose damaged file was replaced, or another one of the same bytes. */
    status = unlink_if_there(fresh);
    if (status == ST_OK)
        status = link_at(path, fresh);
    if (status == ST_OK && rename(fresh, link_path) != 0) {
        (void)unlink(fresh);
        status = ST_IO;
    }
    return status;
}

bool by_digest_is_there(const char *folder, const struct digest *d)
{
    char path[PATH_MAX];
    struct stat info;
    return path_of(folder, d, "", path) == ST_OK && lstat(path, &info) == 0;
}

enum status by_digest_remove(const char *folder, const struct digest *d)
{
    char path[PATH_MAX];
    enum status status = path_of(folder, d, FRESH, path);
    if (status == ST_OK)
        status = unlink_if_there(path);
    if (status == ST_OK)
        status = path_of(folder, d, "", path);
    return status == ST_OK ? unlink_if_there(path) : status;
}
