#include "model/model_file.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "model/model_json.h"
#include "model/safetensors.h"

enum model_form model_form_of(struct view bytes)
{
    /* The highest byte of a length that could be meant is 0, and no JSON text
     * holds a zero byte. So cut off safetensors are still called by their name. */
    return bytes.size >= 8 && bytes.data[7] == 0 ? MODEL_SAFETENSORS : MODEL_JSON;
}

bool model_is_inline(struct view bytes)
{
    return bytes.size <= MODEL_INLINE_MAX || model_form_of(bytes) == MODEL_JSON;
}

const char *model_form_name(enum model_form form)
{
    return form == MODEL_JSON ? "json" : "safetensors";
}

static enum status decode_json(struct view bytes, struct model **ret, struct why *why)
{
    json_t *object = NULL;
    enum status status = jsn_parse(bytes, JSON_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = model_from_json(object, ret, why);
    json_decref(object);
    return status;
}

static enum status check_size(struct view bytes, struct why *why)
{
    if (bytes.size <= MODEL_BYTES_MAX)
        return ST_OK;
    why_set(why, "%zu bytes are more than the limit of %llu", bytes.size,
            (unsigned long long)MODEL_BYTES_MAX);
    return ST_LIMIT;
}

enum status model_decode(struct view bytes, struct model **ret, enum model_form *ret_form,
                         struct why *why)
{
    assert(ret != NULL);
    enum status status = check_size(bytes, why);
    if (status != ST_OK)
        return status;
    enum model_form form = model_form_of(bytes);
    status = form == MODEL_SAFETENSORS ? safetensors_decode(bytes, ret, why)
                                       : decode_json(bytes, ret, why);
    if (status == ST_OK && ret_form != NULL)
        *ret_form = form;
    return status;
}

/* ---- without the values ---- */

static enum status check_tensor(const struct safetensors_tensor *t, struct why *why)
{
    if (t->dtype != DTYPE_F32) {
        why_set(why, "tensor %s is not of float32", t->shape.name);
        return ST_TYPE;
    }
    for (size_t i = 0; i < t->count; i++) {
        float value;
        memcpy(&value, t->bytes + i * sizeof value, sizeof value); /* at any alignment */
        if (isfinite(value))
            continue;
        why_set(why, "tensor %s holds %s at index %zu", t->shape.name,
                isnan(value) ? "a NaN" : "an infinity", i);
        return ST_NOT_FINITE;
    }
    return ST_OK;
}

static enum status inspect_safetensors(struct view bytes, struct model **ret_texts,
                                       size_t *ret_params, struct why *why)
{
    struct safetensors_layout layout = {0};
    enum status status = safetensors_layout(bytes, &layout, why);
    size_t params = 0;
    for (size_t i = 0; status == ST_OK && i < layout.count; i++) {
        params += layout.tensors[i].count;
        status = check_tensor(&layout.tensors[i], why);
    }
    if (status == ST_OK) {
        *ret_texts = layout.texts;
        *ret_params = params;
        layout.texts = NULL;
    }
    safetensors_layout_done(&layout);
    return status;
}

/* JSON is small: it is decoded, and only its texts are kept. */
static enum status inspect_json(struct view bytes, struct model **ret_texts, size_t *ret_params,
                                struct why *why)
{
    struct model *m, *texts = NULL;
    enum status status = decode_json(bytes, &m, why);
    if (status != ST_OK)
        return status;
    status = model_check_finite(m, why);
    if (status == ST_OK)
        status = model_new(NULL, 0, &texts);
    for (size_t i = 0; status == ST_OK && i < model_meta_count(m); i++) {
        const char *key, *value;
        model_meta_at(m, i, &key, &value);
        status = model_set_meta(texts, key, value);
    }
    if (status == ST_OK) {
        *ret_texts = texts;
        *ret_params = model_param_count(m);
        texts = NULL;
    }
    model_free(texts);
    model_free(m);
    return status;
}

enum status model_inspect(struct view bytes, struct model **ret_texts, enum model_form *ret_form,
                          size_t *ret_params, struct why *why)
{
    assert(ret_texts != NULL && ret_form != NULL && ret_params != NULL);
    enum status status = check_size(bytes, why);
    if (status != ST_OK)
        return status;
    enum model_form form = model_form_of(bytes);
    status = form == MODEL_SAFETENSORS ? inspect_safetensors(bytes, ret_texts, ret_params, why)
                                       : inspect_json(bytes, ret_texts, ret_params, why);
    if (status == ST_OK)
        *ret_form = form;
    return status;
}

/* ---- written ---- */

static enum status encode_json(const struct model *m, struct bytes *out)
{
    enum status status = model_check_finite(m, NULL);
    if (status != ST_OK)
        return status;
    json_t *object = model_to_json(m);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    if (text == NULL)
        return ST_NOMEM;
    struct view v = view_text(text);
    status = v.size > JSON_SIZE_MAX ? ST_LIMIT : bytes_append(out, v, SIZE_MAX);
    free(text);
    return status;
}

enum status model_encode(const struct model *m, enum model_form form, struct bytes *out)
{
    assert(m != NULL && out != NULL);
    if (form == MODEL_JSON)
        return encode_json(m, out);

    size_t before = out->size;
    enum status status = safetensors_encode(m, out);
    if (status == ST_OK && out->size - before > MODEL_BYTES_MAX) {
        out->size = before;
        status = ST_LIMIT;
    }
    return status;
}
