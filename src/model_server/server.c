#include "model_server/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/clock.h"
#include "model/model_file.h"
#include "model_server/state.h"
#include "service/log.h"

#define SERVER_MAGIC 0x73727672u /* "srvr" */

static const char demo_v0[] = "{\"b\":0,\"version\":0,\"w\":[0,0,0]}";

static void send_message(struct server *s, const struct mqtt_message *m)
{
    enum status status = s->out.publish(s->out.owner, m);
    if (status != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s reason=%s", log_quote(m->topic),
                 status_name(status));
}

void publish_version(struct server *s, const struct stored_version *v)
{
    char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    struct bytes bytes = {0};
    fl_topic_model(&v->ref, topic);
    enum status status = store_get(s->store, v, &bytes);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "version.unreadable", "topic=%s reason=%s", log_quote(topic),
                 status_name(status));
        return;
    }
    digest_text(&v->digest, digest);
    const struct mqtt_message m = {.topic = topic,
                                   .payload = bytes_view(&bytes),
                                   .retain = true,
                                   .properties = {{"digest", digest}},
                                   .property_count = 1};
    send_message(s, &m);
    bytes_done(&bytes);
}

void publish_index(struct server *s)
{
    json_t *index = store_index(s->store);
    char *text = index == NULL ? NULL : jsn_text(index);
    json_decref(index);
    if (text == NULL) {
        log_line(LOG_ERROR, "index.failed", "reason=no_memory");
        return;
    }
    const struct mqtt_message m = {
        .topic = FL_MODEL_INDEX, .payload = view_text(text), .retain = true};
    send_message(s, &m);
    free(text);

    size_t count = store_count(s->store);
    if (count > s->retain) {
        char topic[FL_TOPIC_SIZE];
        fl_topic_model(&store_at(s->store, count - 1 - (size_t)s->retain)->ref, topic);
        /* An empty retained message clears the topic (MQTT 5 section 3.3.1.3). */
        send_message(s, &(const struct mqtt_message){.topic = topic, .retain = true});
    }
}

void server_connected(struct server *s)
{
    size_t count = store_count(s->store);
    size_t first = count > s->retain ? count - (size_t)s->retain : 0;
    for (size_t i = first; i < count; i++)
        publish_version(s, store_at(s->store, i));
    publish_index(s);
    log_line(LOG_INFO, "models.published", "versions=%zu retained=%zu", count, count - first);
}

void server_message(struct server *s, const struct mqtt_message *m)
{
    assert(s != NULL && s->magic == SERVER_MAGIC);
    if (strcmp(m->topic, FL_MODEL_PUBLISH) == 0)
        on_publish(s, m);
}

/* Version 0 of global_model, unless the folder has one already. */
static enum status make_initial(struct server *s, struct view bytes, struct why *why)
{
    struct stored_version v = {0};
    enum status status = id_from("global_model", &v.ref.name);
    assert(status == ST_OK);
    const struct stored_version *old = store_find(s->store, &v.ref);
    if (bytes.size == 0)
        bytes = view_text(demo_v0);
    if (old != NULL) {
        struct digest d = digest_of(bytes);
        if (bytes.data != (const uint8_t *)demo_v0 && !digest_equal(&d, &old->digest))
            log_line(LOG_WARN, "initial.ignored", "reason=%s",
                     log_quote("the folder has another version 0, which stays"));
        return ST_OK;
    }

    struct model *model;
    status = model_decode(bytes, &model, &v.form, why);
    if (status != ST_OK)
        return status;
    status = model_check_finite(model, why);
    model_free(model);
    if (status != ST_OK)
        return status;
    clock_text(v.created_at);
    status = store_put(s->store, &v, bytes);
    if (status != ST_OK)
        why_set(why, "version 0 cannot be stored: %s", status_name(status));
    return status;
}

enum status server_new(const struct server_settings *settings, const struct server_out *out,
                       struct server **ret, struct why *why)
{
    assert(settings->retain >= 1 && out->publish != NULL);
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->magic = SERVER_MAGIC;
    s->out = *out;
    s->retain = settings->retain;
    enum status status = store_open(settings->folder, &s->store, why);
    if (status == ST_OK)
        status = make_initial(s, settings->initial, why);
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
