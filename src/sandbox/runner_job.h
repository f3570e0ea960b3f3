/* What the parent tells the runner: one job, as "key=value" texts that each end
 * with a zero byte, in a sealed memory file that is open as RUNNER_JOB_FD. Not
 * in argv, because one environment variable may be larger than the kernel lets
 * an argument be, and because everyone on the device can read argv. */
#ifndef SANDBOX_RUNNER_JOB_H
#define SANDBOX_RUNNER_JOB_H

#include "sandbox/sandbox.h"

#define RUNNER_REPORT_FD    3
#define RUNNER_JOB_FD       4
#define RUNNER_JOB_SIZE_MAX ((size_t)64 << 20)

enum runner_mode { RUNNER_COMPILE, RUNNER_RUN };

struct runner_job {
    enum runner_mode mode;
    uint64_t parent;    /* process id; if it is not ours any more, there is nothing to do */
    const char *input;  /* the module to compile, or the compiled one to run */
    const char *output; /* the file that compiling makes; run: NULL */
    uint64_t memory_bytes, cpu_s, file_max;
    bool refuse_sgemm;                  /* compile: never */
    const char *env[SANDBOX_TEXTS_MAX]; /* "NAME=value" */
    size_t env_count;
    const char *args[SANDBOX_TEXTS_MAX];
    size_t arg_count;
    struct sandbox_folder folders[SANDBOX_FOLDERS_MAX];
    size_t folder_count;
};

/* fails: ST_LIMIT (RUNNER_JOB_SIZE_MAX), ST_NOMEM; ret is empty then */
MUST_CHECK enum status runner_job_encode(const struct runner_job *job, struct bytes *ret);

/* The texts of *ret_job are borrowed from text.
 * fails: ST_MALFORMED; *ret_job is untouched then */
MUST_CHECK enum status runner_job_decode(struct view text, struct runner_job *ret_job);

#endif
