#include "simulate/pool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/guest_env.h"
#include "io/file.h"
#include "simulate/limits.h"

struct seat {
    struct pool *pool;
    struct worker *worker;
    char out[PROPLET_PATH_SIZE];    /* folder */
    char update[PROPLET_PATH_SIZE]; /* the file in it */
    pool_done_fn *on_done;
    void *owner;
};

struct pool {
    struct seat seats[SIMULATE_WORKERS_MAX];
    uint32_t count;
    size_t busy;
    uint32_t open; /* while closing */
    void (*on_closed)(void *owner);
    void *owner;
};

static void on_worker_closed(void *owner)
{
    struct pool *p = owner;
    if (--p->open > 0)
        return;
    void (*on_closed)(void *) = p->on_closed;
    void *closed_owner = p->owner;
    free(p);
    if (on_closed != NULL)
        on_closed(closed_owner);
}

void pool_close(struct pool *p, void (*on_closed)(void *owner), void *owner)
{
    if (p == NULL)
        return;
    assert(p->busy == 0);
    p->on_closed = on_closed;
    p->owner = owner;
    p->open = 1;
    for (uint32_t i = 0; i < p->count; i++) {
        p->open++;
        worker_close(p->seats[i].worker, on_worker_closed, p);
    }
    on_worker_closed(p);
}

static enum status make_seat(struct pool *p, uv_loop_t *loop, const struct pool_settings *s,
                             struct worker_settings *worker)
{
    struct seat *seat = &p->seats[p->count];
    seat->pool = p;
    int size = snprintf(seat->out, sizeof seat->out, "%s/%u", s->out, p->count);
    if (size <= 0 || size > PROPLET_FOLDER_MAX)
        return ST_LIMIT;
    (void)snprintf(seat->update, sizeof seat->update, "%.700s/%u/" GUEST_UPDATE_FILE, s->out,
                   p->count);
    enum status status = file_remove_tree(seat->out);
    if (status == ST_OK && mkdir(seat->out, 0700) != 0)
        status = file_write_status(errno);
    worker->processor = p->count;
    if (status == ST_OK)
        status = worker_new(loop, worker, &seat->worker);
    p->count += status == ST_OK;
    return status;
}

enum status pool_new(uv_loop_t *loop, const struct pool_settings *s, struct pool **ret)
{
    assert(s->workers >= 1 && s->workers <= SIMULATE_WORKERS_MAX);
    const struct sandbox_folder folders[] = {
        {s->out, GUEST_OUT_FOLDER, true},
        {s->models, GUEST_MODEL_FOLDER, false},
        {s->data, GUEST_DATA_FOLDER, false},
    };
    struct worker_settings worker = {
        .program = s->program,
        .code = s->code,
        .folders = folders,
        .folder_count = s->data == NULL ? 2 : 3,
        .memory_bytes = s->memory_bytes,
        .file_max = MESSAGE_SIZE_MAX,
        .refuse_sgemm = s->refuse_sgemm,
    };
    struct pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    enum status status = file_make_folder(s->out);
    while (status == ST_OK && p->count < s->workers)
        status = make_seat(p, loop, s, &worker);
    if (status != ST_OK) {
        pool_close(p, NULL, NULL);
        return status;
    }
    *ret = p;
    return ST_OK;
}

bool pool_has_idle(const struct pool *p)
{
    return p->busy < p->count;
}

size_t pool_busy_count(const struct pool *p)
{
    return p->busy;
}

/* ---- a guest's end ---- */

/* What lies there is a guest's: anything may be under any name. */
static enum status read_update(const char *path, struct bytes *ret)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ST_NOT_FOUND : errno == ELOOP ? ST_INVALID : ST_IO;
    enum status status = ST_OK;
    if (fstat(fd, &info) != 0)
        status = ST_IO;
    else if (!S_ISREG(info.st_mode))
        status = ST_INVALID;
    else if ((uint64_t)info.st_size > MESSAGE_SIZE_MAX)
        status = ST_LIMIT;
    if (status == ST_OK)
        status = bytes_resize(ret, (size_t)info.st_size);
    if (status == ST_OK)
        status = file_read_at(fd, 0, ret->data, ret->size);
    (void)close(fd);
    return status;
}

/* Mostly there is the update and nothing else. */
static void empty(const struct seat *seat)
{
    (void)unlink(seat->update);
    if (rmdir(seat->out) != 0)
        (void)!file_remove_tree(seat->out);
    (void)mkdir(seat->out, 0700); /* without it the next guest fails, and says so */
}

static void on_ran(void *owner, const struct sandbox_result *result)
{
    struct seat *seat = owner;
    struct bytes update = {0};
    enum status status =
        result->outcome == SANDBOX_OK ? read_update(seat->update, &update) : ST_NOT_FOUND;
    empty(seat);
    seat->pool->busy--;
    seat->on_done(seat->owner, result, &update, status);
    bytes_done(&update);
}

/* ---- a guest's beginning ---- */

static size_t folders_of(const struct seat *seat, const struct pool_order *order,
                         struct sandbox_folder *ret)
{
    size_t count = 0;
    if (order->model_folder != NULL) {
        ret[count++] = (struct sandbox_folder){order->model_folder, GUEST_MODEL_FOLDER, false};
        ret[count++] = (struct sandbox_folder){seat->out, GUEST_OUT_FOLDER, true};
    }
    if (order->data_folder != NULL)
        ret[count++] = (struct sandbox_folder){order->data_folder, GUEST_DATA_FOLDER, false};
    return count;
}

static struct seat *idle_seat(struct pool *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (!worker_busy(p->seats[i].worker))
            return &p->seats[i];
    return NULL;
}

enum status pool_run(struct pool *p, const struct pool_order *order, pool_done_fn *on_done,
                     void *owner, uint32_t *ret_worker)
{
    struct sandbox_folder folders[3];
    struct seat *seat = idle_seat(p);
    assert(seat != NULL);
    const struct sandbox_run run = {
        .compiled = order->code,
        .env = order->env,
        .folders = folders,
        .folder_count = folders_of(seat, order, folders),
        .limits = {.wall_ms = order->wall_ms},
    };
    enum status status = worker_run(seat->worker, &run, on_ran, seat);
    if (status != ST_OK)
        return status;
    p->busy++;
    seat->on_done = on_done;
    seat->owner = owner;
    *ret_worker = (uint32_t)(seat - p->seats);
    return ST_OK;
}

void pool_stop_guest(struct pool *p, uint32_t worker)
{
    assert(worker < p->count);
    worker_stop(p->seats[worker].worker);
}
