/* The Wasm runtime behind a few calls, for the runner and the worker only. engine_wasmtime.c is
 * the one file that knows which runtime it is. */
#ifndef SANDBOX_ENGINE_H
#define SANDBOX_ENGINE_H

#include <stddef.h>

#include "sandbox/runner_job.h"
#include "sandbox/runner_report.h"

/* Both may end the process by a signal (a limit of the kernel's), and then say
 * nothing; else *ret is what the parent shall know. Standard output and error
 * are the guest's. */

/* Compiles job->input into the file job->output and makes it durable. */
void engine_compile(const struct runner_job *job, struct runner_report *ret);

/* Runs the compiled module job->input to its end. */
void engine_run(const struct runner_job *job, struct runner_report *ret);

/* ---- many guests of one module, one after the other, for the worker ---- */

struct engine;

/* Where a guest's standard output and error go: write gives size, or a negative errno,
 * and is told out or err. */
struct engine_output {
    ptrdiff_t (*write)(void *stream, const unsigned char *bytes, size_t size);
    void *out, *err;
};

/* Loads the compiled module job->input and checks it.
 * gives: an engine, to be ended with engine_close(); NULL: *ret says why */
struct engine *engine_open(const struct runner_job *job, struct runner_report *ret);

/* Runs it once more to its end, from its initial memory and with nothing of an earlier
 * guest: variables, folders and memory are those of this job. To be followed by
 * engine_end_guest(), which gives all of its memory back (and need not be waited for). */
void engine_run_guest(struct engine *e, const struct runner_job *job,
                      const struct engine_output *output, struct runner_report *ret);
void engine_end_guest(struct engine *e);

/* Returns NULL. */
struct engine *engine_close(struct engine *e);

#endif
