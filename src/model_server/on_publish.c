/* fl/models/publish (PROTOCOL 2.5): a new version, the same one again, or a
 * refusal that says why. Nothing is published before it is durable, and a refused
 * one changes nothing. */
#include "model_server/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "fl/metrics.h"
#include "io/clock.h"
#include "service/log.h"

/* What is being looked at, and the refusal as it takes shape. */
struct publication {
    struct version facts;
    bool has_name, has_version; /* facts.ref is known that far */
    const char *code;           /* NULL: nothing is wrong */
    struct why why;
};

static bool refuse(struct publication *p, const char *code, const char *reason)
{
    p->code = code;
    if (p->why.text[0] == '\0')
        why_set(&p->why, "%s", reason);
    return false;
}

/* ---- the bytes ---- */

static const char *code_of_decoding(enum status status)
{
    switch (status) {
    case ST_LIMIT:
        return "too_large";
    case ST_SHAPE:
        return "wrong_shape";
    case ST_TYPE:
        return "wrong_dtype";
    case ST_NOT_FINITE:
        return "non_finite";
    case ST_NOMEM:
        return "not_stored";
    default:
        return "malformed";
    }
}

static bool read_model(struct publication *p, struct view bytes, struct model **ret)
{
    size_t params;
    enum status status = model_inspect(bytes, ret, &p->facts.form, &params, &p->why);
    if (status != ST_OK)
        return refuse(p, code_of_decoding(status), status_name(status));
    if (params == 0)
        return refuse(p, "wrong_shape", "a model without parameters");
    return true;
}

/* ---- what it is called ---- */

static bool read_name(struct publication *p, const struct mqtt_message *m,
                      const struct model *model)
{
    const char *name = mqtt_message_property(m, "name");
    if (name == NULL)
        name = model_meta(model, "name");
    if (name == NULL)
        name = SERVER_DEFAULT_NAME;
    if (id_from(name, &p->facts.ref.name) != ST_OK)
        return refuse(p, "bad_name", "the name is not 1 to 64 letters, digits, '.', '_', '-', ':'");
    p->has_name = true;
    return true;
}

static bool read_version(struct publication *p, const struct mqtt_message *m,
                         const struct model *model)
{
    const char *said = mqtt_message_property(m, "version");
    const char *inside = model_meta(model, "version");
    const char *text = said != NULL ? said : inside;
    if (text == NULL || fl_version_parse(text, &p->facts.ref.version) != ST_OK)
        return refuse(p, "bad_version", "there is no version, a whole number from 0 to 2^53");
    p->has_version = true;
    if (inside != NULL && strcmp(inside, text) != 0)
        return refuse(p, "version_mismatch",
                      "the payload and the user property name different versions");
    return true;
}

static bool read_round(struct publication *p, const struct mqtt_message *m,
                       const struct model *model)
{
    const char *round_id = mqtt_message_property(m, "round");
    if (round_id == NULL)
        round_id = model_meta(model, "round_id");
    if (round_id != NULL && id_from(round_id, &p->facts.round_id) != ST_OK)
        return refuse(p, "malformed",
                      "the round is not 1 to 64 letters, digits, '.', '_', '-', ':'");
    return true;
}

/* ---- where it comes from ---- */

/* A user property binds its sender. Metadata of the same name may come from any
 * other tool, so what cannot be read there is not said. */
static bool binds(struct publication *p, const struct mqtt_message *m, const char *key,
                  const char *reason)
{
    return mqtt_message_property(m, key) == NULL || refuse(p, "malformed", reason);
}

static const char *said(const struct mqtt_message *m, const struct model *model, const char *key,
                        const char *meta)
{
    const char *text = mqtt_message_property(m, key);
    return text != NULL ? text : model_meta(model, meta);
}

static bool read_parent(struct publication *p, const struct mqtt_message *m,
                        const struct model *model)
{
    const char *text = said(m, model, "parent", "parent");
    p->facts.has_parent = text != NULL && fl_model_ref_parse(text, &p->facts.parent) == ST_OK;
    return text == NULL || p->facts.has_parent ||
           binds(p, m, "parent", "the parent is no topic of a version");
}

static bool read_count(struct publication *p, const struct mqtt_message *m,
                       const struct model *model, const char *key, const char *meta, uint64_t *ret)
{
    const char *text = said(m, model, key, meta);
    return text == NULL || fl_version_parse(text, ret) == ST_OK ||
           binds(p, m, key, "a count is not a whole number from 0 to 2^53");
}

static bool read_metrics(struct publication *p, const struct mqtt_message *m,
                         const struct model *model)
{
    const char *text = said(m, model, "metrics", "metrics");
    json_t *object = NULL;
    struct metrics metrics;
    if (text == NULL)
        return true;
    bool fine = jsn_parse(view_text(text), CONTROL_SIZE_MAX, &object, NULL) == ST_OK &&
                metrics_decode(object, &metrics, NULL) == ST_OK;
    if (fine)
        version_set_metrics(&p->facts, object);
    json_decref(object);
    return fine || binds(p, m, "metrics", "the metrics are no JSON object of numbers");
}

