#include "model_server/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/file.h"
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

void publish_version(struct server *s, const struct version *v, struct view bytes)
{
    char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    fl_topic_model(&v->ref, topic);
    digest_text(&v->digest, digest);
    send_message(s, &(struct mqtt_message){.topic = topic,
                                           .payload = bytes,
                                           .retain = !is_aged(s, v),
                                           .properties = {{"digest", digest}},
                                           .property_count = 1});
}

void publish_index(struct server *s)
{
    char *text = store_index(s->store);
    if (text == NULL) {
        log_line(LOG_ERROR, "index.unmade", "reason=%s", status_name(ST_NOMEM));
        return;
    }
    send_message(s, &(struct mqtt_message){
                        .topic = FL_MODEL_INDEX, .payload = view_text(text), .retain = true});
    free(text);
}

void clear_aged(struct server *s, const struct version *newest)
{
    if (newest->ordinal <= s->settings.retain)
        return;
    uint64_t ordinal = newest->ordinal - s->settings.retain;
    for (size_t i = store_count(s->store); i > 0; i--) {
        const struct version *v = store_at(s->store, i - 1);
        if (v->ordinal != ordinal || !id_equal(&v->ref.name, &newest->ref.name))
            continue;
        char topic[FL_TOPIC_SIZE];
        fl_topic_model(&v->ref, topic);
        send_message(s, &(struct mqtt_message){.topic = topic, .retain = true});
        return;
    }
}

/* ---- after a connect ---- */

static void announce(struct server *s, const struct version *v)
{
    struct bytes bytes = {0};
    enum status status = store_read(s->store, v, &bytes);
    if (status == ST_OK)
        publish_version(s, v, bytes_view(&bytes));
    else
        log_line(LOG_ERROR, "model.unreadable", "model=%s version=%llu reason=%s, not served",
                 v->ref.name.text, (unsigned long long)v->ref.version, status_name(status));
    s->announced_bytes += bytes.size;
    bytes_done(&bytes);
}

static bool may_announce_more(const struct server *s)
{
    return s->out.unacknowledged(s->out.owner) < ANNOUNCE_MESSAGES_MAX &&
           s->announced_bytes < ANNOUNCE_BYTES_MAX;
}

void server_tick(struct server *s)
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    if (!s->announcing)
        return;
    if (s->out.unacknowledged(s->out.owner) == 0)
        s->announced_bytes = 0;
    while (s->announced < store_count(s->store)) {
        const struct version *v = store_at(s->store, s->announced);
        if (!is_aged(s, v)) {
            if (!may_announce_more(s))
                return;
            announce(s, v);
        }
        s->announced++;
    }
    publish_index(s);
    s->announcing = false;
    log_line(LOG_INFO, "models.announced", "versions=%zu", store_count(s->store));
}

void server_connected(struct server *s)
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    s->announcing = true;
    s->announced = 0;
    server_tick(s);
}

void server_message(struct server *s, const struct mqtt_message *m)
{
    assert(s != NULL && s->magic == SERVER_MAGIC && m != NULL);
    if (m->retain) /* it would come again with every connect */
        log_line(LOG_WARN, "message.retained", "topic=%s, ignoring", log_quote(m->topic));
    else if (strcmp(m->topic, FL_MODEL_PUBLISH) == 0)
        on_publish(s, m);
    else
        log_line(LOG_WARN, "message.unknown", "topic=%s", log_quote(m->topic));
}

/* ---- version 0 ---- */

/* facts: ref and form are set here */
static enum status read_initial(struct view bytes, struct version *facts, struct why *why)
{
    struct model *m;
    enum status status = model_decode(bytes, &m, &facts->form, why);
    if (status != ST_OK)
        return status;
    const char *name = model_meta(m, "name"), *version = model_meta(m, "version");
    status = model_check_finite(m, why);
    if (status == ST_OK && model_param_count(m) == 0) {
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
    struct bytes bytes = {0};
    struct why why = {0};
    struct view v = view_text(FIRST_MODEL);
    enum status status = ST_OK;
    if (s->settings.initial != NULL) {
        status = file_read(s->settings.initial, MESSAGE_SIZE_MAX, &bytes);
        v = bytes_view(&bytes);
        why_set(&why, "it cannot be read: %s", status_name(status));
    }
    if (status == ST_OK)
        status = add_initial(s, v, &why);
    if (status != ST_OK)
        log_line(LOG_ERROR, "initial.refused", "file=%s reason=%s",
                 log_quote(s->settings.initial == NULL ? "" : s->settings.initial),
                 log_quote(why.text));
    bytes_done(&bytes);
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
    s->settings = *settings;
    s->out = *out;
    struct why why = {0};
    enum status status = store_open(settings->folder, &s->store, &why);
    if (status != ST_OK)
        log_line(LOG_ERROR, "store.refused", "reason=%s", log_quote(why.text));
    else
        status = load_initial(s);
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
    store_close(s->store);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}
