#include "device/images.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "device/guest_text.h"
#include "device/image_fetch.h"
#include "exchange/by_web.h"
#include "sandbox/sandbox.h"
#include "service/log.h"
#include "transfer/get_msg.h"

struct image {
    struct image *next;
    struct images *images;
    struct digest digest;
    uint64_t size;
    unsigned holders;
    enum image_state state;
    struct image_fetch *fetch; /* NULL: its turn has not come, or it is over */
    struct by_web *by_web;     /* its parts by HTTP; NULL: from the holder */
    bool url_looked_at;
    char compiled[PROPLET_PATH_SIZE];
    const char *reason;
    char detail[DETAIL_SIZE];
};

struct images {
    uv_loop_t *loop;
    struct images_settings settings;
    const struct proplet_out *out;
    struct image_store *store;
    struct image *first;     /* oldest need first */
    struct image *compiling; /* at most one at a time */
    struct sandbox_job *job; /* of compiling */
    bool stopping;
};

enum status images_new(uv_loop_t *loop, const struct images_settings *settings,
                       const struct proplet_out *out, struct images **ret)
{
    struct images *im = calloc(1, sizeof *im);
    if (im == NULL)
        return ST_NOMEM;
    im->loop = loop;
    im->settings = *settings;
    im->out = out;
    enum status status = image_store_open(settings->folder, sandbox_cache_tag(), &im->store);
    if (status != ST_OK) {
        images_free(im);
        return status;
    }
    im->settings.folder = NULL; /* the caller's, and of no use any more */
    *ret = im;
    return ST_OK;
}

static struct image *find(const struct images *im, const struct digest *digest)
{
    for (struct image *i = im->first; i != NULL; i = i->next)
        if (digest_equal(&i->digest, digest))
            return i;
    return NULL;
}

/* One that was put but is not held yet is needed too. */
struct put {
    const struct images *images;
    struct digest digest;
};

static bool is_needed(void *owner, const struct digest *digest)
{
    const struct put *put = owner;
    return digest_equal(&put->digest, digest) || find(put->images, digest) != NULL;
}

static void trim(const struct images *im, const struct digest *put)
{
    struct put keep = {.images = im, .digest = *put};
    image_store_trim(im->store, IMAGES_KEPT_MAX, IMAGES_KEPT_BYTES_MAX, is_needed, &keep);
}

enum status images_put(struct images *im, struct view module, struct digest *ret_digest)
{
    struct digest digest;
    enum status status = image_store_put(im->store, module, &digest);
    if (status != ST_OK)
        return status;
    trim(im, &digest);
    if (ret_digest != NULL)
        *ret_digest = digest;
    return ST_OK;
}

/* The one refers to the other. */
static void end_fetch(struct image *i)
{
    i->by_web = by_web_free(i->by_web);
    i->url_looked_at = false;
    i->fetch = image_fetch_free(i->fetch);
}

/* Every change of an image's state goes through here. */
static void change_state(struct image *i, enum image_state next)
{
    bool damaged = (i->state == IMAGE_COMPILING && next == IMAGE_FETCHING) ||
                   (i->state == IMAGE_READY && next == IMAGE_COMPILING);
    assert(i->state < next || damaged);
    i->state = next;
    if (next != IMAGE_FETCHING)
        end_fetch(i);
}

static void fail(struct image *i, const char *reason, const char *detail)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&i->digest, hex);
    i->reason = reason;
    (void)snprintf(i->detail, sizeof i->detail, "%s", detail);
    log_line(LOG_WARN, "image.failed", "digest=%s reason=%s detail=%s", hex, reason,
             log_quote(detail));
    change_state(i, IMAGE_FAILED);
}

/* False: it must not run, and has failed. */
static bool is_allowed(struct image *i, struct view module)
{
    struct why why = {""};
    const struct images_settings *s = &i->images->settings;
    if (s->allows == NULL || s->allows(s->owner, &i->digest, module, &why))
        return true;
    fail(i, "not_allowed", why.text);
    return false;
}

/* Compiled code cannot be judged, so its module is. False: there is no module, and it has to be
 * fetched; or it must not run, and has failed. */
