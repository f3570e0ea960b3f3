#include "transfer/plan.h"

#include <assert.h>
#include <stdlib.h>

#define PLAN_MAGIC 0x706c616eu /* "plan" */

/* A part that was asked for and has not come yet. */
struct request {
    bool open;
    uint32_t part;
    uint32_t tries;
    uint64_t asked_ms;
};

/* Parts are asked for in order. So the state is: what came (`there`), a cursor
 * before which every part came or has an open request, and those few requests. */
struct plan {
    uint32_t magic;
    uint32_t part_count;
    uint32_t window;
    uint32_t missing;
    uint32_t cursor;
    struct request requests[PARTS_IN_FLIGHT_MAX];
    bool there[]; /* (part_count,) */
};

static void check(const struct plan *p)
{
    assert(p != NULL && p->magic == PLAN_MAGIC);
}

enum status plan_new(uint32_t part_count, uint32_t window, struct plan **ret)
{
    assert(part_count >= 1 && part_count <= PARTS_MAX && ret != NULL);
    assert(window >= 1 && window <= PARTS_IN_FLIGHT_MAX);
    struct plan *p = calloc(1, sizeof *p + part_count * sizeof p->there[0]);
    if (p == NULL)
        return ST_NOMEM;
    p->magic = PLAN_MAGIC;
    p->part_count = part_count;
    p->window = window;
    p->missing = part_count;
    *ret = p;
    return ST_OK;
}

static bool overdue(const struct request *q, uint64_t now_ms)
{
    return q->open && now_ms >= q->asked_ms && now_ms - q->asked_ms >= PLAN_RETRY_MS;
}

bool plan_given_up(const struct plan *p, uint64_t now_ms)
{
    check(p);
    for (size_t i = 0; i < p->window; i++)
        if (overdue(&p->requests[i], now_ms) && p->requests[i].tries >= PLAN_TRIES_MAX)
            return true;
    return false;
}

/* A request that is due again, else a free one given to the next part, else NULL. */
static struct request *due(struct plan *p, uint64_t now_ms)
{
    struct request *unused = NULL;
    for (size_t i = 0; i < p->window; i++) {
        struct request *q = &p->requests[i];
        if (overdue(q, now_ms))
            return q;
        if (!q->open)
            unused = q;
    }
    while (p->cursor < p->part_count && p->there[p->cursor])
        p->cursor++;
    if (unused == NULL || p->cursor == p->part_count)
        return NULL;
    *unused = (struct request){.open = true, .part = p->cursor++};
    return unused;
}

bool plan_next(struct plan *p, uint64_t now_ms, uint32_t *ret_part)
{
    check(p);
    assert(ret_part != NULL);
    struct request *q = due(p, now_ms);
    if (q == NULL)
        return false;
    if (q->tries < UINT32_MAX)
        q->tries++;
    q->asked_ms = now_ms;
    *ret_part = q->part;
    return true;
}

void plan_still_coming(struct plan *p, uint32_t part, uint64_t now_ms)
{
    check(p);
    for (size_t i = 0; i < p->window; i++)
        if (p->requests[i].open && p->requests[i].part == part)
            p->requests[i].asked_ms = now_ms;
}

void plan_there(struct plan *p, uint32_t part)
{
    check(p);
    assert(part < p->part_count);
    if (p->there[part])
        return;
    p->there[part] = true;
    p->missing--;
    for (size_t i = 0; i < p->window; i++)
        if (p->requests[i].part == part)
            p->requests[i].open = false;
}

bool plan_has(const struct plan *p, uint32_t part)
{
    check(p);
    assert(part < p->part_count);
    return p->there[part];
}

void plan_forget_asked(struct plan *p)
{
    check(p);
    for (size_t i = 0; i < p->window; i++)
        p->requests[i].open = false;
    p->cursor = 0;
}

uint32_t plan_under_way(const struct plan *p, uint64_t now_ms)
{
    check(p);
    uint32_t count = 0;
    for (size_t i = 0; i < p->window; i++)
        count += p->requests[i].open && !overdue(&p->requests[i], now_ms);
    return count;
}

uint32_t plan_missing(const struct plan *p)
{
    check(p);
    return p->missing;
}

struct plan *plan_free(struct plan *p)
{
    if (p == NULL)
        return NULL;
    check(p);
    *(volatile uint32_t *)&p->magic = 0;
    free(p);
    return NULL;
}
