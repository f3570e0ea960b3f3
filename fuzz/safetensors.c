/* safetensors: what decodes encodes to bytes that decode to the same model, and
 * encode to the same bytes once more. */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

#include "model/safetensors.h"

/* NaN included, so by bytes. */
static void assert_equal(const struct model *a, const struct model *b)
{
    assert(model_same_shape(a, b, NULL));
    size_t count = model_tensor_count(a);
    for (size_t i = 0; i < count; i++)
        assert(strcmp(model_tensor(a, i)->name, model_tensor(b, i)->name) == 0);
    assert(memcmp(model_params(a), model_params(b), model_param_count(a) * sizeof(float)) == 0);
    assert(model_meta_count(a) == model_meta_count(b));
    for (size_t i = 0; i < model_meta_count(a); i++) {
        const char *key, *value;
        model_meta_at(a, i, &key, &value);
        assert(strcmp(model_meta(b, key), value) == 0);
    }
}

static void check(const struct model *m)
{
    struct bytes first = {0}, second = {0};
    struct model *again = NULL;
    enum status status = safetensors_encode(m, &first);
    /* What another program wrote tightly may be too long the way we write it. */
    if (status == ST_LIMIT) {
        bytes_done(&first);
        return;
    }
    assert(status == ST_OK);
    assert(safetensors_decode(bytes_view(&first), &again, NULL) == ST_OK);
    assert_equal(m, again);
    assert(safetensors_encode(again, &second) == ST_OK);
    assert(view_equal(bytes_view(&first), bytes_view(&second)));
    model_free(again);
    bytes_done(&first);
    bytes_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *m = NULL;
    struct why why = {""};
    if (safetensors_decode(view_of(data, size), &m, &why) == ST_OK)
        check(m);
    else
        assert(m == NULL && why.text[0] != '\0');
    model_free(m);
    return 0;
}
