/* fl/models/+ (PROTOCOL 2.5, 2.6): versions, the index, refusals. */
#include "coordinator/state.h"

#include <string.h>

#include "service/log.h"

#define REASON_BASE_UNUSABLE "base_model_unusable"

/* ---- base models ---- */

enum status decode_base(struct view bytes, struct model **ret, enum model_form *ret_form,
                        struct why *why)
{
    enum status status = model_decode(bytes, ret, ret_form, why);
    if (status != ST_OK)
        return status;
    status = model_check_finite(*ret, why);
    if (status != ST_OK)
        *ret = model_free(*ret);
    return status;
}

static void base_is_unusable(struct coordinator *c, struct entry *e, const char *why,
                             uint64_t now_ms)
{
    log_line(LOG_ERROR, "model.unusable", "topic=%s reason=%s",
             log_quote(round_start_of(e->round)->model_uri), log_quote(why));
    struct round_actions actions;
    round_cancel(e->round, ROUND_FAILED, REASON_BASE_UNUSABLE, now_ms, &actions);
    carry_out(c, e, &actions, now_ms);
}

/* The round counts from here on. What it stands on is kept until its end: the broker
 * may have lost it when it is needed again. */
static void keep_base(struct coordinator *c, struct entry *e, struct view bytes, bool in_file,
                      const struct digest *digest, uint64_t now_ms)
{
    e->has_base = true;
    e->base = *digest;
    if (in_file || keep_bytes(c, e, bytes))
        (void)is_kept(
            c, "base",
            store_set_base(c->store, &round_start_of(e->round)->round_id, digest, now_ms));
}

/* Its noise is drawn, or its budget is spent. */
static void begin_privacy(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    const char *reason = NULL;
    struct round_actions actions;
    if (!is_kept(c, "noise", privacy_begin(c, e, &reason)) || reason == NULL)
        return;
    round_cancel(e->round, ROUND_FAILED, reason, now_ms, &actions);
    carry_out(c, e, &actions, now_ms);
}

void use_base(struct coordinator *c, struct entry *e, struct view bytes, bool in_file,
              const struct digest *digest, uint64_t now_ms)
{
    struct model *base = NULL;
    struct why why = {0};
    enum status status = decode_base(bytes, &base, &e->form, &why);
    if (status == ST_OK && e->form == MODEL_JSON && round_has_optimiser(e->round)) {
        why_set(&why, "a JSON model cannot hold an optimiser's state; use safetensors");
        base = model_free(base);
        status = ST_INVALID;
    }
    if (status != ST_OK && status != ST_NOMEM) {
        base_is_unusable(c, e, why.text, now_ms);
        return;
    }
    struct round_actions actions;
    if (status == ST_OK)
        status = round_base_model(e->round, base, digest, now_ms, &actions);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "model.postponed", "round=%s reason=%s",
                 round_start_of(e->round)->round_id.text, status_name(status));
        return;
    }
    if (e->asked)
        c->out.ask_no_more(c->out.owner, round_start_of(e->round)->model_uri);
    e->asked = false;
    if (round_state(e->round) == ROUND_OPEN) {
        keep_base(c, e, bytes, in_file, digest, now_ms);
        (void)is_kept(c, "secagg", secure_begin(c, e, now_ms));
        say_state(c, e, now_ms);
        begin_privacy(c, e, now_ms);
    }
    carry_out(c, e, &actions, now_ms);
    feed_early(c, e, now_ms);
}

/* e is OPENING. payload: of the version's topic */
static void give_base(struct coordinator *c, struct entry *e, struct view payload,
                      const struct digest *digest, uint64_t now_ms)
{
    if (reference_looks_like(payload))
        fetch_base(c, e, payload);
    else
        use_base(c, e, payload, false, digest, now_ms);
}

void want_base(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    const struct round_start *start = round_start_of(e->round);
    struct view bytes;
    struct digest digest;
    if (models_get(c->models, &start->model, &bytes, &digest)) {
        give_base(c, e, bytes, &digest, now_ms);
        return;
    }
    e->asked = true;
    c->out.ask(c->out.owner, start->model_uri);
}

/* ---- a version is on its topic ---- */

static bool same_ref(const struct model_ref *a, const struct model_ref *b)
{
    return a->version == b->version && id_equal(&a->name, &b->name);
}

static void tell_storing_round(struct coordinator *c, struct entry *e, const struct digest *digest,
                               uint64_t now_ms)
{
    if (!digest_equal(digest, &e->digest)) {
        take_next_number(c, e);
        return;
    }
    struct round_actions actions;
    round_stored(e->round, now_ms, &actions);
    carry_out(c, e, &actions, now_ms);
}

static void tell_rounds(struct coordinator *c, const struct model_ref *ref, struct view bytes,
                        const struct digest *digest, uint64_t now_ms)
{
    if (is_closed(c)) /* it is published, or asked for, again */
        return;
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--) {
        struct entry *e = rounds_open_at(c->rounds, i - 1);
        if (round_state(e->round) == ROUND_OPENING &&
            same_ref(&round_start_of(e->round)->model, ref))
            give_base(c, e, bytes, digest, now_ms);
        else if (e->has_version && same_ref(&e->version, ref))
            tell_storing_round(c, e, digest, now_ms);
    }
}

