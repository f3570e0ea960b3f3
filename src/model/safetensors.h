/* The safetensors format: 8 bytes little-endian header length, a JSON header,
 * then the tensors' bytes.
 *
 * Source: https://huggingface.co/docs/safetensors (format description): names to
 * {"dtype","shape","data_offsets"}, "__metadata__" an object of texts, offsets
 * relative to the end of the header, no holes and no overlap.
 * A model is decoded from dtype F32 only; the layout of a file may have any dtype
 * of dtype.h; others are ST_TYPE. Tensors come in offset order. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "model/dtype.h"
#include "model/model.h"

#define SAFETENSORS_HEADER_MAX ((size_t)4 << 20)
/* In a layout: each tensor of a model may have a scale and indices beside it. */
#define SAFETENSORS_TENSORS_MAX ((size_t)3 * TENSORS_MAX)

/* gives: *ret
 * fails: ST_LIMIT, ST_MALFORMED, ST_TYPE, ST_INVALID, ST_NOMEM, each with a
 *        sentence. Values may be NaN: see model_check_finite() */
MUST_CHECK enum status safetensors_decode(struct view bytes, struct model **ret, struct why *why);

/* A tensor as it lies in a file. */
struct safetensors_tensor {
    struct model_shape shape;
    size_t count; /* product of the shape, at least 1 */
    enum dtype dtype;
    const uint8_t *bytes; /* (count * dtype_size(dtype),), inside the file's bytes */
};

/* Where everything lies in a file, without a copy of its values: for files that
 * are mapped and too large to be decoded. */
struct safetensors_layout {
    struct safetensors_tensor *tensors; /* (count,), owned */
    size_t count;
    struct model *texts; /* owned: a model without tensors that has the metadata */
};

/* gives: *ret, to be ended with safetensors_layout_done(); it borrows bytes
 * fails: as safetensors_decode() */
MUST_CHECK enum status safetensors_layout(struct view bytes, struct safetensors_layout *ret,
                                          struct why *why);

/* Frees what l holds and leaves it empty. A zeroed one needs no end. */
void safetensors_layout_done(struct safetensors_layout *l);

/* Appends what stands before the values, for a file that is written in pieces: the values of
 * tensors, one after the other and without a hole, have to follow.
 * tensors: (count,) in the order of their values; their bytes are not looked at
 * texts:   its metadata is the file's
 * fails: ST_LIMIT, ST_NOMEM; out is then unchanged */
MUST_CHECK enum status safetensors_header(const struct safetensors_tensor *tensors, size_t count,
                                          const struct model *texts, struct bytes *out);

/* Appends to out. The same model gives the same bytes. The header is padded
 * with spaces so that tensors are aligned to 8 bytes.
 * fails: ST_LIMIT, ST_NOMEM; out is then unchanged */
MUST_CHECK enum status safetensors_encode(const struct model *m, struct bytes *out);

#endif
