/* A model came on fl/models/publish (PROTOCOL 2.5): what it must be, and what is
 * said when it is not. A refused model changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/clock.h"
#include "model/model_file.h"
#include "model_server/state.h"
#include "service/log.h"

#define VERSION_MAX (UINT64_C(1) << 53)

/* What was learned of a message so far. */
struct incoming {
    struct stored_version version;
    bool has_name;
    bool has_version;
};

static void refuse(struct server *s, const struct incoming *in, const char *code,
                   const char *reason)
{
    json_t *body = json_pack("{s:s,s:s}", "code", code, "reason", reason);
    if (body != NULL && in->has_name)
        (void)json_object_set_new(body, "name", json_string(in->version.ref.name.text));
    if (body != NULL && in->has_version)
        (void)json_object_set_new(body, "version",
                                  json_integer((json_int_t)in->version.ref.version));
    char *text = body == NULL ? NULL : jsn_text(body);
    json_decref(body);
    log_line(LOG_WARN, "model.refused", "code=%s reason=%s", code, log_quote(reason));
    if (text == NULL)
        return;
    const struct mqtt_message m = {.topic = FL_MODEL_REFUSED, .payload = view_text(text)};
    if (s->out.publish(s->out.owner, &m) != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s", FL_MODEL_REFUSED);
    free(text);
}

static const char *code_of(enum status status)
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
        return "no_memory";
    default:
        return "malformed";
    }
}

static bool parse_version(const char *text, uint64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 16 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return false;
    uint64_t version = strtoull(text, NULL, 10);
    if (version > VERSION_MAX)
        return false;
    *ret = version;
    return true;
}

/* The property if it is there, else the payload's own word; NULL: neither. */
static const char *fact(const struct mqtt_message *m, const struct model *model, const char *key)
{
    const char *property = mqtt_message_property(m, key);
    return property != NULL ? property : model_meta(model, key);
}

/* Reads name and version. False: refused, with a reason. */
static bool identify(const struct mqtt_message *m, const struct model *model, struct incoming *in,
                     struct why *why)
{
    const char *name = fact(m, model, "name");
    const char *version = fact(m, model, "version");
    const char *inside = model_meta(model, "version");
    const char *round = mqtt_message_property(m, "round");
    if (round == NULL)
        round = model_meta(model, "round_id");

    in->has_name = id_from(name == NULL ? "global_model" : name, &in->version.ref.name) == ST_OK;
    if (!in->has_name) {
        why_set(why, "name is not a name of 1 to 64 letters, digits, '.', '_', '-' or ':'");
        return false;
    }
    in->has_version = version != NULL && parse_version(version, &in->version.ref.version);
    if (!in->has_version) {
        why_set(why, "version is missing or not a whole number from 0 to 2^53");
        return false;
    }
    if (inside != NULL && strcmp(inside, version) != 0) {
        why_set(why, "the message's version property and the model's own version differ");
        return false;
    }
    if (round != NULL && id_from(round, &in->version.round_id) != ST_OK) {
        why_set(why, "round is not a name of 1 to 64 letters, digits, '.', '_', '-' or ':'");
        return false;
    }
    return true;
}

/* Everything that is checked before the store is touched. */
static bool admit(struct server *s, const struct mqtt_message *m, struct incoming *in)
{
    struct why why = {{0}};
    struct model *model = NULL;
    enum status status = model_decode(m->payload, &model, &in->version.form, &why);
    if (status == ST_OK && model_tensor_count(model) == 0) {
        why_set(&why, "a model without tensors");
        status = ST_MALFORMED;
    }
    if (status == ST_OK)
        status = model_check_finite(model, &why);
    bool identified = status == ST_OK && identify(m, model, in, &why);
    model_free(model);
    if (identified)
        return true;
    refuse(s, in, status == ST_OK ? "invalid" : code_of(status), why.text);
    return false;
}

void on_publish(struct server *s, const struct mqtt_message *m)
{
    struct incoming in = {0};
    if (!admit(s, m, &in))
        return;
    bool known = store_find(s->store, &in.version.ref) != NULL;
    clock_text(in.version.created_at);
    enum status status = store_put(s->store, &in.version, m->payload);
    if (status == ST_EXISTS) {
        refuse(s, &in, "version_exists", "this version has other bytes; a version never changes");
        return;
    }
    if (status != ST_OK) {
        char reason[128];
        (void)snprintf(reason, sizeof reason, "the version could not be stored: %s",
                       status_name(status));
        refuse(s, &in, status == ST_FULL ? "disk_full" : "not_stored", reason);
        return;
    }
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&in.version.digest, digest);
    log_line(LOG_INFO, "model.stored", "name=%s version=%llu bytes=%zu digest=%s known=%d",
             in.version.ref.name.text, (unsigned long long)in.version.ref.version, m->payload.size,
             digest, known);
    /* Whoever sent it again did not see it: it is published again too. */
    publish_version(s, store_find(s->store, &in.version.ref));
    if (!known)
        publish_index(s);
}
