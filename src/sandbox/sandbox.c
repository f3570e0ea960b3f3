#include "sandbox/sandbox.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/capture.h"
#include "sandbox/child.h"
#include "sandbox/folder_usage.h"
#include "sandbox/run_order.h"
#include "sandbox/runner_report.h"
#include "sandbox/verdict.h"

#define SANDBOX_MAGIC 0x736e6462u /* "sndb" */
#define WATCH_MS      100
/* A dead child's pipes are at their end, unless someone else holds them. */
#define DRAIN_MS   2000
#define CHUNK_SIZE ((size_t)64 << 10)

struct stream {
    uv_pipe_t pipe;
    struct capture bytes;
    enum sandbox_outcome over; /* what more bytes than the maximum are called */
};

enum { STREAM_OUT, STREAM_ERR, STREAM_REPORT, STREAM_COUNT };

/* Its life: the child runs; the child has ended (reaped) and its pipes are read
 * to their end; all handles are closed and the result is handed over. */
struct sandbox_job {
    uint32_t magic;
    sandbox_done_fn *on_done; /* NULL: sandbox_start() failed, nobody waits */
    void *owner;
    struct sandbox_limits limits;
    struct child child;
    bool ended;
    struct child_ending ending;
    uint64_t started_ns, wall_ms;
    /* Set once, by whoever ends the job before the child does. */
    bool cut_short;
    struct verdict cut_short_as;

    uv_poll_t end_poll;
    uv_timer_t deadline; /* after the child's end: for draining the pipes */
    uv_timer_t watch;
    struct stream streams[STREAM_COUNT];
    int streams_open;
    int handles_open;

    char *folders[SANDBOX_FOLDERS_MAX]; /* the writable ones, on the host */
    size_t folder_count;
    char *partial;  /* compiling: the child writes this file */
    char *compiled; /* ... and it gets this name if all went well */
    char chunk[CHUNK_SIZE];
};

const char *sandbox_outcome_code(enum sandbox_outcome outcome)
{
    switch (outcome) {
    case SANDBOX_OK:
        return "ok";
    case SANDBOX_EXIT_STATUS:
        return "exit_status";
    case SANDBOX_TRAP:
        return "trap";
    case SANDBOX_MEMORY_LIMIT:
        return "memory_limit";
    case SANDBOX_CPU_LIMIT:
        return "cpu_limit";
    case SANDBOX_DEADLINE:
        return "deadline";
    case SANDBOX_OUTPUT_LIMIT:
        return "output_limit";
    case SANDBOX_INVALID_MODULE:
        return "image_invalid";
    case SANDBOX_STOPPED:
        return "stopped";
    case SANDBOX_BAD_CODE:
    case SANDBOX_RUNNER_FAILED:
        return "runner_failed";
    }
    return "unknown";
}

/* ---- the end ---- */

static struct sandbox_job *job_free(struct sandbox_job *job)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        capture_done(&job->streams[i].bytes);
    for (size_t i = 0; i < job->folder_count; i++)
        free(job->folders[i]);
    free(job->partial);
    free(job->compiled);
    *(volatile uint32_t *)&job->magic = 0;
    free(job);
    return NULL;
}

static struct verdict job_verdict(const struct sandbox_job *job)
{
    if (job->cut_short)
        return job->cut_short_as;
    return verdict_of(&job->ending, capture_view(&job->streams[STREAM_REPORT].bytes),
                      capture_view(&job->streams[STREAM_ERR].bytes), &job->limits);
}

/* The compiled file appears under its name only when the child said it is whole. */
static void name_compiled(struct sandbox_job *job, struct verdict *v)
{
    if (job->partial == NULL)
        return;
    if (v->outcome == SANDBOX_OK && rename(job->partial, job->compiled) == 0)
        return;
    if (v->outcome == SANDBOX_OK)
        verdict_set(v, SANDBOX_RUNNER_FAILED, "the compiled module could not be put in its place");
    (void)unlink(job->partial);
}

static void deliver(struct sandbox_job *job)
{
    struct verdict v = job_verdict(job);
    name_compiled(job, &v);
    struct sandbox_result result = {
        .outcome = v.outcome,
        .exit_status = v.exit_status,
        .out = capture_view(&job->streams[STREAM_OUT].bytes),
        .err = capture_view(&job->streams[STREAM_ERR].bytes),
        .wall_ms = job->wall_ms,
        .cpu_ms = job->ending.cpu_ms,
        .peak_rss_kb = job->ending.peak_rss_kb,
    };
    memcpy(result.detail, v.detail, sizeof result.detail);
    job->on_done(job->owner, &result);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sandbox_job *job = handle->data;
    if (--job->handles_open > 0)
        return;
    close(job->child.ended);
    if (job->on_done != NULL)
        deliver(job);
    job_free(job);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

static void close_if_over(struct sandbox_job *job)
{
    if (!job->ended || job->streams_open > 0)
        return;
    close_handle(&job->end_poll);
    close_handle(&job->deadline);
    close_handle(&job->watch);
}

static void close_stream(struct sandbox_job *job, struct stream *stream)
{
    if (uv_is_closing((uv_handle_t *)&stream->pipe))
        return;
    close_handle(&stream->pipe);
    job->streams_open--;
    close_if_over(job);
}

static void cut_short(struct sandbox_job *job, const struct verdict *as)
{
    if (!job->cut_short) {
        job->cut_short = true;
        job->cut_short_as = *as;
    }
    if (!job->ended)
        child_kill(&job->child);
}

/* ---- what happens while it runs ---- */

static void check_folders(struct sandbox_job *job)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < job->folder_count && bytes != UINT64_MAX; i++) {
        uint64_t more = folder_usage(job->folders[i]);
        bytes = more > UINT64_MAX - bytes ? UINT64_MAX : bytes + more;
    }
    if (job->folder_count > 0 && !job->ended && bytes != UINT64_MAX)
        bytes += removed_files_usage(job->child.pid);
    if (bytes <= job->limits.folder_max)
        return;
    struct verdict v;
    verdict_set(&v, SANDBOX_OUTPUT_LIMIT, "wrote more than %llu bytes of files",
                (unsigned long long)job->limits.folder_max);
    cut_short(job, &v);
}

