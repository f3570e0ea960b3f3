/* The inside of a model, private to the SDK. */
#ifndef FML_MODEL_H
#define FML_MODEL_H

#include "fml_guest.h"

struct model_text {
    char *key; /* both owned */
    char *value;
};

struct fml_model {
    size_t tensor_count;
    struct fml_tensor *tensors; /* (tensor_count,) */
    char (*names)[FML_NAME_MAX + 1];
    size_t param_count;
    float *params; /* (param_count,), all tensors one after the other */
    size_t text_count;
    struct model_text texts[FML_TEXTS_MAX];
};

/* The two forms of fml_model_decode(), with its failures. */
FML_MUST_CHECK enum fml_status fml_safetensors_decode(const uint8_t *data, size_t size,
                                                      struct fml_model **ret);
FML_MUST_CHECK enum fml_status fml_model_json_decode(const char *text, size_t size,
                                                     struct fml_model **ret);

#endif
