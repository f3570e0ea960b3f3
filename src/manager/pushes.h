/* Images that are being received from the tools that push them. At most
 * PUSHES_MAX at once: each holds up to IMAGE_SIZE_MAX in memory. Pure. */
#ifndef MANAGER_PUSHES_H
#define MANAGER_PUSHES_H

#include "base/id.h"
#include "base/limits.h"
#include "transfer/receiver.h"

struct push {
    struct id client_id; /* who holds the bytes and gets the outcome */
    char name[IMAGE_NAME_MAX + 1];
    struct receiver *receiver;
};

struct pushes;

/* fails: ST_NOMEM */
MUST_CHECK enum status pushes_new(struct pushes **ret);

/* takes: *manifest (emptied), on success only
 * fails: ST_EXISTS (the same client pushes the same bytes under the same name
 *        already), ST_LIMIT (PUSHES_MAX), ST_NOMEM */
MUST_CHECK enum status pushes_add(struct pushes *p, const struct id *client_id, const char *name,
                                  struct manifest *manifest);

/* index: 0..PUSHES_MAX-1. NULL: none there. */
struct push *pushes_at(struct pushes *p, size_t index);

void pushes_end(struct pushes *p, size_t index);

struct pushes *pushes_free(struct pushes *p);

#endif
