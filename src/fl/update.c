#include "fl/update.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "model/model_file.h"
#include "model/model_json.h"
#include "model/safetensors.h"

#define COUNT_DIGITS     10 /* of UPDATE_SAMPLES_MAX and UPDATE_STEPS_MAX */
#define METRICS_TEXT_MAX METADATA_VALUE_MAX

/* What a status of a decoder below means for the sender. */
static enum update_fault fault_of(enum status status)
{
    switch (status) {
    case ST_OK:
        return UPDATE_FINE;
    case ST_NOMEM:
        return UPDATE_NO_MEMORY;
    case ST_LIMIT:
        return UPDATE_TOO_LARGE;
    case ST_SHAPE:
        return UPDATE_WRONG_SHAPE;
    case ST_TYPE:
        return UPDATE_WRONG_DTYPE;
    case ST_NOT_FINITE:
        return UPDATE_NON_FINITE;
    default:
        return UPDATE_MALFORMED;
    }
}

static enum update_fault bad_num_samples(struct why *why)
{
    why_set(why, "num_samples is not a whole number from 1 to %llu",
            (unsigned long long)UPDATE_SAMPLES_MAX);
    return UPDATE_BAD_NUM_SAMPLES;
}

static enum update_fault bad_local_steps(struct why *why)
{
    why_set(why, "local_steps is not a whole number from 1 to %llu",
            (unsigned long long)UPDATE_STEPS_MAX);
    return UPDATE_BAD_LOCAL_STEPS;
}

/* The texts that both forms have. A text that is absent is NULL. */
static enum update_fault read_names(const char *round_id, const char *uri, const char *proplet_id,
                                    struct update *u, struct why *why)
{
    if (round_id == NULL || id_from(round_id, &u->round_id) != ST_OK) {
        why_set(why, "round_id is %s", round_id == NULL ? "missing" : "not a name");
        return UPDATE_MALFORMED;
    }
    if (uri == NULL || strlen(uri) >= sizeof u->base_model_uri) {
        why_set(why, "base_model_uri is %s", uri == NULL ? "missing" : "too long");
        return UPDATE_MALFORMED;
    }
    memcpy(u->base_model_uri, uri, strlen(uri) + 1);
    if (proplet_id != NULL && id_from(proplet_id, &u->proplet_id) != ST_OK) {
        why_set(why, "proplet_id is not a name");
        return UPDATE_MALFORMED;
    }
    return UPDATE_FINE;
}

/* metrics: an object, or NULL for none */
static enum update_fault read_metrics(const json_t *metrics, struct update *u, struct why *why)
{
    enum status status = metrics_decode(metrics, &u->metrics, why);
    return status == ST_OK || status == ST_NOT_FINITE ? fault_of(status) : UPDATE_MALFORMED;
}

/* ---- JSON ---- */

static enum update_fault read_names_json(const json_t *object, struct update *u, struct why *why)
{
    const char *round_id = NULL, *uri = NULL, *proplet_id = NULL;
    size_t uri_max = sizeof u->base_model_uri - 1;
    if (jsn_str(object, "round_id", JSN_REQUIRED, ID_SIZE_MAX, &round_id, why) != ST_OK ||
        jsn_str(object, "base_model_uri", JSN_REQUIRED, uri_max, &uri, why) != ST_OK ||
        jsn_str(object, "proplet_id", JSN_OPTIONAL, ID_SIZE_MAX, &proplet_id, why) != ST_OK)
        return UPDATE_MALFORMED;
    return read_names(round_id, uri, proplet_id, u, why);
}

static enum update_fault read_facts_json(const json_t *object, struct update *u, struct why *why)
{
    enum update_fault fault = read_names_json(object, u, why);
    if (fault != UPDATE_FINE)
        return fault;
    if (jsn_uint(object, "num_samples", JSN_REQUIRED, 1, UPDATE_SAMPLES_MAX, &u->num_samples,
                 NULL) != ST_OK)
        return bad_num_samples(why);
    if (jsn_uint(object, "local_steps", JSN_OPTIONAL, 1, UPDATE_STEPS_MAX, &u->local_steps, NULL) !=
        ST_OK)
        return bad_local_steps(why);
    json_t *metrics = NULL;
    if (jsn_object(object, "metrics", JSN_OPTIONAL, &metrics, why) != ST_OK)
        return UPDATE_MALFORMED;
    return read_metrics(metrics, u, why);
}

