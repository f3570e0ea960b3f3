/* fml-worker: runs many guests, one after the other, for a simulation. worker.c starts it;
 * nobody else can.
 *
 * What a runner makes for each task is made once here: the process, its confinement, the
 * runtime, the loaded module. A guest still begins with fresh memory and sees only its own
 * folders, by Wasmtime's word; the kernel confines the process to those of all guests
 * together. That is enough where all guests are one researcher's and the data is theirs,
 * and not for a device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/capture.h"
#include "sandbox/confine.h"
#include "sandbox/engine.h"
#include "sandbox/worker_frame.h"

static struct runner_job job;
static struct engine *engine;
static char *loaded; /* the compiled file that engine has */

/* ---- frames ---- */

static bool read_all(void *ret, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(STDIN_FILENO, (char *)ret + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static bool write_all(struct view v)
{
    while (v.size > 0) {
        ssize_t n = write(STDOUT_FILENO, v.data, v.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        v = view_of(v.data + n, v.size - (size_t)n);
    }
    return true;
}

/* The next job; its texts are borrowed from text. False: the parent is done with us. */
static bool next_job(struct bytes *text)
{
    uint32_t size;
    return read_all(&size, sizeof size) && size <= RUNNER_JOB_SIZE_MAX &&
           bytes_resize(text, size) == ST_OK && read_all(text->data, size) &&
           runner_job_decode(bytes_view(text), &job) == ST_OK;
}

/* ---- one guest ---- */

static bool answer(const struct worker_answer *a, struct view out, struct view err)
{
    return write_all(view_of(a, sizeof *a)) && write_all(out) && write_all(err);
}

/* The guest may go on printing for ever, and nothing in here can end it. */
static void end_with_too_much(void)
{
    struct worker_answer a = {.out_over = 1};
    (void)answer(&a, (struct view){0}, (struct view){0});
    _exit(EXIT_SUCCESS);
}

static ptrdiff_t keep(void *data, const unsigned char *bytes, size_t size)
{
    if (capture_add(data, view_of(bytes, size)) != ST_OK)
        end_with_too_much();
    return (ptrdiff_t)size;
}

/* Tasks of one round have one module; another replaces it. */
static bool load(struct runner_report *report)
{
    if (engine != NULL && strcmp(loaded, job.input) == 0)
        return true;
    if (engine != NULL)
        engine = engine_close(engine);
    free(loaded);
    loaded = strdup(job.input);
    engine = loaded == NULL ? NULL : engine_open(&job, report);
    return engine != NULL;
}

static uint64_t cpu_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool run(void)
{
    struct capture out = {.max = GUEST_STDOUT_MAX}, err = {.max = GUEST_STDERR_MAX, .tail = true};
    const struct engine_output output = {.write = keep, .out = &out, .err = &err};
    struct worker_answer a = {0};
    uint64_t before_us = cpu_us();
    report_set(&a.report, SANDBOX_RUNNER_FAILED, "no memory");
    bool ran = load(&a.report);
    if (ran)
        engine_run_guest(engine, &job, &output, &a.report);
    a.out_size = (uint32_t)capture_view(&out).size;
    a.err_size = (uint32_t)capture_view(&err).size;
    a.cpu_us = cpu_us() - before_us;
    bool told = answer(&a, capture_view(&out), capture_view(&err));
    if (ran)
        engine_end_guest(engine);
    capture_done(&out);
    capture_done(&err);
    return told;
}

int main(void)
{
    static struct bytes text;
    struct why why = {""};
    if (isatty(STDIN_FILENO) || !next_job(&text)) {
        (void)fprintf(stderr, "fml-worker: this program is started by fml-simulate only\n");
        return EXIT_FAILURE;
    }
    (void)setenv("TOKIO_WORKER_THREADS", "1", 1);
    if (confine(&job, &why) != ST_OK) {
        (void)fprintf(stderr, "fml-worker: cannot be confined: %s\n", why.text);
        return EXIT_FAILURE;
    }
    while (next_job(&text) && run())
        ;
    _exit(EXIT_SUCCESS); /* the runtime's threads need no orderly end */
}
