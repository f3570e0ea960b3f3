/* Makes the runner's process small before any guest code is in it.
 *
 * Wasmtime already keeps a guest inside its memory and its folders. This is the
 * second wall, for the day when the first has a hole. */
#ifndef SANDBOX_CONFINE_H
#define SANDBOX_CONFINE_H

#include "sandbox/runner_job.h"

/* What the runtime may allocate for itself, on top of the guest's memory and
 * twice the size of the input file: its heap, thread stacks (2 MiB each), WASI
 * tables. Measured need is below 40 MiB. */
#define RUNTIME_BYTES ((uint64_t)128 << 20)

/* Must succeed: death with the parent, no new privileges, and the kernel's
 * limits: CPU time (SIGXCPU), private memory, size of a written file (SIGXFSZ),
 * descriptors, no core file.
 * As far as the kernel offers them: no network (own namespace); only the files
 * of the job (Landlock); no new process, program, socket or tracing (seccomp).
 * Not for a process with more than one thread.
 * fails: ST_CLOSED (the parent is gone), ST_IO */
MUST_CHECK enum status confine(const struct runner_job *job, struct why *why);

#endif
