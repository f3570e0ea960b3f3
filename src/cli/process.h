/* One child process, in a process group of its own, that cannot outlive us: the
 * kernel kills it when this process ends, however that happens. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <sys/types.h>

#include "base/status.h"

struct process_spec {
    const char *const *argv;      /* argv[0] is the program: a path, or a name in PATH */
    const char *const *variables; /* KEY=VALUE texts on top of our environment, or NULL */
    const char *log_path;         /* standard output and error are appended; NULL: ours */
};

/* Starts it. The list ends with NULL in both arrays.
 * gives: *ret_pid, to be reaped with waitpid()
 * fails: ST_NOT_FOUND (no such program), ST_IO, with a sentence */
MUST_CHECK enum status process_start(const struct process_spec *spec, pid_t *ret_pid,
                                     struct why *why);

/* "exit status 3", "killed by signal 9 (Killed)", from what waitpid() said. */
#define PROCESS_TEXT_SIZE 96
const char *process_end_text(int wait_status, char ret[PROCESS_TEXT_SIZE]);

#endif