/* "update", or a model without tensors when there is none. */
static enum update_fault read_params_json(const json_t *object, struct update *u, struct why *why)
{
    json_t *params = NULL;
    if (jsn_object(object, "update", JSN_OPTIONAL, &params, why) != ST_OK)
        return UPDATE_MALFORMED;
    return fault_of(params == NULL ? model_new(NULL, 0, &u->params)
                                   : model_from_json(params, &u->params, why));
}

static enum update_fault decode_json(struct view bytes, struct update *u, struct why *why)
{
    json_t *object = NULL;
    enum update_fault fault = fault_of(jsn_parse(bytes, JSON_SIZE_MAX, &object, why));
    if (fault != UPDATE_FINE)
        return fault;
    fault = read_facts_json(object, u, why);
    if (fault == UPDATE_FINE)
        fault = read_params_json(object, u, why);
    json_decref(object);
    return fault;
}

/* ---- safetensors: the facts are texts in the metadata ---- */

/* A whole number from 1 to max, which has COUNT_DIGITS at most; 0: it is none. */
static uint64_t count_of(const char *text, uint64_t max)
{
    size_t size = text == NULL ? 0 : strlen(text);
    if (size < 1 || size > COUNT_DIGITS || strspn(text, "0123456789") != size || text[0] == '0')
        return 0;
    uint64_t count = strtoull(text, NULL, 10);
    return count > max ? 0 : count;
}

static enum update_fault read_counts_text(const struct model *texts, struct update *u,
                                          struct why *why)
{
    const char *steps = model_meta(texts, "local_steps");
    u->num_samples = count_of(model_meta(texts, "num_samples"), UPDATE_SAMPLES_MAX);
    if (u->num_samples == 0)
        return bad_num_samples(why);
    u->local_steps = count_of(steps, UPDATE_STEPS_MAX);
    return steps != NULL && u->local_steps == 0 ? bad_local_steps(why) : UPDATE_FINE;
}

static enum update_fault read_metrics_text(const char *text, struct update *u, struct why *why)
{
    if (text == NULL)
        return UPDATE_FINE;
    json_t *metrics = NULL;
    struct why inner = {""};
    enum status status = jsn_parse(view_text(text), METRICS_TEXT_MAX, &metrics, &inner);
    if (status != ST_OK) {
        why_set(why, "metrics: %.200s", inner.text);
        return fault_of(status);
    }
    enum update_fault fault = read_metrics(metrics, u, why);
    json_decref(metrics);
    return fault;
}

/* Parameters, unless it says otherwise. */
static enum update_fault read_values(const char *text, struct update *u, struct why *why)
{
    u->differences = text != NULL && strcmp(text, UPDATE_VALUES_DIFFERENCES) == 0;
    if (text == NULL || u->differences || strcmp(text, "parameters") == 0)
        return UPDATE_FINE;
    why_set(why, "values is neither \"parameters\" nor \"" UPDATE_VALUES_DIFFERENCES "\"");
    return UPDATE_MALFORMED;
}

static enum update_fault read_safetensors(struct view bytes, struct update *u, struct why *why)
{
    enum update_fault fault = fault_of(safetensors_layout(bytes, &u->layout, why));
    if (fault != UPDATE_FINE)
        return fault;
    const struct model *texts = u->layout.texts;
    fault = read_names(model_meta(texts, "round_id"), model_meta(texts, "base_model_uri"),
                       model_meta(texts, "proplet_id"), u, why);
    if (fault == UPDATE_FINE)
        fault = read_counts_text(texts, u, why);
    if (fault == UPDATE_FINE)
        fault = read_metrics_text(model_meta(texts, "metrics"), u, why);
    if (fault == UPDATE_FINE)
        fault = read_values(model_meta(texts, "values"), u, why);
    return fault;
}

static enum update_fault decode_safetensors(struct view bytes, struct update *u, struct why *why)
{
    enum update_fault fault = fault_of(safetensors_decode(bytes, &u->params, why));
    if (fault == UPDATE_FINE)
        fault = read_safetensors(bytes, u, why);
    safetensors_layout_done(&u->layout);
    if (fault == UPDATE_FINE && u->differences) {
        why_set(why, "its values are differences to the base model");
        return UPDATE_WRONG_DTYPE;
    }
    return fault != UPDATE_FINE ? fault : fault_of(model_check_finite(u->params, why));
}

