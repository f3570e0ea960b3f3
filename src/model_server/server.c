#include "model_server/state.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/clock.h"
#include "io/map.h"
#include "model_server/by_digest.h"
#include "service/log.h"

#define SERVER_MAGIC          0x73727672u /* "srvr" */
#define ANNOUNCE_MESSAGES_MAX 16u         /* under way to the broker */
#define ANNOUNCE_BYTES_MAX    ((size_t)64 << 20)
#define FIRST_MODEL           "{\"w\":[0,0,0],\"b\":0,\"version\":0}"

void send_message(struct server *s, const struct mqtt_message *m)
{
    enum status status = s->out.publish(s->out.owner, m);
    if (status != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s bytes=%zu reason=%s", log_quote(m->topic),
                 m->payload.size, status_name(status));
}

/* How many of its name were stored after it, against how many may be retained. */
static bool is_aged(const struct server *s, const struct version *v)
{
    return store_newest(s->store, &v->ref.name)->ordinal - v->ordinal >= s->settings.retain;
}

bool is_on_topic(const struct server *s, const struct version *v)
{
    return !version_is_deleted(v) && (!is_aged(s, v) || store_is_pointed_at(s->store, v));
}

/* The digest is that of the version, also beside a reference to it. */
static void send_version(struct server *s, const struct version *v, struct view payload)
{
    char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    fl_topic_model(&v->ref, topic);
    digest_text(&v->digest, digest);
    send_message(s, &(struct mqtt_message){.topic = topic,
                                           .payload = payload,
                                           .retain = is_on_topic(s, v),
                                           .properties = {{"digest", digest}},
                                           .property_count = 1});
}

/* Without it the URL leads to nothing, and whoever finds that out comes to us. */
static void serve_by_url(const struct server *s, const struct version *v, const char *path)
{
    if (s->settings.url_base == NULL)
        return;
    enum status status = by_digest_add(s->settings.folder, &v->digest, path);
    if (status != ST_OK)
        log_line(LOG_WARN, "model.unlinked", "model=%s version=%llu reason=%s", v->ref.name.text,
                 (unsigned long long)v->ref.version, status_name(status));
}

/* From now on its file is given, in parts and to a web server.
 * gives: a reference, to be freed; NULL: a failure that was logged */
static char *give(struct server *s, const struct version *v)
{
    char *reference = NULL, path[PATH_MAX];
    enum status status = store_path(s->store, v, path);
    if (status == ST_OK)
        serve_by_url(s, v, path);
    if (status == ST_OK)
        status = exchange_offer_file(s->exchange, &v->digest, path, MODEL_BYTES_MAX, &reference);
    if (status != ST_OK)
        log_line(LOG_ERROR, "model.unoffered", "model=%s version=%llu reason=%s, not served",
                 v->ref.name.text, (unsigned long long)v->ref.version, status_name(status));
    return reference;
}

void publish_version(struct server *s, const struct version *v, struct view bytes)
{
    if (model_is_inline(bytes)) {
        send_version(s, v, bytes);
        return;
    }
    char *reference = give(s, v);
    if (reference != NULL)
        send_version(s, v, view_text(reference));
    free(reference);
}

/* A link of a deleted version leads to one of the same bytes, or is no more. */
static void link_follows(const struct server *s, const struct version *gone)
{
    char path[PATH_MAX];
    const char *folder = s->settings.folder;
    if (!by_digest_is_there(folder, &gone->digest))
        return;
    const struct version *other = store_find_bytes(s->store, &gone->digest);
    enum status status =
        other == NULL ? by_digest_remove(folder, &gone->digest) : store_path(s->store, other, path);
    if (other != NULL && status == ST_OK)
        status = by_digest_add(folder, &gone->digest, path);
    if (status != ST_OK)
        log_line(LOG_WARN, "model.still_linked", "model=%s version=%llu reason=%s",
                 gone->ref.name.text, (unsigned long long)gone->ref.version, status_name(status));
}

/* A crash after a deletion leaves its link, which would keep the bytes on the disk. */
static void settle_links(const struct server *s)
{
    for (size_t i = 0; i < store_count(s->store); i++)
        if (version_is_deleted(store_at(s->store, i)))
            link_follows(s, store_at(s->store, i));
}

void bytes_follow(struct server *s, const struct version *gone)
{
    char *reference = NULL;
    bool offered = exchange_refer(s->exchange, &gone->digest, &reference) == ST_OK;
    free(reference);
    link_follows(s, gone);
    exchange_withdraw(s->exchange, &gone->digest);
    const struct version *other = store_find_bytes(s->store, &gone->digest);
    if (offered && other != NULL)
        free(give(s, other));
}

