#include "sandbox/confine.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/confine_files.h"
#include "sandbox/confine_syscalls.h"

/* Descriptors: folders, what the guest opens, and what the runtime needs. */
#define DESCRIPTORS_MAX 64

static enum status refused(const char *what, struct why *why)
{
    why_set(why, "%s: %s", what, strerror(errno));
    return ST_IO;
}

static enum status die_with_parent(const struct runner_job *job, struct why *why)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return refused("PR_SET_PDEATHSIG", why);
    /* If the parent died before the line above, no signal will ever come. */
    if ((uint64_t)getppid() != job->parent) {
        why_set(why, "the parent is gone");
        return ST_CLOSED;
    }
    return ST_OK;
}

static int limit(__rlimit_resource_t resource, uint64_t soft, uint64_t hard)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        return -1;
    /* A limit that is already lower can only stay. */
    struct rlimit wanted = {soft < now.rlim_max ? soft : now.rlim_max,
                            hard < now.rlim_max ? hard : now.rlim_max};
    return setrlimit(resource, &wanted);
}

/* The module is read into memory, or the compiled one mapped privately. */
static uint64_t input_bytes(const struct runner_job *job)
{
    struct stat st;
    return stat(job->input, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

static enum status set_limits(const struct runner_job *job, struct why *why)
{
    uint64_t memory = job->memory_bytes + RUNTIME_BYTES + 2 * input_bytes(job);
    if (limit(RLIMIT_CORE, 0, 0) != 0)
        return refused("RLIMIT_CORE", why);
    /* SIGXCPU at the first, SIGKILL should that not do. */
    if (job->cpu_s > 0 && limit(RLIMIT_CPU, job->cpu_s, job->cpu_s + 1) != 0)
        return refused("RLIMIT_CPU", why);
    if (limit(RLIMIT_DATA, memory, memory) != 0)
        return refused("RLIMIT_DATA", why);
    if (limit(RLIMIT_FSIZE, job->file_max, job->file_max) != 0)
        return refused("RLIMIT_FSIZE", why);
    if (limit(RLIMIT_NOFILE, DESCRIPTORS_MAX, DESCRIPTORS_MAX) != 0)
        return refused("RLIMIT_NOFILE", why);
    return ST_OK;
}

/* Root may have namespaces of its own at once. Others need a user namespace for
 * that, if the system lets them; it changes nothing about file permissions. Not
 * for root, who would lose access to files of other users by it. */
static void leave_network(void)
{
    int spaces = CLONE_NEWNET | CLONE_NEWIPC;
    if (unshare(spaces) != 0 && geteuid() != 0)
        (void)unshare(CLONE_NEWUSER | spaces);
}

enum status confine(const struct runner_job *job, struct why *why)
{
    enum status status = die_with_parent(job, why);
    if (status == ST_OK)
        status = set_limits(job, why);
    if (status == ST_OK && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        status = refused("PR_SET_NO_NEW_PRIVS", why);
    if (status != ST_OK)
        return status;
    umask(077);
    leave_network();
    confine_files(job);
    confine_syscalls();
    return ST_OK;
}
