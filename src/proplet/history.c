#include "proplet/history.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "device/limits.h"
#include "proplet/record.h"
#include "service/log.h"

enum state { WAITS, UNDER_WAY, SENT };

struct entry {
    struct id task;
    char *results;
    size_t size;
    uint64_t number; /* rises from each to the next */
    enum state state;
    bool on_disk;
};

/* A ring: entries[(first + i) % HISTORY_TASKS_MAX], i < count, oldest first. */
struct history {
    char folder[PROPLET_PATH_SIZE];
    size_t first;
    size_t count;
    size_t bytes;
    uint64_t last_number;
    struct entry entries[HISTORY_TASKS_MAX];
};

/* The suffixes of the files; of them UNDER_WAY is WAITS to the next life. */
static const char *const suffixes[] = {".waits", ".sent"};

static const char *suffix_of(enum state state)
{
    return suffixes[state == SENT];
}

static struct entry *entry_at(const struct history *h, size_t index)
{
    return (struct entry *)&h->entries[(h->first + index) % HISTORY_TASKS_MAX];
}

/* ---- the disk ---- */

static void remove_file(const struct history *h, const struct id *task, enum state state)
{
    char path[PROPLET_PATH_SIZE];
    record_path(h->folder, task, suffix_of(state), path);
    (void)unlink(path);
}

static enum status save(const struct history *h, struct entry *e)
{
    char path[PROPLET_PATH_SIZE];
    record_path(h->folder, &e->task, suffix_of(e->state), path);
    json_t *header = json_pack("{s:s,s:I}", "task", e->task.text, "number", (json_int_t)e->number);
    enum status status =
        header == NULL ? ST_NOMEM : record_write(path, header, view_of(e->results, e->size));
    json_decref(header);
    e->on_disk = status == ST_OK;
    if (e->on_disk && e->state == SENT)
        remove_file(h, &e->task, WAITS); /* a damaged one in whose place this is */
    return status;
}

size_t history_save(struct history *h)
{
    size_t left = 0;
    for (size_t i = 0; i < h->count; i++) {
        struct entry *e = entry_at(h, i);
        if (!e->on_disk && (left > 0 || save(h, e) != ST_OK))
            left++; /* after one that failed the others are left for later */
    }
    return left;
}

static void mark_sent(const struct history *h, struct entry *e)
{
    char from[PROPLET_PATH_SIZE], to[PROPLET_PATH_SIZE];
    record_path(h->folder, &e->task, suffix_of(e->state), from);
    e->state = SENT;
    record_path(h->folder, &e->task, suffix_of(e->state), to);
    /* Not made durable: after a power loss they are only sent once more. */
    if (e->on_disk)
        (void)rename(from, to);
}

/* ---- the ring ---- */

static void forget_oldest(struct history *h)
{
    struct entry *oldest = entry_at(h, 0);
    if (oldest->state != SENT)
        log_line(LOG_WARN, "results.dropped", "task=%s reason=\"too many wait\"",
                 oldest->task.text);
    if (oldest->on_disk)
        remove_file(h, &oldest->task, oldest->state);
    h->bytes -= oldest->size;
    free(oldest->results);
    *oldest = (struct entry){0};
    h->first = (h->first + 1) % HISTORY_TASKS_MAX;
    h->count--;
}

static struct entry *remember(struct history *h, const struct id *task, char *results)
{
    size_t size = strlen(results);
    while (h->count == HISTORY_TASKS_MAX || (h->count > 0 && h->bytes + size > HISTORY_BYTES_MAX))
        forget_oldest(h);
    struct entry *e = entry_at(h, h->count);
    *e = (struct entry){.task = *task, .results = results, .size = size};
    h->count++;
    h->bytes += size;
    return e;
}

enum status history_add(struct history *h, const struct id *task, char *results)
{
    assert(results != NULL && history_find(h, task) == NULL);
    struct entry *e = remember(h, task, results);
    e->number = ++h->last_number;
    return save(h, e);
}

/* ---- what an earlier life left ---- */

struct loading {
    struct history *history;
    char *(*on_damaged)(void *owner, const struct id *task);
    void *owner;
    struct entry *found; /* HISTORY_TASKS_MAX + 1 of them */
    size_t count;
};

static enum status read_entry(const struct history *h, const struct id *task, enum state state,
                              struct entry *ret)
{
    char path[PROPLET_PATH_SIZE];
    struct record r = {0};
    struct entry e = {.task = *task, .state = state, .on_disk = true};
    struct id said = {0};
    record_path(h->folder, task, suffix_of(state), path);
    enum status status = record_read(path, HISTORY_BYTES_MAX, &r);
    if (status != ST_OK)
        return status;
    if (jsn_id(r.header, "task", JSN_REQUIRED, &said, NULL) != ST_OK || !id_equal(&said, task) ||
        jsn_uint(r.header, "number", JSN_REQUIRED, 0, UINT64_C(1) << 53, &e.number, NULL) != ST_OK)
        status = ST_CORRUPT;
    if (status == ST_OK && (e.results = text_of(r.body)) == NULL)
        status = ST_NOMEM;
    e.size = r.body.size;
    record_done(&r);
    if (status == ST_OK)
        *ret = e;
    return status;
}