static bool judge_on_disk(struct image *i)
{
    struct bytes module = {0};
    if (i->images->settings.allows == NULL)
        return true;
    bool here = image_store_read(i->images->store, &i->digest, &module) == ST_OK;
    bool allowed = here && is_allowed(i, bytes_view(&module));
    bytes_done(&module);
    return allowed;
}

/* What is on disk already need not be fetched. */
static void look_on_disk(struct image *i)
{
    char module[PROPLET_PATH_SIZE];
    struct image_store *store = i->images->store;
    if (!judge_on_disk(i))
        return;
    if (image_store_compiled(store, &i->digest, i->compiled))
        change_state(i, IMAGE_READY);
    else if (image_store_module(store, &i->digest, module) == ST_OK)
        change_state(i, IMAGE_COMPILING);
}

enum status images_hold(struct images *im, const struct digest *digest, uint64_t size,
                        struct image **ret)
{
    struct image *i = find(im, digest);
    if (i == NULL) {
        i = calloc(1, sizeof *i);
        if (i == NULL)
            return ST_NOMEM;
        i->images = im;
        i->digest = *digest;
        i->size = size;
        i->state = IMAGE_FETCHING;
        struct image **last = &im->first;
        while (*last != NULL)
            last = &(*last)->next;
        *last = i;
        look_on_disk(i);
    }
    i->holders++;
    *ret = i;
    return ST_OK;
}

enum image_state image_state(const struct image *i)
{
    return i->state;
}

const char *image_compiled(const struct image *i)
{
    assert(i->state == IMAGE_READY);
    return i->compiled;
}

const char *image_reason(const struct image *i)
{
    assert(i->state == IMAGE_FAILED);
    return i->reason;
}

const char *image_detail(const struct image *i)
{
    return i->detail;
}

/* One that is being compiled stays until that is over: the next task that needs
 * it finds it ready. */
static void forget_if_unneeded(struct image *i)
{
    struct images *im = i->images;
    if (i->holders > 0 || im->compiling == i)
        return;
    struct image **at = &im->first;
    while (*at != i)
        at = &(*at)->next;
    *at = i->next;
    end_fetch(i);
    free(i);
}

void image_distrust(struct image *i)
{
    if (i->state != IMAGE_READY)
        return; /* another task has said so before */
    image_store_forget_compiled(i->images->store, &i->digest);
    change_state(i, IMAGE_COMPILING);
}

struct image *image_release(struct image *i)
{
    if (i == NULL)
        return NULL;
    assert(i->holders > 0);
    i->holders--;
    forget_if_unneeded(i);
    return NULL;
}

/* ---- fetching ---- */

static void ask(struct images *im, const struct image *i, uint32_t part)
{
    struct get_msg get = {
        .client_id = im->settings.me,
        .digest = i->digest,
        .wants_part = part != IMAGE_FETCH_MANIFEST,
        .part = part != IMAGE_FETCH_MANIFEST ? part : 0,
    };
    struct topic topic;
    topic_make(&im->settings.space, &topic, "registry", "get", im->settings.holder.text, NULL);
    char *text = get_msg_encode(&get);
    /* One that is not sent is as one that is lost: it is asked again. */
    if (text != NULL && im->out->publish(im->out->owner, topic.text, view_text(text)) != ST_OK)
        log_line(LOG_WARN, "image.request_failed", "topic=%s", log_quote(topic.text));
    free(text);
}

/* ---- fetching by HTTP ---- */

static bool on_web_part(void *owner, uint32_t part, struct view bytes)
{
    const struct image *i = owner;
    return image_fetch_part(i->fetch, part, bytes) == ST_OK;
}

static void on_web_settled(void *owner, const char *reason)
{
    struct image *i = owner;
    const struct images *im = i->images;
    if (reason != NULL) {
        im->settings.on_url_left(im->settings.owner, &i->digest, reason);
        image_fetch_elsewhere(i->fetch, false);
        i->by_web = by_web_free(i->by_web);
    }
    im->settings.on_change(im->settings.owner);
}

