/* Updates of asynchronous rounds that came between two rounds: they are held in memory until
 * there is one that counts them (carry.c). None of them has a receipt, so the sender of one
 * that is lost repeats it. Not thread-safe. */
#ifndef COORDINATOR_HELD_H
#define COORDINATOR_HELD_H

#include "base/bytes.h"
#include "base/id.h"

/* There may be thousands, and each that comes is looked for: by its hash. */
#define HELD_PLACES 1024

struct held {
    struct held *next;   /* a later one */
    struct held *beside; /* an earlier one of the same place */
    struct id asked;     /* the round that it names */
    struct id sender;
    struct bytes payload;
};

/* A zeroed one holds nothing. */
struct held_updates {
    struct held *first, *last; /* in the order in which they came */
    struct held *places[HELD_PLACES];
    size_t bytes; /* in memory, of all of them: at most HELD_UPDATES_BYTES_MAX */
};

/* Keeps a copy; one of a sender for each round.
 * True: it is held (already). False: another one is, or there is no room */
MUST_CHECK bool held_add(struct held_updates *h, const struct id *asked, const struct id *sender,
                         struct view payload);

bool held_has(const struct held_updates *h, const struct id *asked, const struct id *sender);

/* Lets all go: *h is zeroed then. */
void held_done(struct held_updates *h);

#endif
