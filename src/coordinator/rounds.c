#include "coordinator/rounds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/map.h"

#define ROUNDS_MAGIC 0x726e6473u /* "rnds" */

struct rounds {
    uint32_t magic;
    size_t open_max;
    size_t open_count;
    struct entry *open[ROUNDS_KEPT_MAX]; /* in the order of opening */
    size_t ended_count;
    size_t ended_participants;
    struct entry *ended[ROUNDS_KEPT_MAX]; /* newest last */
};

void entry_close_bytes(struct entry *e)
{
    for (size_t i = 0; e->bases != NULL && i < round_start_of(e->round)->asynchronous.carried_count;
         i++)
        map_close(&e->bases[i]);
    free(e->bases);
    e->bases = NULL;
    e->blobs = blobs_close(e->blobs);
    e->spool = spool_close(e->spool);
}

struct entry *entry_free(struct entry *e)
{
    if (e == NULL)
        return NULL;
    while (e->early != NULL) {
        struct early *next = e->early->next;
        bytes_done(&e->early->bytes);
        free(e->early);
        e->early = next;
    }
    bytes_done(&e->bytes);
    while (e->older != NULL) {
        struct kept *next = e->older->next;
        bytes_done(&e->older->bytes);
        free(e->older);
        e->older = next;
    }
    secure_free(e->secure);
    entry_close_bytes(e);
    round_free(e->round);
    free(e);
    return NULL;
}

enum status entry_new(struct round *round, struct entry **ret)
{
    assert(round != NULL && ret != NULL);
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ST_NOMEM;
    e->round = round;
    *ret = e;
    return ST_OK;
}

enum status rounds_new(size_t open_max, struct rounds **ret)
{
    assert(open_max >= 1 && open_max <= ROUNDS_KEPT_MAX && ret != NULL);
    struct rounds *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    r->magic = ROUNDS_MAGIC;
    r->open_max = open_max;
    *ret = r;
    return ST_OK;
}

static bool is_called(const struct entry *e, const struct id *round_id)
{
    return id_equal(&round_start_of(e->round)->round_id, round_id);
}

struct entry *rounds_find(struct rounds *r, const struct id *round_id)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC && round_id != NULL);
    for (size_t i = 0; i < r->open_count; i++)
        if (is_called(r->open[i], round_id))
            return r->open[i];
    for (size_t i = r->ended_count; i > 0; i--)
        if (is_called(r->ended[i - 1], round_id))
            return r->ended[i - 1];
    return NULL;
}

enum status rounds_open(struct rounds *r, struct round *round, struct entry **ret)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC);
    return r->open_count >= r->open_max ? ST_LIMIT : rounds_adopt(r, round, ret);
}

enum status rounds_adopt(struct rounds *r, struct round *round, struct entry **ret)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC && round != NULL && ret != NULL);
    assert(rounds_find(r, &round_start_of(round)->round_id) == NULL);
    if (r->open_count == ROUNDS_KEPT_MAX)
        return ST_LIMIT;
    struct entry *e = NULL;
    enum status status = entry_new(round, &e);
    if (status != ST_OK)
        return status;
    r->open[r->open_count++] = e;
    *ret = e;
    return ST_OK;
}

static size_t participants_of(const struct entry *e)
{
    return round_start_count(round_start_of(e->round));
}

static bool is_one_of(const struct entry *e, const struct id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_called(e, &ids[i]))
            return true;
    return false;
}

static void forget_oldest(struct rounds *r, const struct id *spared, size_t count)
{
    size_t at = 0;
    while (at < r->ended_count && is_one_of(r->ended[at], spared, count))
        at++;
    if (at == r->ended_count)
        at = 0;
    r->ended_participants -= participants_of(r->ended[at]);
    entry_free(r->ended[at]);
    r->ended_count--;
    memmove(r->ended + at, r->ended + at + 1, (r->ended_count - at) * sizeof(struct entry *));
}

static void take_out(struct rounds *r, const struct entry *e)
{
    size_t at = 0;
    while (at < r->open_count && r->open[at] != e)
        at++;
    assert(at < r->open_count);
    r->open_count--;
    memmove(r->open + at, r->open + at + 1, (r->open_count - at) * sizeof(struct entry *));
}

void rounds_drop(struct rounds *r, struct entry *e)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC && e != NULL);
    take_out(r, e);
    entry_free(e);
}

void rounds_end(struct rounds *r, struct entry *e, const struct id *spared, size_t count)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC && e != NULL);
    take_out(r, e);

    /* One round has at most ROUND_PARTICIPANTS_MAX, so this ends before none is left. */
    while (r->ended_count == ROUNDS_KEPT_MAX ||
           r->ended_participants + participants_of(e) > ROUNDS_KEPT_PARTICIPANTS_MAX)
        forget_oldest(r, spared, count);
    r->ended_participants += participants_of(e);
    r->ended[r->ended_count++] = e;
}

size_t rounds_open_count(const struct rounds *r)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC);
    return r->open_count;
}

struct entry *rounds_open_at(struct rounds *r, size_t index)
{
    assert(index < rounds_open_count(r));
    return r->open[index];
}

size_t rounds_ended_count(const struct rounds *r)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC);
    return r->ended_count;
}

struct entry *rounds_ended_at(struct rounds *r, size_t index)
{
    assert(index < rounds_ended_count(r));
    return r->ended[r->ended_count - 1 - index];
}

void rounds_clear(struct rounds *r)
{
    assert(r != NULL && r->magic == ROUNDS_MAGIC);
    for (size_t i = 0; i < r->open_count; i++)
        entry_free(r->open[i]);
    for (size_t i = 0; i < r->ended_count; i++)
        entry_free(r->ended[i]);
    r->open_count = r->ended_count = r->ended_participants = 0;
}

struct rounds *rounds_free(struct rounds *r)
{
    if (r == NULL)
        return NULL;
    rounds_clear(r);
    *(volatile uint32_t *)&r->magic = 0;
    free(r);
    return NULL;
}
