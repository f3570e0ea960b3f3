/* A model: named float32 tensors in a fixed order, and a few texts about it.
 *
 * Tensors are float32 in memory, row-major. All tensors lie in one block, one
 * after the other in order, so that a kernel sees one vector of
 * model_param_count() values. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/limits.h"

struct model;

struct tensor {
    const char *name;              /* 1..TENSOR_NAME_MAX bytes of UTF-8, unique */
    uint32_t rank;                 /* 0..TENSOR_RANK_MAX; 0 is a scalar */
    size_t shape[TENSOR_RANK_MAX]; /* each at least 1 */
    size_t count;                  /* product of shape; 1 for a scalar */
    float *data;                   /* (count,), inside the model's block */
};

/* The bytes' form; a new version has the form of its base. */
enum model_form { MODEL_JSON, MODEL_SAFETENSORS };

/* Builds a model in two steps: declare every tensor, then fill. */
struct model_shape {
    char name[TENSOR_NAME_MAX + 1];
    uint32_t rank;
    size_t shape[TENSOR_RANK_MAX];
};

/* All values are 0. count may be 0 (an update of mode evaluate).
 * gives: *ret, to be ended with model_free()
 * fails: ST_INVALID (a name twice or empty, or "version" or "__metadata__", which
 *        mean something else in one of the forms; a dimension of 0), ST_LIMIT
 *        (TENSORS_MAX, TENSOR_RANK_MAX, MODEL_PARAMS_MAX), ST_NOMEM */
MUST_CHECK enum status model_new(const struct model_shape *tensors, size_t count,
                                 struct model **ret);

/* A new model with the same tensors, all 0, no metadata. fails: ST_NOMEM */
MUST_CHECK enum status model_like(const struct model *m, struct model **ret);

size_t model_tensor_count(const struct model *m);
size_t model_param_count(const struct model *m);
/* The tensor at index < model_tensor_count(), in the model's order. */
const struct tensor *model_tensor(const struct model *m, size_t index);
/* NULL if there is none of this name. */
const struct tensor *model_find(const struct model *m, const char *name);

/* All parameters as one vector, (model_param_count(m),). */
const float *model_params(const struct model *m);
float *model_params_mutable(struct model *m);

/* True if both have the same names with the same shapes, in whatever order.
 * a is what is expected: why speaks of what b lacks or has too much. */
bool model_same_shape(const struct model *a, const struct model *b, struct why *why);

/* Puts b's tensors into a's order (they have the same shape, see above): after
 * it, the two vectors correspond element by element. */
MUST_CHECK enum status model_reorder(struct model *b, const struct model *like);

/* fails: ST_NOT_FINITE; why names the tensor and the index */
MUST_CHECK enum status model_check_finite(const struct model *m, struct why *why);

/* Texts about the model. Keys are at most TENSOR_NAME_MAX bytes, values at most
 * METADATA_VALUE_MAX, at most METADATA_MAX entries. Both are UTF-8 and copied; a
 * key that is there gets the new value.
 * fails: ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status model_set_meta(struct model *m, const char *key, const char *value);
/* NULL if there is none. Borrowed until the next change. */
const char *model_meta(const struct model *m, const char *key);
size_t model_meta_count(const struct model *m);
void model_meta_at(const struct model *m, size_t index, const char **ret_key,
                   const char **ret_value);

struct model *model_free(struct model *m);

#endif
