#include "coordinator/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/file.h"
#include "io/map.h"

#define SPOOL_MAGIC 0x73706f6fu /* "spoo" */
#define WRITE_PIECE ((size_t)64 << 10)

_Static_assert(SPOOL_SEGMENTS_MAX > ROUND_PARTICIPANTS_MAX, "each may have a file of its own");

/* A file and the room where it is mapped. The room is there from the beginning and is
 * larger than the file: only what is in the file is ever looked at. Only the last file is
 * written to and open: there may be more files than descriptors. */
struct segment {
    int fd;        /* -1: it is only mapped */
    uint64_t size; /* of the file */
    uint64_t room;
    const uint8_t *bytes;
    bool changed; /* since it was synced */
};

struct spool {
    uint32_t magic;
    char folder[PATH_MAX];
    struct segment *segments;
    uint32_t count;
    bool has_new_file; /* whose name is not durable yet */
};

static enum status path_of(const struct spool *s, uint32_t index, char ret[PATH_MAX])
{
    int size = snprintf(ret, PATH_MAX, "%s/updates-%04u", s->folder, index);
    return size > 0 && size < PATH_MAX ? ST_OK : ST_LIMIT;
}

static void end(struct segment *g)
{
    if (g->bytes != NULL)
        (void)munmap((void *)(uintptr_t)g->bytes, g->room);
    if (g->fd >= 0)
        (void)close(g->fd);
}

static enum status sync_segment(struct segment *g)
{
    if (g->changed && fdatasync(g->fd) != 0)
        return file_write_status(errno);
    g->changed = false;
    return ST_OK;
}

/* Nothing is written to the last file any more: what it maps stays. */
static enum status finish_last(struct spool *s)
{
    struct segment *last = s->count == 0 ? NULL : &s->segments[s->count - 1];
    if (last == NULL || last->fd < 0)
        return ST_OK;
    enum status status = sync_segment(last);
    if (status != ST_OK)
        return status;
    (void)close(last->fd);
    last->fd = -1;
    return ST_OK;
}

static enum status map(struct segment *g, uint64_t room)
{
    void *bytes = mmap(NULL, room, PROT_READ, MAP_SHARED, g->fd, 0);
    if (bytes == MAP_FAILED)
        return errno == ENOMEM ? ST_NOMEM : ST_IO;
    /* Or one value that is looked at could bring in two MiB of each update. A kernel without
     * huge pages refuses, which is as good. */
    (void)madvise(bytes, room, MADV_NOHUGEPAGE);
    g->bytes = bytes;
    g->room = room;
    return ST_OK;
}

/* takes: *g, on success */
static enum status append(struct spool *s, const struct segment *g)
{
    struct segment *grown = realloc(s->segments, (s->count + 1) * sizeof *grown);
    if (grown == NULL)
        return ST_NOMEM;
    s->segments = grown;
    s->segments[s->count++] = *g;
    return ST_OK;
}

/* Opens or makes the next file. least: the room that it needs at least
 * fails: ST_NOT_FOUND (it is not there and is not to be made) */
static enum status open_segment(struct spool *s, bool make, uint64_t least)
{
    char path[PATH_MAX];
    struct stat info;
    struct segment g = {.fd = -1};
    if (s->count == SPOOL_SEGMENTS_MAX)
        return ST_LIMIT;
    enum status status = path_of(s, s->count, path);
    if (status != ST_OK)
        return status;
    g.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT | O_EXCL : 0), 0600);
    if (g.fd < 0)
        return errno == ENOENT ? ST_NOT_FOUND : file_write_status(errno);
    status = ST_IO;
    if (fstat(g.fd, &info) == 0 && S_ISREG(info.st_mode)) {
        g.size = (uint64_t)info.st_size;
        least = g.size > least ? g.size : least;
        status = map(&g, least > SPOOL_SEGMENT_SIZE ? least : SPOOL_SEGMENT_SIZE);
    }
    if (status == ST_OK)
        status = finish_last(s);
    if (status == ST_OK)
        status = append(s, &g);
    if (status != ST_OK)
        end(&g);
    else
        s->has_new_file |= make;
    return status;
}

enum status spool_open(const char *folder, struct spool **ret)
{
    assert(folder != NULL && ret != NULL);
    struct spool *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->magic = SPOOL_MAGIC;
    int size = snprintf(s->folder, sizeof s->folder, "%s", folder);
    enum status status = size > 0 && (size_t)size < sizeof s->folder ? ST_OK : ST_LIMIT;
    while (status == ST_OK && s->count < SPOOL_SEGMENTS_MAX)
        status = open_segment(s, false, 0);
    if (status != ST_OK && status != ST_NOT_FOUND) {
        spool_close(s);
        return status;
    }
    /* Who made the files may have ended before their names were durable. */
    s->has_new_file = s->count > 0;
    *ret = s;
    return ST_OK;
}

