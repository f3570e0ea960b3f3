/* The programs of a demo: started together, watched, and ended together on
 * every way out. Each has a log file, NAME.log. */
#ifndef CLI_FLEET_H
#define CLI_FLEET_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/run.h"

#define FLEET_NAME_MAX   ((size_t)80)
#define FLEET_STOP_MS    3000u /* from SIGTERM to SIGKILL */
#define FLEET_TAIL_LINES 12
#define FLEET_TAIL_BYTES 4096

struct fleet;

struct fleet_program {
    const char *name;        /* of the log file too; unique */
    const char *const *argv; /* as in cli/process.h */
    const char *const *variables;
    bool essential; /* its end stops the run */
};

/* One that was not asked to end has ended; how: "exit status 1". Not called for
 * fleet_finish(). */
typedef void fleet_ended_fn(void *owner, const char *name, bool essential, const char *how);

/* keeps: r, owner. log_folder: exists; copied.
 * gives: *ret, to be ended with fleet_stop(). fails: ST_NOMEM */
MUST_CHECK enum status fleet_new(struct run *r, const char *log_folder, fleet_ended_fn *on_ended,
                                 void *owner, struct fleet **ret);

/* Starts a program that runs until it is stopped.
 * fails: as process_start(), ST_NOMEM, with a sentence */
MUST_CHECK enum status fleet_start(struct fleet *f, const struct fleet_program *program,
                                   struct why *why);

/* Starts a program and waits for its end.
 * fails: ST_IO (it did not end with exit status 0), ST_CLOSED (stopped),
 *        ST_TIMEOUT, and as fleet_start(); it has ended in each case */
MUST_CHECK enum status fleet_finish(struct fleet *f, const struct fleet_program *program,
                                    uint64_t limit_ms, struct why *why);

/* Ends one program and waits until it has ended; one that is not there is fine. */
void fleet_end(struct fleet *f, const char *name);

/* The first essential program that ended by itself, or that fleet_finish() saw
 * fail; NULL: none did. */
const char *fleet_culprit(const struct fleet *f);

/* The most memory that a program and what it started have held, as far as they still run:
 * bytes, shared ones counted for each process. 0: not known. */
uint64_t fleet_peak_memory(const struct fleet *f, const char *name);

/* Writes the last lines of a program's log. */
void fleet_tail(const struct fleet *f, const char *name, FILE *out);

/* Ends every program (SIGTERM, then SIGKILL after FLEET_STOP_MS, each to its
 * whole process group), reaps them, frees all. Does not depend on the run. */
struct fleet *fleet_stop(struct fleet *f);

#endif
