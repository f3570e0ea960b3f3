/* The bounded queue between a thread that receives and the loop that works.
 *
 * Many threads may put, one takes. A full inbox makes the putter wait, so what
 * was received is never dropped and the sender is slowed down instead. */
#ifndef IO_INBOX_H
#define IO_INBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct inbox;

/* The first member of whatever is queued. size: what it counts for, in bytes. */
struct inbox_item {
    struct inbox_item *next;
    size_t size;
};

/* wake is called (on the putter's thread) when the inbox stops being empty.
 * gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status inbox_new(size_t count_max, size_t bytes_max, void (*wake)(void *arg),
                                 void *arg, struct inbox **ret);

/* takes: item. Waits while it would be one too many, or more than bytes_max in
 * all; a single item larger than bytes_max goes in alone. False: the inbox was
 * closed, before or during the wait; item is still the caller's. */
MUST_CHECK bool inbox_put(struct inbox *inbox, struct inbox_item *item);

/* All that is there, oldest first, linked by next; NULL if empty. The caller's. */
struct inbox_item *inbox_take_all(struct inbox *inbox);

/* Lets every waiting putter go, and every later one. */
void inbox_close(struct inbox *inbox);

/* Must be closed, with no putter left, and empty. */
struct inbox *inbox_free(struct inbox *inbox);

#endif
