/* seccomp: system calls that running one module never needs. */
#ifndef SANDBOX_CONFINE_SYSCALLS_H
#define SANDBOX_CONFINE_SYSCALLS_H

/* Makes them fail with EPERM from here on. Does nothing where the kernel has no
 * seccomp, or the processor is one that is not known here. Needs
 * PR_SET_NO_NEW_PRIVS. */
void confine_syscalls(void);

#endif
