#include "cli/fleet.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/process.h"
#include "cli/text.h"
#include "io/clock.h"

struct member {
    struct fleet *fleet;
    char name[FLEET_NAME_MAX + 1];
    bool essential;
    bool asked_to_end; /* its end is no news */
    pid_t pid;
    int pidfd;      /* readable once it has ended */
    uv_poll_t poll; /* on pidfd */
    bool ended;
    int wait_status;
    bool closed; /* the poll handle */
    struct member *next;
};

struct fleet {
    struct run *run;
    char *log_folder;
    fleet_ended_fn *on_ended;
    void *owner;
    struct member *members;
    char culprit[FLEET_NAME_MAX + 1];
};

enum status fleet_new(struct run *r, const char *log_folder, fleet_ended_fn *on_ended, void *owner,
                      struct fleet **ret)
{
    struct fleet *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    f->log_folder = strdup(log_folder);
    if (f->log_folder == NULL) {
        free(f);
        return ST_NOMEM;
    }
    f->run = r;
    f->on_ended = on_ended;
    f->owner = owner;
    *ret = f;
    return ST_OK;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct member *m = handle->data;
    m->closed = true;
}

static void blame(struct fleet *f, const char *name)
{
    if (f->culprit[0] == '\0')
        (void)snprintf(f->culprit, sizeof f->culprit, "%s", name);
}

/* The one place where a member changes to ended. It has ended, or may be killed. */
static void reap(struct member *m)
{
    if (m->ended)
        return;
    /* Whatever it started and left behind in its group. Before the wait: up to
     * then the dead leader keeps the group's number from being used again. */
    (void)kill(-m->pid, SIGKILL);
    pid_t pid;
    do
        pid = waitpid(m->pid, &m->wait_status, 0);
    while (pid < 0 && errno == EINTR);
    m->ended = true;
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct member *m = handle->data;
    struct fleet *f = m->fleet;
    (void)uv_poll_stop(handle);
    reap(m);
    if (m->asked_to_end)
        return;
    char how[PROCESS_TEXT_SIZE];
    (void)process_end_text(m->wait_status, how);
    if (f->on_ended != NULL)
        f->on_ended(f->owner, m->name, m->essential, how);
    if (m->essential) {
        struct why why;
        blame(f, m->name);
        why_set(&why, "%s ended: %s", m->name, how);
        run_stop(f->run, why.text);
    }
}

static char *log_path_of(const struct fleet *f, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s.log", f->log_folder, name) < 0 ? NULL : path;
}

/* Puts a process that runs under watch; on failure it is ended. */
static enum status watch(struct member *m)
{
    m->pidfd = pidfd_open(m->pid, 0);
    if (m->pidfd >= 0 && uv_poll_init(run_loop(m->fleet->run), &m->poll, m->pidfd) == 0) {
        m->poll.data = m;
        if (uv_poll_start(&m->poll, UV_READABLE, on_readable) == 0)
            return ST_OK;
        uv_close((uv_handle_t *)&m->poll, on_poll_closed);
        while (!m->closed)
            (void)uv_run(run_loop(m->fleet->run), UV_RUN_ONCE);
    }
    (void)kill(-m->pid, SIGKILL);
    reap(m);
    if (m->pidfd >= 0)
        (void)close(m->pidfd);
    return ST_IO;
}

static enum status start(struct fleet *f, const struct fleet_program *program, bool asked_to_end,
                         struct member **ret, struct why *why)
{
    assert(strlen(program->name) <= FLEET_NAME_MAX);
    struct member *m = calloc(1, sizeof *m);
    char *log_path = log_path_of(f, program->name);
    enum status status = ST_NOMEM;
    if (m == NULL || log_path == NULL) {
        why_set(why, "no memory");
        goto done;
    }
    m->fleet = f;
    m->essential = program->essential;
    m->asked_to_end = asked_to_end;
    (void)snprintf(m->name, sizeof m->name, "%s", program->name);
    struct process_spec spec = {
        .argv = program->argv, .variables = program->variables, .log_path = log_path};
    status = process_start(&spec, &m->pid, why);
    if (status != ST_OK)
        goto done;
    status = watch(m);
    if (status != ST_OK) {
        why_set(why, "cannot watch %s: %s", m->name, strerror(errno));
        goto done;
    }
    m->next = f->members;
    f->members = m;
    *ret = m;
    m = NULL;
done:
    free(log_path);
    free(m);
    return status;
}

enum status fleet_start(struct fleet *f, const struct fleet_program *program, struct why *why)
{
    struct member *m;
    return start(f, program, false, &m, why);
}

/* Waits on a pidfd itself, so that it works when the run was stopped. */
static void wait_for_end(const struct member *m, uint64_t until_ms)
{
    for (;;) {
        uint64_t now_ms = clock_now_ms();
        struct pollfd fd = {.fd = m->pidfd, .events = POLLIN};
        int ready = poll(&fd, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);
        if (ready >= 0 || errno != EINTR)
            return;
    }
}

