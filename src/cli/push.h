/* Sends an image to the manager, in parts that the manager asks for (PROTOCOL 1.6). */
#ifndef CLI_PUSH_H
#define CLI_PUSH_H

#include "base/digest.h"
#include "cli/session.h"

#define PUSH_IDLE_MS  15000u /* without a question from the manager */
#define PUSH_AGAIN_MS 1000u  /* announced again, until the first question */

/* Bytes that have been asked for, of size; may come more than once for a part. */
typedef void push_progress_fn(void *owner, uint64_t sent, uint64_t size);

/* The name of a file without folders and without ".wasm".
 * fails: ST_INVALID (no usable name is left), with a sentence */
MUST_CHECK enum status push_default_name(const char *path, char ret_name[IMAGE_NAME_MAX + 1],
                                         struct why *why);

/* Pushes the bytes and waits until they are stored.
 * name: NAME[:TAG]; progress: may be NULL
 * gives: *ret_digest
 * fails: ST_INVALID (name, refused by the manager), ST_LIMIT (size), ST_TIMEOUT
 *        (no manager), ST_CLOSED, ST_NOMEM, with a sentence */
MUST_CHECK enum status push_image(struct session *s, const char *name, struct view image,
                                  push_progress_fn *progress, void *owner,
                                  struct digest *ret_digest, struct why *why);

#endif
