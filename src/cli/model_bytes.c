#include "cli/model_bytes.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/parts.h"
#include "io/file.h"
#include "io/map.h"
#include "model/model_file.h"

void model_bytes_done(struct model_bytes *b)
{
    if (b->mapped)
        map_close(&b->view);
    bytes_done(&b->held);
    *b = (struct model_bytes){0};
}

enum status model_bytes_of_file(const char *path, struct model_bytes *ret)
{
    struct view view;
    enum status status = map_open(path, MODEL_BYTES_MAX, &view);
    if (status == ST_OK)
        *ret = (struct model_bytes){.view = view, .mapped = true};
    return status;
}

/* ---- fetching ---- */

struct arrival {
    struct bytes payload;
    bool arrived;
};

static void on_model(void *owner, const struct mqtt_message *m)
{
    struct arrival *a = owner;
    if (!a->arrived && m->payload.size > 0)
        a->arrived = bytes_copy(&a->payload, m->payload) == ST_OK;
}

/* The model server has versions that are not retained any more. */
static enum status ask_for_model(struct session *s, const struct index_model *model,
                                 struct bytes *ret)
{
    struct arrival a = {0};
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s, s:I}", "do", "fetch", "model", model->ref.name.text,
                                "version", (json_int_t)model->ref.version);
    char *text = jsn_text_and_release(request);
    if (text == NULL)
        return ST_NOMEM;
    enum status status = session_listen(s, model->topic, on_model, &a);
    if (status == ST_OK)
        status = session_ask(s, FL_MODEL_CONTROL, text, "fml-model-server", INDEX_WAIT_MS, &answer,
                             NULL);
    if (status == ST_OK && json_object_get(answer, "error") != NULL)
        status = ST_TIMEOUT; /* nothing will come */
    if (status == ST_OK)
        status = session_wait(s, &a.arrived, INDEX_WAIT_MS);
    session_ignore(s, model->topic, &a);
    json_decref(answer);
    free(text);
    if (status == ST_OK)
        *ret = a.payload;
    else
        bytes_done(&a.payload);
    return status;
}

static void explain(enum status status, const struct index_model *model, struct why *why)
{
    if (status == ST_NOT_FOUND)
        why_set(why, "the model is not on %s, and the model server does not have its right bytes",
                model->topic);
    else if (status == ST_CORRUPT)
        why_set(why, "the bytes on %s are not those of the index: their digest differs",
                model->topic);
    else
        why_set(why, "%s", status == ST_CLOSED ? "interrupted" : status_name(status));
}

/* A file of nobody else's, that goes with the last of those that have it open. */
static enum status fetch_aside(struct session *s, const struct reference *r,
                               struct model_bytes *ret, struct why *why)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX - 16], file[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/fml-XXXXXX",
                        folder == NULL || folder[0] == '\0' ? "/tmp" : folder);
    if (size < 0 || (size_t)size >= sizeof path || mkdtemp(path) == NULL) {
        why_set(why, "there is no place for a temporary file; TMPDIR names one");
        return ST_IO;
    }
    (void)snprintf(file, sizeof file, "%s/model", path);
    enum status status = parts_get(s, r, file, why);
    if (status == ST_OK)
        status = model_bytes_of_file(file, ret);
    (void)!file_remove_tree(path);
    return status;
}

/* What came on its topic is a reference. */
static enum status fetch_parts(struct session *s, const struct index_model *model,
                               struct view payload, const char *path, struct model_bytes *ret,
                               struct why *why)
{
    struct reference r;
    enum status status = reference_decode(payload, MODEL_BYTES_MAX, &r, why);
    if (status != ST_OK)
        return status;
    if (!digest_equal(&r.manifest.digest, &model->digest)) {
        status = ST_CORRUPT;
        explain(status, model, why);
    } else if (path == NULL)
        status = fetch_aside(s, &r, ret, why);
    else {
        status = parts_get(s, &r, path, why);
        if (status == ST_OK)
            status = model_bytes_of_file(path, ret);
    }
    reference_done(&r);
    if (status != ST_OK && why->text[0] == '\0')
        explain(status, model, why);
    return status;
}

enum status model_bytes_fetch(struct session *s, const struct index_model *model, const char *path,
                              struct model_bytes *ret, struct why *why)
{
    struct bytes payload = {0};
    enum status status = session_fetch(s, model->topic, INDEX_WAIT_MS, &payload);
    if (status == ST_TIMEOUT)
        status = ask_for_model(s, model, &payload);
    if (status == ST_OK && reference_looks_like(bytes_view(&payload))) {
        status = fetch_parts(s, model, bytes_view(&payload), path, ret, why);
        bytes_done(&payload);
        return status;
    }
    struct digest digest = digest_of(bytes_view(&payload));
    if (status == ST_OK && !digest_equal(&digest, &model->digest))
        status = ST_CORRUPT;
    if (status == ST_OK) {
        *ret = (struct model_bytes){.view = bytes_view(&payload), .held = payload};
        return ST_OK;
    }
    bytes_done(&payload);
    status = status == ST_TIMEOUT ? ST_NOT_FOUND : status;
    explain(status, model, why);
    return status;
}

