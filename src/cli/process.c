#include "cli/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Our environment with the variables of the spec in place of those of the same
 * name. The array is owned, its texts are borrowed. */
static char **make_environment(const char *const *variables)
{
    size_t ours = 0, more = 0;
    while (environ[ours] != NULL)
        ours++;
    while (variables != NULL && variables[more] != NULL)
        more++;
    char **all = calloc(ours + more + 1, sizeof *all);
    if (all == NULL)
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t j = 0; j < more && !replaced; j++) {
            size_t size = strcspn(variables[j], "=") + 1;
            replaced = strncmp(environ[i], variables[j], size) == 0;
        }
        if (!replaced)
            all[count++] = environ[i];
    }
    for (size_t j = 0; j < more; j++)
        all[count++] = (char *)(uintptr_t)variables[j];
    return all;
}

/* In the child, between fork and exec: only calls that are safe there. Says the
 * errno of what failed through the pipe, which closes by itself at exec. */
static _Noreturn void become(const struct process_spec *spec, char **environment, int log,
                             int report, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it ended before prctl() */
        _exit(127);
    int nothing = open("/dev/null", O_RDONLY);
    bool ready = nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0;
    if (log >= 0)
        ready = ready && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0;
    if (ready)
        (void)execvpe(spec->argv[0], (char **)(uintptr_t)spec->argv, environment);
    int error = errno;
    ssize_t written = write(report, &error, sizeof error);
    (void)written;
    _exit(127);
}

/* Waits for exec: the pipe's end without a word is success. */
static enum status exec_result(int report, pid_t pid, const char *program, struct why *why)
{
    int error = 0;
    ssize_t size;
    do
        size = read(report, &error, sizeof error);
    while (size < 0 && errno == EINTR);
    if (size == 0)
        return ST_OK;
    (void)waitpid(pid, NULL, 0);
    why_set(why, "cannot start %.150s: %s", program, strerror(size > 0 ? error : EIO));
    return error == ENOENT ? ST_NOT_FOUND : ST_IO;
}

enum status process_start(const struct process_spec *spec, pid_t *ret_pid, struct why *why)
{
    assert(spec != NULL && spec->argv != NULL && spec->argv[0] != NULL && ret_pid != NULL);
    enum status status = ST_IO;
    int log = -1, report[2] = {-1, -1};
    char **environment = make_environment(spec->variables);
    pid_t parent = getpid();
    pid_t pid = -1;
    if (environment == NULL || pipe2(report, O_CLOEXEC) != 0)
        goto done;
    if (spec->log_path != NULL) {
        log = open(spec->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0)
            goto done;
    }
    pid = fork();
    if (pid == 0)
        become(spec, environment, log, report[1], parent);
    if (pid < 0)
        goto done;
    (void)setpgid(pid, pid); /* here too, so that it holds when we return */
    (void)close(report[1]);
    report[1] = -1;
    status = exec_result(report[0], pid, spec->argv[0], why);
    if (status == ST_OK)
        *ret_pid = pid;
done:
    if (status != ST_OK && pid < 0)
        why_set(why, "cannot start %.150s: %s", spec->argv[0], strerror(errno));
    free(environment);
    if (log >= 0)
        (void)close(log);
    if (report[0] >= 0)
        (void)close(report[0]);
    if (report[1] >= 0)
        (void)close(report[1]);
    return status;
}

const char *process_end_text(int wait_status, char ret[PROCESS_TEXT_SIZE])
{
    if (WIFSIGNALED(wait_status))
        (void)snprintf(ret, PROCESS_TEXT_SIZE, "killed by signal %d (%s)", WTERMSIG(wait_status),
                       strsignal(WTERMSIG(wait_status)));
    else
        (void)snprintf(ret, PROCESS_TEXT_SIZE, "exit status %d", WEXITSTATUS(wait_status));
    return ret;
}
