#include "cli/index.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"

#define MODEL_TOPIC_PREFIX "fl/models/"
#define DIGEST_PREFIX      "sha256:"
#define DIGEST_DIGITS_MIN  8u

/* ---- the index ---- */

static enum status read_metrics(const json_t *object, struct index_model *ret, struct why *why)
{
    json_t *metrics = NULL;
    enum status status = jsn_object(object, "metrics", JSN_OPTIONAL, &metrics, why);
    char *text = metrics == NULL ? NULL : jsn_text(metrics);
    if (text != NULL && strlen(text) < sizeof ret->metrics)
        (void)strcpy(ret->metrics, text);
    free(text);
    return status;
}

static enum status read_lineage(const json_t *object, struct index_model *ret, struct why *why)
{
    const char *parent = "", *deleted_at = "";
    enum status status =
        jsn_str(object, "parent", JSN_OPTIONAL, sizeof ret->parent - 1, &parent, why);
    if (status == ST_OK)
        status = jsn_str(object, "deleted_at", JSN_OPTIONAL, 64, &deleted_at, why);
    if (status == ST_OK)
        status =
            jsn_uint(object, "contributors", JSN_OPTIONAL, 0, INT64_MAX, &ret->contributors, why);
    if (status == ST_OK)
        status = jsn_uint(object, "samples", JSN_OPTIONAL, 0, INT64_MAX, &ret->samples, why);
    if (status == ST_OK)
        status = read_metrics(object, ret, why);
    if (status != ST_OK)
        return status;
    (void)strcpy(ret->parent, parent);
    ret->deleted = deleted_at[0] != '\0';
    return ST_OK;
}

static enum status read_model(const json_t *object, struct index_model *ret, struct why *why)
{
    const char *topic = NULL, *digest = NULL, *form = "", *round_id = "", *created_at = "";
    uint64_t size = 0;
    enum status status = jsn_str(object, "topic", JSN_REQUIRED, sizeof ret->topic - 1, &topic, why);
    if (status == ST_OK)
        status = jsn_str(object, "digest", JSN_REQUIRED, DIGEST_TEXT_SIZE - 1, &digest, why);
    if (status == ST_OK)
        status = jsn_uint(object, "size", JSN_REQUIRED, 0, INT64_MAX, &size, why);
    if (status == ST_OK)
        status = jsn_str(object, "form", JSN_OPTIONAL, sizeof ret->form - 1, &form, why);
    if (status == ST_OK)
        status =
            jsn_str(object, "round_id", JSN_OPTIONAL, sizeof ret->round_id - 1, &round_id, why);
    if (status == ST_OK)
        status = jsn_str(object, "created_at", JSN_OPTIONAL, sizeof ret->created_at - 1,
                         &created_at, why);
    if (status != ST_OK)
        return status;

    struct index_model model = {.size = size};
    if (fl_model_ref_parse(topic, &model.ref) != ST_OK ||
        digest_parse(digest, &model.digest) != ST_OK) {
        why_set(why, "an entry of the index has no usable topic or digest");
        return ST_INVALID;
    }
    (void)snprintf(model.topic, sizeof model.topic, "%s", topic);
    (void)snprintf(model.form, sizeof model.form, "%s", form);
    (void)snprintf(model.round_id, sizeof model.round_id, "%s", round_id);
    (void)snprintf(model.created_at, sizeof model.created_at, "%s", created_at);
    status = read_lineage(object, &model, why);
    if (status == ST_OK)
        *ret = model;
    return status;
}

static enum status read_channel(const json_t *object, struct index_channel *ret, struct why *why)
{
    enum status status = jsn_id(object, "model", JSN_REQUIRED, &ret->model, why);
    if (status == ST_OK)
        status = jsn_id(object, "channel", JSN_REQUIRED, &ret->name, why);
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_REQUIRED, 0, FL_VERSION_MAX, &ret->version, why);
    return status;
}

