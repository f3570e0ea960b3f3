/* fl/models/control (PROTOCOL 2.7): channels moved by hand, the history, versions
 * that are not on their topics any more, deleting. Each request is answered, with
 * what was done or with a code and a sentence; then nothing was changed. */
#include "model_server/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/clock.h"
#include "io/map.h"
#include "service/log.h"

#define EVENTS_SHOWN 100

/* ---- answers ---- */

struct asker asker_of(const struct mqtt_message *m)
{
    struct asker a = {0};
    size_t size = m->response_topic == NULL ? 0 : strlen(m->response_topic);
    if (size == 0 || size >= sizeof a.topic || m->correlation.size > sizeof a.correlation)
        return a;
    memcpy(a.topic, m->response_topic, size + 1);
    if (m->correlation.size > 0)
        memcpy(a.correlation, m->correlation.data, m->correlation.size);
    a.correlation_size = m->correlation.size;
    return a;
}

void answer(struct server *s, const struct asker *to, json_t *object)
{
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    if (text == NULL)
        log_line(LOG_ERROR, "control.unanswered", "reason=%s", status_name(ST_NOMEM));
    else if (to->topic[0] != '\0')
        send_message(s, &(struct mqtt_message){.topic = to->topic,
                                               .payload = view_text(text),
                                               .correlation =
                                                   view_of(to->correlation, to->correlation_size)});
    free(text);
}

void answer_refused(struct server *s, const struct asker *to, const char *code, const char *reason)
{
    log_line(LOG_WARN, "control.refused", "code=%s reason=%s", code, log_quote(reason));
    answer(s, to, json_pack("{s:s, s:s}", "error", code, "reason", reason));
}

void answer_not_stored(struct server *s, const struct asker *to, enum status status)
{
    if (status == ST_FULL)
        answer_refused(s, to, "disk_full", "no space is left where the models are stored");
    else if (status == ST_LIMIT)
        answer_refused(s, to, "too_many",
                       "the store has no room for another channel or for "
                       "another line of its history");
    else
        answer_refused(s, to, "not_stored", status_name(status));
}

/* ---- requests ---- */

struct request {
    const char *what; /* borrowed from the JSON */
    bool has_model, has_version, has_expected, dry_run;
    struct id model, channel;
    uint64_t version;
    uint64_t expected; /* where the channel points, or nothing is done */
    uint64_t last, keep;
    struct event event; /* at, who, why */
};

/* What is shown to people later: one line of text. */
static enum status read_line(const json_t *object, const char *key, enum jsn_need need, size_t size,
                             char *ret, struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(object, key, need, size - 1, &text, why);
    if (status != ST_OK || text == NULL)
        return status;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            why_set(why, "%s holds a control character", key);
            return ST_INVALID;
        }
    memcpy(ret, text, strlen(text) + 1);
    return ST_OK;
}

static enum status read_where(const json_t *object, struct request *r, struct why *why)
{
    r->has_model = json_is_string(json_object_get(object, "model"));
    r->has_version = json_is_integer(json_object_get(object, "version"));
    r->has_expected = json_is_integer(json_object_get(object, "from"));
    enum status status = jsn_id(object, "model", JSN_OPTIONAL, &r->model, why);
    if (status == ST_OK)
        status = jsn_id(object, "channel", JSN_OPTIONAL, &r->channel, why);
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_OPTIONAL, 0, FL_VERSION_MAX, &r->version, why);
    if (status == ST_OK)
        status = jsn_uint(object, "from", JSN_OPTIONAL, 0, FL_VERSION_MAX, &r->expected, why);
    return status;
}

