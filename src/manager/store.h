/* What the manager still knows after a crash: proplets, tasks, launch ids, the
 * names of images, and the messages that are still to be sent.
 *
 * Everything is written in transactions: after a crash at any moment all of one
 * is there or nothing of it, and what store_commit() said is there. What a table
 * in memory holds in a slot is kept under that slot's number, so the store is
 * bounded as the tables are. One process at a time, one thread. */
#ifndef MANAGER_STORE_H
#define MANAGER_STORE_H

#include "manager/images.h"
#include "manager/outbox.h"
#include "manager/proplets.h"
#include "manager/tasks.h"

#define STORE_BOOT_ID_SIZE 64

struct store;

/* Opens the store at path, makes it if it is not there, brings an older one up
 * to date, and checks all of it.
 * gives: *ret, to be ended with store_close()
 * fails, each with a sentence that names the file, which is then left as it is:
 *        ST_CORRUPT (damaged), ST_MALFORMED (not a manager's, or of a newer
 *        version), ST_EXISTS (another process has it), ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status store_open(const char *path, struct store **ret, struct why *why);

/* ---- reading ---- */

/* Gets what was recorded: in the order of these members, each by slot, age or
 * number. All borrowed for the call. One that is NULL is not read. A status
 * other than ST_OK ends the reading. */
struct store_visitor {
    enum status (*clock)(void *owner, const char *boot_id, uint64_t now_ms);
    enum status (*proplet)(void *owner, size_t slot, const struct proplet *proplet);
    enum status (*task)(void *owner, size_t slot, const struct task *task);
    enum status (*launch)(void *owner, const char *launch_id); /* the oldest first */
    enum status (*image)(void *owner, const struct image *image);
    enum status (*message)(void *owner, const struct outgoing *out);
    void *owner;
};

/* Of a proplet: id, start_topic, metadata and state are read; who was there is
 * PROPLET_EXPECTED.
 * fails: ST_CORRUPT (with a sentence), ST_NOMEM, ST_IO; as the visitor */
MUST_CHECK enum status store_read(struct store *s, const struct store_visitor *visitor,
                                  struct why *why);

/* Nothing was ever recorded but, perhaps, the clock. */
MUST_CHECK enum status store_empty(struct store *s, bool *ret);

/* ---- writing ---- */

/* A transaction: begin, puts, commit. A put that fails is told by the commit. */
void store_begin(struct store *s);

/* The moment of this transaction, for deadlines over a restart (io/clock.h). */
void store_put_clock(struct store *s, const char *boot_id, uint64_t now_ms);
/* What was in the slot is replaced. */
void store_put_proplet(struct store *s, size_t slot, const struct proplet *proplet);
void store_put_task(struct store *s, size_t slot, const struct task *task);
/* A launch id, never recorded before; the LAUNCHES_SEEN_MAX newest are kept. */
void store_put_launch(struct store *s, const char *launch_id);
/* All images; those that were there go. */
void store_put_images(struct store *s, const struct image *images, size_t count);
void store_put_message(struct store *s, const struct outgoing *out);
void store_drop_message(struct store *s, uint64_t number);

/* Durable when it returns ST_OK; otherwise nothing of the transaction is there.
 * fails: ST_EXISTS (a launch, task or proplet is recorded elsewhere: our mistake),
 *        ST_CORRUPT, ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status store_commit(struct store *s);

struct store *store_close(struct store *s);

#endif
