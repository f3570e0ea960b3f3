#include "device/model_fetch.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fl/topics.h"
#include "io/file.h"
#include "device/limits.h"
#include "service/log.h"

/* One model, shared by all who waited for it: in memory, or in a file. */
struct held {
    struct held *next;
    char topic[FL_TOPIC_SIZE];
    struct digest digest;
    struct bytes bytes;
    char path[PROPLET_PATH_SIZE]; /* "": it is in memory */
    struct fetch *fetch;          /* while it comes */
    unsigned users;
};

struct model_wait {
    struct model_wait *next;
    struct model_fetch *fetch;
    char topic[FL_TOPIC_SIZE];
    bool has_expected;
    struct digest expected;
    enum model_wait_state state;
    struct held *held; /* if there */
    struct why why;    /* if corrupt */
};

struct model_fetch {
    const struct proplet_out *out;
    struct exchange *exchange;
    char folder[PROPLET_PATH_SIZE];
    struct model_wait *waits;
    struct held *held; /* newest use first */
};

enum status model_fetch_new(const struct proplet_out *out, struct exchange *exchange,
                            const char *folder, struct model_fetch **ret)
{
    struct model_fetch *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    f->out = out;
    f->exchange = exchange;
    int size = snprintf(f->folder, sizeof f->folder, "%s", folder);
    bool fits = size > 0 && (size_t)size + DIGEST_HEX_SIZE + 8 < sizeof f->folder;
    enum status status = fits ? file_make_folder(folder) : ST_LIMIT;
    if (status != ST_OK) {
        free(f);
        return status;
    }
    *ret = f;
    return ST_OK;
}

/* remove: its file, too. What there is of one that is not whole stays for the next time
 * that it is wanted. */
static void held_free(struct held *h, bool remove)
{
    if (remove && h->path[0] != '\0' && h->fetch == NULL)
        (void)unlink(h->path);
    h->fetch = fetch_release(h->fetch, false);
    bytes_done(&h->bytes);
    free(h);
}

/* Keeps the newest of those that nobody uses; one that comes for nobody comes no more. */
static void trim(struct model_fetch *f)
{
    size_t count = 0, files = 0, bytes = 0;
    for (struct held **at = &f->held; *at != NULL;) {
        struct held *h = *at;
        bool in_file = h->path[0] != '\0';
        count += !in_file;
        files += in_file;
        bytes += h->bytes.size;
        bool fits = in_file ? h->fetch == NULL && files <= MODELS_KEPT_FILES_MAX
                            : count <= MODELS_KEPT_MAX && bytes <= MODELS_KEPT_BYTES_MAX;
        if (h->users > 0 || fits) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        held_free(h, true);
    }
}

static void to_front(struct model_fetch *f, struct held *h)
{
    struct held **at = &f->held;
    while (*at != NULL && *at != h)
        at = &(*at)->next;
    if (*at == h)
        *at = h->next;
    h->next = f->held;
    f->held = h;
}

static struct held *find_held(const struct model_fetch *f, const char *topic,
                              const struct digest *digest)
{
    for (struct held *h = f->held; h != NULL; h = h->next)
        if (strcmp(h->topic, topic) == 0 && digest_equal(&h->digest, digest))
            return h;
    return NULL;
}

static bool somebody_waits(const struct model_fetch *f, const char *topic)
{
    for (const struct model_wait *w = f->waits; w != NULL; w = w->next)
        if (w->state == MODEL_WAITING && strcmp(w->topic, topic) == 0)
            return true;
    return false;
}

static void give(struct model_fetch *f, struct model_wait *w, struct held *h)
{
    h->users++;
    to_front(f, h);
    w->held = h;
    w->state = h->fetch == NULL ? MODEL_THERE : MODEL_COMING;
}

enum status model_fetch_want(struct model_fetch *f, const char *topic,
                             const struct digest *expected, struct model_wait **ret)
{
    struct model_wait *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ST_NOMEM;
    int size = snprintf(w->topic, sizeof w->topic, "%s", topic);
    assert(size > 0 && (size_t)size < sizeof w->topic);
    w->fetch = f;
    w->has_expected = expected != NULL;
    if (expected != NULL)
        w->expected = *expected;

    struct held *known = expected != NULL ? find_held(f, topic, expected) : NULL;
    if (known == NULL && !somebody_waits(f, topic)) {
        enum status status = f->out->subscribe(f->out->owner, topic);
        if (status != ST_OK) {
            free(w);
            return status;
        }
    }
    w->next = f->waits;
    f->waits = w;
    if (known != NULL)
        give(f, w, known);
    *ret = w;
    return ST_OK;
}

enum model_wait_state model_wait_state(const struct model_wait *w)
{
    return w->state;
}

const char *model_wait_path(const struct model_wait *w)
{
    assert(w->state == MODEL_THERE);
    return w->held->path[0] != '\0' ? w->held->path : NULL;
}

