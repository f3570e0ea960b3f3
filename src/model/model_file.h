/* The bytes of a model in either form, told apart by their content: safetensors
 * if the first 8 bytes are a length that fits and byte 8 is '{', else JSON. (No
 * JSON text can be mistaken: its first 8 bytes read as a length above 2^56.) */
#ifndef MODEL_MODEL_FILE_H
#define MODEL_MODEL_FILE_H

#include "model/model.h"

enum model_form model_form_of(struct view bytes);

/* gives: *ret; *ret_form may be NULL. fails: as the two decoders, plus
 * ST_LIMIT (more than MESSAGE_SIZE_MAX bytes) */
MUST_CHECK enum status model_decode(struct view bytes, struct model **ret,
                                    enum model_form *ret_form, struct why *why);

/* Appends the bytes to out. fails: ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status model_encode(const struct model *m, enum model_form form,
                                    struct bytes *out);

#endif
