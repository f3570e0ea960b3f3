/* A process that runs many guests, one after the other, for simulations on one machine:
 * the program fml-worker. Loading a module and starting a process cost more than a small
 * training; here both are paid once. See worker_main.c for what that gives up: a real
 * device runs its guests by sandbox.h.
 *
 * The process is started when there is something to run, and again after one that ended
 * or was killed. Everything is called on the loop's thread, which must live as long as the
 * worker does. */
#ifndef SANDBOX_WORKER_H
#define SANDBOX_WORKER_H

#include "sandbox/sandbox.h"

struct worker;

struct worker_settings {
    const char *program; /* path of fml-worker */
    const char *code;    /* folder of all compiled modules */
    /* All that any guest will see lies in these. */
    const struct sandbox_folder *folders;
    size_t folder_count;   /* at most SANDBOX_FOLDERS_MAX */
    uint64_t memory_bytes; /* of one guest, as in sandbox_limits */
    uint64_t file_max;     /* of one file that is written; more ends the process */
    bool refuse_sgemm;
    /* Which of the processors that we may use (0, 1, …, then from the beginning) the process
     * keeps to. The runtime does each file access of a guest in another thread, and waking
     * one on another processor costs more than most accesses. */
    unsigned processor;
};

/* keeps: loop; copies settings. gives: *ret. fails: ST_NOMEM, ST_LIMIT (texts too long) */
MUST_CHECK enum status worker_new(uv_loop_t *loop, const struct worker_settings *settings,
                                  struct worker **ret);

/* Runs one guest; on_done is called once, from the loop. Not while another runs. Of run's
 * limits only wall_ms counts; standard output and error have the limits GUEST_STDOUT_MAX
 * and GUEST_STDERR_MAX. The result's peak_rss_kb is 0: it would be that of many guests.
 * fails: ST_LIMIT, ST_NOMEM, ST_IO; on_done is not called then */
MUST_CHECK enum status worker_run(struct worker *w, const struct sandbox_run *run,
                                  sandbox_done_fn *on_done, void *owner);

bool worker_busy(const struct worker *w);

/* Kills what runs; on_done follows, from the loop, with SANDBOX_STOPPED. */
void worker_stop(struct worker *w);

/* Process id, for its memory to be looked at; 0: none. */
int worker_pid(const struct worker *w);

/* Ends the process. Not while one runs. on_closed (may be NULL) comes from the loop. */
void worker_close(struct worker *w, void (*on_closed)(void *owner), void *owner);

#endif