/* Once its manifest is here: whether it comes by HTTP. */
static void look_at_url(struct image *i)
{
    const struct images *im = i->images;
    const struct manifest *m = image_fetch_described(i->fetch);
    if (im->settings.web == NULL || m == NULL || i->url_looked_at)
        return;
    struct why why = {""};
    const struct by_web_owner owner = {on_web_part, on_web_settled, i};
    i->url_looked_at = true;
    if (by_web_new(im->settings.web, m, &owner, &i->by_web, &why) == ST_INVALID)
        im->settings.on_url_left(im->settings.owner, &i->digest, why.text);
    image_fetch_elsewhere(i->fetch, i->by_web != NULL);
}

static void store_fetched(struct image *i)
{
    struct images *im = i->images;
    struct bytes module = {0};
    if (image_fetch_take(i->fetch, &module) != ST_OK) {
        fail(i, "image_corrupt", "the parts together do not have the image's digest");
        return;
    }
    bool allowed = is_allowed(i, bytes_view(&module));
    enum status status = allowed ? images_put(im, bytes_view(&module), NULL) : ST_INVALID;
    bytes_done(&module);
    if (!allowed)
        return;
    if (status != ST_OK) {
        fail(i, status == ST_FULL ? "disk_full" : "image_unavailable",
             status == ST_FULL ? "no space left to keep the image" : "the image could not be kept");
        return;
    }
    change_state(i, IMAGE_COMPILING);
}

static void step_fetch(struct image *i)
{
    struct images *im = i->images;
    uint64_t now_ms = im->out->now_ms(im->out->owner);
    struct why why = {0};
    uint32_t part;
    switch (image_fetch_state(i->fetch, now_ms, &why)) {
    case IMAGE_FETCH_GOING:
        look_at_url(i);
        while (i->by_web != NULL && by_web_ask(i->by_web, image_fetch_plan(i->fetch), now_ms))
            ;
        while (i->by_web == NULL && image_fetch_next(i->fetch, now_ms, &part))
            ask(im, i, part);
        break;
    case IMAGE_FETCH_COMPLETE:
        store_fetched(i);
        break;
    case IMAGE_FETCH_CORRUPT:
        fail(i, "image_corrupt", why.text);
        break;
    case IMAGE_FETCH_REFUSED:
    case IMAGE_FETCH_SILENT:
        fail(i, "image_unavailable", why.text);
        break;
    }
}

static void step_fetches(struct images *im)
{
    unsigned under_way = 0;
    for (struct image *i = im->first; i != NULL && under_way < IMAGE_FETCHES_MAX; i = i->next) {
        if (i->state != IMAGE_FETCHING)
            continue;
        if (i->fetch == NULL && image_fetch_new(&i->digest, i->size, &i->fetch) != ST_OK) {
            fail(i, "image_unavailable", "no memory");
            continue;
        }
        step_fetch(i);
        under_way += i->state == IMAGE_FETCHING;
    }
}

static struct image *fetching(const struct images *im, const struct digest *digest)
{
    struct image *i = find(im, digest);
    return i != NULL && i->state == IMAGE_FETCHING && i->fetch != NULL ? i : NULL;
}

void images_manifest(struct images *im, struct view payload)
{
    json_t *object = NULL;
    struct why why = {0};
    const char *text = "";
    struct digest digest;
    struct image *i = NULL;
    if (jsn_parse(payload, CONTROL_SIZE_MAX, &object, &why) != ST_OK ||
        jsn_str(object, "digest", JSN_REQUIRED, DIGEST_TEXT_SIZE, &text, &why) != ST_OK)
        goto done;
    if (digest_parse(text, &digest) != ST_OK) {
        why_set(&why, "digest is not sha256: and 64 digits");
        goto done;
    }
    i = fetching(im, &digest);
    if (i != NULL && image_fetch_manifest(i->fetch, object, &why) == ST_OK)
        why = (struct why){0};
done:
    json_decref(object);
    if (why.text[0] != '\0')
        log_line(LOG_WARN, "image.manifest_refused", "reason=%s", log_quote(why.text));
}