static enum status read_request(const json_t *object, struct request *r, struct why *why)
{
    enum status status = jsn_str(object, "do", JSN_REQUIRED, ID_SIZE_MAX, &r->what, why);
    if (status == ST_OK)
        status = read_where(object, r, why);
    if (status == ST_OK)
        status = jsn_uint(object, "last", JSN_OPTIONAL, 1, MODEL_EVENTS_SHOWN_MAX, &r->last, why);
    if (status == ST_OK)
        status = jsn_uint(object, "keep", JSN_OPTIONAL, 1, MODEL_VERSIONS_MAX, &r->keep, why);
    if (status == ST_OK)
        status = jsn_bool(object, "dry_run", JSN_OPTIONAL, &r->dry_run, why);
    if (status == ST_OK)
        status = read_line(object, "who", JSN_OPTIONAL, sizeof r->event.who, r->event.who, why);
    if (status == ST_OK)
        status = read_line(object, "reason", JSN_OPTIONAL, sizeof r->event.why, r->event.why, why);
    return status;
}

static bool lacks(struct server *s, const struct asker *to, bool is_there, const char *reason)
{
    if (!is_there)
        answer_refused(s, to, "malformed", reason);
    return !is_there;
}

/* ---- moving a channel ---- */

static json_t *moved(const struct event *e, const struct version *v, bool was_moved)
{
    char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    fl_topic_model(&v->ref, topic);
    digest_text(&v->digest, digest);
    json_t *object = json_pack("{s:b, s:b, s:s, s:s, s:I, s:s, s:s}", "ok", 1, "moved", was_moved,
                               "model", e->model.text, "channel", e->channel.text, "to",
                               (json_int_t)e->to, "topic", topic, "digest", digest);
    if (object != NULL && e->has_from)
        (void)json_object_set_new(object, "from", json_integer((json_int_t)e->from));
    return object;
}

static void move_and_tell(struct server *s, const struct event *e, const struct version *to,
                          const struct asker *asker)
{
    const struct model_ref from_ref = {e->model, e->from};
    const struct version *from = e->has_from ? store_find(s->store, &from_ref) : NULL;
    bool to_was = is_on_topic(s, to), from_was = from != NULL && is_on_topic(s, from);
    enum status status = store_move(s->store, e);
    if (status != ST_OK) {
        answer_not_stored(s, asker, status);
        return;
    }
    log_line(LOG_INFO, "channel.moved", "model=%s channel=%s version=%llu do=%s who=%s why=%s",
             e->model.text, e->channel.text, (unsigned long long)e->to, event_kind_name(e->kind),
             log_quote(e->who), log_quote(e->why));
    topic_follows(s, to, to_was);
    if (from != NULL)
        topic_follows(s, from, from_was);
    publish_index(s);
    publish_channel(s, store_channel(s->store, &e->model, &e->channel));
    answer(s, asker, moved(e, to, true));
}

/* NULL: refused. A version whose bytes are damaged must not become what everybody
 * starts from. */
static const struct version *usable(struct server *s, const struct model_ref *ref,
                                    const struct asker *asker)
{
    const struct version *v = store_find(s->store, ref);
    struct view bytes = {0};
    if (v == NULL) {
        answer_refused(s, asker, "unknown_version", "there is no such version");
        return NULL;
    }
    if (version_is_deleted(v)) {
        answer_refused(s, asker, "version_deleted", "this version was deleted");
        return NULL;
    }
    enum status status = store_read(s->store, v, &bytes);
    map_close(&bytes);
    if (status == ST_OK)
        return v;
    answer_refused(s, asker, "corrupt",
                   "the stored bytes are not those of this version; publish the right ones again");
    return NULL;
}

static void do_move(struct server *s, const struct request *r, enum event_kind kind,
                    const struct asker *asker)
{
    if (lacks(s, asker, r->has_model && r->has_version && r->channel.text[0] != '\0',
              "model, channel and version are needed") ||
        lacks(s, asker, r->event.why[0] != '\0', "a reason is needed"))
        return;
    struct event e = r->event;
    e.kind = kind;
    e.model = r->model;
    e.channel = r->channel;
    e.to = r->version;
    const struct model_ref ref = {r->model, r->version};
    const struct version *to = usable(s, &ref, asker);
    if (to == NULL)
        return;

    const struct channel *c = store_channel(s->store, &e.model, &e.channel);
    e.has_from = c != NULL;
    e.from = c == NULL ? 0 : c->version;
    if (c != NULL && c->version == e.to) {
        answer(s, asker, moved(&e, to, false));
        return;
    }
    if (r->has_expected && (c == NULL || c->version != r->expected)) {
        answer_refused(s, asker, "moved_meanwhile", "the channel does not point there any more");
        return;
    }
    if (kind == EVENT_ROLLED_BACK && c == NULL) {
        answer_refused(s, asker, "unknown_channel",
                       "this channel does not exist yet; point it at a version first");
        return;
    }
    if (kind == EVENT_ROLLED_BACK) {
        const struct model_ref now = {e.model, e.from};
        if (store_find(s->store, &now)->ordinal < to->ordinal) {
            answer_refused(s, asker, "not_older",
                           "a rollback goes to an older version; use point for a newer one");
            return;
        }
    }
    move_and_tell(s, &e, to, asker);
}