static void on_watch(uv_timer_t *timer)
{
    check_folders(timer->data);
}

static void on_deadline(uv_timer_t *timer)
{
    struct sandbox_job *job = timer->data;
    struct verdict v;
    verdict_set(&v, SANDBOX_DEADLINE, "had not ended after %u ms", job->limits.wall_ms);
    cut_short(job, &v);
}

static void on_drained_too_long(uv_timer_t *timer)
{
    struct sandbox_job *job = timer->data;
    for (int i = 0; i < STREAM_COUNT; i++)
        close_stream(job, &job->streams[i]);
}

static void on_ended(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct sandbox_job *job = poll->data;
    if (job->ended || !child_reap(&job->child, &job->ending))
        return;
    job->ended = true;
    job->wall_ms = (uv_hrtime() - job->started_ns) / 1000000;
    uv_poll_stop(poll);
    uv_timer_stop(&job->watch);
    check_folders(job); /* what was written since the watch looked last */
    (void)uv_timer_start(&job->deadline, on_drained_too_long, DRAIN_MS, 0);
    close_if_over(job);
}

static void give_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct sandbox_job *job = handle->data;
    *ret = uv_buf_init(job->chunk, sizeof job->chunk);
}

static void too_much(struct sandbox_job *job, const struct stream *stream, enum status status)
{
    struct verdict v;
    if (status == ST_NOMEM)
        verdict_set(&v, SANDBOX_RUNNER_FAILED, "no memory for the guest's output");
    else if (stream->over == SANDBOX_OUTPUT_LIMIT)
        verdict_set(&v, SANDBOX_OUTPUT_LIMIT, "printed more than %zu bytes", stream->bytes.max);
    else
        verdict_set(&v, stream->over, "the runner's report is too long");
    cut_short(job, &v);
}

static void on_read(uv_stream_t *pipe, ssize_t size, const uv_buf_t *buf)
{
    struct sandbox_job *job = pipe->data;
    struct stream *stream = (struct stream *)pipe; /* its first member */
    if (size == 0)
        return;
    if (size < 0) {
        close_stream(job, stream);
        return;
    }
    enum status status = capture_add(&stream->bytes, view_of(buf->base, (size_t)size));
    if (status == ST_OK)
        return;
    too_much(job, stream, status);
    close_stream(job, stream);
}

/* ---- the start ---- */

static bool copy_text(const char *text, char **ret)
{
    *ret = strdup(text);
    return *ret != NULL;
}

static bool remember_folders(struct sandbox_job *job, const struct runner_job *order)
{
    for (size_t i = 0; i < order->folder_count; i++) {
        if (!order->folders[i].writable)
            continue;
        if (!copy_text(order->folders[i].host_path, &job->folders[job->folder_count]))
            return false;
        job->folder_count++;
    }
    return true;
}

static void init_handle(struct sandbox_job *job, void *handle)
{
    ((uv_handle_t *)handle)->data = job;
    job->handles_open++;
}

static void init_stream(struct sandbox_job *job, uv_loop_t *loop, int which, size_t max,
                        enum sandbox_outcome over)
{
    struct stream *stream = &job->streams[which];
    (void)uv_pipe_init(loop, &stream->pipe, 0); /* cannot fail */
    init_handle(job, &stream->pipe);
    stream->bytes = (struct capture){.max = max, .tail = which == STREAM_ERR};
    stream->over = over;
    job->streams_open++;
}

/* Takes fd over. */
static bool open_stream(struct stream *stream, int fd)
{
    if (uv_pipe_open(&stream->pipe, fd) != 0) {
        close(fd);
        return false;
    }
    return uv_read_start((uv_stream_t *)&stream->pipe, give_chunk, on_read) == 0;
}

static bool open_streams(struct sandbox_job *job)
{
    bool out = open_stream(&job->streams[STREAM_OUT], job->child.out);
    bool err = open_stream(&job->streams[STREAM_ERR], job->child.err);
    bool report = open_stream(&job->streams[STREAM_REPORT], job->child.report);
    return out && err && report;
}

