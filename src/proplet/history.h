/* Tasks that ended lately, each with the results that were sent: a start that
 * comes twice gets the same answer twice and runs once. Pure. */
#ifndef PROPLET_HISTORY_H
#define PROPLET_HISTORY_H

#include "base/bytes.h"
#include "base/id.h"

struct history;

/* gives: *ret, to be ended with history_free(). fails: ST_NOMEM */
MUST_CHECK enum status history_new(struct history **ret);

/* Remembers; the oldest are forgotten beyond HISTORY_TASKS_MAX or
 * HISTORY_BYTES_MAX. takes: results, a text from malloc() */
void history_add(struct history *h, const struct id *task, char *results);

/* The results of a task, borrowed until the next history_add(); NULL: unknown. */
const char *history_find(const struct history *h, const struct id *task);

size_t history_count(const struct history *h);

struct history *history_free(struct history *h);

#endif
