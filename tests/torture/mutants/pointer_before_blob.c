/* A planted bug: the model server's index speaks of a version, and `latest` points
 * at it, before the version's bytes are durable.
 *
 * Linked with --wrap=file_write: a version's bytes wait until the index is written. */
#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define INDEX "/index.json"

enum status __real_file_write(const char *path, struct view bytes);
enum status __wrap_file_write(const char *path, struct view bytes);

static char *later_path;
static struct bytes later_bytes;

static bool is_index(const char *path)
{
    size_t size = strlen(path), tail = sizeof INDEX - 1;
    return size >= tail && strcmp(path + size - tail, INDEX) == 0;
}

static enum status write_later(const char *path, struct view bytes)
{
    free(later_path);
    later_path = strdup(path);
    return later_path == NULL ? ST_NOMEM : bytes_copy(&later_bytes, bytes);
}

enum status __wrap_file_write(const char *path, struct view bytes)
{
    if (!is_index(path))
        return write_later(path, bytes);
    enum status status = __real_file_write(path, bytes);
    if (status != ST_OK || later_path == NULL)
        return status;
    status = __real_file_write(later_path, bytes_view(&later_bytes));
    free(later_path);
    later_path = NULL;
    bytes_done(&later_bytes);
    return status;
}
