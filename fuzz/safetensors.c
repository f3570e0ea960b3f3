/* safetensors: what decodes encodes to bytes that decode to the same model, and
 * encode to the same bytes once more. The layout of the bytes is that model's. */
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

/* A layout has more dtypes than a model, and no other difference. */
static void check_layout(const struct safetensors_layout *l, const struct model *m)
{
    assert(l->count == model_tensor_count(m));
    assert(model_meta_count(l->texts) == model_meta_count(m));
    for (size_t i = 0; i < l->count; i++) {
        const struct tensor *t = model_tensor(m, i);
        assert(strcmp(l->tensors[i].shape.name, t->name) == 0 && l->tensors[i].count == t->count);
        assert(l->tensors[i].dtype == DTYPE_F32);
        assert(memcmp(l->tensors[i].bytes, t->data, t->count * sizeof(float)) == 0);
    }
}

/* Reads the first and the last byte of each tensor. */
static void touch(const struct safetensors_layout *l)
{
    volatile uint8_t byte;
    for (size_t i = 0; i < l->count; i++) {
        byte = l->tensors[i].bytes[0];
        byte = l->tensors[i].bytes[l->tensors[i].count * dtype_size(l->tensors[i].dtype) - 1];
    }
    (void)byte;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *m = NULL;
    struct safetensors_layout l = {0};
    struct why why = {""};
    enum status status = safetensors_layout(view_of(data, size), &l, NULL);
    touch(&l);
    if (safetensors_decode(view_of(data, size), &m, &why) == ST_OK) {
        check(m);
        assert(status == ST_OK);
        check_layout(&l, m);
    } else
        assert(m == NULL && why.text[0] != '\0');
    safetensors_layout_done(&l);
    model_free(m);
    return 0;
}
