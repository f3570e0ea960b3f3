/* The model before any training.
 *
 * Layers of sizes n0, n1, ..., nL become dense1.weight (n0, n1), dense1.bias
 * (n1,), dense2.weight (n1, n2), ... Two sizes are softmax regression, whose
 * loss is convex: all zeros. More have hidden layers: weights are uniform in
 * +-sqrt(6 / (in + out)) (Glorot, Bengio 2010, AISTATS), drawn row-major, layer
 * after layer, from splitmix64 with the seed; biases are zero. Pure. */
#ifndef CLI_INITIAL_H
#define CLI_INITIAL_H

#include "model/model.h"

#define INITIAL_LAYERS_MAX ((size_t)32)
#define INITIAL_WIDTH_MAX  ((uint64_t)1 << 24)

struct layers {
    size_t count; /* 2..INITIAL_LAYERS_MAX */
    size_t sizes[INITIAL_LAYERS_MAX];
};

/* Reads "784,64,10". fails: ST_INVALID with a sentence */
MUST_CHECK enum status layers_parse(const char *text, struct layers *ret, struct why *why);

/* gives: *ret, to be ended with model_free()
 * fails: ST_LIMIT (more than MODEL_PARAMS_MAX values), ST_NOMEM */
MUST_CHECK enum status initial_model(const struct layers *layers, uint64_t seed,
                                     struct model **ret);

#endif
