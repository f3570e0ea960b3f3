#include "manager/proplets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "manager/lookup.h"

struct proplets {
    struct lookup *lookup;
    uint64_t silence_max_ms;
    uint64_t lost_after_ms;
    uint32_t capacity;
    uint32_t count;
    struct changes changes;
    struct proplet slots[]; /* (capacity,), the first count are in use */
};

enum status proplets_new(uint32_t proplets_max, uint64_t interval_ms, uint64_t lost_after_ms,
                         struct proplets **ret)
{
    assert(proplets_max >= 1 && proplets_max <= PROPLETS_MAX);
    struct proplets *t = calloc(1, sizeof *t + proplets_max * sizeof t->slots[0]);
    if (t == NULL)
        return ST_NOMEM;
    t->capacity = proplets_max;
    t->silence_max_ms = interval_ms * 7 / 2;
    t->lost_after_ms = lost_after_ms;
    enum status status = changes_init(&t->changes, proplets_max);
    if (status == ST_OK)
        status = lookup_new(proplets_max, &t->lookup);
    if (status != ST_OK) {
        proplets_free(t);
        return status;
    }
    *ret = t;
    return ST_OK;
}

/* The only place where a state changes. since_ms: of what is not alive. */
static void change(struct proplets *t, struct proplet *p, enum proplet_state state,
                   uint64_t since_ms)
{
    bool was_present = proplet_present(p);
    if (p->state != state &&
        !(was_present && (state == PROPLET_ALIVE || state == PROPLET_EXPECTED)))
        changes_mark(&t->changes, (uint32_t)(p - t->slots));
    p->state = state;
    p->offline_since_ms = proplet_present(p) ? 0 : since_ms;
}

static struct proplet *find(const struct proplets *t, const struct id *id)
{
    uint32_t slot;
    return lookup_find(t->lookup, id->text, &slot) ? (struct proplet *)&t->slots[slot] : NULL;
}

/* The slot for one more device, or NULL: full. */
static struct proplet *free_slot(struct proplets *t)
{
    if (t->count < t->capacity)
        return &t->slots[t->count++];
    struct proplet *longest = NULL;
    for (uint32_t i = 0; i < t->count; i++) {
        struct proplet *p = &t->slots[i];
        if (p->state == PROPLET_LOST &&
            (longest == NULL || p->offline_since_ms < longest->offline_since_ms))
            longest = p;
    }
    if (longest == NULL)
        return NULL;
    lookup_remove(t->lookup, (uint32_t)(longest - t->slots));
    free(longest->metadata);
    return longest;
}

static struct proplet *add(struct proplets *t, const struct id *id)
{
    struct proplet *p = free_slot(t);
    if (p == NULL)
        return NULL;
    *p = (struct proplet){.id = *id, .state = PROPLET_LOST};
    lookup_put(t->lookup, (uint32_t)(p - t->slots), p->id.text);
    return p;
}

enum status proplets_heard(struct proplets *t, const struct id *id, enum start_topic start_topic,
                           const char *metadata, uint64_t now_ms, enum proplet_state *ret_was)
{
    char *copy = NULL;
    if (metadata != NULL) {
        if (strlen(metadata) > PROPLET_METADATA_MAX)
            return ST_LIMIT;
        copy = strdup(metadata);
        if (copy == NULL)
            return ST_NOMEM;
    }
    struct proplet *p = find(t, id);
    if (p == NULL)
        p = add(t, id);
    if (p == NULL) {
        free(copy);
        return ST_LIMIT;
    }
    if (copy != NULL) {
        if (p->metadata == NULL || strcmp(p->metadata, copy) != 0)
            changes_mark(&t->changes, (uint32_t)(p - t->slots));
        free(p->metadata);
        p->metadata = copy;
    }
    if (ret_was != NULL)
        *ret_was = p->state;
    if (p->start_topic != start_topic)
        changes_mark(&t->changes, (uint32_t)(p - t->slots));
    p->start_topic = start_topic;
    p->last_seen_ms = now_ms;
    change(t, p, PROPLET_ALIVE, 0);
    return ST_OK;
}