/* ---- looking ---- */

static bool is_about(const struct event *e, const struct request *r)
{
    return (!r->has_model || id_equal(&e->model, &r->model)) &&
           (r->channel.text[0] == '\0' || id_equal(&e->channel, &r->channel));
}

static void do_history(struct server *s, const struct request *r, const struct asker *asker)
{
    uint64_t found = 0;
    size_t first = store_event_count(s->store);
    while (first > 0 && found < r->last)
        found += is_about(store_event_at(s->store, --first), r);
    json_t *array = json_array();
    for (size_t i = first; i < store_event_count(s->store); i++)
        if (is_about(store_event_at(s->store, i), r))
            (void)json_array_append_new(array, event_to_json(store_event_at(s->store, i)));
    answer(s, asker, json_pack("{s:b, s:o}", "ok", 1, "history", array));
}

/* The bytes go to the version's topic, where whoever asked listens. */
static void do_fetch(struct server *s, const struct request *r, const struct asker *asker)
{
    if (lacks(s, asker, r->has_model && r->has_version, "model and version are needed"))
        return;
    const struct model_ref ref = {r->model, r->version};
    const struct version *v = usable(s, &ref, asker);
    struct view bytes = {0};
    if (v == NULL)
        return;
    enum status status = store_read(s->store, v, &bytes);
    if (status == ST_OK) {
        publish_version(s, v, bytes);
        answer(s, asker, json_pack("{s:b}", "ok", 1));
    } else {
        answer_refused(s, asker, "not_read", status_name(status));
    }
    map_close(&bytes);
}

static void do_prune(struct server *s, const struct request *r, const struct asker *asker)
{
    if (lacks(s, asker, r->keep >= 1, "keep is needed, how many of the newest stay") ||
        lacks(s, asker, r->event.why[0] != '\0', "a reason is needed"))
        return;
    const struct prune p = {.keep = r->keep,
                            .model = r->model,
                            .dry_run = r->dry_run,
                            .what = r->event,
                            .asker = *asker};
    prune_begin(s, &p);
}

void on_control(struct server *s, const struct mqtt_message *m)
{
    struct request r = {.what = "", .last = EVENTS_SHOWN, .event.who = "unknown"};
    struct asker asker = asker_of(m);
    json_t *object = NULL;
    struct why why = {0};
    clock_text(r.event.at);
    enum status status = jsn_parse(m->payload, CONTROL_SIZE_MAX, &object, &why);
    if (status == ST_OK)
        status = read_request(object, &r, &why);
    if (status != ST_OK)
        answer_refused(s, &asker, "malformed",
                       why.text[0] == '\0' ? status_name(status) : why.text);
    else if (strcmp(r.what, "point") == 0)
        do_move(s, &r, EVENT_POINTED, &asker);
    else if (strcmp(r.what, "rollback") == 0)
        do_move(s, &r, EVENT_ROLLED_BACK, &asker);
    else if (strcmp(r.what, "history") == 0)
        do_history(s, &r, &asker);
    else if (strcmp(r.what, "fetch") == 0)
        do_fetch(s, &r, &asker);
    else if (strcmp(r.what, "prune") == 0)
        do_prune(s, &r, &asker);
    else
        answer_refused(s, &asker, "malformed",
                       "do is none of point, rollback, history, fetch, prune");
    json_decref(object);
}
