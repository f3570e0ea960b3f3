/* Updates: what decodes is finite, encodes in both forms, and decodes to the
 * same facts and the same parameters. */
#include "fuzz.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "fl/update.h"

static void assert_same_facts(const struct update *a, const struct update *b)
{
    assert(id_equal(&a->round_id, &b->round_id));
    assert(id_equal(&a->proplet_id, &b->proplet_id));
    assert(strcmp(a->base_model_uri, b->base_model_uri) == 0);
    assert(a->num_samples == b->num_samples);
    assert(a->metrics.count == b->metrics.count);
    assert(model_same_shape(a->params, b->params, NULL));
}

static void check_form(const struct update *u, enum model_form form)
{
    struct bytes first = {0}, second = {0};
    struct update again = {0};
    enum status status = update_encode(u, form, &first);
    /* Metrics that fit into JSON may be too long as one text of the metadata. */
    if (status == ST_LIMIT) {
        bytes_done(&first);
        return;
    }
    assert(status == ST_OK);
    assert(update_decode(bytes_view(&first), &again, NULL) == UPDATE_FINE);
    assert_same_facts(u, &again);
    assert(model_reorder(again.params, u->params) == ST_OK);
    assert(memcmp(model_params(again.params), model_params(u->params),
                  model_param_count(u->params) * sizeof(float)) == 0);
    assert(update_encode(&again, form, &second) == ST_OK);
    assert(view_equal(bytes_view(&first), bytes_view(&second)));
    update_done(&again);
    bytes_done(&first);
    bytes_done(&second);
}

/* Read in place it says the same of itself; only what a copy cannot hold may be more. */
static void check_in_place(struct view bytes, const struct update *copy, enum update_fault fault)
{
    struct update u = {0};
    struct why why = {""};
    enum update_fault there = update_read(bytes, &u, &why);
    if (fault == UPDATE_FINE) {
        assert(there == UPDATE_FINE && u.num_samples == copy->num_samples);
        assert(u.params != NULL || u.layout.count == model_tensor_count(copy->params));
    }
    if (there != UPDATE_FINE)
        assert(u.params == NULL && u.layout.tensors == NULL && why.text[0] != '\0');
    update_done(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct update u = {0};
    struct why why = {""};
    enum update_fault fault = update_decode(view_of(data, size), &u, &why);
    check_in_place(view_of(data, size), &u, fault);
    if (fault != UPDATE_FINE) {
        assert(u.params == NULL && why.text[0] != '\0');
        return 0;
    }
    assert(u.num_samples >= 1 && u.num_samples <= UPDATE_SAMPLES_MAX);
    assert(u.metrics.count <= METRICS_MAX);
    for (size_t i = 0; i < u.metrics.count; i++)
        assert(isfinite(u.metrics.items[i].value));
    assert(model_check_finite(u.params, NULL) == ST_OK);
    check_form(&u, MODEL_JSON);
    check_form(&u, MODEL_SAFETENSORS);
    update_done(&u);
    return 0;
}