static void clear(struct server *s, const struct version *v)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_model(&v->ref, topic);
    send_message(s, &(struct mqtt_message){.topic = topic, .retain = true});
}

static void send_retained(struct server *s, const char *topic, char *text)
{
    if (text == NULL)
        log_line(LOG_ERROR, "publish.failed", "topic=%s reason=%s", log_quote(topic),
                 status_name(ST_NOMEM));
    else
        send_message(
            s, &(struct mqtt_message){.topic = topic, .payload = view_text(text), .retain = true});
    free(text);
}

void publish_index(struct server *s)
{
    send_retained(s, FL_MODEL_INDEX, store_index(s->store));
}

void publish_channel(struct server *s, const struct channel *c)
{
    const struct model_ref ref = {c->model, c->version};
    const struct version *v = store_find(s->store, &ref);
    assert(v != NULL);
    char topic[FL_TOPIC_SIZE], model[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    fl_topic_channel(&c->model, &c->name, topic);
    fl_topic_model(&ref, model);
    digest_text(&v->digest, digest);
    json_t *object =
        json_pack("{s:I, s:s, s:s, s:s, s:s}", "version", (json_int_t)c->version, "topic", model,
                  "digest", digest, "moved_at", c->moved_at, "why", c->why);
    send_retained(s, topic, object == NULL ? NULL : jsn_text(object));
    json_decref(object);
}

/* Its bytes as they are on disk, if they are right. */
static void announce(struct server *s, const struct version *v)
{
    struct view bytes = {0};
    enum status status = store_read(s->store, v, &bytes);
    if (status == ST_OK)
        publish_version(s, v, bytes);
    else
        log_line(LOG_ERROR, "model.unreadable", "model=%s version=%llu reason=%s, not served",
                 v->ref.name.text, (unsigned long long)v->ref.version, status_name(status));
    s->announced_bytes += bytes.size > 0 && model_is_inline(bytes) ? bytes.size : 0;
    map_close(&bytes);
}

void topic_follows(struct server *s, const struct version *v, bool was_on_topic)
{
    bool is = is_on_topic(s, v);
    if (is && !was_on_topic)
        announce(s, v);
    else if (!is && was_on_topic)
        clear(s, v);
}

/* ---- after a connect ---- */

static bool may_announce_more(const struct server *s)
{
    return s->out.unacknowledged(s->out.owner) < ANNOUNCE_MESSAGES_MAX &&
           s->announced_bytes < ANNOUNCE_BYTES_MAX;
}

/* False: the broker must first take what it was sent. */
static bool announce_versions(struct server *s)
{
    while (s->announced < store_count(s->store)) {
        const struct version *v = store_at(s->store, s->announced);
        if (is_on_topic(s, v)) {
            if (!may_announce_more(s))
                return false;
            announce(s, v);
        }
        if (++s->announced == store_count(s->store))
            publish_index(s);
    }
    return true;
}

static bool announce_channels(struct server *s)
{
    while (s->announced_channels < store_channel_count(s->store)) {
        if (!may_announce_more(s))
            return false;
        publish_channel(s, store_channel_at(s->store, s->announced_channels++));
    }
    return true;
}

static void announce_more(struct server *s)
{
    if (!s->announcing)
        return;
    if (s->out.unacknowledged(s->out.owner) == 0)
        s->announced_bytes = 0;
    if (!announce_versions(s) || !announce_channels(s))
        return;
    s->announcing = false;
    log_line(LOG_INFO, "models.announced", "versions=%zu", store_count(s->store));
}

void server_tick(struct server *s, uint64_t now_ms)
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    announce_more(s);
    prune_tick(s, now_ms);
    incoming_step(s, now_ms);
}

void server_packet_max(struct server *s, size_t packet_max)
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    exchange_set_packet_max(s->exchange, packet_max);
}

void server_connected(struct server *s)
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    s->announcing = true;
    s->announced = s->announced_channels = 0;
    exchange_reconnected(s->exchange);
    announce_more(s);
}

bool server_filter(const struct server *s, size_t index, char ret[TOPIC_SIZE_MAX])
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    static const char *const own[] = {FL_MODEL_PUBLISH, FL_MODEL_CONTROL, SERVER_ANSWERS};
    size_t count = sizeof own / sizeof own[0];
    if (index >= count)
        return exchange_filter(s->exchange, index - count, ret);
    (void)snprintf(ret, TOPIC_SIZE_MAX, "%s", own[index]);
    return true;
}

