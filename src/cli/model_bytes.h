/* The bytes of models: from files, from the model server and to it, of any size. */
#ifndef CLI_MODEL_BYTES_H
#define CLI_MODEL_BYTES_H

#include "cli/index.h"

/* Zeroed: nothing. */
struct model_bytes {
    struct view view;  /* the bytes */
    struct bytes held; /* where they lie, if in memory */
    bool mapped;       /* they lie in a file */
};

void model_bytes_done(struct model_bytes *b);

/* gives: *ret, to be ended with model_bytes_done(); the file must not be cut meanwhile
 * fails: ST_NOT_FOUND, ST_LIMIT (MODEL_BYTES_MAX), ST_INVALID (empty), ST_NOMEM, ST_IO */
MUST_CHECK enum status model_bytes_of_file(const char *path, struct model_bytes *ret);

/* Fetches a stored model and checks its digest. One that is not on its topic any more
 * is asked of the model server.
 * path:  where it is put if it is too large for a message (what an interrupted fetch left
 *        there is used again); NULL: in a temporary file
 * gives: *ret, to be ended with model_bytes_done()
 * fails: ST_NOT_FOUND, ST_CORRUPT, ST_TIMEOUT, ST_CLOSED, ST_FULL, ST_IO, ST_NOMEM, with
 *        a sentence */
MUST_CHECK enum status model_bytes_fetch(struct session *s, const struct index_model *model,
                                         const char *path, struct model_bytes *ret,
                                         struct why *why);

/* Hands a version to the model server and waits until it is in the index.
 * bytes: those of the file at path
 * gives: *ret_model, as it stands there
 * fails: ST_EXISTS (other bytes under this version), ST_INVALID (refused),
 *        ST_TIMEOUT (no model server), ST_CLOSED, ST_NOMEM, ST_IO, with a sentence */
MUST_CHECK enum status model_bytes_publish(struct session *s, const struct model_ref *ref,
                                           struct view bytes, const char *path,
                                           struct index_model *ret_model, struct why *why);

#endif
