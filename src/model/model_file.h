/* The bytes of a model in either form, told apart by their content: safetensors
 * if the first 8 bytes are a length below 2^56, else JSON. (No JSON text can be
 * mistaken: it holds no zero byte, so its first 8 bytes read as a larger one.) */
#ifndef MODEL_MODEL_FILE_H
#define MODEL_MODEL_FILE_H

#include "model/model.h"

enum model_form model_form_of(struct view bytes);

/* "json" or "safetensors", in the index and at the end of a file's name. */
const char *model_form_name(enum model_form form);

/* Whether a model or an update of these bytes travels as one message. JSON always does: it
 * is smaller than a message may be, and others than us read it where it stands. */
bool model_is_inline(struct view bytes);

/* gives: *ret; ret_form may be NULL. fails: as the two decoders and jsn_parse(),
 * plus ST_LIMIT (more than MODEL_BYTES_MAX bytes) */
MUST_CHECK enum status model_decode(struct view bytes, struct model **ret,
                                    enum model_form *ret_form, struct why *why);

/* A model as its bytes say it is, without a copy of its values: also for files that are
 * mapped and larger than memory should be. All values are looked at once.
 * gives: *ret_texts, a model without tensors that has the metadata, *ret_form and
 *        *ret_params, the number of parameters
 * fails: as model_decode(); ST_NOT_FINITE (a NaN or infinity), with a sentence */
MUST_CHECK enum status model_inspect(struct view bytes, struct model **ret_texts,
                                     enum model_form *ret_form, size_t *ret_params,
                                     struct why *why);

/* Appends the bytes to out, at most as many as model_decode() reads.
 * fails: ST_LIMIT, ST_NOMEM, ST_NOT_FINITE (a NaN or infinity in JSON); out is
 *        then unchanged */
MUST_CHECK enum status model_encode(const struct model *m, enum model_form form, struct bytes *out);

#endif