void server_message(struct server *s, const struct mqtt_message *m)
{
    assert(s != NULL && s->magic == SERVER_MAGIC && m != NULL);
    if (exchange_message(s->exchange, m, clock_now_ms())) {
        incoming_step(s, clock_now_ms());
        return;
    }
    if (m->retain) /* it would come again with every connect */
        log_line(LOG_WARN, "message.retained", "topic=%s, ignoring", log_quote(m->topic));
    else if (strcmp(m->topic, FL_MODEL_PUBLISH) == 0)
        on_publish(s, m);
    else if (strcmp(m->topic, FL_MODEL_CONTROL) == 0)
        on_control(s, m);
    else if (strcmp(m->topic, SERVER_ANSWERS) == 0)
        prune_answered(s, m);
    else
        log_line(LOG_WARN, "message.unknown", "topic=%s", log_quote(m->topic));
}

/* ---- version 0 ---- */

/* facts: ref and form are set here */
static enum status read_initial(struct view bytes, struct version *facts, struct why *why)
{
    struct model *m;
    size_t params;
    enum status status = model_inspect(bytes, &m, &facts->form, &params, why);
    if (status != ST_OK)
        return status;
    const char *name = model_meta(m, "name"), *version = model_meta(m, "version");
    if (params == 0) {
        why_set(why, "a model without parameters");
        status = ST_SHAPE;
    }
    if (status == ST_OK &&
        id_from(name == NULL ? SERVER_DEFAULT_NAME : name, &facts->ref.name) != ST_OK) {
        why_set(why, "its name is not 1 to 64 letters, digits, '.', '_', '-' or ':'");
        status = ST_INVALID;
    }
    if (status == ST_OK && version != NULL && strcmp(version, "0") != 0) {
        why_set(why, "its version is %.20s and not 0", version);
        status = ST_INVALID;
    }
    model_free(m);
    return status;
}

static enum status add_initial(struct server *s, struct view bytes, struct why *why)
{
    struct version facts = {0};
    enum status status = read_initial(bytes, &facts, why);
    if (status != ST_OK)
        return status;
    const struct version *known = store_find(s->store, &facts.ref);
    struct digest digest = digest_of(bytes);
    if (known != NULL) {
        if (!digest_equal(&known->digest, &digest))
            log_line(LOG_INFO, "initial.ignored", "model=%s, the store has a version 0 already",
                     facts.ref.name.text);
        return ST_OK;
    }
    clock_text(facts.created_at);
    status = store_add(s->store, &facts, bytes, &known);
    if (status == ST_EXISTS)
        why_set(why, "the folder holds a file of its name that is not in the index");
    else if (status != ST_OK)
        why_set(why, "it cannot be stored: %s", status_name(status));
    return status;
}

static enum status load_initial(struct server *s)
{
    struct view mapped = {0};
    struct why why = {0};
    struct view v = view_text(FIRST_MODEL);
    enum status status = ST_OK;
    if (s->settings.initial != NULL) {
        status = map_open(s->settings.initial, MODEL_BYTES_MAX, &mapped);
        v = mapped;
        why_set(&why, "it cannot be read: %s", status_name(status));
    }
    if (status == ST_OK)
        status = add_initial(s, v, &why);
    if (status != ST_OK)
        log_line(LOG_ERROR, "initial.refused", "file=%s reason=%s",
                 log_quote(s->settings.initial == NULL ? "" : s->settings.initial),
                 log_quote(why.text));
    map_close(&mapped);
    return status;
}

enum status server_new(const struct server_settings *settings, const struct server_out *out,
                       struct server **ret)
{
    assert(settings != NULL && out != NULL && ret != NULL);
    assert(settings->retain >= 1 && settings->retain <= SERVER_RETAIN_MAX);
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->magic = SERVER_MAGIC;
    s->questions = clock_now_ms() << 20; /* an answer to an earlier process is none of ours */
    s->settings = *settings;
    s->out = *out;
    struct why why = {0};
    const struct exchange_out parts = {out->publish, out->unacknowledged, out->owner};
    enum status status = exchange_new(&settings->me, &parts, &s->exchange);
    if (status == ST_OK)
        exchange_set_url_base(s->exchange, settings->url_base);
    if (status == ST_OK)
        status = store_open(settings->folder, &s->store, &why);
    if (status != ST_OK)
        log_line(LOG_ERROR, "store.refused", "reason=%s", log_quote(why.text));
    if (status == ST_OK) {
        settle_links(s);
        status = load_initial(s);
    }
    if (status != ST_OK) {
        server_free(s);
        return status;
    }
    *ret = s;
    return ST_OK;
}

struct server *server_free(struct server *s)
{
    if (s == NULL)
        return NULL;
    incoming_end(s);
    exchange_free(s->exchange);
    store_close(s->store);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}
