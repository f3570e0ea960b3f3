#include "transfer/receiver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVER_MAGIC 0x72656376u /* "recv" */

/* A part that was asked for and has not come yet. */
struct request {
    bool open;
    uint32_t part;
    uint32_t tries;
    uint64_t asked_ms;
};

/* Parts are asked for in order. So the state is: what came (`there`), a cursor
 * before which every part came or has an open request, and those few requests. */
struct receiver {
    uint32_t magic;
    struct manifest manifest;
    struct bytes whole; /* manifest.size bytes; empty once taken */
    bool *there;        /* (part_count,) */
    uint32_t missing;   /* parts that are not there */
    uint32_t cursor;
    struct request requests[PARTS_IN_FLIGHT];
};

static void check(const struct receiver *r)
{
    assert(r != NULL && r->magic == RECEIVER_MAGIC);
}

enum status receiver_new(struct manifest *m, struct receiver **ret)
{
    assert(m != NULL && m->size >= 1 && m->part_count >= 1 && m->parts != NULL && ret != NULL);
    struct receiver *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    r->magic = RECEIVER_MAGIC;
    r->there = calloc(m->part_count, sizeof r->there[0]);
    /* Not bytes_resize(): memory that no part has reached yet stays untouched,
     * so a manifest that is followed by nothing costs next to nothing. */
    r->whole.data = calloc(1, m->size);
    if (r->there == NULL || r->whole.data == NULL) {
        (void)receiver_free(r);
        return ST_NOMEM;
    }
    r->whole.size = m->size;
    r->whole.capacity = m->size;
    r->missing = m->part_count;
    r->manifest = *m;
    *m = (struct manifest){0};
    *ret = r;
    return ST_OK;
}

static bool overdue(const struct request *q, uint64_t now_ms)
{
    return q->open && now_ms >= q->asked_ms && now_ms - q->asked_ms >= RECEIVER_RETRY_MS;
}

static bool in_vain(const struct request *q, uint64_t now_ms)
{
    return overdue(q, now_ms) && q->tries >= RECEIVER_TRIES_MAX;
}

bool receiver_given_up(const struct receiver *r, uint64_t now_ms)
{
    check(r);
    for (size_t i = 0; i < PARTS_IN_FLIGHT; i++)
        if (in_vain(&r->requests[i], now_ms))
            return true;
    return false;
}

/* A request that is due again, else a free one given to the next part, else NULL. */
static struct request *due(struct receiver *r, uint64_t now_ms)
{
    struct request *unused = NULL;
    for (size_t i = 0; i < PARTS_IN_FLIGHT; i++) {
        struct request *q = &r->requests[i];
        if (overdue(q, now_ms))
            return q;
        if (!q->open)
            unused = q;
    }
    while (r->cursor < r->manifest.part_count && r->there[r->cursor])
        r->cursor++;
    if (unused == NULL || r->cursor == r->manifest.part_count)
        return NULL;
    *unused = (struct request){.open = true, .part = r->cursor++};
    return unused;
}

bool receiver_next(struct receiver *r, uint64_t now_ms, uint32_t *ret_part)
{
    check(r);
    assert(ret_part != NULL);
    if (receiver_given_up(r, now_ms))
        return false;
    struct request *q = due(r, now_ms);
    if (q == NULL)
        return false;
    q->tries++;
    q->asked_ms = now_ms;
    *ret_part = q->part;
    return true;
}

enum status receiver_part(struct receiver *r, uint32_t part, struct view bytes)
{
    check(r);
    assert(bytes.data != NULL || bytes.size == 0);
    if (part >= r->manifest.part_count)
        return ST_INVALID;
    if (r->there[part])
        return ST_OK;

    struct view place = manifest_part(&r->manifest, bytes_view(&r->whole), part);
    if (bytes.size != place.size)
        return ST_CORRUPT;
    struct digest digest = digest_of(bytes);
    if (!digest_equal(&digest, &r->manifest.parts[part]))
        return ST_CORRUPT;

    memcpy(r->whole.data + (size_t)part * r->manifest.part_size, bytes.data, bytes.size);
    r->there[part] = true;
    r->missing--;
    for (size_t i = 0; i < PARTS_IN_FLIGHT; i++)
        if (r->requests[i].part == part)
            r->requests[i].open = false;
    return ST_OK;
}

bool receiver_complete(const struct receiver *r)
{
    check(r);
    return r->missing == 0;
}

enum status receiver_take(struct receiver *r, struct bytes *ret)
{
    assert(receiver_complete(r) && r->whole.data != NULL && ret != NULL);
    /* Each part was right, but the manifest itself may have lied. */
    struct digest digest = digest_of(bytes_view(&r->whole));
    if (!digest_equal(&digest, &r->manifest.digest))
        return ST_CORRUPT;
    *ret = r->whole;
    r->whole = (struct bytes){0};
    return ST_OK;
}

const struct manifest *receiver_manifest(const struct receiver *r)
{
    check(r);
    return &r->manifest;
}

struct receiver *receiver_free(struct receiver *r)
{
    if (r == NULL)
        return NULL;
    check(r);
    manifest_done(&r->manifest);
    bytes_done(&r->whole);
    free(r->there);
    *(volatile uint32_t *)&r->magic = 0;
    free(r);
    return NULL;
}
