#include "cli/diff.h"

#include <assert.h>
#include <math.h>

static struct tensor_diff diff_values(const char *name, const float *a, const float *b,
                                      size_t count)
{
    struct tensor_diff d = {.name = name, .count = count};
    double sum = 0, a2 = 0, b2 = 0, d2 = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)a[i], y = (double)b[i], change = y - x;
        d.largest = fmax(d.largest, fabs(change));
        sum += fabs(change);
        a2 += x * x;
        b2 += y * y;
        d2 += change * change;
    }
    d.mean = count == 0 ? 0 : sum / (double)count;
    d.norm_a = sqrt(a2);
    d.norm_b = sqrt(b2);
    d.norm_diff = sqrt(d2);
    return d;
}

struct tensor_diff diff_tensor(const struct model *a, const struct model *b, size_t index)
{
    const struct tensor *left = model_tensor(a, index), *right = model_tensor(b, index);
    assert(left->count == right->count);
    return diff_values(left->name, left->data, right->data, left->count);
}

struct tensor_diff diff_all(const struct model *a, const struct model *b)
{
    assert(model_param_count(a) == model_param_count(b));
    return diff_values("all", model_params(a), model_params(b), model_param_count(a));
}

enum status diff_align(const struct model *a, struct model *b, struct why *why)
{
    if (!model_same_shape(a, b, why))
        return ST_SHAPE;
    return model_reorder(b, a);
}