static enum status read_channels(const json_t *object, struct model_index *index, struct why *why)
{
    json_t *channels = NULL;
    enum status status =
        jsn_array(object, "channels", JSN_OPTIONAL, INDEX_MODELS_MAX, &channels, why);
    size_t count = json_array_size(channels);
    if (status != ST_OK || count == 0)
        return status;
    index->channels = calloc(count, sizeof *index->channels);
    if (index->channels == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = read_channel(json_array_get(channels, i), &index->channels[i], why);
    index->channel_count = count;
    return status;
}

static enum status read_models(const json_t *object, struct model_index *index, struct why *why)
{
    json_t *models = NULL;
    enum status status = jsn_array(object, "models", JSN_REQUIRED, INDEX_MODELS_MAX, &models, why);
    if (status != ST_OK)
        return status;
    size_t count = json_array_size(models);
    index->models = calloc(count == 0 ? 1 : count, sizeof *index->models);
    if (index->models == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < count && status == ST_OK; i++) {
        const json_t *entry = json_array_get(models, i);
        if (!json_is_object(entry)) {
            why_set(why, "models[%zu] is not an object", i);
            return ST_INVALID;
        }
        status = read_model(entry, &index->models[i], why);
    }
    index->count = count;
    return status;
}

enum status index_decode(struct view payload, struct model_index *ret, struct why *why)
{
    assert(ret != NULL);
    json_t *object = NULL;
    enum status status = jsn_parse(payload, JSON_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct model_index index = {0};
    status = read_models(object, &index, why);
    if (status == ST_OK)
        status = read_channels(object, &index, why);
    json_decref(object);
    if (status != ST_OK) {
        index_done(&index);
        return status;
    }
    *ret = index;
    return ST_OK;
}

const struct index_model *index_find(const struct model_index *index, const char *topic)
{
    for (size_t i = 0; i < index->count; i++)
        if (strcmp(index->models[i].topic, topic) == 0)
            return &index->models[i];
    return NULL;
}

const struct index_model *index_newest(const struct model_index *index)
{
    return index->count == 0 ? NULL : &index->models[index->count - 1];
}

static const struct index_model *find_version(const struct model_index *index,
                                              const struct id *name, uint64_t version)
{
    const struct model_ref ref = {*name, version};
    char topic[FL_TOPIC_SIZE];
    fl_topic_model(&ref, topic);
    return index_find(index, topic);
}

static const struct index_model *find_pointed(const struct model_index *index,
                                              const struct id *model, const char *channel)
{
    for (size_t i = 0; i < index->channel_count; i++) {
        const struct index_channel *c = &index->channels[i];
        if (id_equal(&c->model, model) && strcmp(c->name.text, channel) == 0)
            return find_version(index, model, c->version);
    }
    return NULL;
}

const struct index_model *index_default(const struct model_index *index)
{
    const struct index_model *newest = index_newest(index);
    if (newest == NULL)
        return NULL;
    const struct index_model *latest = find_pointed(index, &newest->ref.name, "latest");
    return latest == NULL ? newest : latest;
}

/* text: NAME@CHANNEL, or @CHANNEL of the newest model's name */
static const struct index_model *by_channel(const struct model_index *index, const char *text,
                                            const char *at)
{
    const struct index_model *newest = index_newest(index);
    struct id name;
    if (newest == NULL)
        return NULL;
    if (at == text)
        name = newest->ref.name;
    else if (id_of(view_of(text, (size_t)(at - text)), &name) != ST_OK)
        return NULL;
    return find_pointed(index, &name, at + 1);
}

/* text: DIGEST_PREFIX and digits */
static const struct index_model *by_digest(const struct model_index *index, const char *text)
{
    const struct index_model *found = NULL;
    size_t size = strlen(text);
    if (size < sizeof DIGEST_PREFIX - 1 + DIGEST_DIGITS_MIN)
        return NULL;
    for (size_t i = 0; i < index->count; i++) {
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&index->models[i].digest, digest);
        if (strncmp(digest, text, size) != 0)
            continue;
        if (found != NULL && !digest_equal(&found->digest, &index->models[i].digest))
            return NULL; /* it could mean either */
        found = &index->models[i];
    }
    return found;
}

static const struct index_model *by_name(const struct model_index *index, const char *text)
{
    const struct index_model *found = index_find(index, text);
    const struct index_model *newest = index_newest(index);
    const char *number = *text == 'v' ? text + 1 : text;
    uint64_t version;
    char topic[FL_TOPIC_SIZE];
    if (found == NULL) {
        (void)snprintf(topic, sizeof topic, MODEL_TOPIC_PREFIX "%s", text);
        found = index_find(index, topic);
    }
    if (found == NULL && newest != NULL && fl_version_parse(number, &version) == ST_OK)
        found = find_version(index, &newest->ref.name, version);
    return found;
}

const struct index_model *index_choose(const struct model_index *index, const char *text)
{
    if (text == NULL)
        return index_default(index);
    const char *at = strchr(text, '@');
    const struct index_model *found;
    if (at != NULL)
        found = by_channel(index, text, at);
    else if (strncmp(text, DIGEST_PREFIX, sizeof DIGEST_PREFIX - 1) == 0)
        found = by_digest(index, text);
    else
        found = by_name(index, text);
    return found == NULL || found->deleted ? NULL : found;
}

void index_channels_of(const struct model_index *index, const struct index_model *model,
                       char *ret_text, size_t size)
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < index->channel_count && used < size; i++) {
        const struct index_channel *c = &index->channels[i];
        if (c->version == model->ref.version && id_equal(&c->model, &model->ref.name))
            used += (size_t)snprintf(ret_text + used, size - used, "%s%s", used == 0 ? "" : ", ",
                                     c->name.text);
    }
}

void index_done(struct model_index *index)
{
    if (index == NULL)
        return;
    free(index->models);
    free(index->channels);
    *index = (struct model_index){0};
}

enum status index_fetch(struct session *s, struct model_index *ret, struct why *why)
{
    struct bytes payload = {0};
    enum status status = session_fetch(s, FL_MODEL_INDEX, INDEX_WAIT_MS, &payload);
    if (status == ST_TIMEOUT) {
        why_set(why, "there is no index of models (%s); is fml-model-server running?",
                FL_MODEL_INDEX);
        status = ST_NOT_FOUND;
    } else if (status != ST_OK) {
        why_set(why, "%s", status == ST_CLOSED ? "interrupted" : status_name(status));
    }
    if (status == ST_OK) {
        struct why detail = {0};
        status = index_decode(bytes_view(&payload), ret, &detail);
        if (status != ST_OK)
            why_set(why, "the index of models cannot be read: %.200s", detail.text);
    }
    bytes_done(&payload);
    return status;
}

enum status index_fetch_choice(struct session *s, const char *text, struct index_model *ret,
                               struct why *why)
{
    struct model_index index = {0};
    enum status status = index_fetch(s, &index, why);
    if (status != ST_OK)
        return status;
    const struct index_model *model = index_choose(&index, text);
    if (model != NULL) {
        *ret = *model;
    } else {
        status = ST_NOT_FOUND;
        if (text == NULL)
            why_set(why, "the model server has no model yet; make one with fml models init");
        else
            why_set(why, "there is no model %.150s; fml models list shows all", text);
    }
    index_done(&index);
    return status;
}