static bool has_ended(const struct member *m)
{
    struct pollfd fd = {.fd = m->pidfd, .events = POLLIN};
    return m->ended || poll(&fd, 1, 0) > 0;
}

static void free_member(struct member *m)
{
    uv_close((uv_handle_t *)&m->poll, on_poll_closed);
    while (!m->closed)
        (void)uv_run(run_loop(m->fleet->run), UV_RUN_ONCE);
    (void)close(m->pidfd);
    free(m);
}

/* Ends a chain of members: asks all, then waits for each, then insists. */
static void end_all(struct member *members)
{
    for (struct member *m = members; m != NULL; m = m->next) {
        m->asked_to_end = true;
        if (!m->ended)
            (void)kill(-m->pid, SIGTERM);
    }
    uint64_t until_ms = clock_now_ms() + FLEET_STOP_MS;
    for (struct member *m = members; m != NULL; m = m->next)
        if (!has_ended(m))
            wait_for_end(m, until_ms);
    while (members != NULL) {
        struct member *m = members;
        members = m->next;
        if (!has_ended(m))
            (void)kill(-m->pid, SIGKILL);
        reap(m);
        free_member(m);
    }
}

static struct member *take_out(struct fleet *f, const char *name)
{
    for (struct member **at = &f->members; *at != NULL; at = &(*at)->next) {
        struct member *m = *at;
        if (strcmp(m->name, name) != 0)
            continue;
        *at = m->next;
        m->next = NULL;
        return m;
    }
    return NULL;
}

void fleet_end(struct fleet *f, const char *name)
{
    struct member *m = take_out(f, name);
    if (m != NULL)
        end_all(m);
}

enum status fleet_finish(struct fleet *f, const struct fleet_program *program, uint64_t limit_ms,
                         struct why *why)
{
    struct member *m;
    enum status status = start(f, program, true, &m, why);
    if (status != ST_OK)
        return status;
    status = run_wait(f->run, &m->ended, limit_ms);
    if (status == ST_CLOSED) {
        why_set(why, "%s", run_stopped(f->run));
    } else if (status == ST_TIMEOUT) {
        why_set(why, "%s took longer than %llu s", program->name,
                (unsigned long long)limit_ms / 1000);
        blame(f, program->name);
    } else if (m->wait_status != 0) {
        char how[PROCESS_TEXT_SIZE];
        why_set(why, "%s failed: %s", program->name, process_end_text(m->wait_status, how));
        blame(f, program->name);
        status = ST_IO;
    }
    fleet_end(f, program->name);
    return status;
}

const char *fleet_culprit(const struct fleet *f)
{
    return f->culprit[0] == '\0' ? NULL : f->culprit;
}

/* ---- memory ---- */

/* A line of /proc/PID/status such as "VmHWM:     1234 kB"; 0: it is not there. */
static uint64_t peak_kb_of(const char *pid)
{
    char path[64], line[256];
    unsigned long long kb = 0;
    (void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (kb == 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtoull(line + 6, NULL, 10);
    (void)fclose(f);
    return kb;
}

uint64_t fleet_peak_memory(const struct fleet *f, const char *name)
{
    const struct member *m = f->members;
    while (m != NULL && strcmp(m->name, name) != 0)
        m = m->next;
    DIR *folder = m == NULL ? NULL : opendir("/proc");
    if (folder == NULL)
        return 0;
    uint64_t kb = 0;
    const struct dirent *e;
    while ((e = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid > 0 && getpgid(pid) == m->pid)
            kb += peak_kb_of(e->d_name);
    }
    (void)closedir(folder);
    return kb * 1024;
}

/* Where the last lines begin. */
static const char *tail_of(const char *text, size_t size)
{
    size_t lines = 0;
    size_t at = size > 0 && text[size - 1] == '\n' ? size - 1 : size;
    while (at > 0) {
        if (text[at - 1] == '\n' && ++lines == FLEET_TAIL_LINES)
            break;
        at--;
    }
    return text + at;
}

void fleet_tail(const struct fleet *f, const char *name, FILE *out)
{
    char text[FLEET_TAIL_BYTES + 1];
    char *path = log_path_of(f, name);
    FILE *log = path == NULL ? NULL : fopen(path, "re");
    if (log != NULL) {
        if (fseek(log, -(long)FLEET_TAIL_BYTES, SEEK_END) != 0)
            rewind(log); /* shorter than that */
        size_t size = fread(text, 1, FLEET_TAIL_BYTES, log);
        text[size] = '\0';
        (void)fprintf(out, "The end of %s:\n", path);
        char *rest = (char *)(uintptr_t)tail_of(text, size);
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            text_make_safe(line);
            if (*line != '\0')
                (void)fprintf(out, "  %s\n", line);
        }
        (void)fclose(log);
    }
    free(path);
}

struct fleet *fleet_stop(struct fleet *f)
{
    if (f == NULL)
        return NULL;
    end_all(f->members);
    free(f->log_folder);
    free(f);
    return NULL;
}
