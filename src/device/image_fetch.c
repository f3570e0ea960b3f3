#include "device/image_fetch.h"

#include <assert.h>
#include <stdlib.h>

struct image_fetch {
    struct digest digest;
    uint64_t size;
    struct receiver *receiver; /* NULL until the manifest is there */
    uint32_t asked;            /* how often for the manifest */
    uint64_t asked_ms;
    bool refused;
    struct why refusal;
    bool elsewhere; /* parts are not asked of the holder */
    bool spoiled;   /* something came that was not what it should be */
};

enum status image_fetch_new(const struct digest *digest, uint64_t size, struct image_fetch **ret)
{
    struct image_fetch *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    f->digest = *digest;
    f->size = size;
    *ret = f;
    return ST_OK;
}

const struct digest *image_fetch_digest(const struct image_fetch *f)
{
    return &f->digest;
}

static bool manifest_is_late(const struct image_fetch *f, uint64_t now_ms)
{
    return f->asked == 0 || now_ms - f->asked_ms >= RECEIVER_RETRY_MS;
}

bool image_fetch_next(struct image_fetch *f, uint64_t now_ms, uint32_t *ret_part)
{
    if (image_fetch_state(f, now_ms, NULL) != IMAGE_FETCH_GOING)
        return false;
    if (f->receiver != NULL)
        return receiver_next(f->receiver, now_ms, ret_part);
    if (!manifest_is_late(f, now_ms))
        return false;
    f->asked++;
    f->asked_ms = now_ms;
    *ret_part = IMAGE_FETCH_MANIFEST;
    return true;
}

/* fails: ST_INVALID (it is no refusal) */
static enum status take_refusal(struct image_fetch *f, const json_t *object)
{
    const char *code = NULL, *reason = "";
    if (jsn_str(object, "error", JSN_OPTIONAL, 64, &code, NULL) != ST_OK || code == NULL)
        return ST_INVALID;
    if (jsn_str(object, "reason", JSN_OPTIONAL, 256, &reason, NULL) != ST_OK)
        reason = "";
    f->refused = true;
    why_set(&f->refusal, "the holder of the image says %s%s%s", code, *reason == '\0' ? "" : ": ",
            reason);
    return ST_OK;
}

static enum status check_manifest(const struct image_fetch *f, const struct manifest *m,
                                  struct why *why)
{
    if (!digest_equal(&m->digest, &f->digest)) {
        why_set(why, "the manifest is that of another image");
        return ST_INVALID;
    }
    if (f->size == 0 || m->size == f->size)
        return ST_OK;
    why_set(why, "the manifest says %llu bytes, the task %llu", (unsigned long long)m->size,
            (unsigned long long)f->size);
    return ST_INVALID;
}

enum status image_fetch_manifest(struct image_fetch *f, const json_t *object, struct why *why)
{
    if (f->receiver != NULL || f->refused)
        return ST_OK; /* the answer to a question that was asked twice */
    if (take_refusal(f, object) == ST_OK)
        return ST_OK;

    struct manifest m = {0};
    enum status status = manifest_decode(object, IMAGE_SIZE_MAX, &m, why);
    if (status == ST_OK)
        status = check_manifest(f, &m, why);
    if (status == ST_OK)
        status = receiver_new(&m, &f->receiver);
    if (status != ST_OK)
        f->spoiled = true;
    manifest_done(&m);
    return status;
}

enum status image_fetch_part(struct image_fetch *f, uint32_t part, struct view bytes)
{
    if (f->receiver == NULL)
        return ST_INVALID;
    enum status status = receiver_part(f->receiver, part, bytes);
    if (status == ST_CORRUPT)
        f->spoiled = true;
    return status;
}

const struct manifest *image_fetch_described(const struct image_fetch *f)
{
    return f->receiver == NULL ? NULL : receiver_manifest(f->receiver);
}

struct plan *image_fetch_plan(struct image_fetch *f)
{
    assert(f->receiver != NULL);
    return receiver_plan(f->receiver);
}

void image_fetch_elsewhere(struct image_fetch *f, bool elsewhere)
{
    plan_forget_asked(image_fetch_plan(f));
    f->elsewhere = elsewhere;
}

/* Whether the holder was asked in vain too often. */
static bool is_over(const struct image_fetch *f, uint64_t now_ms)
{
    if (f->elsewhere)
        return false;
    if (f->receiver != NULL)
        return receiver_given_up(f->receiver, now_ms);
    return f->asked >= RECEIVER_TRIES_MAX && manifest_is_late(f, now_ms);
}

enum image_fetch_state image_fetch_state(const struct image_fetch *f, uint64_t now_ms,
                                         struct why *why)
{
    if (f->refused) {
        why_set(why, "%s", f->refusal.text);
        return IMAGE_FETCH_REFUSED;
    }
    if (f->receiver != NULL && receiver_complete(f->receiver))
        return IMAGE_FETCH_COMPLETE;
    if (!is_over(f, now_ms))
        return IMAGE_FETCH_GOING;
    if (f->spoiled) {
        why_set(why, "what was sent is not what the image's digest promises");
        return IMAGE_FETCH_CORRUPT;
    }
    why_set(why, "no answer to %u requests for %s", RECEIVER_TRIES_MAX,
            f->receiver != NULL ? "a part of the image" : "the image's manifest");
    return IMAGE_FETCH_SILENT;
}

enum status image_fetch_take(struct image_fetch *f, struct bytes *ret)
{
    assert(f->receiver != NULL);
    return receiver_take(f->receiver, ret);
}

struct image_fetch *image_fetch_free(struct image_fetch *f)
{
    if (f == NULL)
        return NULL;
    f->receiver = receiver_free(f->receiver);
    free(f);
    return NULL;
}
