/* Tasks that ended lately, each with its results, in memory and on disk:
 *
 *     {folder}/{task}.waits    the broker has not acknowledged these results
 *     {folder}/{task}.sent     it has
 *
 * So no results are lost by a restart or a crash, and a start that comes twice gets
 * the same answer twice and runs once, also when there was a crash in between. */
#ifndef PROPLET_HISTORY_H
#define PROPLET_HISTORY_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/id.h"

struct history;

/* Takes up what an earlier life left. A record that is damaged still says that its
 * task has ended: on_damaged is asked for the results that say so (a text from
 * malloc(); NULL: it is forgotten).
 * folder: at most PROPLET_FOLDER_MAX + 16 bytes
 * gives: *ret, to be ended with history_free(). fails: ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status history_open(const char *folder,
                                    char *(*on_damaged)(void *owner, const struct id *task),
                                    void *owner, struct history **ret);

/* Remembers the results, which wait to be sent; the oldest are forgotten beyond
 * HISTORY_TASKS_MAX or HISTORY_BYTES_MAX. takes: results, a text from malloc()
 * fails: ST_NOMEM, ST_FULL, ST_IO: they are remembered in memory only until
 *        history_save() */
MUST_CHECK enum status history_add(struct history *h, const struct id *task, char *results);

/* Tries again what is not on the disk yet. Returns how many still are not. */
size_t history_save(struct history *h);

/* The results of a task, borrowed until the next history_add(); NULL: unknown. */
const char *history_find(const struct history *h, const struct id *task);

/* Hands out, oldest first, what waits and is not under way. ST_OK from send: it is
 * under way. ST_NOMEM: it waits on. Else nobody will ever take it: it counts as sent. */
void history_send(struct history *h, enum status (*send)(void *owner, const char *results),
                  void *owner);

/* The broker has acknowledged all that was under way. */
void history_acknowledged(struct history *h);

size_t history_count(const struct history *h);
/* Those that the broker has not acknowledged. */
size_t history_waiting(const struct history *h);

/* What is on the disk stays there. */
struct history *history_free(struct history *h);

#endif