enum status proplets_expect(struct proplets *t, const struct id *id, enum start_topic start_topic,
                            uint64_t now_ms)
{
    if (find(t, id) != NULL)
        return ST_OK;
    struct proplet *p = add(t, id);
    if (p == NULL)
        return ST_LIMIT;
    p->start_topic = start_topic;
    p->last_seen_ms = now_ms;
    change(t, p, PROPLET_EXPECTED, 0);
    return ST_OK;
}

enum status proplets_restore(struct proplets *t, const struct proplet *proplet, uint64_t now_ms)
{
    char *metadata = NULL;
    if (find(t, &proplet->id) != NULL)
        return ST_EXISTS;
    if (t->count >= t->capacity)
        return ST_LIMIT;
    if (proplet->metadata != NULL) {
        if (strlen(proplet->metadata) > PROPLET_METADATA_MAX)
            return ST_LIMIT;
        metadata = strdup(proplet->metadata);
        if (metadata == NULL)
            return ST_NOMEM;
    }
    struct proplet *p = &t->slots[t->count++];
    *p = (struct proplet){.id = proplet->id,
                          .state = proplet->state,
                          .start_topic = proplet->start_topic,
                          .last_seen_ms = now_ms,
                          .metadata = metadata};
    if (!proplet_present(p))
        p->offline_since_ms = now_ms;
    lookup_put(t->lookup, (uint32_t)(p - t->slots), p->id.text);
    return ST_OK;
}

struct changes *proplets_changes(struct proplets *t)
{
    return &t->changes;
}

bool proplets_gone(struct proplets *t, const struct id *id, uint64_t now_ms)
{
    struct proplet *p = find(t, id);
    if (p == NULL || !proplet_present(p))
        return false;
    change(t, p, PROPLET_OFFLINE, now_ms);
    return true;
}

/* 0 if then is later than now. */
static uint64_t elapsed(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

bool proplets_check(struct proplets *t, size_t index, uint64_t now_ms)
{
    assert(index < t->count);
    struct proplet *p = &t->slots[index];
    enum proplet_state before = p->state;
    if (proplet_present(p) && elapsed(now_ms, p->last_seen_ms) > t->silence_max_ms)
        change(t, p, PROPLET_OFFLINE, p->last_seen_ms + t->silence_max_ms);
    if (p->state == PROPLET_OFFLINE && elapsed(now_ms, p->offline_since_ms) >= t->lost_after_ms)
        change(t, p, PROPLET_LOST, p->offline_since_ms);
    return p->state != before;
}

void proplets_excuse(struct proplets *t, uint64_t now_ms)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct proplet *p = &t->slots[i];
        if (proplet_present(p))
            p->last_seen_ms = now_ms;
        else if (p->state == PROPLET_OFFLINE)
            p->offline_since_ms = now_ms;
    }
}

const struct proplet *proplets_find(const struct proplets *t, const struct id *id)
{
    return find(t, id);
}

size_t proplets_count(const struct proplets *t)
{
    return t->count;
}

const struct proplet *proplets_at(const struct proplets *t, size_t index)
{
    assert(index < t->count);
    return &t->slots[index];
}

size_t proplets_index(const struct proplets *t, const struct proplet *proplet)
{
    return (size_t)(proplet - t->slots);
}

const char *proplet_state_name(enum proplet_state state)
{
    switch (state) {
    case PROPLET_ALIVE:
        return "alive";
    case PROPLET_EXPECTED:
        return "expected";
    case PROPLET_OFFLINE:
        return "offline";
    case PROPLET_LOST:
        return "lost";
    }
    return "unknown";
}

struct proplets *proplets_free(struct proplets *t)
{
    if (t == NULL)
        return NULL;
    for (uint32_t i = 0; i < t->count; i++)
        free(t->slots[i].metadata);
    changes_done(&t->changes);
    lookup_free(t->lookup);
    free(t);
    return NULL;
}
