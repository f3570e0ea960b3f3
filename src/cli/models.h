/* What the commands about models share. */
#ifndef CLI_MODELS_H
#define CLI_MODELS_H

#include "cli/model_bytes.h"

/* Reads a file, or else (there is none of this name) a stored model, as
 * index_choose() understands text. Connects only if it must.
 * ret_model: the index entry, its topic empty for a file; may be NULL
 * gives: *ret, to be ended with model_bytes_done()
 * fails: ST_NOT_FOUND, ST_CORRUPT, ST_LIMIT, ST_IO, ... with a sentence */
MUST_CHECK enum status models_read(const struct session_settings *settings, const char *text,
                                   struct model_bytes *ret, struct index_model *ret_model,
                                   struct why *why);

#endif
