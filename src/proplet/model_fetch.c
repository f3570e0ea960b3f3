#include "proplet/model_fetch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/topics.h"
#include "proplet/limits.h"

/* One model in memory, shared by all who waited for it. */
struct held {
    struct held *next;
    char topic[FL_TOPIC_SIZE];
    struct digest digest;
    struct bytes bytes;
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
    struct model_wait *waits;
    struct held *held; /* newest use first */
};

enum status model_fetch_new(const struct proplet_out *out, struct model_fetch **ret)
{
    struct model_fetch *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    f->out = out;
    *ret = f;
    return ST_OK;
}

static void held_free(struct held *h)
{
    bytes_done(&h->bytes);
    free(h);
}

/* Keeps the newest of those that nobody uses. */
static void trim(struct model_fetch *f)
{
    size_t count = 0, bytes = 0;
    for (struct held **at = &f->held; *at != NULL;) {
        struct held *h = *at;
        count++;
        bytes += h->bytes.size;
        if (h->users > 0 || (count <= MODELS_KEPT_MAX && bytes <= MODELS_KEPT_BYTES_MAX)) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        held_free(h);
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
    w->state = MODEL_THERE;
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

/* The message against what it says of itself. */
static bool message_is_sound(const struct mqtt_message *m, const struct digest *found,
                             struct why *why)
{
    const char *text = mqtt_message_property(m, "digest");
    struct digest named;
    if (m->payload.size > MESSAGE_SIZE_MAX)
        why_set(why, "the model has more than %zu bytes", MESSAGE_SIZE_MAX);
    else if (text != NULL && digest_parse(text, &named) != ST_OK)
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

/* fails: ST_NOMEM */
static enum status hold(struct model_fetch *f, const struct mqtt_message *m,
                        const struct digest *digest, struct held **ret)
{
    struct held *h = find_held(f, m->topic, digest);
    if (h == NULL) {
        h = calloc(1, sizeof *h);
        if (h == NULL)
            return ST_NOMEM;
        if (bytes_copy(&h->bytes, m->payload) != ST_OK) {
            free(h);
            return ST_NOMEM;
        }
        (void)snprintf(h->topic, sizeof h->topic, "%s", m->topic);
        h->digest = *digest;
    }
    to_front(f, h);
    *ret = h;
    return ST_OK;
}

bool model_fetch_message(struct model_fetch *f, const struct mqtt_message *m)
{
    if (!somebody_waits(f, m->topic))
        return false;
    if (m->payload.size == 0)
        return true; /* a topic that was cleared: there may be a model later */
    struct digest found = digest_of(m->payload);
    struct why why = {0};
    struct held *h = NULL;
    if (message_is_sound(m, &found, &why) && hold(f, m, &found, &h) != ST_OK)
        return true; /* no memory: the tasks go on waiting until their time is up */
    for (struct model_wait *w = f->waits; w != NULL; w = w->next)
        if (w->state == MODEL_WAITING && strcmp(w->topic, m->topic) == 0)
            settle(f, w, &found, h, &why);
    unsubscribe_if_unwanted(f, m->topic);
    trim(f);
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
        held_free(h);
    }
    free(f);
    return NULL;
}
