#include "exchange/fetch.h"

#include <assert.h>
#include <stdlib.h>

enum status fetch_open(const struct reference *ref, const char *path, struct fetch **ret)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    f->reference.holder = ref->holder;
    enum status status = manifest_copy(&ref->manifest, &f->reference.manifest);
    if (status == ST_OK)
        status = partial_open(path, &f->reference.manifest, EXCHANGE_WINDOW, &f->partial);
    if (status != ST_OK) {
        reference_done(&f->reference);
        free(f);
        return status;
    }
    *ret = f;
    return ST_OK;
}

/* It is over. What cannot become whole is removed; for what others may still complete,
 * the owner decides. */
static void end(struct fetch *f, enum fetch_state state)
{
    bool useless = state == FETCH_CORRUPT || state == FETCH_FULL;
    f->state = state;
    f->bytes_there = partial_bytes_there(f->partial);
    if (useless || state == FETCH_COMPLETE)
        f->partial = partial_close(f->partial, useless);
}

static void fail(struct fetch *f, enum status status)
{
    switch (status) {
    case ST_FULL:
        why_set(&f->detail, "no space left on the device for %llu bytes",
                (unsigned long long)f->reference.manifest.size);
        end(f, FETCH_FULL);
        break;
    case ST_CORRUPT:
        why_set(&f->detail, "the parts of the manifest do not make up what its digest promises");
        end(f, FETCH_CORRUPT);
        break;
    default:
        why_set(&f->detail, "the file could not be written: %s", status_name(status));
        end(f, FETCH_FAILED);
    }
}

bool fetch_part(struct fetch *f, uint32_t part, struct view bytes, uint64_t now_ms)
{
    if (f->state != FETCH_GOING)
        return true;
    enum status status = partial_write(f->partial, part, bytes);
    if (status == ST_OK)
        f->moved_ms = now_ms;
    else if (status != ST_INVALID && status != ST_CORRUPT) /* those are asked for again */
        fail(f, status);
    return status != ST_INVALID && status != ST_CORRUPT;
}

void fetch_leave_web(struct fetch *f)
{
    f->by_web = by_web_free(f->by_web);
    f->moved_ms = 0; /* the holder has not sent anything yet */
    if (f->partial != NULL)
        plan_forget_asked(partial_plan(f->partial));
}

void fetch_refuse(struct fetch *f, const char *code, const char *reason)
{
    if (f->state != FETCH_GOING)
        return;
    why_set(&f->detail, "%s says %s: %s", f->reference.holder.text, code, reason);
    end(f, FETCH_REFUSED);
}

bool fetch_check(struct fetch *f, int64_t *budget)
{
    if (f->state != FETCH_GOING)
        return false;
    bool done = false;
    enum status status = partial_check(f->partial, budget, &done);
    if (status != ST_OK)
        fail(f, status);
    else if (done)
        end(f, FETCH_COMPLETE);
    return f->state == FETCH_GOING && partial_has_more(f->partial);
}

bool fetch_wants(const struct fetch *f)
{
    return f->state == FETCH_GOING && !partial_is_scanning(f->partial);
}

bool fetch_is_silent(const struct fetch *f, uint64_t now_ms)
{
    return f->moved_ms == 0 || (now_ms >= f->moved_ms && now_ms - f->moved_ms >= PLAN_RETRY_MS);
}

void fetch_close(struct fetch *f, bool forget)
{
    f->by_web = by_web_free(f->by_web);
    f->partial = partial_close(f->partial, forget);
    reference_done(&f->reference);
    free(f);
}

/* ---- what the owner sees ---- */

enum fetch_state fetch_state(const struct fetch *f)
{
    assert(f != NULL);
    return f->state;
}

const struct digest *fetch_digest(const struct fetch *f)
{
    assert(f != NULL);
    return &f->reference.manifest.digest;
}

uint64_t fetch_bytes_there(const struct fetch *f)
{
    assert(f != NULL);
    return f->partial == NULL ? f->bytes_there : partial_bytes_there(f->partial);
}

uint64_t fetch_bytes(const struct fetch *f)
{
    assert(f != NULL);
    return f->reference.manifest.size;
}

const char *fetch_detail(const struct fetch *f)
{
    assert(f != NULL);
    return f->detail.text;
}
