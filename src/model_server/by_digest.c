#include "model_server/by_digest.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

static enum status path_of(const char *folder, const struct digest *d, char ret[PATH_MAX])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    int size = snprintf(ret, PATH_MAX, "%s/" BY_DIGEST_FOLDER "/%s", folder, hex);
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

enum status by_digest_add(const char *folder, const struct digest *d, const char *path)
{
    char link_path[PATH_MAX];
    enum status status = path_of(folder, d, link_path);
    if (status == ST_OK)
        status = make_folder(folder);
    if (status != ST_OK || is_same_file(path, link_path))
        return status;
    /* A version whose damaged file was replaced, or another one of the same bytes. */
    if (unlink(link_path) != 0 && errno != ENOENT)
        return ST_IO;
    if (link(path, link_path) == 0)
        return ST_OK;
    return errno == ENOSPC || errno == EDQUOT ? ST_FULL : ST_IO;
}

void by_digest_remove(const char *folder, const struct digest *d)
{
    char path[PATH_MAX];
    if (path_of(folder, d, path) == ST_OK)
        (void)unlink(path);
}
