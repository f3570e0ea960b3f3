/* Versions that come in parts (PROTOCOL 2.9): a reference on fl/models/publish names
 * the holder of the bytes. They are fetched into a file of their own and stored from
 * there when they are whole. A reference may say anything: no file that is there is
 * touched for it.
 *
 * What is under way is not remembered over a restart: the publisher says it again, and
 * the parts that are here already are found. */
#include "model_server/state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/map.h"
#include "service/log.h"

#define INCOMING_MAX 16 /* at once; more are told again by their publishers */
#define SUFFIX       ".incoming"
#define CHECKS_MAX   8 /* steps of checking in one turn */

struct incoming {
    struct incoming *next;
    struct mqtt_message message; /* its properties, owned; no payload */
    struct version version;      /* ref, form, size and digest */
    struct fetch *fetch;
    char incoming[PATH_MAX]; /* its file, until the store has it */
};

/* ---- what is remembered ---- */

static void release(struct incoming *in)
{
    for (size_t i = 0; i < in->message.property_count; i++) {
        free((char *)(uintptr_t)in->message.properties[i].key);
        free((char *)(uintptr_t)in->message.properties[i].value);
    }
    free(in);
}

static enum status copy_properties(const struct mqtt_message *from, struct mqtt_message *to)
{
    for (size_t i = 0; i < from->property_count; i++) {
        struct mqtt_property *p = &to->properties[i];
        p->key = strdup(from->properties[i].key);
        p->value = strdup(from->properties[i].value);
        to->property_count = i + 1;
        if (p->key == NULL || p->value == NULL)
            return ST_NOMEM;
    }
    return ST_OK;
}

/* Its name and number must be known before its bytes are. fails: ST_INVALID */
static enum status read_version(const struct mqtt_message *m, const struct reference *r,
                                struct version *ret)
{
    const char *name = mqtt_message_property(m, "name");
    const char *number = mqtt_message_property(m, "version");
    if (name == NULL || id_from(name, &ret->ref.name) != ST_OK || number == NULL ||
        fl_version_parse(number, &ret->ref.version) != ST_OK)
        return ST_INVALID;
    ret->form = MODEL_SAFETENSORS; /* JSON never needs parts */
    ret->size = r->manifest.size;
    ret->digest = r->manifest.digest;
    return ST_OK;
}

static size_t count_of(const struct server *s)
{
    size_t count = 0;
    for (const struct incoming *in = s->incoming; in != NULL; in = in->next)
        count++;
    return count;
}

/* NULL: nothing of this name and number is on its way. */
static const struct incoming *find(const struct server *s, const struct model_ref *ref)
{
    const struct incoming *in = s->incoming;
    while (in != NULL && !(in->version.ref.version == ref->version &&
                           id_equal(&in->version.ref.name, &ref->name)))
        in = in->next;
    return in;
}

static void append(struct server *s, struct incoming *in)
{
    struct incoming **at = &s->incoming;
    while (*at != NULL)
        at = &(*at)->next;
    *at = in;
}

/* ---- one reference ---- */

static enum status path_of(const struct server *s, const struct version *v, char ret[PATH_MAX])
{
    enum status status = store_path(s->store, v, ret);
    if (status != ST_OK)
        return status;
    size_t size = strlen(ret);
    if (size + sizeof SUFFIX > PATH_MAX)
        return ST_LIMIT;
    memcpy(ret + size, SUFFIX, sizeof SUFFIX);
    return ST_OK;
}

static enum status begin(struct server *s, const struct mqtt_message *m, const struct reference *r,
                         const struct version *v)
{
    struct incoming *in = calloc(1, sizeof *in);
    if (in == NULL)
        return ST_NOMEM;
    in->version = *v;
    in->message.topic = FL_MODEL_PUBLISH;
    enum status status = copy_properties(m, &in->message);
    if (status == ST_OK)
        status = path_of(s, v, in->incoming);
    if (status == ST_OK)
        status = exchange_fetch(s->exchange, r, in->incoming, &in->fetch);
    if (status != ST_OK) {
        release(in);
        return status;
    }
    append(s, in);
    log_line(LOG_INFO, "model.fetching", "model=%s version=%llu bytes=%llu from=%s",
             v->ref.name.text, (unsigned long long)v->ref.version, (unsigned long long)v->size,
             r->holder.text);
    return ST_OK;
}