/* From here on the job ends by its handles' closing. */
static bool watch_child(struct sandbox_job *job, uv_loop_t *loop)
{
    uv_update_time(loop); /* the loop's clock may stand at the last turn */
    (void)uv_timer_init(loop, &job->deadline);
    init_handle(job, &job->deadline);
    (void)uv_timer_init(loop, &job->watch);
    init_handle(job, &job->watch);
    init_stream(job, loop, STREAM_OUT, job->limits.stdout_max, SANDBOX_OUTPUT_LIMIT);
    init_stream(job, loop, STREAM_ERR, job->limits.stderr_max, SANDBOX_OUTPUT_LIMIT);
    init_stream(job, loop, STREAM_REPORT, sizeof(struct runner_report), SANDBOX_RUNNER_FAILED);
    if (!open_streams(job) || uv_poll_init(loop, &job->end_poll, job->child.ended) != 0)
        return false;
    init_handle(job, &job->end_poll);
    if (uv_poll_start(&job->end_poll, UV_READABLE, on_ended) != 0)
        return false;
    (void)uv_timer_start(&job->deadline, on_deadline, job->limits.wall_ms, 0);
    if (job->folder_count > 0)
        (void)uv_timer_start(&job->watch, on_watch, WATCH_MS, WATCH_MS);
    return true;
}

static void abandon(struct sandbox_job *job)
{
    job->on_done = NULL;
    child_kill(&job->child);
    (void)waitpid(job->child.pid, NULL, 0); /* not long: nothing holds SIGKILL up */
    if (job->end_poll.data != NULL)
        close_handle(&job->end_poll);
    close_handle(&job->deadline);
    close_handle(&job->watch);
    for (int i = 0; i < STREAM_COUNT; i++)
        close_handle(&job->streams[i].pipe);
}

static enum status spawn(struct sandbox_job *job, const char *runner,
                         const struct runner_job *order)
{
    struct bytes text = {0};
    job->started_ns = uv_hrtime();
    enum status status = runner_job_encode(order, &text);
    if (status == ST_OK)
        status = child_start(runner, bytes_view(&text), &job->child);
    bytes_done(&text);
    return status;
}

/* Takes job over, also on failure. */
static enum status launch(struct sandbox_job *job, uv_loop_t *loop, const char *runner,
                          struct runner_job *order, struct sandbox_job **ret)
{
    order->parent = (uint64_t)getpid();
    order->memory_bytes = job->limits.memory_bytes;
    order->cpu_s = job->limits.cpu_s;
    order->file_max = job->limits.file_max;
    enum status status = remember_folders(job, order) ? spawn(job, runner, order) : ST_NOMEM;
    if (status != ST_OK) {
        job_free(job);
        return status;
    }
    if (!watch_child(job, loop)) {
        abandon(job);
        return ST_IO;
    }
    *ret = job;
    return ST_OK;
}

static struct sandbox_job *job_new(const struct sandbox_limits *limits, sandbox_done_fn *on_done,
                                   void *owner)
{
    struct sandbox_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->magic = SANDBOX_MAGIC;
    job->limits = *limits;
    job->on_done = on_done;
    job->owner = owner;
    return job;
}

enum status sandbox_start(uv_loop_t *loop, const struct sandbox_run *run, sandbox_done_fn *on_done,
                          void *owner, struct sandbox_job **ret)
{
    assert(loop != NULL && run != NULL && on_done != NULL && ret != NULL);
    struct runner_job order;
    enum status status = run_order(run, &order);
    if (status != ST_OK)
        return status;
    struct sandbox_job *job = job_new(&run->limits, on_done, owner);
    if (job == NULL)
        return ST_NOMEM;
    return launch(job, loop, run->runner, &order, ret);
}

/* A name beside path that no other job has. */
static char *partial_name(const char *path)
{
    static unsigned number;
    char *name = NULL;
    if (asprintf(&name, "%s.%d-%u.part", path, (int)getpid(), number++) < 0)
        return NULL;
    return name;
}

enum status sandbox_compile(uv_loop_t *loop, const char *runner, const char *module,
                            const char *compiled, const struct sandbox_limits *limits,
                            sandbox_done_fn *on_done, void *owner, struct sandbox_job **ret)
{
    assert(loop != NULL && module != NULL && compiled != NULL && on_done != NULL && ret != NULL);
    struct sandbox_job *job = job_new(limits, on_done, owner);
    if (job == NULL)
        return ST_NOMEM;
    job->partial = partial_name(compiled);
    if (job->partial == NULL || !copy_text(compiled, &job->compiled)) {
        job_free(job);
        return ST_NOMEM;
    }
    struct runner_job order = {.mode = RUNNER_COMPILE, .input = module, .output = job->partial};
    return launch(job, loop, runner, &order, ret);
}

void sandbox_stop(struct sandbox_job *job)
{
    assert(job != NULL && job->magic == SANDBOX_MAGIC);
    struct verdict v;
    verdict_set(&v, SANDBOX_STOPPED, "stopped");
    cut_short(job, &v);
}