static bool read_lineage(struct publication *p, const struct mqtt_message *m,
                         const struct model *model)
{
    return read_round(p, m, model) && read_parent(p, m, model) &&
           read_count(p, m, model, "contributors", "contributors", &p->facts.contributors) &&
           read_count(p, m, model, "samples", "num_samples", &p->facts.samples) &&
           read_metrics(p, m, model);
}

/* bytes: the version's; m has the properties. */
static bool read_publication(struct publication *p, const struct mqtt_message *m, struct view bytes)
{
    struct model *model = NULL;
    bool fine = read_model(p, bytes, &model) && read_name(p, m, model) &&
                read_version(p, m, model) && read_lineage(p, m, model);
    model_free(model);
    return fine;
}

/* ---- storing ---- */

static bool cannot_store(struct publication *p, enum status status)
{
    switch (status) {
    case ST_EXISTS:
        return refuse(p, "version_exists",
                      "this version has other bytes, and versions never change");
    case ST_NOT_FOUND:
        return refuse(p, "version_deleted",
                      "this version was deleted, and a number is not used again");
    case ST_LIMIT:
        return refuse(p, "too_many_versions", "the store is full; give the server another folder");
    case ST_INVALID:
        return refuse(p, "malformed",
                      "a reference that cannot be used: it needs a holder, a manifest of at most "
                      "1 GiB and the user properties name and version");
    case ST_CORRUPT:
        return refuse(p, "corrupt", "its parts do not make up what its digest promises");
    case ST_CLOSED:
        return refuse(p, "unavailable", "its holder does not have it any more");
    case ST_FULL:
        return refuse(p, "disk_full", "no space is left where the models are stored");
    default:
        return refuse(p, "not_stored", status_name(status));
    }
}

/* After the version itself: the one that made room for it on the topics and the one
 * that `latest` pointed at may leave theirs. */
static void publish_changes(struct server *s, const struct version *v, const struct model_ref *was)
{
    for (size_t i = 0; i < store_count(s->store); i++) {
        const struct version *other = store_at(s->store, i);
        bool left = id_equal(&other->ref.name, &v->ref.name) && other != v &&
                    !version_is_deleted(other) &&
                    (v->ordinal - other->ordinal == s->settings.retain ||
                     (was != NULL && other->ref.version == was->version));
        if (left)
            topic_follows(s, other, true);
    }
    const struct id latest = {CHANNEL_LATEST};
    publish_index(s);
    publish_channel(s, store_channel(s->store, &v->ref.name, &latest));
    prune_after(s, v);
}

static bool store_and_publish(struct server *s, struct publication *p, struct view bytes)
{
    size_t before = store_count(s->store);
    const struct version *v;
    const struct id latest = {CHANNEL_LATEST};
    const struct channel *c = store_channel(s->store, &p->facts.ref.name, &latest);
    struct model_ref was = {p->facts.ref.name, c == NULL ? 0 : c->version};
    bool had_latest = c != NULL;
    clock_text(p->facts.created_at);
    enum status status = store_add(s->store, &p->facts, bytes, &v);
    if (status != ST_OK)
        return cannot_store(p, status);

    bool is_new = store_count(s->store) > before;
    log_line(LOG_INFO, is_new ? "model.stored" : "model.repeated",
             "model=%s version=%llu bytes=%zu", v->ref.name.text,
             (unsigned long long)v->ref.version, bytes.size);
    publish_version(s, v, bytes);
    if (is_new)
        publish_changes(s, v, had_latest ? &was : NULL);
    return true;
}

static void send_refused(struct server *s, const struct publication *p)
{
    json_t *object = json_pack("{s:s, s:s}", "code", p->code, "reason", p->why.text);
    if (object != NULL && p->has_name)
        (void)json_object_set_new(object, "name", json_string(p->facts.ref.name.text));
    if (object != NULL && p->has_version)
        (void)json_object_set_new(object, "version",
                                  json_integer((json_int_t)p->facts.ref.version));
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    if (text != NULL)
        send_message(s,
                     &(struct mqtt_message){.topic = FL_MODEL_REFUSED, .payload = view_text(text)});
    free(text);
    log_line(LOG_WARN, "model.refused", "model=%s version=%llu code=%s reason=%s",
             p->has_name ? p->facts.ref.name.text : "-", (unsigned long long)p->facts.ref.version,
             p->code, log_quote(p->why.text));
}

void take_publication(struct server *s, const struct mqtt_message *m, struct view bytes)
{
    struct publication p = {0};
    if (!read_publication(&p, m, bytes) || !store_and_publish(s, &p, bytes))
        send_refused(s, &p);
}

void refuse_publication(struct server *s, const struct mqtt_message *m, enum status status)
{
    struct publication p = {0};
    const char *name = mqtt_message_property(m, "name");
    const char *version = mqtt_message_property(m, "version");
    p.has_name = name != NULL && id_from(name, &p.facts.ref.name) == ST_OK;
    p.has_version = version != NULL && fl_version_parse(version, &p.facts.ref.version) == ST_OK;
    (void)cannot_store(&p, status);
    send_refused(s, &p);
}

void on_publish(struct server *s, const struct mqtt_message *m)
{
    if (reference_looks_like(m->payload))
        on_reference(s, m);
    else
        take_publication(s, m, m->payload);
}