struct view model_wait_bytes(const struct model_wait *w)
{
    assert(w->state == MODEL_THERE);
    return bytes_view(&w->held->bytes);
}

const char *model_wait_detail(const struct model_wait *w)
{
    return w->why.text;
}

static void unsubscribe_if_unwanted(struct model_fetch *f, const char *topic)
{
    if (!somebody_waits(f, topic))
        f->out->unsubscribe(f->out->owner, topic);
}

struct model_wait *model_wait_free(struct model_wait *w)
{
    if (w == NULL)
        return NULL;
    struct model_fetch *f = w->fetch;
    struct model_wait **at = &f->waits;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (w->state == MODEL_WAITING)
        unsubscribe_if_unwanted(f, w->topic);
    if (w->held != NULL)
        w->held->users--;
    trim(f);
    free(w);
    return NULL;
}

/* The digest of these bytes against the one that is sent beside them. */
static bool message_is_sound(const struct mqtt_message *m, const struct digest *found,
                             struct why *why)
{
    const char *text = mqtt_message_property(m, "digest");
    struct digest named;
    if (text != NULL && digest_parse(text, &named) != ST_OK)
        why_set(why, "the digest beside the model cannot be read");
    else if (text != NULL && !digest_equal(&named, found))
        why_set(why, "the model does not have the digest that is sent with it");
    else
        return true;
    return false;
}

/* What one wait makes of a message with these bytes; h is NULL if it is unsound. */
static void settle(struct model_fetch *f, struct model_wait *w, const struct digest *found,
                   struct held *h, const struct why *why)
{
    if (h != NULL && (!w->has_expected || digest_equal(&w->expected, found))) {
        give(f, w, h);
        return;
    }
    w->state = MODEL_CORRUPT;
    if (h == NULL)
        w->why = *why;
    else
        why_set(&w->why, "the model does not have the digest that the task expects");
}

/* NULL: no memory */
static struct held *held_new(const char *topic, const struct digest *digest)
{
    struct held *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    (void)snprintf(h->topic, sizeof h->topic, "%s", topic);
    h->digest = *digest;
    return h;
}

/* ---- models in one message ---- */

/* fails: ST_NOMEM */
static enum status hold(struct model_fetch *f, const struct mqtt_message *m,
                        const struct digest *digest, struct held **ret)
{
    struct held *h = find_held(f, m->topic, digest);
    if (h == NULL) {
        h = held_new(m->topic, digest);
        if (h == NULL)
            return ST_NOMEM;
        if (bytes_copy(&h->bytes, m->payload) != ST_OK) {
            held_free(h, false);
            return ST_NOMEM;
        }
    }
    to_front(f, h);
    *ret = h;
    return ST_OK;
}

/* ---- models in parts ---- */

static void path_of(const struct model_fetch *f, const struct digest *digest,
                    char ret[PROPLET_PATH_SIZE])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(digest, hex);
    int size = snprintf(ret, PROPLET_PATH_SIZE, "%s/%s", f->folder, hex);
    assert(size > 0 && size < PROPLET_PATH_SIZE);
}

static bool is_held(const struct model_fetch *f, const char *name)
{
    for (const struct held *h = f->held; h != NULL; h = h->next)
        if (h->path[0] != '\0' &&
            strncmp(name, strrchr(h->path, '/') + 1, DIGEST_HEX_SIZE - 1) == 0)
            return true;
    return false;
}

/* What earlier lives and earlier models left, now that the disk is needed. */
static void sweep(const struct model_fetch *f)
{
    DIR *entries = opendir(f->folder);
    struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL)
        if (entry->d_name[0] != '.' && !is_held(f, entry->d_name))
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries != NULL)
        (void)closedir(entries);
}

/* On whatever topic it came: a file has one fetch. */
static struct held *find_file(const struct model_fetch *f, const struct digest *digest)
{
    for (struct held *h = f->held; h != NULL; h = h->next)
        if (h->path[0] != '\0' && h->topic[0] != '\0' && digest_equal(&h->digest, digest))
            return h;
    return NULL;
}

/* fails: ST_NOMEM, and as exchange_fetch() */
static enum status hold_reference(struct model_fetch *f, const char *topic,
                                  const struct reference *r, struct held **ret)
{
    const struct digest *digest = &r->manifest.digest;
    struct held *h = find_file(f, digest);
    if (h == NULL) {
        h = held_new(topic, digest);
        if (h == NULL)
            return ST_NOMEM;
        path_of(f, digest, h->path);
        to_front(f, h);
        sweep(f);
        enum status status = exchange_fetch(f->exchange, r, h->path, &h->fetch);
        if (status != ST_OK) {
            f->held = h->next;
            held_free(h, true);
            return status;
        }
        log_line(LOG_INFO, "model.fetching", "topic=%s bytes=%llu", log_quote(topic),
                 (unsigned long long)r->manifest.size);
    }
    to_front(f, h);
    *ret = h;
    return ST_OK;
}

