/* What a worker (worker.h) and its parent say to each other over the worker's standard
 * input and output. Both programs come from one build on one machine, so numbers are as
 * the compiler lays them out.
 *
 * To the worker: frames, each a uint32_t size and that many bytes, a job as
 * runner_job_encode() makes it. The first is not run: it says what the process is confined
 * to. From the worker: for each later job one answer, then what the guest printed. */
#ifndef SANDBOX_WORKER_FRAME_H
#define SANDBOX_WORKER_FRAME_H

#include "base/limits.h"
#include "sandbox/runner_report.h"

struct worker_answer {
    struct runner_report report;
    uint32_t out_over; /* 1: it printed more than GUEST_STDOUT_MAX; the worker has ended */
    uint32_t out_size; /* 0..GUEST_STDOUT_MAX */
    uint32_t err_size; /* 0..GUEST_STDERR_MAX, the tail */
    uint64_t cpu_us;
};

#endif