/* Either way: nothing is left of what could not be read. */
static enum update_fault read_or_copy(struct view bytes, bool copy, struct update *ret,
                                      struct why *why)
{
    struct update u = {0};
    enum update_fault fault;
    if (bytes.size > MODEL_BYTES_MAX) {
        why_set(why, "%zu bytes are more than the limit of %llu", bytes.size,
                (unsigned long long)MODEL_BYTES_MAX);
        return UPDATE_TOO_LARGE;
    }
    if (model_form_of(bytes) == MODEL_JSON)
        fault = decode_json(bytes, &u, why);
    else
        fault = copy ? decode_safetensors(bytes, &u, why) : read_safetensors(bytes, &u, why);
    if (fault == UPDATE_FINE)
        *ret = u;
    else
        update_done(&u);
    return fault;
}

enum update_fault update_read(struct view bytes, struct update *ret, struct why *why)
{
    assert(ret != NULL);
    return read_or_copy(bytes, false, ret, why);
}

enum update_fault update_decode(struct view bytes, struct update *ret, struct why *why)
{
    assert(ret != NULL);
    return read_or_copy(bytes, true, ret, why);
}

void update_done(struct update *u)
{
    if (u == NULL)
        return;
    model_free(u->params);
    safetensors_layout_done(&u->layout);
    *u = (struct update){0};
}

/* ---- encoding ---- */

/* A copy of the tensors alone: texts that came with them are no part of an update. */
static enum status bare_copy(const struct model *params, struct model **ret)
{
    enum status status = model_like(params, ret);
    if (status == ST_OK)
        memcpy(model_params_mutable(*ret), model_params(params),
               model_param_count(params) * sizeof(float));
    return status;
}

static json_t *facts_json(const struct update *u, const struct model *params)
{
    json_t *object = json_object();
    int failed = json_object_set_new(object, "round_id", json_string(u->round_id.text));
    failed |= json_object_set_new(object, "base_model_uri", json_string(u->base_model_uri));
    failed |= json_object_set_new(object, "num_samples", json_integer((json_int_t)u->num_samples));
    if (u->local_steps > 0)
        failed |=
            json_object_set_new(object, "local_steps", json_integer((json_int_t)u->local_steps));
    failed |= json_object_set_new(object, "metrics", metrics_encode(&u->metrics));
    failed |= json_object_set_new(object, "update", model_to_json(params));
    if (u->proplet_id.text[0] != '\0')
        failed |= json_object_set_new(object, "proplet_id", json_string(u->proplet_id.text));
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static enum status encode_json(const struct update *u, const struct model *params,
                               struct bytes *out)
{
    json_t *object = facts_json(u, params);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    if (text == NULL)
        return ST_NOMEM;
    struct view v = view_text(text);
    enum status status = v.size > JSON_SIZE_MAX ? ST_LIMIT : bytes_append(out, v, SIZE_MAX);
    free(text);
    return status;
}

enum status update_set_facts(const struct update *u, struct model *params)
{
    char samples[24], steps[24];
    (void)snprintf(samples, sizeof samples, "%llu", (unsigned long long)u->num_samples);
    (void)snprintf(steps, sizeof steps, "%llu", (unsigned long long)u->local_steps);
    json_t *object = metrics_encode(&u->metrics);
    char *metrics = object == NULL ? NULL : jsn_text_exact(object);
    json_decref(object);
    if (metrics == NULL)
        return ST_NOMEM;
    enum status status = model_set_meta(params, "metrics", metrics);
    free(metrics);
    if (status == ST_OK)
        status = model_set_meta(params, "round_id", u->round_id.text);
    if (status == ST_OK)
        status = model_set_meta(params, "base_model_uri", u->base_model_uri);
    if (status == ST_OK)
        status = model_set_meta(params, "num_samples", samples);
    if (status == ST_OK && u->local_steps > 0)
        status = model_set_meta(params, "local_steps", steps);
    if (status == ST_OK && u->proplet_id.text[0] != '\0')
        status = model_set_meta(params, "proplet_id", u->proplet_id.text);
    return status;
}

enum status update_encode(const struct update *u, enum model_form form, struct bytes *out)
{
    assert(u != NULL && u->params != NULL && out != NULL);
    struct model *params = NULL;
    enum status status = bare_copy(u->params, &params);
    if (status != ST_OK)
        return status;
    if (form == MODEL_JSON) {
        status = encode_json(u, params, out);
    } else {
        status = update_set_facts(u, params);
        if (status == ST_OK)
            status = model_encode(params, MODEL_SAFETENSORS, out);
    }
    model_free(params);
    return status;
}
