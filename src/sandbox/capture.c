#include "sandbox/capture.h"

#include <assert.h>
#include <string.h>

static enum status add_head(struct capture *c, struct view v)
{
    size_t room = c->max - c->data.size;
    if (v.size <= room)
        return bytes_append(&c->data, v, c->max);
    enum status status = bytes_append(&c->data, view_of(v.data, room), c->max);
    return status == ST_OK ? ST_LIMIT : status;
}

static enum status add_tail(struct capture *c, struct view v)
{
    if (v.size > c->max)
        v = view_of(v.data + (v.size - c->max), c->max);
    if (v.size == 0)
        return ST_OK;
    /* Bytes move only when twice the tail has come, so each is moved once. */
    if (c->data.size + v.size > 2 * c->max) {
        size_t keep = c->max - v.size;
        memmove(c->data.data, c->data.data + (c->data.size - keep), keep);
        c->data.size = keep;
    }
    return bytes_append(&c->data, v, 2 * c->max);
}

enum status capture_add(struct capture *c, struct view v)
{
    assert(c != NULL && c->max <= SIZE_MAX / 2);
    return c->tail ? add_tail(c, v) : add_head(c, v);
}

struct view capture_view(const struct capture *c)
{
    size_t skip = c->data.size > c->max ? c->data.size - c->max : 0;
    return skip == 0 ? bytes_view(&c->data) : view_of(c->data.data + skip, c->max);
}

void capture_done(struct capture *c)
{
    bytes_done(&c->data);
}
