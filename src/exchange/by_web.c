#include "exchange/by_web.h"

#include <assert.h>
#include <stdlib.h>

struct by_web {
    struct web *web;
    const struct manifest *m;
    struct by_web_owner owner;
    struct {
        struct web_get *get; /* under way, or waits for its turn; NULL: free */
        uint32_t part;
        uint32_t counted; /* as it was when this began */
    } gets[WEB_GETS_MAX];
    uint32_t failures; /* in a row */
    uint32_t counted;  /* failures, in all */
    bool over;
};

enum status by_web_new(struct web *web, const struct manifest *m, const struct by_web_owner *owner,
                       struct by_web **ret, struct why *why)
{
    assert(m != NULL && owner != NULL && ret != NULL);
    if (m->url == NULL) {
        *ret = NULL;
        return ST_OK;
    }
    if (!web_allows(web, m->url, why))
        return ST_INVALID;
    if (m->part_size > WEB_RANGE_MAX) {
        why_set(why, "parts of more than %zu bytes are not fetched by HTTP", WEB_RANGE_MAX);
        return ST_INVALID;
    }
    struct by_web *b = calloc(1, sizeof *b);
    if (b == NULL)
        return ST_NOMEM;
    b->web = web;
    b->m = m;
    b->owner = *owner;
    *ret = b;
    return ST_OK;
}

static void cancel_all(struct by_web *b)
{
    for (size_t i = 0; i < WEB_GETS_MAX; i++) {
        web_cancel(b->gets[i].get);
        b->gets[i].get = NULL;
    }
}

static void give_up(struct by_web *b, const char *reason)
{
    b->over = true;
    cancel_all(b);
    b->owner.settled(b->owner.owner, reason);
}

/* The place of this get, which is no more. */
static size_t take_out(struct by_web *b, const struct web_get *get)
{
    size_t slot = 0;
    while (b->gets[slot].get != get)
        slot++;
    b->gets[slot].get = NULL;
    return slot;
}

/* Gets that were under way together meet the same bad moment, so only one that began after
 * the last failure counts as another one. */
static void count_failure(struct by_web *b, size_t slot)
{
    if (b->gets[slot].counted != b->counted)
        return;
    b->counted++;
    b->failures++;
}

static void on_failure(struct by_web *b, size_t slot, const struct web_result *result)
{
    count_failure(b, slot);
    if (result->passing && b->failures < BY_WEB_TRIES_MAX)
        b->owner.settled(b->owner.owner, NULL); /* the plan asks for it again in its time */
    else
        give_up(b, result->detail);
}

static void on_done(void *owner, const struct web_get *get, const struct web_result *result)
{
    struct by_web *b = owner;
    size_t slot = take_out(b, get);
    if (result->failure == WEB_CLOSED) {
        b->over = true;
        return;
    }
    if (result->failure != WEB_OK) {
        on_failure(b, slot, result);
        return;
    }
    b->failures = 0;
    if (b->owner.part(b->owner.owner, b->gets[slot].part, result->bytes))
        b->owner.settled(b->owner.owner, NULL);
    else
        give_up(b, "what the URL gives are other bytes than the manifest says");
}

static bool is_under_way(const struct by_web *b, uint32_t part)
{
    for (size_t i = 0; i < WEB_GETS_MAX; i++)
        if (b->gets[i].get != NULL && b->gets[i].part == part)
            return true;
    return false;
}

/* A get has its own limits of time, which are longer than the plan's. After a reconnect the
 * plan has forgotten what is under way. */
static bool next_part(const struct by_web *b, struct plan *plan, uint64_t now_ms, uint32_t *ret)
{
    for (size_t i = 0; i < WEB_GETS_MAX; i++)
        if (b->gets[i].get != NULL)
            plan_still_coming(plan, b->gets[i].part, now_ms);
    while (plan_next(plan, now_ms, ret))
        if (!is_under_way(b, *ret))
            return true;
    return false;
}

/* WEB_GETS_MAX: none */
static size_t free_slot(const struct by_web *b)
{
    size_t slot = 0;
    while (slot < WEB_GETS_MAX && b->gets[slot].get != NULL)
        slot++;
    return slot;
}

bool by_web_ask(struct by_web *b, struct plan *plan, uint64_t now_ms)
{
    size_t slot = free_slot(b);
    uint32_t part;
    if (b->over || slot == WEB_GETS_MAX || web_is_full(b->web) ||
        !next_part(b, plan, now_ms, &part))
        return false;
    const struct web_range range = {.url = b->m->url,
                                    .offset = manifest_offset(b->m, part),
                                    .size = manifest_part_bytes(b->m, part),
                                    .total = b->m->size};
    struct web_get *get;
    if (web_get(b->web, &range, on_done, b, &get) != ST_OK) /* no memory: later */
        return false;
    b->gets[slot].get = get;
    b->gets[slot].part = part;
    b->gets[slot].counted = b->counted;
    return true;
}

bool by_web_is_over(const struct by_web *b)
{
    return b->over;
}

struct by_web *by_web_free(struct by_web *b)
{
    if (b == NULL)
        return NULL;
    cancel_all(b);
    free(b);
    return NULL;
}
