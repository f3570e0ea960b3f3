#include "proplet/compress_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "compress/compress.h"
#include "io/map.h"
#include "model/safetensors.h"
#include "device/limits.h"

/* A file that is written where it is mapped. */
struct made {
    char path[PROPLET_PATH_SIZE]; /* "": there is none */
    uint8_t *bytes;
    size_t size;
};

struct compress_file {
    struct view base, update, before;
    struct made out, after;
    struct compress *compress;
    bool done;
};

/* ---- beginning ---- */

/* Of no use is no reason to stop: what was left out is forgotten. */
static enum status open_before(struct compress_file *f, const char *path)
{
    struct safetensors_layout layout;
    enum status status = path == NULL ? ST_NOT_FOUND : map_open(path, MODEL_BYTES_MAX, &f->before);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    if (status == ST_OK)
        status = safetensors_layout(f->before, &layout, NULL);
    if (status == ST_OK) {
        safetensors_layout_done(&layout);
    } else if (status != ST_NOMEM) {
        map_close(&f->before);
        (void)unlink(path);
        status = ST_OK;
    }
    return status;
}

static enum status make(struct made *m, const char *path, size_t size)
{
    enum status status = map_create(path, size, &m->bytes);
    if (status != ST_OK)
        return status;
    (void)snprintf(m->path, sizeof m->path, "%s", path);
    m->size = size;
    return ST_OK;
}

static enum status open_all(struct compress_file *f, const struct compress_files *files,
                            const struct compression *how, uint64_t seed, struct why *why)
{
    enum status status = map_open(files->base, MODEL_BYTES_MAX, &f->base);
    if (status == ST_OK)
        status = map_open(files->update, MODEL_BYTES_MAX, &f->update);
    if (status == ST_OK)
        status = open_before(f, files->before);
    if (status != ST_OK) {
        why_set(why, "its files cannot be read: %s", status_name(status));
        return status;
    }
    const struct compress_order order = {.compression = *how,
                                         .base = f->base,
                                         .update = f->update,
                                         .left_out = f->before,
                                         .seed = seed};
    status = compress_new(&order, &f->compress, why);
    if (status != ST_OK)
        return status;
    size_t left_out = compress_left_out_size(f->compress);
    status = make(&f->out, files->out, compress_size(f->compress));
    if (status == ST_OK && files->after != NULL && left_out > 0)
        status = make(&f->after, files->after, left_out);
    if (status == ST_OK)
        compress_into(f->compress, f->out.bytes, f->after.bytes);
    else
        why_set(why, "its file cannot be made: %s", status_name(status));
    return status;
}

enum status compress_file_new(const struct compress_files *files, const struct compression *how,
                              uint64_t seed, struct compress_file **ret, struct why *why)
{
    assert(files != NULL && how != NULL && ret != NULL);
    struct compress_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    enum status status = open_all(f, files, how, seed, why);
    if (status == ST_OK)
        *ret = f;
    else
        compress_file_free(f);
    return status;
}

/* ---- going on ---- */

/* All of them: what is needed next comes back by itself. */
static void let_go(const struct compress_file *f)
{
    const struct view all[] = {f->base, f->update, f->before, view_of(f->out.bytes, f->out.size),
                               view_of(f->after.bytes, f->after.size)};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].size > 0)
            map_let_go(all[i], all[i]);
}

enum status compress_file_step(struct compress_file *f, bool *ret_done, struct why *why)
{
    assert(f != NULL && !f->done);
    int64_t budget = COMPRESSED_IN_A_TURN;
    bool done = false;
    enum status status = compress_step(f->compress, &budget, &done, why);
    let_go(f);
    if (status == ST_OK && done && f->after.bytes != NULL) {
        status = map_sync(f->after.bytes, f->after.size);
        if (status != ST_OK)
            why_set(why, "what is left out cannot be kept: %s", status_name(status));
    }
    f->done = status == ST_OK && done;
    *ret_done = f->done;
    return status;
}

static void end(struct made *m, bool keep)
{
    struct view v = view_of(m->bytes, m->size);
    map_close(&v);
    if (!keep && m->path[0] != '\0')
        (void)unlink(m->path);
}

struct compress_file *compress_file_free(struct compress_file *f)
{
    if (f == NULL)
        return NULL;
    compress_free(f->compress);
    map_close(&f->base);
    map_close(&f->update);
    map_close(&f->before);
    end(&f->out, f->done);
    end(&f->after, f->done);
    free(f);
    return NULL;
}
