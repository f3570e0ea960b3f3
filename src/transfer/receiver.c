#include "transfer/receiver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/plan.h"

#define RECEIVER_MAGIC 0x72656376u /* "recv" */

struct receiver {
    uint32_t magic;
    struct manifest manifest;
    struct bytes whole; /* manifest.size bytes; empty once taken */
    struct plan *plan;
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
    /* Not bytes_resize(): memory that no part has reached yet stays untouched,
     * so a manifest that is followed by nothing costs next to nothing. */
    r->whole.data = calloc(1, m->size);
    if (r->whole.data == NULL || plan_new(m->part_count, PARTS_IN_FLIGHT, &r->plan) != ST_OK) {
        (void)receiver_free(r);
        return ST_NOMEM;
    }
    r->whole.size = m->size;
    r->whole.capacity = m->size;
    r->manifest = *m;
    *m = (struct manifest){0};
    *ret = r;
    return ST_OK;
}

bool receiver_given_up(const struct receiver *r, uint64_t now_ms)
{
    check(r);
    return plan_given_up(r->plan, now_ms);
}

bool receiver_next(struct receiver *r, uint64_t now_ms, uint32_t *ret_part)
{
    check(r);
    return !plan_given_up(r->plan, now_ms) && plan_next(r->plan, now_ms, ret_part);
}

enum status receiver_part(struct receiver *r, uint32_t part, struct view bytes)
{
    check(r);
    assert(bytes.data != NULL || bytes.size == 0);
    if (part >= r->manifest.part_count)
        return ST_INVALID;
    if (plan_has(r->plan, part))
        return ST_OK;
    if (!manifest_part_is(&r->manifest, part, bytes))
        return ST_CORRUPT;

    memcpy(r->whole.data + (size_t)part * r->manifest.part_size, bytes.data, bytes.size);
    plan_there(r->plan, part);
    return ST_OK;
}

bool receiver_complete(const struct receiver *r)
{
    check(r);
    return plan_missing(r->plan) == 0;
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

struct plan *receiver_plan(struct receiver *r)
{
    check(r);
    return r->plan;
}

struct receiver *receiver_free(struct receiver *r)
{
    if (r == NULL)
        return NULL;
    check(r);
    manifest_done(&r->manifest);
    bytes_done(&r->whole);
    plan_free(r->plan);
    *(volatile uint32_t *)&r->magic = 0;
    free(r);
    return NULL;
}
