#include "sandbox/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/runner_job.h"

/* What the child shall have lies above the numbers it gets there, so that no
 * dup2 on the way overwrites the source of a later one. */
#define FD_ABOVE 16

static int close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

static int move_above(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE);
    close_fd(fd);
    return moved;
}

static bool write_all(int fd, struct view v)
{
    while (v.size > 0) {
        ssize_t n = write(fd, v.data, v.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        v = view_of(v.data + n, v.size - (size_t)n);
    }
    return true;
}

static int job_file(struct view job)
{
    int fd = memfd_create("fml-job", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (!write_all(fd, job) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return close_fd(fd);
    return move_above(fd);
}

/* What the child gets; we close it once it runs. */
struct given {
    int out, err, report, job;
};

static bool open_pipe(int *ret_ours, int *ret_theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *ret_ours = ends[0];
    *ret_theirs = move_above(ends[1]);
    return *ret_theirs >= 0;
}

static int set_actions(posix_spawn_file_actions_t *actions, const struct given *given)
{
    int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, given->out, 1);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, given->err, 2);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, given->report, RUNNER_REPORT_FD);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, given->job, RUNNER_JOB_FD);
    /* Not all libraries mark their sockets close-on-exec. */
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions, RUNNER_JOB_FD + 1);
    return error;
}

/* Its own session, no signal blocked, none ignored. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETSIGDEF);
    return error;
}

static enum status spawn(const char *program, const struct given *given, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ST_NOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ST_NOMEM;
    }
    char name[] = "fml-runner";
    char *argv[] = {name, NULL};
    char *env[] = {NULL};
    int error = set_actions(&actions, given);
    if (error == 0)
        error = set_attributes(&attributes);
    if (error == 0)
        error = posix_spawn(ret_pid, program, &actions, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? ST_OK : error == ENOMEM ? ST_NOMEM : ST_IO;
}

static enum status start(const char *program, struct view job, struct child *c, struct given *given)
{
    given->job = job_file(job);
    if (given->job < 0 || !open_pipe(&c->out, &given->out) || !open_pipe(&c->err, &given->err) ||
        !open_pipe(&c->report, &given->report))
        return ST_IO;
    enum status status = spawn(program, given, &c->pid);
    if (status != ST_OK)
        return status;
    c->ended = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->ended >= 0)
        return ST_OK;
    child_kill(c);
    (void)waitpid(c->pid, NULL, 0);
    return ST_IO;
}

enum status child_start(const char *program, struct view job, struct child *ret)
{
    assert(program != NULL && ret != NULL);
    struct child c = {.pid = -1, .ended = -1, .out = -1, .err = -1, .report = -1};
    struct given given = {-1, -1, -1, -1};
    enum status status = start(program, job, &c, &given);
    close_fd(given.out);
    close_fd(given.err);
    close_fd(given.report);
    close_fd(given.job);
    if (status != ST_OK) {
        close_fd(c.out);
        close_fd(c.err);
        close_fd(c.report);
        return status;
    }
    *ret = c;
    return ST_OK;
}

void child_kill(const struct child *c)
{
    assert(c->pid > 1);
    (void)kill(-c->pid, SIGKILL);
}

static uint64_t ms_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

bool child_reap(const struct child *c, struct child_ending *ret)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    /* Until it is reaped its number, which is also the group's, is not given
     * to anyone else. */
    child_kill(c);
    struct rusage usage;
    struct child_ending ending = {0};
    if (wait4(c->pid, &ending.wait_status, 0, &usage) != c->pid)
        return false;
    ending.cpu_ms = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
    ending.peak_rss_kb = (uint64_t)usage.ru_maxrss;
    *ret = ending;
    return true;
}