static void note(struct coordinator *c, const struct model_ref *ref)
{
    if (models_note(c->models, ref) != ST_OK)
        log_line(LOG_WARN, "model.unnoted", "model=%s reason=%s, ignoring", ref->name.text,
                 "\"more names than are kept\"");
}

/* The server says in a property what it stored; other bytes under it were changed
 * on the way, or are not the server's. */
static bool is_what_it_says(const struct mqtt_message *m, const struct digest *digest)
{
    const char *text = mqtt_message_property(m, "digest");
    struct digest said;
    return text == NULL || (digest_parse(text, &said) == ST_OK && digest_equal(&said, digest));
}

/* Beside a reference, that of the version and not of the reference. */
static bool digest_of_version(struct view payload, struct digest *ret)
{
    struct reference r;
    if (!reference_looks_like(payload)) {
        *ret = digest_of(payload);
        return true;
    }
    if (reference_decode(payload, MODEL_BYTES_MAX, &r, NULL) != ST_OK)
        return false;
    *ret = r.manifest.digest;
    reference_done(&r);
    return true;
}

static void on_version(struct coordinator *c, const struct mqtt_message *m,
                       const struct model_ref *ref, uint64_t now_ms)
{
    if (m->payload.size == 0) { /* no longer retained */
        models_drop(c->models, ref);
        return;
    }
    struct digest digest;
    if (!digest_of_version(m->payload, &digest) || !is_what_it_says(m, &digest)) {
        log_line(LOG_WARN, "model.corrupt", "topic=%s, ignoring", log_quote(m->topic));
        return;
    }
    note(c, ref);
    enum status status = models_put(c->models, ref, m->payload, &digest);
    if (status != ST_OK)
        log_line(LOG_WARN, "model.uncached", "topic=%s bytes=%zu reason=%s", log_quote(m->topic),
                 m->payload.size, status_name(status));
    tell_rounds(c, ref, m->payload, &digest, now_ms);
}

/* ---- the index, refusals ---- */

static enum status read_ref(const json_t *object, struct model_ref *ret, struct why *why)
{
    enum status status = jsn_id(object, "name", JSN_REQUIRED, &ret->name, why);
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_REQUIRED, 0, FL_VERSION_MAX, &ret->version, why);
    return status;
}

/* All of it is looked at before any of it is noted. */
static enum status read_index(struct coordinator *c, const json_t *object, struct why *why)
{
    json_t *models = NULL;
    struct model_ref ref;
    enum status status =
        jsn_array(object, "models", JSN_REQUIRED, MODEL_VERSIONS_MAX, &models, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(models); i++)
        status = read_ref(json_array_get(models, i), &ref, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(models); i++) {
        status = read_ref(json_array_get(models, i), &ref, why);
        note(c, &ref);
    }
    return status;
}

/* Our number may be taken by a version that is not retained any more, so that
 * the refusal is all we see of it. */
static enum status read_refusal(struct coordinator *c, const json_t *object, struct why *why)
{
    struct model_ref ref;
    const char *code = "";
    enum status status = jsn_str(object, "code", JSN_REQUIRED, ID_SIZE_MAX, &code, why);
    if (status != ST_OK || strcmp(code, "version_exists") != 0 || is_closed(c))
        return status;
    status = read_ref(object, &ref, why);
    if (status != ST_OK)
        return status;
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--) {
        struct entry *e = rounds_open_at(c->rounds, i - 1);
        if (!e->has_version || !same_ref(&e->version, &ref))
            continue;
        note(c, &ref);
        take_next_number(c, e);
    }
    return ST_OK;
}

static void on_report(struct coordinator *c, const struct mqtt_message *m, size_t size_max,
                      enum status (*read)(struct coordinator *, const json_t *, struct why *))
{
    json_t *object = NULL;
    struct why why = {0};
    enum status status = jsn_parse(m->payload, size_max, &object, &why);
    if (status == ST_OK)
        status = read(c, object, &why);
    if (status != ST_OK)
        log_line(LOG_WARN, "message.invalid", "topic=%s reason=%s, ignoring", log_quote(m->topic),
                 log_quote(why.text));
    json_decref(object);
}

void on_model(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    struct model_ref ref;
    if (strcmp(m->topic, FL_MODEL_INDEX) == 0)
        on_report(c, m, MODEL_INDEX_SIZE_MAX, read_index);
    else if (strcmp(m->topic, FL_MODEL_REFUSED) == 0)
        on_report(c, m, CONTROL_SIZE_MAX, read_refusal);
    else if (fl_model_ref_parse(m->topic, &ref) == ST_OK)
        on_version(c, m, &ref, now_ms);
    /* What is left is fl/models/publish, on its way to the model server. */
}
