/* Landlock (Linux 5.13): the process can open the files of its job only. */
#ifndef SANDBOX_CONFINE_FILES_H
#define SANDBOX_CONFINE_FILES_H

#include "sandbox/runner_job.h"

/* Does nothing where the kernel has no Landlock. Needs PR_SET_NO_NEW_PRIVS. */
void confine_files(const struct runner_job *job);

#endif
