#include "exchange/partial.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

#define PARTIAL_MAGIC 0x70617274u /* "part" */
#define SUFFIX        ".part"

struct partial {
    uint32_t magic;
    const struct manifest *manifest; /* borrowed */
    struct plan *plan;
    struct digest_stream *whole; /* NULL: ended */
    uint8_t *buffer;             /* one part */
    uint32_t scanned;            /* parts that an old file was looked through for */
    uint32_t hashed;             /* parts that are in `whole` */
    uint64_t bytes_there;
    int fd;
    bool named; /* the file has its name already */
    bool done;
    char path[PATH_MAX];
    char part_path[PATH_MAX];
};

static void check(const struct partial *p)
{
    assert(p != NULL && p->magic == PARTIAL_MAGIC);
}

/* ---- opening ---- */

/* An old file is looked through if it has the right size; any other is of no use. */
static bool open_old(struct partial *p, const char *path)
{
    struct stat info;
    p->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (p->fd < 0)
        return false;
    if (fstat(p->fd, &info) == 0 && S_ISREG(info.st_mode) &&
        (uint64_t)info.st_size == p->manifest->size)
        return true;
    (void)close(p->fd);
    p->fd = -1;
    return false;
}

/* Its space is taken now: a disk that is too small is known before anything travels. */
static enum status open_new(struct partial *p)
{
    p->fd = open(p->part_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->fd < 0)
        return file_write_status(errno);
    int failed = posix_fallocate(p->fd, 0, (off_t)p->manifest->size);
    if (failed != 0) {
        (void)unlink(p->part_path);
        return failed == EFBIG ? ST_FULL : file_write_status(failed);
    }
    p->scanned = p->manifest->part_count;
    return ST_OK;
}

static enum status open_file(struct partial *p, const char *path)
{
    int size = snprintf(p->part_path, sizeof p->part_path, "%s" SUFFIX, path);
    if (size < 0 || (size_t)size >= sizeof p->part_path)
        return ST_LIMIT;
    (void)snprintf(p->path, sizeof p->path, "%s", path);
    p->named = open_old(p, p->path);
    if (p->named || open_old(p, p->part_path))
        return ST_OK;
    return open_new(p);
}

enum status partial_open(const char *path, const struct manifest *m, uint32_t window,
                         struct partial **ret)
{
    assert(path != NULL && m != NULL && m->part_count >= 1 && ret != NULL);
    struct partial *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    p->magic = PARTIAL_MAGIC;
    p->manifest = m;
    p->fd = -1;
    p->buffer = malloc(manifest_part_bytes(m, 0));
    enum status status = p->buffer == NULL ? ST_NOMEM : plan_new(m->part_count, window, &p->plan);
    if (status == ST_OK)
        status = digest_begin(&p->whole);
    if (status == ST_OK)
        status = open_file(p, path);
    if (status != ST_OK) {
        partial_close(p, false);
        return status;
    }
    *ret = p;
    return ST_OK;
}

struct plan *partial_plan(struct partial *p)
{
    check(p);
    return p->plan;
}

bool partial_is_scanning(const struct partial *p)
{
    check(p);
    return p->scanned < p->manifest->part_count;
}

uint64_t partial_bytes_there(const struct partial *p)
{
    check(p);
    return p->bytes_there;
}

/* ---- parts ---- */

static void is_there(struct partial *p, uint32_t part, struct view bytes)
{
    plan_there(p->plan, part);
    p->bytes_there += bytes.size;
    if (part == p->hashed) {
        digest_more(p->whole, bytes);
        p->hashed++;
    }
}

/* The kernel begins to write it out at once, so that the sync at the end is short. */
static void begin_writing(const struct partial *p, uint64_t offset, size_t size)
{
    (void)sync_file_range(p->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

enum status partial_write(struct partial *p, uint32_t part, struct view bytes)
{
    check(p);
    if (part >= p->manifest->part_count)
        return ST_INVALID;
    if (plan_has(p->plan, part))
        return ST_OK;
    if (!manifest_part_is(p->manifest, part, bytes))
        return ST_CORRUPT;
    uint64_t offset = manifest_offset(p->manifest, part);
    enum status status = file_write_at(p->fd, offset, bytes);
    if (status != ST_OK)
        return status;
    begin_writing(p, offset, bytes.size);
    is_there(p, part, bytes);
    return ST_OK;
}

/* gives: the part's bytes, in the buffer */
static enum status read_part(struct partial *p, uint32_t part, struct view *ret)
{
    size_t size = manifest_part_bytes(p->manifest, part);
    *ret = view_of(p->buffer, size);
    return file_read_at(p->fd, manifest_offset(p->manifest, part), p->buffer, size);
}

/* Whoever sees the name may trust the file: one that is damaged loses its name before
 * anything is repaired. */
static enum status take_name_away(struct partial *p)
{
    p->named = false;
    return file_rename(p->path, p->part_path);
}

static enum status scan_one(struct partial *p)
{
    struct view bytes;
    uint32_t part = p->scanned;
    enum status status = read_part(p, part, &bytes);
    if (status != ST_OK)
        return status;
    p->scanned++;
    if (plan_has(p->plan, part))
        return ST_OK;
    if (manifest_part_is(p->manifest, part, bytes))
        is_there(p, part, bytes);
    else if (p->named)
        return take_name_away(p);
    return ST_OK;
}

static enum status hash_one(struct partial *p)
{
    struct view bytes;
    enum status status = read_part(p, p->hashed, &bytes);
    if (status != ST_OK)
        return status;
    digest_more(p->whole, bytes);
    p->hashed++;
    return ST_OK;
}

/* ---- the end ---- */

static enum status finish(struct partial *p)
{
    struct digest found = digest_end(p->whole);
    p->whole = NULL;
    if (!digest_equal(&found, &p->manifest->digest))
        return ST_CORRUPT;
    if (fsync(p->fd) != 0)
        return file_write_status(errno);
    enum status status = p->named ? ST_OK : file_rename(p->part_path, p->path);
    p->done = status == ST_OK;
    return status;
}

bool partial_has_more(const struct partial *p)
{
    check(p);
    return !p->done && p->whole != NULL &&
           (partial_is_scanning(p) || p->hashed == p->manifest->part_count ||
            plan_has(p->plan, p->hashed));
}

enum status partial_check(struct partial *p, int64_t *budget, bool *ret_done)
{
    check(p);
    assert(budget != NULL && ret_done != NULL);
    enum status status = ST_OK;
    while (status == ST_OK && *budget > 0 && partial_has_more(p)) {
        *budget -= p->manifest->part_size;
        if (partial_is_scanning(p))
            status = scan_one(p);
        else if (p->hashed < p->manifest->part_count)
            status = hash_one(p);
        else
            status = finish(p);
    }
    *ret_done = p->done;
    return status;
}

struct partial *partial_close(struct partial *p, bool remove)
{
    if (p == NULL)
        return NULL;
    check(p);
    if (p->fd >= 0) {
        (void)close(p->fd);
        if (remove && !p->done && !p->named)
            (void)unlink(p->part_path);
    }
    digest_drop(p->whole);
    plan_free(p->plan);
    free(p->buffer);
    *(volatile uint32_t *)&p->magic = 0;
    free(p);
    return NULL;
}
