#include "sandbox/worker.h"

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/run_order.h"
#include "sandbox/verdict.h"
#include "sandbox/worker_frame.h"

#define WORKER_MAGIC 0x776f726bu /* "work" */
#define CHUNK_SIZE   ((size_t)64 << 10)
#define ANSWER_MAX   (sizeof(struct worker_answer) + GUEST_STDOUT_MAX + GUEST_STDERR_MAX)

/* One process. It is freed when its three handles are closed, which may be after the
 * worker has another one. */
struct life {
    struct worker *worker; /* NULL: it is nobody's any more */
    uv_process_t process;
    uv_pipe_t in, out;
    int handles_open;
    struct bytes answer; /* as far as it has come */
    char chunk[CHUNK_SIZE];
};

/* It is idle, or runs one guest; the guest is over when the answer is whole, or when the
 * process has ended. */
struct worker {
    uint32_t magic;
    uv_loop_t *loop;
    struct worker_settings settings;
    char *texts[2 + 2 * SANDBOX_FOLDERS_MAX];
    size_t text_count;
    struct sandbox_folder folders[SANDBOX_FOLDERS_MAX];

    struct life *life;        /* NULL: no process */
    sandbox_done_fn *on_done; /* NULL: idle */
    void *owner;
    uint32_t wall_ms;
    uint64_t started_ns;
    uv_timer_t deadline;
    bool cut_short; /* killed by us */
    struct verdict cut_short_as;

    bool closing;
    void (*on_closed)(void *owner);
    void *closed_owner;
};

/* ---- beginning and end ---- */

static const char *keep_text(struct worker *w, const char *text)
{
    char *copy = strdup(text);
    if (copy != NULL)
        w->texts[w->text_count++] = copy;
    return copy;
}

static void free_worker(struct worker *w)
{
    for (size_t i = 0; i < w->text_count; i++)
        free(w->texts[i]);
    *(volatile uint32_t *)&w->magic = 0;
    free(w);
}

static bool copy_settings(struct worker *w, const struct worker_settings *s)
{
    w->settings = *s;
    w->settings.program = keep_text(w, s->program);
    w->settings.code = keep_text(w, s->code);
    w->settings.folders = w->folders;
    bool ok = w->settings.program != NULL && w->settings.code != NULL;
    for (size_t i = 0; ok && i < s->folder_count; i++) {
        w->folders[i] = (struct sandbox_folder){
            .host_path = keep_text(w, s->folders[i].host_path),
            .guest_path = keep_text(w, s->folders[i].guest_path),
            .writable = s->folders[i].writable,
        };
        ok = w->folders[i].host_path != NULL && w->folders[i].guest_path != NULL;
    }
    return ok;
}

enum status worker_new(uv_loop_t *loop, const struct worker_settings *settings, struct worker **ret)
{
    assert(settings->folder_count <= SANDBOX_FOLDERS_MAX);
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ST_NOMEM;
    w->magic = WORKER_MAGIC;
    w->loop = loop;
    if (!copy_settings(w, settings)) {
        free_worker(w);
        return ST_NOMEM;
    }
    (void)uv_timer_init(loop, &w->deadline); /* cannot fail */
    w->deadline.data = w;
    *ret = w;
    return ST_OK;
}

static void on_life_closed(uv_handle_t *handle)
{
    struct life *life = handle->data;
    if (--life->handles_open > 0)
        return;
    bytes_done(&life->answer);
    free(life);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_life_closed);
}

/* The process has ended, or is being killed and nobody's. */
static void close_life(struct life *life)
{
    if (life->worker != NULL && life->worker->life == life)
        life->worker->life = NULL;
    life->worker = NULL;
    close_handle(&life->in);
    close_handle(&life->out);
    close_handle(&life->process);
}

static void kill_process(struct life *life)
{
    (void)uv_process_kill(&life->process, SIGKILL); /* on_exit() follows */
}

/* It closes itself when it has ended. */
static void abandon(struct worker *w)
{
    if (w->life == NULL)
        return;
    w->life->worker = NULL;
    kill_process(w->life);
    w->life = NULL;
}

/* ---- a guest's end ---- */