/* Decimal digits and nothing else. */
static bool part_number(struct view number, uint32_t *ret)
{
    uint32_t value = 0;
    if (number.size < 1 || number.size > 5)
        return false;
    for (size_t i = 0; i < number.size; i++) {
        if (number.data[i] < '0' || number.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(number.data[i] - '0');
    }
    *ret = value;
    return true;
}

void images_part(struct images *im, struct view hex, struct view number, struct view payload)
{
    char text[DIGEST_HEX_SIZE];
    struct digest digest;
    uint32_t part;
    if (hex.size != sizeof text - 1 || !part_number(number, &part))
        return;
    memcpy(text, hex.data, hex.size);
    text[hex.size] = '\0';
    if (digest_parse(text, &digest) != ST_OK)
        return;
    struct image *i = fetching(im, &digest);
    if (i == NULL)
        return;
    enum status status = image_fetch_part(i->fetch, part, payload);
    if (status != ST_OK)
        log_line(LOG_WARN, "image.part_refused", "digest=%s part=%u reason=%s", text, part,
                 status_name(status));
}

/* ---- compiling ---- */

static void compiled(struct image *i, const struct sandbox_result *r)
{
    char detail[DETAIL_SIZE];
    guest_text_line(view_text(r->detail), detail, sizeof detail);
    switch (r->outcome) {
    case SANDBOX_OK:
        if (image_store_compiled(i->images->store, &i->digest, i->compiled))
            change_state(i, IMAGE_READY);
        else
            fail(i, "runner_failed", "the compiler left no code");
        trim(i->images, &i->digest); /* the code takes room, too */
        break;
    case SANDBOX_STOPPED:
        fail(i, "stopped", "the device agent is ending");
        break;
    case SANDBOX_RUNNER_FAILED:
        fail(i, "runner_failed", detail);
        break;
    default:
        /* Also a module that takes the compiler too much time or memory. */
        fail(i, "image_invalid", detail);
        break;
    }
}

static void on_compiled(void *owner, const struct sandbox_result *result)
{
    struct images *im = owner;
    struct image *i = im->compiling;
    im->compiling = NULL;
    im->job = NULL;
    log_line(LOG_INFO, "image.compiled", "outcome=%s wall_ms=%llu",
             sandbox_outcome_code(result->outcome), (unsigned long long)result->wall_ms);
    compiled(i, result);
    forget_if_unneeded(i);
    im->settings.on_change(im->settings.owner);
}

static void start_compile(struct image *i)
{
    static const struct sandbox_limits limits = {
        .memory_bytes = COMPILE_MEMORY_BYTES,
        .cpu_s = COMPILE_CPU_S,
        .wall_ms = COMPILE_WALL_MS,
        .stdout_max = GUEST_STDERR_MAX,
        .stderr_max = GUEST_STDERR_MAX,
        .file_max = (uint64_t)8 * IMAGE_SIZE_MAX,
        .folder_max = (uint64_t)8 * IMAGE_SIZE_MAX,
    };
    struct images *im = i->images;
    char module[PROPLET_PATH_SIZE];
    if (image_store_module(im->store, &i->digest, module) != ST_OK) {
        change_state(i, IMAGE_FETCHING); /* damaged since: once more */
        return;
    }
    (void)image_store_compiled(im->store, &i->digest, i->compiled);
    enum status status = sandbox_compile(im->loop, im->settings.runner, module, i->compiled,
                                         &limits, on_compiled, im, &im->job);
    if (status == ST_OK)
        im->compiling = i;
    else
        fail(i, "runner_failed", "the compiler could not be started");
}

static void step_compile(struct images *im)
{
    for (struct image *i = im->first; i != NULL && im->compiling == NULL; i = i->next)
        if (i->state == IMAGE_COMPILING && !im->stopping)
            start_compile(i);
}

void images_step(struct images *im)
{
    step_fetches(im);
    step_compile(im);
}

void images_stop(struct images *im)
{
    im->stopping = true;
    if (im->job != NULL)
        sandbox_stop(im->job);
}

bool images_busy(const struct images *im)
{
    return im->compiling != NULL;
}

struct images *images_free(struct images *im)
{
    if (im == NULL)
        return NULL;
    assert(im->compiling == NULL && im->first == NULL);
    im->store = image_store_close(im->store);
    free(im);
    return NULL;
}
