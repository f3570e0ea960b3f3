#include "coordinator/experiments.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define EXPERIMENTS_MAGIC 0x65787073u /* "exps" */

struct experiments {
    uint32_t magic;
    size_t open_max;
    size_t open_count;
    struct experiment_entry *open[EXPERIMENTS_KEPT_MAX]; /* in the order of their starts */
    size_t ended_count;
    struct experiment_entry *ended[EXPERIMENTS_KEPT_MAX]; /* newest last */
};

static struct experiment_entry *entry_free(struct experiment_entry *e)
{
    if (e == NULL)
        return NULL;
    experiment_free(e->experiment);
    free(e);
    return NULL;
}

enum status experiments_new(size_t open_max, struct experiments **ret)
{
    assert(open_max >= 1 && open_max <= EXPERIMENTS_KEPT_MAX && ret != NULL);
    struct experiments *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ST_NOMEM;
    t->magic = EXPERIMENTS_MAGIC;
    t->open_max = open_max;
    *ret = t;
    return ST_OK;
}

struct experiment_entry *experiments_find(struct experiments *t, const struct id *id)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC && id != NULL);
    for (size_t i = 0; i < t->open_count; i++)
        if (id_equal(&t->open[i]->id, id))
            return t->open[i];
    for (size_t i = t->ended_count; i > 0; i--)
        if (id_equal(&t->ended[i - 1]->id, id))
            return t->ended[i - 1];
    return NULL;
}

struct experiment_entry *experiments_find_round(struct experiments *t, const struct id *round)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC && round != NULL);
    struct id now;
    for (size_t i = 0; i < t->open_count; i++)
        if (experiment_round_now(t->open[i]->experiment, &now) && id_equal(&now, round))
            return t->open[i];
    return NULL;
}

bool experiments_are_full(const struct experiments *t)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC);
    return t->open_count >= t->open_max;
}

enum status experiments_add(struct experiments *t, const struct digest *start,
                            struct experiment *experiment, struct experiment_entry **ret)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC && experiment != NULL && ret != NULL);
    const struct id *id = &experiment_start_of(experiment)->experiment_id;
    assert(experiments_find(t, id) == NULL);
    if (t->open_count == EXPERIMENTS_KEPT_MAX)
        return ST_LIMIT;
    struct experiment_entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ST_NOMEM;
    e->id = *id;
    e->start = *start;
    e->experiment = experiment;
    t->open[t->open_count++] = e;
    *ret = e;
    return ST_OK;
}

static void add_newest(struct experiments *t, struct experiment_entry *e)
{
    if (t->ended_count == EXPERIMENTS_KEPT_MAX) {
        entry_free(t->ended[0]);
        t->ended_count--;
        memmove(t->ended, t->ended + 1, t->ended_count * sizeof(struct experiment_entry *));
    }
    t->ended[t->ended_count++] = e;
}

enum status experiments_add_ended(struct experiments *t, const struct digest *start,
                                  const struct experiment_state *state)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC && state != NULL);
    assert(experiments_find(t, &state->experiment_id) == NULL);
    struct experiment_entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ST_NOMEM;
    e->id = state->experiment_id;
    e->start = *start;
    e->state = *state;
    add_newest(t, e);
    return ST_OK;
}

static void take_out(struct experiments *t, const struct experiment_entry *e)
{
    size_t at = 0;
    while (at < t->open_count && t->open[at] != e)
        at++;
    assert(at < t->open_count);
    t->open_count--;
    memmove(t->open + at, t->open + at + 1,
            (t->open_count - at) * sizeof(struct experiment_entry *));
}

void experiments_end(struct experiments *t, struct experiment_entry *e,
                     const struct experiment_state *state)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC && e != NULL && state != NULL);
    take_out(t, e);
    e->experiment = experiment_free(e->experiment);
    e->state = *state;
    add_newest(t, e);
}

size_t experiments_open_count(const struct experiments *t)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC);
    return t->open_count;
}

struct experiment_entry *experiments_open_at(struct experiments *t, size_t index)
{
    assert(index < experiments_open_count(t));
    return t->open[index];
}

size_t experiments_ended_count(const struct experiments *t)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC);
    return t->ended_count;
}

const struct experiment_entry *experiments_ended_at(const struct experiments *t, size_t index)
{
    assert(index < experiments_ended_count(t));
    return t->ended[t->ended_count - 1 - index];
}

void experiments_clear(struct experiments *t)
{
    assert(t != NULL && t->magic == EXPERIMENTS_MAGIC);
    for (size_t i = 0; i < t->open_count; i++)
        entry_free(t->open[i]);
    for (size_t i = 0; i < t->ended_count; i++)
        entry_free(t->ended[i]);
    t->open_count = t->ended_count = 0;
}

struct experiments *experiments_free(struct experiments *t)
{
    if (t == NULL)
        return NULL;
    experiments_clear(t);
    *(volatile uint32_t *)&t->magic = 0;
    free(t);
    return NULL;
}