static enum status begin_if_room(struct server *s, const struct mqtt_message *m,
                                 const struct reference *r, const struct version *v)
{
    if (count_of(s) < INCOMING_MAX)
        return begin(s, m, r, v);
    log_line(LOG_WARN, "model.postponed", "model=%s version=%llu, ignoring", v->ref.name.text,
             (unsigned long long)v->ref.version);
    return ST_OK;
}

/* It is in the store: as if its bytes had come again. */
static enum status take_again(struct server *s, const struct mqtt_message *m,
                              const struct version *v)
{
    char path[PATH_MAX];
    struct view bytes = {0};
    enum status status = store_path(s->store, v, path);
    if (status == ST_OK)
        status = map_open(path, MODEL_BYTES_MAX, &bytes);
    if (status == ST_OK)
        take_publication(s, m, bytes);
    map_close(&bytes);
    return status;
}

void on_reference(struct server *s, const struct mqtt_message *m)
{
    struct reference r;
    struct version v = {0};
    struct why why = {0};
    if (reference_decode(m->payload, MODEL_BYTES_MAX, &r, &why) != ST_OK) {
        refuse_publication(s, m, ST_INVALID);
        return;
    }
    bool there = false;
    enum status status = read_version(m, &r, &v);
    const struct incoming *coming = status == ST_OK ? find(s, &v.ref) : NULL;
    if (coming != NULL)
        status = digest_equal(&coming->version.digest, &v.digest) ? ST_OK : ST_EXISTS;
    else if (status == ST_OK)
        status = store_expect(s->store, &v, &there);
    if (status == ST_OK && coming == NULL)
        status = there ? take_again(s, m, &v) : begin_if_room(s, m, &r, &v);
    if (status != ST_OK)
        refuse_publication(s, m, status);
    reference_done(&r);
}

/* ---- as the parts come ---- */

/* The store writes its own file, by its own rules of what is durable when; this one is
 * done with, whatever came of it. */
static void take(struct server *s, const struct incoming *in)
{
    struct view bytes = {0};
    enum status status = map_open(in->incoming, MODEL_BYTES_MAX, &bytes);
    if (status == ST_OK)
        take_publication(s, &in->message, bytes);
    else
        refuse_publication(s, &in->message, status);
    map_close(&bytes);
    (void)unlink(in->incoming);
}

static void settle(struct server *s, const struct incoming *in)
{
    switch (fetch_state(in->fetch)) {
    case FETCH_COMPLETE:
        take(s, in);
        return;
    case FETCH_REFUSED:
        refuse_publication(s, &in->message, ST_CLOSED);
        break;
    case FETCH_CORRUPT:
        refuse_publication(s, &in->message, ST_CORRUPT);
        break;
    case FETCH_FULL:
        refuse_publication(s, &in->message, ST_FULL);
        break;
    case FETCH_GOING:
    case FETCH_FAILED:
        refuse_publication(s, &in->message, ST_IO);
        break;
    }
    log_line(LOG_WARN, "model.unfetched", "model=%s version=%llu reason=%s",
             in->version.ref.name.text, (unsigned long long)in->version.ref.version,
             log_quote(fetch_detail(in->fetch)));
}

void incoming_step(struct server *s, uint64_t now_ms)
{
    for (int i = 0; i < CHECKS_MAX && exchange_step(s->exchange, now_ms); i++)
        ;
    for (struct incoming **at = &s->incoming; *at != NULL;) {
        struct incoming *in = *at;
        if (fetch_state(in->fetch) == FETCH_GOING) {
            at = &in->next;
            continue;
        }
        *at = in->next;
        settle(s, in);
        fetch_release(in->fetch, true);
        release(in);
    }
}

void incoming_end(struct server *s)
{
    while (s->incoming != NULL) {
        struct incoming *in = s->incoming;
        s->incoming = in->next;
        fetch_release(in->fetch, false);
        release(in);
    }
}
