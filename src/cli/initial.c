#include "cli/initial.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"

enum status layers_parse(const char *text, struct layers *ret, struct why *why)
{
    assert(text != NULL && ret != NULL);
    struct layers layers = {0};
    const char *at = text;
    for (;;) {
        char *end = NULL;
        errno = 0;
        unsigned long long size = *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : 0;
        if (errno != 0 || size < 1 || size > INITIAL_WIDTH_MAX ||
            layers.count == INITIAL_LAYERS_MAX) {
            why_set(why, "layers are 2 to %zu sizes of 1 to %llu with commas, such as 784,64,10",
                    INITIAL_LAYERS_MAX, (unsigned long long)INITIAL_WIDTH_MAX);
            return ST_INVALID;
        }
        layers.sizes[layers.count++] = (size_t)size;
        at = end;
        if (*at != ',')
            break;
        at++;
    }
    if (*at != '\0' || layers.count < 2) {
        why_set(why, "layers are at least 2 sizes with commas, such as 784,10");
        return ST_INVALID;
    }
    *ret = layers;
    return ST_OK;
}

static void declare(const struct layers *layers, struct model_shape *tensors)
{
    for (size_t i = 0; i + 1 < layers->count; i++) {
        struct model_shape *weight = &tensors[2 * i];
        struct model_shape *bias = &tensors[2 * i + 1];
        (void)snprintf(weight->name, sizeof weight->name, "dense%zu.weight", i + 1);
        weight->rank = 2;
        weight->shape[0] = layers->sizes[i];
        weight->shape[1] = layers->sizes[i + 1];
        (void)snprintf(bias->name, sizeof bias->name, "dense%zu.bias", i + 1);
        bias->rank = 1;
        bias->shape[0] = layers->sizes[i + 1];
    }
}

static void draw_weights(struct model *m, uint64_t seed)
{
    struct rand r = {seed};
    float *value = model_params_mutable(m);
    for (size_t i = 0; i < model_tensor_count(m); i++) {
        const struct tensor *t = model_tensor(m, i);
        double bound = t->rank == 2 ? sqrt(6.0 / (double)(t->shape[0] + t->shape[1])) : 0;
        for (size_t j = 0; j < t->count; j++, value++)
            if (t->rank == 2)
                *value = (float)((2 * rand_unit(&r) - 1) * bound);
    }
}

enum status initial_model(const struct layers *layers, uint64_t seed, struct model **ret)
{
    assert(layers != NULL && layers->count >= 2 && layers->count <= INITIAL_LAYERS_MAX);
    struct model_shape *tensors = calloc(2 * (layers->count - 1), sizeof *tensors);
    if (tensors == NULL)
        return ST_NOMEM;
    declare(layers, tensors);
    struct model *m = NULL;
    enum status status = model_new(tensors, 2 * (layers->count - 1), &m);
    free(tensors);
    if (status != ST_OK)
        return status;

    status = model_set_meta(m, "name", "global_model");
    if (status == ST_OK)
        status = model_set_meta(m, "version", "0");
    if (status != ST_OK) {
        (void)model_free(m);
        return status;
    }
    if (layers->count > 2)
        draw_weights(m, seed);
    *ret = m;
    return ST_OK;
}
