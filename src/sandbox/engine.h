/* The Wasm runtime behind two calls, for the runner only. engine_wasmtime.c is
 * the one file that knows which runtime it is. */
#ifndef SANDBOX_ENGINE_H
#define SANDBOX_ENGINE_H

#include "sandbox/runner_job.h"
#include "sandbox/runner_report.h"

/* Both may end the process by a signal (a limit of the kernel's), and then say
 * nothing; else *ret is what the parent shall know. Standard output and error
 * are the guest's. */

/* Compiles job->input into the file job->output and makes it durable. */
void engine_compile(const struct runner_job *job, struct runner_report *ret);

/* Runs the compiled module job->input to its end. */
void engine_run(const struct runner_job *job, struct runner_report *ret);

/* Fills a report; the text is cut at its size. */
void report_set(struct runner_report *report, enum sandbox_outcome outcome, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
