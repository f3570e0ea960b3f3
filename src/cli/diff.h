/* How two models differ, tensor by tensor. Pure. */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H

#include "model/model.h"

struct tensor_diff {
    const char *name; /* borrowed from a */
    size_t count;
    double largest, mean;  /* of the absolute differences */
    double norm_a, norm_b; /* Euclidean */
    double norm_diff;      /* of b - a */
};

/* Differences of tensor `index` of a; b has the same shapes in the same order. */
struct tensor_diff diff_tensor(const struct model *a, const struct model *b, size_t index);

/* Over all parameters; its name is "all". */
struct tensor_diff diff_all(const struct model *a, const struct model *b);

/* Puts b's tensors into a's order.
 * fails: ST_SHAPE with a sentence (other names or shapes), ST_NOMEM */
MUST_CHECK enum status diff_align(const struct model *a, struct model *b, struct why *why);

#endif