/* In the place of a damaged record: one that says so, older than all others. The
 * file itself is replaced once all were listed. */
static bool replace(const struct loading *l, const struct id *task, enum state state,
                    struct entry *ret)
{
    log_line(LOG_ERROR, "results.corrupt", "task=%s", task->text);
    struct entry e = {.task = *task, .state = state};
    e.results = l->on_damaged(l->owner, task);
    if (e.results == NULL) {
        remove_file(l->history, task, state);
        return false;
    }
    e.size = strlen(e.results);
    *ret = e;
    return true;
}

/* Behind all that are as old; the oldest goes if there are too many. */
static void keep(struct loading *l, const struct entry *e)
{
    size_t i = l->count++;
    for (; i > 0 && l->found[i - 1].number > e->number; i--)
        l->found[i] = l->found[i - 1];
    l->found[i] = *e;
    if (l->count <= HISTORY_TASKS_MAX)
        return;
    remove_file(l->history, &l->found[0].task, l->found[0].state);
    free(l->found[0].results);
    l->count--;
    memmove(&l->found[0], &l->found[1], l->count * sizeof l->found[0]);
}

static void look_at(void *owner, const struct id *task, size_t suffix)
{
    struct loading *l = owner;
    struct entry e;
    enum state state = suffix == 0 ? WAITS : SENT;
    enum status status = read_entry(l->history, task, state, &e);
    if (status == ST_OK || (status == ST_CORRUPT && replace(l, task, state, &e)))
        keep(l, &e);
    else if (status != ST_CORRUPT)
        log_line(LOG_ERROR, "results.unreadable", "task=%s reason=%s", task->text,
                 status_name(status));
}

static void take_up(struct history *h, struct loading *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct entry *e = &l->found[i];
        *remember(h, &e->task, e->results) = *e;
        if (e->number > h->last_number)
            h->last_number = e->number;
    }
}

static enum status load(struct history *h, char *(*on_damaged)(void *owner, const struct id *task),
                        void *owner)
{
    struct loading l = {.history = h, .on_damaged = on_damaged, .owner = owner};
    l.found = calloc(HISTORY_TASKS_MAX + 1, sizeof l.found[0]);
    if (l.found == NULL)
        return ST_NOMEM;
    enum status status = record_list(h->folder, suffixes, 2, look_at, &l);
    take_up(h, &l);
    (void)history_save(h);
    free(l.found);
    return status;
}

enum status history_open(const char *folder,
                         char *(*on_damaged)(void *owner, const struct id *task), void *owner,
                         struct history **ret)
{
    enum status status = file_make_folder(folder);
    if (status != ST_OK)
        return status;
    struct history *h = calloc(1, sizeof *h);
    if (h == NULL)
        return ST_NOMEM;
    (void)snprintf(h->folder, sizeof h->folder, "%s", folder);
    status = load(h, on_damaged, owner);
    if (status != ST_OK) {
        history_free(h);
        return status;
    }
    *ret = h;
    return ST_OK;
}

/* ---- looking and sending ---- */

const char *history_find(const struct history *h, const struct id *task)
{
    /* The newest first: a repeated start comes soon. */
    for (size_t i = h->count; i > 0; i--) {
        const struct entry *e = entry_at(h, i - 1);
        if (id_equal(&e->task, task))
            return e->results;
    }
    return NULL;
}

void history_send(struct history *h, enum status (*send)(void *owner, const char *results),
                  void *owner)
{
    for (size_t i = 0; i < h->count; i++) {
        struct entry *e = entry_at(h, i);
        if (e->state != WAITS)
            continue;
        enum status status = send(owner, e->results);
        if (status == ST_OK)
            e->state = UNDER_WAY;
        else if (status != ST_NOMEM)
            mark_sent(h, e);
    }
}

void history_acknowledged(struct history *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct entry *e = entry_at(h, i);
        if (e->state == UNDER_WAY)
            mark_sent(h, e);
    }
}

size_t history_count(const struct history *h)
{
    return h->count;
}

size_t history_waiting(const struct history *h)
{
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++)
        count += entry_at(h, i)->state != SENT;
    return count;
}

struct history *history_free(struct history *h)
{
    if (h == NULL)
        return NULL;
    for (size_t i = 0; i < h->count; i++)
        free(entry_at(h, i)->results);
    free(h);
    return NULL;
}
