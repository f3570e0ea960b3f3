#include "sandbox/confine_syscalls.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

/* A list of what is forbidden, not of what is allowed: which calls the C library
 * and the runtime make changes with their versions, and this is the last of
 * several walls. */
static const uint16_t forbidden[] = {
    /* the network; io_uring can do all of it, too */
    SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_io_uring_setup,
    /* other programs and processes */
    SYS_execve, SYS_execveat, SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_pidfd_open,
    SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_setpgid, SYS_setsid,
    /* links: a guest could leave one for whoever reads its folder later */
    SYS_symlinkat, SYS_linkat,
#ifdef __x86_64__
    SYS_fork, SYS_vfork, SYS_symlink, SYS_link, SYS_mknod,
#endif
    /* the system */
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_bpf,
    SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_init_module,
    SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_settimeofday,
    SYS_clock_settime, SYS_open_by_handle_at, SYS_mknodat};

#ifdef MACHINE
#define FORBIDDEN_COUNT (sizeof forbidden / sizeof forbidden[0])
#define LOAD(field)     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP(test, value, if_true, if_false)                                                       \
    BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), (uint8_t)(if_true), (uint8_t)(if_false))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (uint32_t)(value))
#define FAIL(number)  RETURN(SECCOMP_RET_ERRNO | (number))

static void install(void)
{
    uint32_t own_pid = (uint32_t)getpid();
    struct sock_filter head[] = {
        LOAD(arch),
        JUMP(BPF_JEQ, MACHINE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        /* Threads are allowed, processes not. The C library turns to clone when
         * clone3, whose flags a filter cannot read, does not exist. */
        JUMP(BPF_JEQ, SYS_clone3, 0, 1),
        FAIL(ENOSYS),
        /* A kernel without it: see memory_budget.h. */
        JUMP(BPF_JEQ, SYS_memfd_create, 0, 1),
        FAIL(ENOSYS),
        JUMP(BPF_JEQ, SYS_clone, 0, 4),
        LOAD(args[0]),
        JUMP(BPF_JSET, CLONE_THREAD, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        FAIL(EPERM),
        /* abort() signals itself; nobody else may be signalled. */
        JUMP(BPF_JEQ, SYS_tgkill, 0, 4),
        LOAD(args[0]),
        JUMP(BPF_JEQ, own_pid, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        FAIL(EPERM),
    };
    enum { HEAD_COUNT = sizeof head / sizeof head[0] };
    struct sock_filter filter[HEAD_COUNT + FORBIDDEN_COUNT + 4];
    unsigned short n = 0;
    for (size_t i = 0; i < HEAD_COUNT; i++)
        filter[n++] = head[i];
#ifdef __x86_64__
    /* The x32 variants of all calls, which the list would not match. */
    filter[n++] = (struct sock_filter)JUMP(BPF_JGE, 0x40000000u, FORBIDDEN_COUNT + 1, 0);
#endif
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++)
        filter[n++] = (struct sock_filter)JUMP(BPF_JEQ, forbidden[i], FORBIDDEN_COUNT - i, 0);
    filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)FAIL(EPERM);
    static_assert(FORBIDDEN_COUNT < 250, "a jump reaches 255 instructions");

    struct sock_fprog program = {.len = n, .filter = filter};
    (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#endif

void confine_syscalls(void)
{
#ifdef MACHINE
    install();
#else
    (void)forbidden;
#endif
}