/* The last segment, if it has room, else a new one. */
static enum status place_for(struct spool *s, uint64_t size, struct segment **ret)
{
    const struct segment *last = s->count == 0 ? NULL : &s->segments[s->count - 1];
    bool fits = last != NULL && last->fd >= 0 && last->room - last->size >= size;
    enum status status = fits ? ST_OK : open_segment(s, true, size);
    if (status == ST_OK)
        *ret = &s->segments[s->count - 1];
    return status;
}

/* Linux caches what one write brings in one piece of memory of up to two MiB, and maps all of
 * it when a part is read: so what is written at once is what is read at once. */
static enum status write_pieces(int fd, uint64_t offset, struct view bytes)
{
    enum status status = ST_OK;
    for (size_t at = 0; at < bytes.size && status == ST_OK; at += WRITE_PIECE) {
        size_t size = bytes.size - at < WRITE_PIECE ? bytes.size - at : WRITE_PIECE;
        status = file_write_at(fd, offset + at, view_of(bytes.data + at, size));
    }
    return status;
}

enum status spool_add(struct spool *s, struct view bytes, struct spooled *ret_place,
                      struct view *ret_bytes)
{
    assert(s != NULL && s->magic == SPOOL_MAGIC && bytes.size > 0);
    struct segment *g;
    enum status status = place_for(s, bytes.size, &g);
    if (status != ST_OK)
        return status;
    status = write_pieces(g->fd, g->size, bytes);
    if (status != ST_OK) { /* what is there of it takes no room from the next one */
        if (ftruncate(g->fd, (off_t)g->size) != 0)
            status = ST_IO;
        return status;
    }
    *ret_place = (struct spooled){s->count - 1, g->size, bytes.size};
    *ret_bytes = view_of(g->bytes + g->size, bytes.size);
    g->size += bytes.size;
    g->changed = true;
    return ST_OK;
}

enum status spool_add_file(struct spool *s, const char *path, struct spooled *ret_place,
                           struct view *ret_bytes)
{
    assert(s != NULL && s->magic == SPOOL_MAGIC && path != NULL);
    char name[PATH_MAX];
    enum status status = s->count < SPOOL_SEGMENTS_MAX ? path_of(s, s->count, name) : ST_LIMIT;
    if (status == ST_OK && rename(path, name) != 0)
        status = file_write_status(errno);
    if (status != ST_OK)
        return status;
    status = open_segment(s, false, 0);
    if (status != ST_OK) {
        (void)rename(name, path);
        return status;
    }
    struct segment *g = &s->segments[s->count - 1];
    s->has_new_file = true;
    (void)close(g->fd); /* nothing is written behind it: it is somebody's whole file */
    g->fd = -1;
    *ret_place = (struct spooled){s->count - 1, 0, g->size};
    *ret_bytes = view_of(g->bytes, (size_t)g->size);
    return ST_OK;
}

enum status spool_sync(struct spool *s)
{
    assert(s != NULL && s->magic == SPOOL_MAGIC);
    enum status status = ST_OK;
    if (s->count > 0) /* the others were synced when they were full */
        status = sync_segment(&s->segments[s->count - 1]);
    if (status == ST_OK && s->has_new_file)
        status = file_sync_folder(s->folder);
    if (status == ST_OK)
        s->has_new_file = false;
    return status;
}

enum status spool_at(const struct spool *s, const struct spooled *place, struct view *ret_bytes)
{
    assert(s != NULL && s->magic == SPOOL_MAGIC && place != NULL && ret_bytes != NULL);
    if (place->segment >= s->count)
        return ST_CORRUPT;
    const struct segment *g = &s->segments[place->segment];
    if (place->size == 0 || place->offset > g->size || place->size > g->size - place->offset)
        return ST_CORRUPT;
    *ret_bytes = view_of(g->bytes + place->offset, (size_t)place->size);
    return ST_OK;
}

void spool_let_go(const struct spool *s, struct view bytes)
{
    assert(s != NULL && s->magic == SPOOL_MAGIC);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct segment *g = &s->segments[i];
        if (bytes.size == 0 || bytes.data < g->bytes || bytes.data >= g->bytes + g->size)
            continue;
        map_let_go(view_of(g->bytes, (size_t)g->room), bytes);
        return;
    }
}

/* The last one first: what is left of it begins with the first file, as ever. */
enum status spool_remove(const char *folder)
{
    assert(folder != NULL);
    char path[PATH_MAX];
    struct spool s = {.magic = SPOOL_MAGIC};
    int size = snprintf(s.folder, sizeof s.folder, "%s", folder);
    if (size <= 0 || (size_t)size >= sizeof s.folder)
        return ST_LIMIT;
    while (path_of(&s, s.count, path) == ST_OK && access(path, F_OK) == 0)
        s.count++;
    while (s.count > 0)
        if (path_of(&s, --s.count, path) != ST_OK || unlink(path) != 0)
            return ST_IO;
    return ST_OK;
}

struct spool *spool_close(struct spool *s)
{
    if (s == NULL)
        return NULL;
    for (uint32_t i = 0; i < s->count; i++)
        end(&s->segments[i]);
    free(s->segments);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}
