#include "model/model_file.h"

#include <assert.h>
#include <stdlib.h>

#include "base/jsn.h"
#include "model/model_json.h"
#include "model/safetensors.h"

enum model_form model_form_of(struct view bytes)
{
    /* The highest byte of a length that could be meant is 0, and no JSON text
     * holds a zero byte. So cut off safetensors are still called by their name. */
    return bytes.size >= 8 && bytes.data[7] == 0 ? MODEL_SAFETENSORS : MODEL_JSON;
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

enum status model_decode(struct view bytes, struct model **ret, enum model_form *ret_form,
                         struct why *why)
{
    assert(ret != NULL);
    if (bytes.size > MESSAGE_SIZE_MAX) {
        why_set(why, "%zu bytes are more than the limit of %zu", bytes.size, MESSAGE_SIZE_MAX);
        return ST_LIMIT;
    }
    enum model_form form = model_form_of(bytes);
    enum status status = form == MODEL_SAFETENSORS ? safetensors_decode(bytes, ret, why)
                                                   : decode_json(bytes, ret, why);
    if (status == ST_OK && ret_form != NULL)
        *ret_form = form;
    return status;
}

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

    /* Refused before the copy: the values alone are too many. */
    if (model_param_count(m) * sizeof(float) > MESSAGE_SIZE_MAX)
        return ST_LIMIT;
    size_t before = out->size;
    enum status status = safetensors_encode(m, out);
    if (status == ST_OK && out->size - before > MESSAGE_SIZE_MAX) {
        out->size = before;
        status = ST_LIMIT;
    }
    return status;
}
