/* fml-runner: compiles or runs one Wasm module, confined, and says how it went.
 * sandbox.c starts it; nobody else can. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/confine.h"
#include "sandbox/engine.h"

/* The job stays mapped: its texts are used to the end. */
static enum status read_job(struct runner_job *ret)
{
    struct stat st;
    if (fstat(RUNNER_JOB_FD, &st) != 0 || st.st_size <= 0 ||
        (uint64_t)st.st_size > RUNNER_JOB_SIZE_MAX)
        return ST_IO;
    size_t size = (size_t)st.st_size;
    void *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, RUNNER_JOB_FD, 0);
    close(RUNNER_JOB_FD);
    return text == MAP_FAILED ? ST_IO : runner_job_decode(view_of(text, size), ret);
}

static void do_job(const struct runner_job *job, struct runner_report *report)
{
    struct why why = {""};
    enum status status = confine(job, &why);
    if (status != ST_OK)
        report_set(report, SANDBOX_RUNNER_FAILED, "cannot be confined: %s", why.text);
    else if (job->mode == RUNNER_COMPILE)
        engine_compile(job, report);
    else
        engine_run(job, report);
}

int main(void)
{
    static struct runner_job job;
    if (read_job(&job) != ST_OK) {
        (void)fprintf(stderr, "fml-runner: this program is started by fml-proplet only\n");
        return EXIT_FAILURE;
    }
    /* The runtime's own threads: one is enough for one guest's file accesses. */
    (void)setenv("TOKIO_WORKER_THREADS", "1", 1);
    struct runner_report report;
    do_job(&job, &report);
    static_assert(sizeof report <= 4096, "a pipe takes it whole");
    /* Not exit(): the runtime's threads need no orderly end. */
    _exit(write(RUNNER_REPORT_FD, &report, sizeof report) == sizeof report ? EXIT_SUCCESS
                                                                           : EXIT_FAILURE);
}
