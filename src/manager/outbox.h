/* Messages that must arrive: each is recorded together with the change that it
 * tells of, sent only then, and forgotten when the broker has taken it. This is
 * the list of them in memory, in the order in which they were made; record.c
 * keeps it and the store the same. Pure.
 *
 *     made --recorded--> may be sent --sent--> waits for the broker --taken--> gone
 *
 * After a crash whatever is not recorded as gone is sent again: a receiver knows
 * a message by its task and state. */
#ifndef MANAGER_OUTBOX_H
#define MANAGER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/status.h"

enum outgoing_kind {
    OUTGOING_EVENT,        /* of a task, for anyone */
    OUTGOING_START,        /* of no use when its task has ended */
    OUTGOING_START_INLINE, /* the same; its image is put in when it is sent */
    OUTGOING_STOP,
};

struct outgoing {
    struct outgoing *next;
    uint64_t number; /* rises with the order of outbox_add() */
    enum outgoing_kind kind;
    struct id task_id;
    char *topic;
    char *text;
    bool recorded;    /* it is in the store */
    bool gone;        /* of no use any more; if it is in the store, it is to go there */
    uint64_t sent_as; /* which of all messages sent it was, from 1; 0: not yet */
};

struct outbox;

/* fails: ST_NOMEM */
MUST_CHECK enum status outbox_new(struct outbox **ret);

/* takes: text, from malloc(), always; NULL (no memory) is ST_NOMEM
 * fails: ST_LIMIT (OUTGOING_MAX), ST_NOMEM */
MUST_CHECK enum status outbox_add(struct outbox *o, enum outgoing_kind kind,
                                  const struct id *task_id, const char *topic, char *text);

/* One that was in the store; in the order of their numbers.
 * fails: ST_INVALID (the order), ST_NOMEM */
MUST_CHECK enum status outbox_restore(struct outbox *o, uint64_t number, enum outgoing_kind kind,
                                      const struct id *task_id, const char *topic,
                                      const char *text);

/* The oldest; walk on by ->next. NULL: none. Valid until outbox_recorded(). */
struct outgoing *outbox_first(const struct outbox *o);

/* It was taken, or is of no use. */
void outbox_end(struct outbox *o, struct outgoing *out);

/* The broker has taken the first taken_count of all messages that were sent. */
void outbox_taken(struct outbox *o, uint64_t taken_count);

/* The store is now as this list: new ones are recorded, those that are gone vanish. */
void outbox_recorded(struct outbox *o);

size_t outbox_new_count(const struct outbox *o);  /* not recorded yet */
size_t outbox_gone_count(const struct outbox *o); /* gone, but still in the list */
size_t outbox_count(const struct outbox *o);      /* all in the list */
size_t outbox_bytes(const struct outbox *o);      /* of their texts */

struct outbox *outbox_free(struct outbox *o);

#endif
