/* One child process in a session of its own, with pipes for what it says.
 *
 * Not uv_spawn(): libuv reaps a child itself and drops its resource usage, and
 * a task that was killed at a limit is the very one whose usage is wanted. */
#ifndef SANDBOX_CHILD_H
#define SANDBOX_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

struct child {
    pid_t pid;            /* also its process group and session */
    int ended;            /* a pidfd: readable when the process has ended */
    int out, err, report; /* our ends of the pipes */
};

struct child_ending {
    int wait_status; /* as of waitpid() */
    uint64_t cpu_ms, peak_rss_kb;
};

/* Starts program with one argument-free command line, an empty environment, the
 * job as a sealed memory file (RUNNER_JOB_FD) and no other descriptor of ours.
 * gives: *ret; its descriptors are the caller's. fails: ST_NOMEM, ST_IO */
MUST_CHECK enum status child_start(const char *program, struct view job, struct child *ret);

/* SIGKILL to the whole process group. Not after child_reap() was true. */
void child_kill(const struct child *c);

/* Takes the ended process out of the system's table; what is left of its group
 * is killed first. false: it has not ended yet. */
bool child_reap(const struct child *c, struct child_ending *ret);

#endif
