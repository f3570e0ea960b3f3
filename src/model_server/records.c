#include "model_server/records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "fl/metrics.h"

static const char *const kind_names[] = {
    [EVENT_PUBLISHED] = "published",
    [EVENT_POINTED] = "pointed",
    [EVENT_ROLLED_BACK] = "rolled_back",
    [EVENT_DELETED] = "deleted",
};
#define KIND_COUNT (sizeof kind_names / sizeof kind_names[0])

const char *event_kind_name(enum event_kind kind)
{
    assert((size_t)kind < KIND_COUNT);
    return kind_names[kind];
}

/* ---- metrics ---- */

void version_set_metrics(struct version *v, const json_t *object)
{
    json_t *kept = json_object();
    const char *name;
    json_t *value;
    v->metrics[0] = '\0';
    json_object_foreach((json_t *)object, name, value)
    {
        if (json_object_set(kept, name, value) != 0)
            break;
        char *text = jsn_text(kept);
        bool fits = text != NULL && strlen(text) < sizeof v->metrics;
        if (fits)
            memcpy(v->metrics, text, strlen(text) + 1);
        free(text);
        if (!fits)
            break;
    }
    json_decref(kept);
}

/* ---- written ---- */

/* takes: value, NULL fails. Leaves out what is empty. */
static int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value);
}

static int set_text(json_t *object, const char *key, const char *text)
{
    return text[0] == '\0' ? 0 : set(object, key, json_string(text));
}

static int set_count(json_t *object, const char *key, uint64_t count)
{
    return count == 0 ? 0 : set(object, key, json_integer((json_int_t)count));
}

static int set_lineage(json_t *object, const struct version *v)
{
    char parent[FL_TOPIC_SIZE] = "";
    if (v->has_parent)
        fl_topic_model(&v->parent, parent);
    int failed = set_text(object, "round_id", v->round_id.text);
    failed |= set_text(object, "parent", parent);
    failed |= set_count(object, "contributors", v->contributors);
    failed |= set_count(object, "samples", v->samples);
    if (v->metrics[0] != '\0')
        failed |= set(object, "metrics", json_loads(v->metrics, 0, NULL));
    return failed | set_text(object, "deleted_at", v->deleted_at);
}

static json_t *whole(json_t *object, int failed)
{
    if (failed == 0)
        return object;
    json_decref(object);
    return NULL;
}

json_t *version_to_json(const struct version *v)
{
    char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    fl_topic_model(&v->ref, topic);
    digest_text(&v->digest, digest);
    json_t *object = json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s}", "name", v->ref.name.text,
                               "version", (json_int_t)v->ref.version, "topic", topic, "digest",
                               digest, "size", (json_int_t)v->size, "form",
                               model_form_name(v->form), "created_at", v->created_at);
    return object == NULL ? NULL : whole(object, set_lineage(object, v));
}

json_t *channel_to_json(const struct channel *c)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s}", "model", c->model.text, "channel", c->name.text,
                     "version", (json_int_t)c->version, "moved_at", c->moved_at, "why", c->why);
}

json_t *event_to_json(const struct event *e)
{
    json_t *object = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "do", event_kind_name(e->kind),
                               "model", e->model.text, "to", (json_int_t)e->to, "at", e->at, "who",
                               e->who, "why", e->why);
    if (object == NULL)
        return NULL;
    int failed = set_text(object, "channel", e->channel.text);
    if (e->has_from)
        failed |= set(object, "from", json_integer((json_int_t)e->from));
    return whole(object, failed);
}

/* ---- read ---- */

/* Copies a text of at most size - 1 bytes; what is absent leaves ret as it was. */
static enum status read_text(const json_t *object, const char *key, enum jsn_need need, size_t size,
                             char *ret, struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(object, key, need, size - 1, &text, why);
    if (status == ST_OK && text != NULL)
        memcpy(ret, text, strlen(text) + 1);
    return status;
}