static void finish(struct worker *w, const struct verdict *v, const struct sandbox_result *so_far)
{
    struct sandbox_result result = *so_far;
    sandbox_done_fn *on_done = w->on_done;
    result.outcome = v->outcome;
    result.exit_status = v->exit_status;
    result.wall_ms = (uv_hrtime() - w->started_ns) / 1000000;
    memcpy(result.detail, v->detail, sizeof result.detail);
    (void)uv_timer_stop(&w->deadline);
    w->on_done = NULL;
    w->cut_short = false;
    on_done(w->owner, &result);
}

static void cut_short(struct worker *w, enum sandbox_outcome outcome, const char *detail)
{
    if (!w->cut_short)
        verdict_set(&w->cut_short_as, outcome, "%s", detail);
    w->cut_short = true;
    kill_process(w->life);
}

static void on_deadline(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    char detail[64];
    (void)snprintf(detail, sizeof detail, "had not ended after %u ms", w->wall_ms);
    cut_short(w, SANDBOX_DEADLINE, detail);
}

static void on_exit_of(uv_process_t *process, int64_t exit_status, int signal_number)
{
    struct life *life = process->data;
    struct worker *w = life->worker;
    close_life(life);
    if (w == NULL || w->on_done == NULL)
        return;
    const struct child_ending ending = {
        .wait_status = signal_number != 0 ? signal_number : (int)(exit_status & 0xff) << 8};
    const struct sandbox_limits limits = {.file_max = w->settings.file_max};
    struct verdict v = w->cut_short
                           ? w->cut_short_as
                           : verdict_of(&ending, (struct view){0}, (struct view){0}, &limits);
    finish(w, &v, &(struct sandbox_result){0});
}

static void take_answer(struct worker *w, const struct worker_answer *a, struct view printed)
{
    const struct child_ending ending = {0};
    const struct sandbox_limits limits = {0};
    struct verdict v =
        verdict_of(&ending, view_of(&a->report, sizeof a->report), (struct view){0}, &limits);
    if (a->out_over) {
        verdict_set(&v, SANDBOX_OUTPUT_LIMIT, "printed more than %zu bytes", GUEST_STDOUT_MAX);
        abandon(w);
    }
    finish(w, &v,
           &(struct sandbox_result){.out = view_of(printed.data, a->out_size),
                                    .err = view_of(printed.data + a->out_size, a->err_size),
                                    .cpu_ms = a->cpu_us / 1000});
}

/* A broken runtime could say anything. */
static bool is_answer(const struct worker_answer *a)
{
    return a->out_size <= GUEST_STDOUT_MAX && a->err_size <= GUEST_STDERR_MAX;
}

static void look_at_answer(struct worker *w, struct life *life)
{
    struct worker_answer a;
    if (life->answer.size < sizeof a)
        return;
    memcpy(&a, life->answer.data, sizeof a);
    size_t whole = sizeof a + (size_t)a.out_size + a.err_size;
    if (!is_answer(&a) || w->on_done == NULL || life->answer.size > whole) {
        cut_short(w, SANDBOX_RUNNER_FAILED, "the worker's answer cannot be read");
        return;
    }
    if (life->answer.size < whole)
        return;
    struct bytes answer = life->answer;
    life->answer = (struct bytes){0};
    take_answer(w, &a, view_of(answer.data + sizeof a, whole - sizeof a));
    bytes_done(&answer);
}

static void give_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct life *life = handle->data;
    *ret = uv_buf_init(life->chunk, sizeof life->chunk);
}

static void on_read(uv_stream_t *pipe, ssize_t size, const uv_buf_t *buf)
{
    struct life *life = pipe->data;
    struct worker *w = life->worker;
    if (size == 0 || w == NULL)
        return;
    if (size < 0) {
        (void)uv_read_stop(pipe);
        kill_process(life);
        return;
    }
    if (w->cut_short)
        return;
    if (bytes_append(&life->answer, view_of(buf->base, (size_t)size), ANSWER_MAX) == ST_OK)
        look_at_answer(w, life);
    else
        cut_short(w, SANDBOX_RUNNER_FAILED, "no memory for the guest's output");
}

/* ---- a guest's beginning ---- */

struct frame {
    uv_write_t request;
    uint32_t size;
    struct bytes text;
};

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a process that does not read has ended: on_exit_of() says so */
    struct frame *f = request->data;
    bytes_done(&f->text);
    free(f);
}

