/* Bytes beyond one message over the tool's connection: got, or given, in verified parts
 * (PROTOCOL 2.9). On a terminal the progress is shown on standard error. */
#ifndef CLI_PARTS_H
#define CLI_PARTS_H

#include "cli/session.h"
#include "transfer/reference.h"

#define PARTS_IDLE_MS 30000u /* without a part, or without a question for one */

/* Fetches what a reference refers to into the file at path. What an earlier call left of
 * it beside that file is used again.
 * fails: ST_NOT_FOUND (its holder does not have it), ST_CORRUPT, ST_FULL, ST_IO,
 *        ST_TIMEOUT (nothing comes), ST_CLOSED (interrupted), ST_LIMIT, ST_NOMEM; each
 *        with a sentence */
MUST_CHECK enum status parts_get(struct session *s, const struct reference *reference,
                                 const char *path, struct why *why);

/* A file that is given in parts while somebody asks for them. */
struct parts;

/* path: stays as it is until parts_close(); digest: of its bytes
 * gives: *ret, and the reference to it, to be freed with free()
 * fails: ST_CORRUPT (it changed), ST_IO, ST_LIMIT, ST_NOMEM, ST_INVALID; with a sentence */
MUST_CHECK enum status parts_give(struct session *s, const struct digest *digest, const char *path,
                                  struct parts **ret, char **ret_reference, struct why *why);

/* Waits for *done, however long, as long as parts are asked for. first_ms: for the first one
 * fails: ST_TIMEOUT, ST_CLOSED */
MUST_CHECK enum status parts_wait(struct parts *p, const bool *done, uint64_t first_ms);

/* NULL is allowed; returns NULL. */
struct parts *parts_close(struct parts *p);

#endif