static enum status read_form(const json_t *object, struct version *v, struct why *why)
{
    const char *form = "";
    enum status status = jsn_str(object, "form", JSN_REQUIRED, 16, &form, why);
    if (status != ST_OK)
        return status;
    v->form = strcmp(form, model_form_name(MODEL_JSON)) == 0 ? MODEL_JSON : MODEL_SAFETENSORS;
    if (strcmp(form, model_form_name(v->form)) != 0) {
        why_set(why, "form is neither json nor safetensors");
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_parent(const json_t *object, struct version *v, struct why *why)
{
    const char *parent = NULL;
    enum status status = jsn_str(object, "parent", JSN_OPTIONAL, FL_TOPIC_SIZE - 1, &parent, why);
    if (status != ST_OK || parent == NULL)
        return status;
    if (fl_model_ref_parse(parent, &v->parent) != ST_OK) {
        why_set(why, "parent is no topic of a version");
        return ST_INVALID;
    }
    v->has_parent = true;
    return ST_OK;
}

static enum status read_metrics(const json_t *object, struct version *v, struct why *why)
{
    json_t *metrics = NULL;
    struct metrics checked;
    enum status status = jsn_object(object, "metrics", JSN_OPTIONAL, &metrics, why);
    if (status != ST_OK || metrics == NULL)
        return status;
    if (metrics_decode(metrics, &checked, why) != ST_OK)
        return ST_INVALID;
    version_set_metrics(v, metrics);
    return ST_OK;
}

static enum status read_lineage(const json_t *object, struct version *v, struct why *why)
{
    enum status status = jsn_id(object, "round_id", JSN_OPTIONAL, &v->round_id, why);
    if (status == ST_OK)
        status = read_parent(object, v, why);
    if (status == ST_OK)
        status =
            jsn_uint(object, "contributors", JSN_OPTIONAL, 0, INT64_MAX, &v->contributors, why);
    if (status == ST_OK)
        status = jsn_uint(object, "samples", JSN_OPTIONAL, 0, INT64_MAX, &v->samples, why);
    if (status == ST_OK)
        status = read_metrics(object, v, why);
    return status;
}

enum status version_from_json(const json_t *object, struct version *ret, struct why *why)
{
    struct version v = {0};
    enum status status = jsn_id(object, "name", JSN_REQUIRED, &v.ref.name, why);
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_REQUIRED, 0, FL_VERSION_MAX, &v.ref.version, why);
    if (status == ST_OK)
        status = jsn_uint(object, "size", JSN_REQUIRED, 1, MODEL_BYTES_MAX, &v.size, why);
    if (status == ST_OK)
        status = read_form(object, &v, why);
    if (status == ST_OK)
        status = jsn_digest(object, "digest", JSN_REQUIRED, &v.digest, why);
    if (status == ST_OK)
        status =
            read_text(object, "created_at", JSN_OPTIONAL, sizeof v.created_at, v.created_at, why);
    if (status == ST_OK)
        status =
            read_text(object, "deleted_at", JSN_OPTIONAL, sizeof v.deleted_at, v.deleted_at, why);
    if (status == ST_OK)
        status = read_lineage(object, &v, why);
    if (status == ST_OK)
        *ret = v;
    return status;
}

enum status channel_from_json(const json_t *object, struct channel *ret, struct why *why)
{
    struct channel c = {0};
    enum status status = jsn_id(object, "model", JSN_REQUIRED, &c.model, why);
    if (status == ST_OK)
        status = jsn_id(object, "channel", JSN_REQUIRED, &c.name, why);
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_REQUIRED, 0, FL_VERSION_MAX, &c.version, why);
    if (status == ST_OK)
        status = read_text(object, "moved_at", JSN_REQUIRED, sizeof c.moved_at, c.moved_at, why);
    if (status == ST_OK)
        status = read_text(object, "why", JSN_REQUIRED, sizeof c.why, c.why, why);
    if (status == ST_OK)
        *ret = c;
    return status;
}

static enum status read_kind(const json_t *object, struct event *e, struct why *why)
{
    const char *name = "";
    enum status status = jsn_str(object, "do", JSN_REQUIRED, 16, &name, why);
    for (size_t i = 0; status == ST_OK && i < KIND_COUNT; i++)
        if (strcmp(name, kind_names[i]) == 0) {
            e->kind = (enum event_kind)i;
            return ST_OK;
        }
    if (status == ST_OK)
        why_set(why, "do is none of the history's words");
    return ST_INVALID;
}

enum status event_from_json(const json_t *object, struct event *ret, struct why *why)
{
    struct event e = {0};
    enum status status = read_kind(object, &e, why);
    if (status == ST_OK)
        status = jsn_id(object, "model", JSN_REQUIRED, &e.model, why);
    if (status == ST_OK)
        status = jsn_id(object, "channel", e.kind == EVENT_DELETED ? JSN_OPTIONAL : JSN_REQUIRED,
                        &e.channel, why);
    if (status == ST_OK)
        status = jsn_uint(object, "to", JSN_REQUIRED, 0, FL_VERSION_MAX, &e.to, why);
    e.has_from = json_is_integer(json_object_get(object, "from"));
    if (status == ST_OK)
        status = jsn_uint(object, "from", JSN_OPTIONAL, 0, FL_VERSION_MAX, &e.from, why);
    if (status == ST_OK)
        status = read_text(object, "at", JSN_REQUIRED, sizeof e.at, e.at, why);
    if (status == ST_OK)
        status = read_text(object, "who", JSN_REQUIRED, sizeof e.who, e.who, why);
    if (status == ST_OK)
        status = read_text(object, "why", JSN_REQUIRED, sizeof e.why, e.why, why);
    if (status == ST_OK)
        *ret = e;
    return status;
}
