/* The tool's event loop as something that one can wait on.
 *
 * A command does one thing after the other, so it waits where it stands: the
 * loop runs inside run_wait() until a flag is set by some callback. SIGINT,
 * SIGTERM and SIGHUP, or run_stop(), end this wait and every later one: the
 * command then goes down its failure path and cleans up. One thread. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <stdbool.h>

#include <uv.h>

#include "base/status.h"

struct run;

/* gives: *ret, to be ended with run_close(). fails: ST_NOMEM, ST_IO */
MUST_CHECK enum status run_open(struct run **ret);

uv_loop_t *run_loop(struct run *r);

/* Runs the loop until *done, which an event (not a timer) sets. fails: ST_TIMEOUT (after limit_ms),
 * ST_CLOSED (stopped; see run_stopped()) */
MUST_CHECK enum status run_wait(struct run *r, const bool *done, uint64_t limit_ms);

/* Ends all waits. The first reason stays. */
void run_stop(struct run *r, const char *reason);

/* Why it was stopped ("interrupted" by a signal), or NULL. */
const char *run_stopped(const struct run *r);

/* Stopped by Ctrl-C (SIGINT): somebody at the terminal wants an end. A lost terminal
 * or a killed tool is no such wish. */
bool run_interrupted(const struct run *r);

/* Waits work again, until the next signal or run_stop(). */
void run_go_on(struct run *r);

/* All handles that others put on the loop must be closing by then. */
struct run *run_close(struct run *r);

#endif
