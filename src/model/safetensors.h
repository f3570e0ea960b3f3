/* The safetensors format: 8 bytes little-endian header length, a JSON header,
 * then the tensors' bytes.
 *
 * Source: https://huggingface.co/docs/safetensors (format description): names to
 * {"dtype","shape","data_offsets"}, "__metadata__" an object of texts, offsets
 * relative to the end of the header, no holes and no overlap.
 * Read: dtype F32 only here; others are ST_TYPE. Tensors come in offset order. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "model/model.h"

#define SAFETENSORS_HEADER_MAX ((size_t)4 << 20)

/* gives: *ret
 * fails: ST_LIMIT, ST_MALFORMED, ST_TYPE, ST_INVALID, ST_NOMEM, each with a
 *        sentence. Values may be NaN: see model_check_finite() */
MUST_CHECK enum status safetensors_decode(struct view bytes, struct model **ret, struct why *why);

/* Appends to out. The same model gives the same bytes. The header is padded
 * with spaces so that tensors are aligned to 8 bytes.
 * fails: ST_LIMIT, ST_NOMEM; out is then unchanged */
MUST_CHECK enum status safetensors_encode(const struct model *m, struct bytes *out);

#endif
