#include "proplet/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proplet/limits.h"

struct entry {
    struct id task;
    char *results;
    size_t size;
};

/* A ring: entries[(first + i) % HISTORY_TASKS_MAX], i < count, oldest first. */
struct history {
    size_t first;
    size_t count;
    size_t bytes;
    struct entry entries[HISTORY_TASKS_MAX];
};

enum status history_new(struct history **ret)
{
    struct history *h = calloc(1, sizeof *h);
    if (h == NULL)
        return ST_NOMEM;
    *ret = h;
    return ST_OK;
}

static struct entry *entry_at(const struct history *h, size_t index)
{
    return (struct entry *)&h->entries[(h->first + index) % HISTORY_TASKS_MAX];
}

static void forget_oldest(struct history *h)
{
    struct entry *oldest = entry_at(h, 0);
    h->bytes -= oldest->size;
    free(oldest->results);
    *oldest = (struct entry){0};
    h->first = (h->first + 1) % HISTORY_TASKS_MAX;
    h->count--;
}

void history_add(struct history *h, const struct id *task, char *results)
{
    assert(results != NULL);
    size_t size = strlen(results);
    while (h->count == HISTORY_TASKS_MAX || (h->count > 0 && h->bytes + size > HISTORY_BYTES_MAX))
        forget_oldest(h);
    *entry_at(h, h->count) = (struct entry){.task = *task, .results = results, .size = size};
    h->count++;
    h->bytes += size;
}

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

size_t history_count(const struct history *h)
{
    return h->count;
}

struct history *history_free(struct history *h)
{
    if (h == NULL)
        return NULL;
    while (h->count > 0)
        forget_oldest(h);
    free(h);
    return NULL;
}