/* ---- publishing ---- */

#define PUBLISH_WAIT_MS 10000u

struct publishing {
    char topic[FL_TOPIC_SIZE];
    const struct model_ref *ref;
    struct digest digest;
    bool ended;
    enum status status;
    struct parts *parts; /* of a large one */
    struct index_model stored;
    struct why why;
};

static void on_index(void *owner, const struct mqtt_message *m)
{
    struct publishing *p = owner;
    struct model_index index = {0};
    if (p->ended || index_decode(m->payload, &index, NULL) != ST_OK)
        return;
    const struct index_model *found = index_find(&index, p->topic);
    if (found != NULL) {
        p->stored = *found;
        p->status = digest_equal(&found->digest, &p->digest) ? ST_OK : ST_EXISTS;
        why_set(&p->why, "%s exists with other bytes; a version never changes", p->topic);
        p->ended = true;
    }
    index_done(&index);
}

static void on_refused(void *owner, const struct mqtt_message *m)
{
    struct publishing *p = owner;
    json_t *object = NULL;
    struct id name = {0};
    uint64_t version = UINT64_MAX;
    const char *code = "", *reason = "";
    if (p->ended || jsn_parse(m->payload, CONTROL_SIZE_MAX, &object, NULL) != ST_OK)
        return;
    /* What cannot be read is refused without a name, and may be ours. */
    bool nameless = json_object_get(object, "name") == NULL;
    bool ours = nameless ||
                (jsn_id(object, "name", JSN_REQUIRED, &name, NULL) == ST_OK &&
                 jsn_uint(object, "version", JSN_REQUIRED, 0, INT64_MAX, &version, NULL) == ST_OK &&
                 id_equal(&name, &p->ref->name) && version == p->ref->version);
    if (ours && jsn_str(object, "code", JSN_REQUIRED, 64, &code, NULL) == ST_OK &&
        jsn_str(object, "reason", JSN_OPTIONAL, CONTROL_SIZE_MAX, &reason, NULL) == ST_OK) {
        p->status = strcmp(code, "version_exists") == 0 ? ST_EXISTS : ST_INVALID;
        why_set(&p->why, "the model server refused the model: %.180s (%s)", reason, code);
        p->ended = true;
    }
    json_decref(object);
}

static enum status wait_until_stored(struct session *s, struct publishing *p)
{
    if (p->parts != NULL)
        return parts_wait(p->parts, &p->ended, PUBLISH_WAIT_MS);
    return session_wait(s, &p->ended, PUBLISH_WAIT_MS);
}

/* payload: the version, or a reference to it */
static enum status publish_and_wait(struct session *s, struct publishing *p, struct view payload,
                                    struct why *why)
{
    char version[32];
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)p->ref->version);
    const struct mqtt_message m = {
        .topic = FL_MODEL_PUBLISH,
        .payload = payload,
        .properties = {{"name", p->ref->name.text}, {"version", version}},
        .property_count = 2,
    };
    enum status status = session_publish(s, &m);
    if (status == ST_OK)
        status = wait_until_stored(s, p);
    if (status == ST_TIMEOUT)
        why_set(why, "the model does not appear in %s; is fml-model-server running?",
                FL_MODEL_INDEX);
    else if (status == ST_CLOSED)
        why_set(why, "%s", run_stopped(session_run(s)));
    else if (status != ST_OK)
        why_set(why, "cannot publish the model: %s", status_name(status));
    else if (p->status != ST_OK)
        why_set(why, "%s", p->why.text);
    return status == ST_OK ? p->status : status;
}

enum status model_bytes_publish(struct session *s, const struct model_ref *ref, struct view bytes,
                                const char *path, struct index_model *ret_model, struct why *why)
{
    struct publishing p = {.ref = ref, .digest = digest_of(bytes)};
    char *reference = NULL;
    fl_topic_model(ref, p.topic);
    enum status status = ST_OK;
    if (!model_is_inline(bytes))
        status = parts_give(s, &p.digest, path, &p.parts, &reference, why);
    if (status != ST_OK)
        return status;
    why_set(why, "cannot listen to the model server");
    status = session_listen(s, FL_MODEL_REFUSED, on_refused, &p);
    if (status == ST_OK)
        status = session_listen(s, FL_MODEL_INDEX, on_index, &p);
    if (status == ST_OK)
        status = publish_and_wait(s, &p, reference != NULL ? view_text(reference) : bytes, why);
    session_ignore(s, FL_MODEL_INDEX, &p);
    session_ignore(s, FL_MODEL_REFUSED, &p);
    parts_close(p.parts);
    free(reference);
    if (status == ST_OK)
        *ret_model = p.stored;
    return status;
}
