#include "manager/tasks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager/lookup.h"

#define NO_SLOT UINT32_MAX

struct slot {
    bool used;
    uint32_t older, newer; /* the order of tasks_add(), or NO_SLOT */
    struct task task;
};

struct tasks {
    struct lookup *lookup;
    uint32_t capacity;
    uint32_t used_count;
    uint32_t oldest, newest; /* ends of the list of used slots, or NO_SLOT */
    /* Slots that were never used are taken first; then those of ended tasks. */
    uint32_t fresh;
    uint32_t *ended; /* (capacity,), a ring: slots of ended tasks in the order of their ends */
    uint32_t ended_first, ended_count;
    uint64_t last_added, last_ended; /* numbers that were given */
    struct changes changes;
    struct slot slots[]; /* (capacity,) */
};

enum status tasks_new(uint32_t tasks_max, struct tasks **ret)
{
    assert(tasks_max >= 1 && tasks_max <= TASKS_KEPT_MAX);
    struct tasks *t = calloc(1, sizeof *t + tasks_max * sizeof t->slots[0]);
    if (t == NULL)
        return ST_NOMEM;
    t->capacity = tasks_max;
    t->oldest = t->newest = NO_SLOT;
    t->ended = calloc(tasks_max, sizeof *t->ended);
    if (t->ended == NULL || changes_init(&t->changes, tasks_max) != ST_OK ||
        lookup_new(tasks_max, &t->lookup) != ST_OK) {
        tasks_free(t);
        return ST_NOMEM;
    }
    *ret = t;
    return ST_OK;
}

static void unlink_slot(struct tasks *t, uint32_t i)
{
    struct slot *s = &t->slots[i];
    *(s->older == NO_SLOT ? &t->oldest : &t->slots[s->older].newer) = s->newer;
    *(s->newer == NO_SLOT ? &t->newest : &t->slots[s->newer].older) = s->older;
}

static void link_newest(struct tasks *t, uint32_t i)
{
    t->slots[i].older = t->newest;
    t->slots[i].newer = NO_SLOT;
    *(t->newest == NO_SLOT ? &t->oldest : &t->slots[t->newest].newer) = i;
    t->newest = i;
}

/* Forgets the task that ended first. NO_SLOT: none has ended. */
static uint32_t forget_one(struct tasks *t)
{
    if (t->ended_count == 0)
        return NO_SLOT;
    uint32_t i = t->ended[t->ended_first];
    t->ended_first = (t->ended_first + 1) % t->capacity;
    t->ended_count--;
    lookup_remove(t->lookup, i);
    unlink_slot(t, i);
    t->slots[i].used = false;
    t->used_count--;
    return i;
}

enum status tasks_add(struct tasks *t, const struct id *id, const struct id *launch_id,
                      const struct id *proplet_id, uint64_t limit_ms)
{
    uint32_t i;
    if (lookup_find(t->lookup, id->text, &i))
        return ST_EXISTS;
    i = t->fresh < t->capacity ? t->fresh++ : forget_one(t);
    if (i == NO_SLOT)
        return ST_LIMIT;
    struct slot *s = &t->slots[i];
    s->used = true;
    s->task = (struct task){.id = *id,
                            .launch_id = *launch_id,
                            .proplet_id = *proplet_id,
                            .state = TASK_PENDING,
                            .limit_ms = limit_ms,
                            .added = ++t->last_added};
    changes_mark(&t->changes, i);
    lookup_put(t->lookup, i, s->task.id.text);
    link_newest(t, i);
    t->used_count++;
    return ST_OK;
}

size_t tasks_room(const struct tasks *t)
{
    return t->capacity - tasks_open(t);
}

size_t tasks_open(const struct tasks *t)
{
    return t->used_count - t->ended_count;
}

static void text_cut(char *ret, size_t size, const char *text)
{
    (void)snprintf(ret, size, "%s", text);
    text_trim(ret);
}

enum status tasks_change(struct tasks *t, const struct id *id, enum task_state state,
                         const char *reason, const char *detail, uint64_t now_ms)
{
    assert(state != TASK_PENDING);
    uint32_t i;
    if (!lookup_find(t->lookup, id->text, &i))
        return ST_NOT_FOUND;
    struct task *task = &t->slots[i].task;
    if (task_ended(task) || state == task->state)
        return ST_EXISTS;

    task->state = state;
    text_cut(task->reason, sizeof task->reason, reason);
    text_cut(task->detail, sizeof task->detail, detail == NULL ? "" : detail);
    if (state == TASK_RUNNING)
        task->deadline_ms = now_ms + task->limit_ms;
    changes_mark(&t->changes, i);
    if (task_ended(task)) {
        task->ended = ++t->last_ended;
        t->ended[(t->ended_first + t->ended_count++) % t->capacity] = i;
    }
    return ST_OK;
}