static enum status send_job(struct life *life, const struct runner_job *job)
{
    struct frame *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    enum status status = runner_job_encode(job, &f->text);
    if (status != ST_OK) {
        free(f);
        return status;
    }
    f->size = (uint32_t)f->text.size; /* at most RUNNER_JOB_SIZE_MAX */
    f->request.data = f;
    const uv_buf_t buffers[] = {
        uv_buf_init((char *)&f->size, sizeof f->size),
        uv_buf_init((char *)f->text.data, (unsigned)f->text.size),
    };
    if (uv_write(&f->request, (uv_stream_t *)&life->in, buffers, 2, on_written) == 0)
        return ST_OK;
    on_written(&f->request, 0);
    return ST_IO;
}

static int spawn(struct worker *w, struct life *life)
{
    char name[] = "fml-worker";
    char *args[] = {name, NULL};
    char *env[] = {NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&life->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&life->out},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    const uv_process_options_t options = {
        .file = w->settings.program,
        .args = args,
        .env = env,
        .stdio = stdio,
        .stdio_count = 3,
        .exit_cb = on_exit_of,
    };
    return uv_spawn(w->loop, &life->process, &options);
}

/* If it cannot be done nothing is lost but time. */
static void keep_to_processor(const struct worker *w, const struct life *life)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    unsigned left = w->settings.processor % (unsigned)CPU_COUNT(&all);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &all) || left-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(uv_process_get_pid(&life->process), sizeof one, &one);
}

/* What the process is confined to. */
static struct runner_job confinement(const struct worker *w)
{
    struct runner_job job = {
        .mode = RUNNER_RUN,
        .parent = (uint64_t)getpid(),
        .input = w->settings.code,
        .memory_bytes = w->settings.memory_bytes + 4 * IMAGE_SIZE_MAX,
        .file_max = w->settings.file_max,
        .folder_count = w->settings.folder_count,
    };
    memcpy(job.folders, w->folders, sizeof job.folders);
    return job;
}

static enum status begin_life(struct worker *w)
{
    struct life *life = calloc(1, sizeof *life);
    if (life == NULL)
        return ST_NOMEM;
    (void)uv_pipe_init(w->loop, &life->in, 0);
    (void)uv_pipe_init(w->loop, &life->out, 0);
    life->in.data = life->out.data = life->process.data = life;
    life->handles_open = 3;
    life->worker = w;
    w->life = life;
    if (spawn(w, life) != 0 || uv_read_start((uv_stream_t *)&life->out, give_chunk, on_read) != 0) {
        close_life(life);
        return ST_IO;
    }
    keep_to_processor(w, life);
    const struct runner_job job = confinement(w);
    return send_job(life, &job);
}

enum status worker_run(struct worker *w, const struct sandbox_run *run, sandbox_done_fn *on_done,
                       void *owner)
{
    assert(w->magic == WORKER_MAGIC && w->on_done == NULL && !w->closing);
    struct runner_job job;
    enum status status = run_order(run, &job);
    if (status != ST_OK)
        return status;
    job.memory_bytes = w->settings.memory_bytes;
    job.refuse_sgemm = w->settings.refuse_sgemm;
    if (w->life == NULL)
        status = begin_life(w);
    if (status == ST_OK)
        status = send_job(w->life, &job);
    if (status != ST_OK) {
        abandon(w);
        return status;
    }
    w->on_done = on_done;
    w->owner = owner;
    w->wall_ms = run->limits.wall_ms;
    w->started_ns = uv_hrtime();
    uv_update_time(w->loop); /* the loop's clock may stand at the last turn */
    (void)uv_timer_start(&w->deadline, on_deadline, w->wall_ms, 0);
    return ST_OK;
}

bool worker_busy(const struct worker *w)
{
    return w->on_done != NULL;
}

void worker_stop(struct worker *w)
{
    if (w->on_done != NULL)
        cut_short(w, SANDBOX_STOPPED, "stopped");
}

int worker_pid(const struct worker *w)
{
    return w->life == NULL ? 0 : uv_process_get_pid(&w->life->process);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct worker *w = handle->data;
    void (*on_closed)(void *owner) = w->on_closed;
    void *owner = w->closed_owner;
    free_worker(w);
    if (on_closed != NULL)
        on_closed(owner);
}

void worker_close(struct worker *w, void (*on_closed)(void *owner), void *owner)
{
    if (w == NULL)
        return;
    assert(w->magic == WORKER_MAGIC && w->on_done == NULL && !w->closing);
    w->closing = true;
    w->on_closed = on_closed;
    w->closed_owner = owner;
    abandon(w);
    uv_close((uv_handle_t *)&w->deadline, on_timer_closed);
}
