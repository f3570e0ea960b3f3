/* Models in either form, told apart by content: what decodes encodes in both
 * forms, decodes to the same tensors, and in JSON to the same text once more. */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

#include "model/model_file.h"

static struct model *through(const struct model *m, enum model_form form, struct bytes *ret)
{
    struct model *again = NULL;
    enum model_form got;
    assert(model_encode(m, form, ret) == ST_OK);
    assert(model_decode(bytes_view(ret), &again, &got, NULL) == ST_OK);
    assert(got == form);
    assert(model_same_shape(m, again, NULL));
    return again;
}

static void check(const struct model *m)
{
    struct bytes text = {0}, binary = {0}, twice = {0};
    struct model *json = through(m, MODEL_JSON, &text);
    struct model *tensors = through(m, MODEL_SAFETENSORS, &binary);
    size_t size = model_param_count(m) * sizeof(float);
    assert(memcmp(model_params(m), model_params(tensors), size) == 0);

    /* JSON sorts its tensors. */
    assert(model_reorder(tensors, json) == ST_OK);
    assert(memcmp(model_params(json), model_params(tensors), size) == 0);
    assert(model_encode(json, MODEL_JSON, &twice) == ST_OK);
    assert(view_equal(bytes_view(&text), bytes_view(&twice)));
    model_free(json);
    model_free(tensors);
    bytes_done(&text);
    bytes_done(&binary);
    bytes_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *m = NULL;
    struct why why = {""};
    if (model_decode(view_of(data, size), &m, NULL, &why) != ST_OK)
        assert(m == NULL && why.text[0] != '\0');
    else if (model_check_finite(m, NULL) == ST_OK)
        check(m);
    model_free(m);
    return 0;
}