enum status tasks_close(struct tasks *t, const struct id *id, uint64_t deadline_ms)
{
    uint32_t i;
    if (!lookup_find(t->lookup, id->text, &i))
        return ST_NOT_FOUND;
    struct task *task = &t->slots[i].task;
    if (task->state != TASK_RUNNING || task->closing)
        return ST_EXISTS;
    task->closing = true;
    task->deadline_ms = deadline_ms;
    changes_mark(&t->changes, i);
    return ST_OK;
}

void tasks_excuse(struct tasks *t, uint64_t now_ms, uint64_t left_ms)
{
    for (uint32_t i = 0; i < t->fresh; i++) {
        struct task *task = &t->slots[i].task;
        if (!t->slots[i].used || task->state != TASK_RUNNING ||
            task->deadline_ms >= now_ms + left_ms)
            continue;
        task->deadline_ms = now_ms + left_ms;
        changes_mark(&t->changes, i);
    }
}

enum status tasks_restore(struct tasks *t, const struct task *task)
{
    uint32_t i;
    if (lookup_find(t->lookup, task->id.text, &i))
        return ST_EXISTS;
    if (t->fresh >= t->capacity)
        return ST_LIMIT;
    i = t->fresh++;
    t->slots[i].used = true;
    t->slots[i].task = *task;
    lookup_put(t->lookup, i, t->slots[i].task.id.text);
    t->used_count++;
    return ST_OK;
}

static int by_added(const void *a, const void *b, void *arg)
{
    const struct slot *slots = arg;
    uint64_t x = slots[*(const uint32_t *)a].task.added, y = slots[*(const uint32_t *)b].task.added;
    return (x > y) - (x < y);
}

static int by_ended(const void *a, const void *b, void *arg)
{
    const struct slot *slots = arg;
    uint64_t x = slots[*(const uint32_t *)a].task.ended, y = slots[*(const uint32_t *)b].task.ended;
    return (x > y) - (x < y);
}

enum status tasks_restored(struct tasks *t)
{
    uint32_t count = t->fresh;
    uint32_t *order = calloc((size_t)count + 1, sizeof *order);
    if (order == NULL)
        return ST_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof *order, by_added, t->slots);
    for (uint32_t i = 0; i < count; i++) {
        const struct task *task = &t->slots[order[i]].task;
        link_newest(t, order[i]);
        t->last_added = task->added;
        if (task_ended(task))
            t->ended[t->ended_count++] = order[i];
    }
    free(order);
    qsort_r(t->ended, t->ended_count, sizeof *t->ended, by_ended, t->slots);
    if (t->ended_count > 0)
        t->last_ended = t->slots[t->ended[t->ended_count - 1]].task.ended;
    return ST_OK;
}

struct changes *tasks_changes(struct tasks *t)
{
    return &t->changes;
}

const struct task *tasks_at(const struct tasks *t, uint32_t slot)
{
    assert(slot < t->fresh && t->slots[slot].used);
    return &t->slots[slot].task;
}

const struct task *tasks_find(const struct tasks *t, const struct id *id)
{
    uint32_t i;
    return lookup_find(t->lookup, id->text, &i) ? &t->slots[i].task : NULL;
}

const struct task *tasks_next(const struct tasks *t, size_t *cursor)
{
    while (*cursor < t->fresh) {
        const struct slot *s = &t->slots[(*cursor)++];
        if (s->used)
            return &s->task;
    }
    return NULL;
}

size_t tasks_newest(const struct tasks *t, const struct task **ret, size_t count_max)
{
    size_t count = 0;
    for (uint32_t i = t->newest; i != NO_SLOT && count < count_max; i = t->slots[i].older)
        ret[count++] = &t->slots[i].task;
    return count;
}

const char *task_state_name(enum task_state state)
{
    switch (state) {
    case TASK_PENDING:
        return "pending";
    case TASK_RUNNING:
        return "running";
    case TASK_COMPLETED:
        return "completed";
    case TASK_FAILED:
        return "failed";
    }
    return "unknown";
}

struct tasks *tasks_free(struct tasks *t)
{
    if (t == NULL)
        return NULL;
    lookup_free(t->lookup);
    changes_done(&t->changes);
    free(t->ended);
    free(t);
    return NULL;
}
