#include "proplet/update_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "exchange/exchange.h"
#include "exchange/file_manifest.h"
#include "io/file.h"
#include "proplet/lasting_clock.h"
#include "proplet/record.h"
#include "service/log.h"

#define SUFFIX   ".update"
#define BLOB     ".blob"
#define TIME_MAX (UINT64_C(1) << 53)

struct update_store {
    char folder[PROPLET_PATH_SIZE];
    struct lasting_clock clock;
};

enum status update_store_open(const char *folder, const char *boot_id, uint64_t now_ms,
                              struct update_store **ret)
{
    char clock[PROPLET_PATH_SIZE];
    enum status status = file_make_folder(folder);
    if (status != ST_OK)
        return status;
    struct update_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    (void)snprintf(s->folder, sizeof s->folder, "%s", folder);
    int size = snprintf(clock, sizeof clock, "%s.clock", folder);
    assert(size > 0 && size < (int)sizeof clock);
    lasting_clock_open(&s->clock, clock, boot_id, now_ms);
    *ret = s;
    return ST_OK;
}

/* ---- the header ---- */

static json_t *encode(const struct kept_update *u)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&u->digest, digest);
    return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:b}", "task", u->task.text, "round",
                     u->round.text, "topic", u->topic, "digest", digest, "since_ms",
                     (json_int_t)u->since_ms, "until_ms", (json_int_t)u->until_ms, "wall_ms",
                     (json_int_t)u->wall_ms, "cpu_ms", (json_int_t)u->cpu_ms, "peak_rss_kb",
                     (json_int_t)u->peak_rss_kb, "in_blob", u->in_blob);
}

static enum status decode_numbers(const json_t *header, struct kept_update *ret)
{
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {
        {"since_ms", &ret->since_ms},       {"until_ms", &ret->until_ms},
        {"wall_ms", &ret->wall_ms},         {"cpu_ms", &ret->cpu_ms},
        {"peak_rss_kb", &ret->peak_rss_kb},
    };
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < sizeof numbers / sizeof numbers[0]; i++)
        status =
            jsn_uint(header, numbers[i].key, JSN_REQUIRED, 0, TIME_MAX, numbers[i].value, NULL);
    return status;
}

/* What a reference says of the update: it must be about this one. */
static enum status read_reference(struct view body, struct kept_update *u)
{
    struct reference r;
    if (reference_decode(body, MODEL_BYTES_MAX, &r, NULL) != ST_OK)
        return ST_CORRUPT;
    u->size = r.manifest.size;
    bool same = digest_equal(&r.manifest.digest, &u->digest);
    reference_done(&r);
    return same ? ST_OK : ST_CORRUPT;
}

static enum status check_body(struct view body, struct kept_update *u)
{
    if (u->in_blob)
        return read_reference(body, u);
    struct digest is = digest_of(body);
    return digest_equal(&is, &u->digest) ? ST_OK : ST_CORRUPT;
}

static enum status decode(const struct record *r, struct kept_update *ret)
{
    struct kept_update u = {.size = r->body.size,
                            .in_blob = json_is_true(json_object_get(r->header, "in_blob"))};
    const char *topic = "";
    enum status status = jsn_id(r->header, "task", JSN_REQUIRED, &u.task, NULL);
    if (status == ST_OK)
        status = jsn_id(r->header, "round", JSN_REQUIRED, &u.round, NULL);
    if (status == ST_OK)
        status = jsn_str(r->header, "topic", JSN_REQUIRED, FL_TOPIC_SIZE - 1, &topic, NULL);
    if (status == ST_OK)
        status = jsn_digest(r->header, "digest", JSN_REQUIRED, &u.digest, NULL);
    if (status == ST_OK)
        status = decode_numbers(r->header, &u);
    if (status != ST_OK)
        return ST_CORRUPT;
    (void)snprintf(u.topic, sizeof u.topic, "%s", topic);
    if (check_body(r->body, &u) != ST_OK || u.until_ms < u.since_ms ||
        u.until_ms - u.since_ms > UPDATE_KEPT_MS_MAX)
        return ST_CORRUPT;
    *ret = u;
    return ST_OK;
}

/* ---- the files ---- */

static enum status read_record(const struct update_store *s, const struct id *task,
                               struct record *ret_record, struct kept_update *ret)
{
    char path[PROPLET_PATH_SIZE];
    struct record r = {0};
    struct kept_update u = {0};
    record_path(s->folder, task, SUFFIX, path);
    enum status status = record_read(path, MESSAGE_SIZE_MAX, &r);
    if (status == ST_OK)
        status = decode(&r, &u);
    if (status == ST_OK && !id_equal(&u.task, task))
        status = ST_CORRUPT; /* another task's record under this name */
    if (status != ST_OK) {
        record_done(&r);
        return status;
    }
    *ret_record = r;
    *ret = u;
    return ST_OK;
}

void update_store_blob(const struct update_store *s, const struct id *task,
                       char ret[PROPLET_PATH_SIZE])
{
    record_path(s->folder, task, BLOB, ret);
}