static void settle_all(struct model_fetch *f, const char *topic, const struct digest *found,
                       struct held *h, const struct why *why)
{
    for (struct model_wait *w = f->waits; w != NULL; w = w->next)
        if (w->state == MODEL_WAITING && strcmp(w->topic, topic) == 0)
            settle(f, w, found, h, why);
    unsubscribe_if_unwanted(f, topic);
    trim(f);
}

static void fail_all(struct model_fetch *f, const char *topic, enum model_wait_state state,
                     const char *detail)
{
    for (struct model_wait *w = f->waits; w != NULL; w = w->next)
        if (w->state == MODEL_WAITING && strcmp(w->topic, topic) == 0) {
            w->state = state;
            why_set(&w->why, "%s", detail);
        }
    unsubscribe_if_unwanted(f, topic);
}

static void take_reference(struct model_fetch *f, const struct mqtt_message *m)
{
    struct reference r;
    struct why why = {0};
    struct held *h = NULL;
    if (reference_decode(m->payload, MODEL_BYTES_MAX, &r, &why) != ST_OK) {
        fail_all(f, m->topic, MODEL_CORRUPT, why.text);
        return;
    }
    enum status status = ST_OK;
    if (message_is_sound(m, &r.manifest.digest, &why))
        status = hold_reference(f, m->topic, &r, &h);
    if (status == ST_OK)
        settle_all(f, m->topic, &r.manifest.digest, h, &why);
    else
        fail_all(f, m->topic, status == ST_FULL ? MODEL_NO_ROOM : MODEL_UNAVAILABLE,
                 status == ST_FULL ? "no space left for the model" : "the model could not be kept");
    reference_done(&r);
}

static enum model_wait_state state_after(enum fetch_state state)
{
    switch (state) {
    case FETCH_COMPLETE:
        return MODEL_THERE;
    case FETCH_CORRUPT:
        return MODEL_CORRUPT;
    case FETCH_FULL:
        return MODEL_NO_ROOM;
    case FETCH_GOING:
        return MODEL_COMING;
    case FETCH_REFUSED:
    case FETCH_FAILED:
        break;
    }
    return MODEL_UNAVAILABLE;
}

/* The fetch of h is over. Who waited has its model, or the reason and no model. */
static void finish(struct model_fetch *f, struct held *h)
{
    enum model_wait_state state = state_after(fetch_state(h->fetch));
    for (struct model_wait *w = f->waits; w != NULL; w = w->next) {
        if (w->held != h)
            continue;
        w->state = state;
        if (state == MODEL_THERE)
            continue;
        why_set(&w->why, "%s", fetch_detail(h->fetch));
        w->held = NULL;
        h->users--;
    }
    log_line(state == MODEL_THERE ? LOG_INFO : LOG_WARN,
             state == MODEL_THERE ? "model.fetched" : "model.unfetched", "topic=%s reason=%s",
             log_quote(h->topic),
             state == MODEL_THERE ? "\"\"" : log_quote(fetch_detail(h->fetch)));
    h->fetch = fetch_release(h->fetch, state == MODEL_CORRUPT);
    if (state != MODEL_THERE)
        h->topic[0] = '\0'; /* found by nobody: it goes with the next trim */
}

static void drop_failed(struct model_fetch *f)
{
    for (struct held **at = &f->held; *at != NULL;) {
        struct held *h = *at;
        if (h->topic[0] != '\0') {
            at = &h->next;
            continue;
        }
        *at = h->next;
        held_free(h, true);
    }
}

void model_fetch_step(struct model_fetch *f)
{
    for (struct held *h = f->held; h != NULL; h = h->next)
        if (h->fetch != NULL && fetch_state(h->fetch) != FETCH_GOING)
            finish(f, h);
    drop_failed(f);
}

/* ---- both ---- */

bool model_fetch_message(struct model_fetch *f, const struct mqtt_message *m)
{
    if (!somebody_waits(f, m->topic))
        return false;
    if (m->payload.size == 0)
        return true; /* a topic that was cleared: there may be a model later */
    if (reference_looks_like(m->payload)) {
        take_reference(f, m);
        return true;
    }
    struct digest found = digest_of(m->payload);
    struct why why = {0};
    struct held *h = NULL;
    if (message_is_sound(m, &found, &why) && hold(f, m, &found, &h) != ST_OK)
        return true; /* no memory: the tasks go on waiting until their time is up */
    settle_all(f, m->topic, &found, h, &why);
    return true;
}

struct model_fetch *model_fetch_free(struct model_fetch *f)
{
    if (f == NULL)
        return NULL;
    assert(f->waits == NULL);
    while (f->held != NULL) {
        struct held *h = f->held;
        f->held = h->next;
        held_free(h, false);
    }
    free(f);
    return NULL;
}