/* A blob is the update to the last bit, or it is not offered to anybody. */
static enum status check_blob(const struct update_store *s, const struct kept_update *u)
{
    char path[PROPLET_PATH_SIZE];
    struct manifest m;
    if (!u->in_blob)
        return ST_OK;
    update_store_blob(s, &u->task, path);
    enum status status = file_manifest(path, EXCHANGE_PART_SIZE, MODEL_BYTES_MAX, &m);
    if (status != ST_OK)
        return status == ST_NOMEM || status == ST_IO ? status : ST_CORRUPT;
    status = digest_equal(&m.digest, &u->digest) ? ST_OK : ST_CORRUPT;
    manifest_done(&m);
    return status;
}

struct listing {
    struct update_store *store;
    void (*found)(void *owner, const struct id *task, const struct kept_update *u);
    void *owner;
    uint64_t now_ms;
};

static void look_at(void *owner, const struct id *task, size_t suffix)
{
    struct listing *l = owner;
    struct record r = {0};
    struct kept_update u;
    char path[PROPLET_PATH_SIZE];
    record_path(l->store->folder, task, SUFFIX, path);
    if (suffix == 1) { /* one that no record speaks of is half of a put, or of a removal */
        if (access(path, F_OK) != 0)
            update_store_remove(l->store, task);
        return;
    }
    enum status status = read_record(l->store, task, &r, &u);
    record_done(&r);
    if (status == ST_OK)
        status = check_blob(l->store, &u);
    if (status == ST_OK) {
        lasting_clock_not_before(&l->store->clock, u.since_ms, l->now_ms);
        l->found(l->owner, task, &u);
    } else if (status == ST_CORRUPT) {
        update_store_remove(l->store, task);
        l->found(l->owner, task, NULL);
    } else {
        log_line(LOG_ERROR, "update.unreadable", "task=%s reason=%s", task->text,
                 status_name(status));
    }
}

enum status update_store_list(struct update_store *s,
                              void (*found)(void *owner, const struct id *task,
                                            const struct kept_update *u),
                              void *owner, uint64_t now_ms)
{
    static const char *const suffixes[] = {SUFFIX, BLOB};
    struct listing l = {s, found, owner, now_ms};
    return record_list(s->folder, suffixes, 2, look_at, &l);
}

static enum status put_record(struct update_store *s, const struct kept_update *u,
                              struct view bytes)
{
    char path[PROPLET_PATH_SIZE];
    assert(u->until_ms >= u->since_ms && u->until_ms - u->since_ms <= UPDATE_KEPT_MS_MAX);
    record_path(s->folder, &u->task, SUFFIX, path);
    json_t *header = encode(u);
    enum status status = header == NULL ? ST_NOMEM : record_write(path, header, bytes);
    json_decref(header);
    if (status != ST_OK)
        update_store_remove(s, &u->task); /* a rename that could not be made durable */
    return status;
}

static bool has_record(const struct update_store *s, const struct id *task)
{
    char path[PROPLET_PATH_SIZE];
    record_path(s->folder, task, SUFFIX, path);
    return access(path, F_OK) == 0;
}

enum status update_store_put(struct update_store *s, const struct kept_update *u, struct view bytes)
{
    assert(!u->in_blob);
    return has_record(s, &u->task) ? ST_EXISTS : put_record(s, u, bytes);
}

static enum status sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return ST_IO;
    enum status status = fsync(fd) == 0 ? ST_OK : file_write_status(errno);
    (void)close(fd);
    return status;
}

/* The bytes are durable under the blob's name before the record speaks of them. */
enum status update_store_put_file(struct update_store *s, const struct kept_update *u,
                                  const char *path, struct view reference)
{
    char blob[PROPLET_PATH_SIZE];
    assert(u->in_blob);
    if (has_record(s, &u->task))
        return ST_EXISTS;
    update_store_blob(s, &u->task, blob);
    enum status status = sync_file(path);
    if (status == ST_OK)
        status = file_rename(path, blob);
    if (status == ST_OK)
        return put_record(s, u, reference);
    (void)unlink(blob);
    return status;
}

enum status update_store_get(struct update_store *s, const struct kept_update *u, struct bytes *ret)
{
    struct record r = {0};
    struct kept_update is;
    enum status status = read_record(s, &u->task, &r, &is);
    if (status == ST_OK &&
        (!id_equal(&is.round, &u->round) || !digest_equal(&is.digest, &u->digest)))
        status = ST_CORRUPT;
    if (status == ST_OK)
        status = bytes_copy(ret, r.body);
    record_done(&r);
    return status;
}

void update_store_remove(struct update_store *s, const struct id *task)
{
    /* Not made durable: one that comes back after a power loss is only sent again. */
    char path[PROPLET_PATH_SIZE];
    record_path(s->folder, task, SUFFIX, path);
    (void)unlink(path);
    update_store_blob(s, task, path);
    (void)unlink(path);
}

uint64_t update_store_ms(const struct update_store *s, uint64_t now_ms)
{
    return lasting_clock_ms(&s->clock, now_ms);
}

void update_store_checkpoint(struct update_store *s, uint64_t now_ms)
{
    enum status status = lasting_clock_save(&s->clock, now_ms);
    if (status != ST_OK)
        log_line(LOG_WARN, "clock.not_saved", "reason=%s", status_name(status));
}

struct update_store *update_store_close(struct update_store *s)
{
    free(s);
    return NULL;
}
