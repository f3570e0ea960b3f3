/* What a confined process cannot do any more. Each case is a process of its own,
 * because there is no way back. Built without sanitizers, like the runner. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/confine.h"

#define MIB ((size_t)1 << 20)

static char root[] = "/tmp/fml-confine-XXXXXX";
static char data[64], out[64], input[64], outside[64];

/* In the child: the number of the first line whose claim is false ends it. */
static int first_false;
#define CLAIM(claim)                                                                               \
    do {                                                                                           \
        if (first_false == 0 && !(claim))                                                          \
            first_false = __LINE__;                                                                \
    } while (0)

static struct runner_job sample_job(void)
{
    return (struct runner_job){
        .mode = RUNNER_RUN,
        .parent = (uint64_t)getpid(),
        .input = input,
        .memory_bytes = 16 * MIB,
        .cpu_s = 60,
        .file_max = MIB,
        .folders = {{data, "/data", false}, {out, "/out", true}},
        .folder_count = 2,
    };
}

/* Runs claims in a confined child. gives: its wait status */
static int confined(struct runner_job job, void (*claims)(void))
{
    int ends[2], line = 0, wait_status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct why why;
        CLAIM(confine(&job, &why) == ST_OK);
        if (first_false == 0)
            claims();
        _exit(write(ends[1], &first_false, sizeof first_false) == sizeof first_false ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &line, sizeof line) == sizeof line && line != 0)
        print_message("line %d is not true\n", line);
    close(ends[0]);
    assert_int_equal(line, 0);
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    return wait_status;
}

static void no_network(void)
{
    CLAIM(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    CLAIM(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    CLAIM(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM);
}

static void no_other_process(void)
{
    char program[] = "/bin/true";
    char *argv[] = {program, NULL};
    CLAIM(fork() < 0);
    CLAIM(execv(program, argv) < 0 && errno == EPERM);
    CLAIM(kill(getppid(), 0) < 0 && errno == EPERM);
    CLAIM(syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 && errno == EPERM);
    CLAIM(syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == EPERM);
}

static void *add_one(void *number)
{
    ++*(int *)number;
    return number;
}

static void threads_and_own_signals_stay(void)
{
    pthread_t thread;
    int number = 1;
    CLAIM(pthread_create(&thread, NULL, add_one, &number) == 0);
    CLAIM(first_false != 0 || pthread_join(thread, NULL) == 0);
    CLAIM(number == 2);
    CLAIM(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
}

static int open_in(const char *folder, const char *name, int flags)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, flags, 0600);
}

static void only_the_files_of_the_job(void)
{
    CLAIM(open(input, O_RDONLY) >= 0);
    CLAIM(open_in(data, "sample", O_RDONLY) >= 0);
    CLAIM(open_in(out, "new", O_WRONLY | O_CREAT) >= 0);
    CLAIM(open(outside, O_RDONLY) < 0 && errno == EACCES);
    CLAIM(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
    CLAIM(open(input, O_WRONLY) < 0 && errno == EACCES);
    CLAIM(open_in(data, "sample", O_WRONLY) < 0 && errno == EACCES);
    CLAIM(open_in(data, "new", O_WRONLY | O_CREAT) < 0 && errno == EACCES);
    CLAIM(unlink(outside) < 0);
}

static void no_links(void)
{
    CLAIM(chdir(out) == 0);
    CLAIM(symlink("/etc/passwd", "link") < 0 && errno == EPERM);
    CLAIM(link(input, "link") < 0 && errno == EPERM);
}

static void memory_ends(void)
{
    size_t allowed = 16 * MIB + RUNTIME_BYTES;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    CLAIM(mmap(NULL, allowed, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED);
    CLAIM(mmap(NULL, allowed / 2, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED);
    /* Addresses alone cost nothing: linear memories reserve 4 GiB. */
    CLAIM(mmap(NULL, (size_t)8 << 30, PROT_NONE, flags | MAP_NORESERVE, -1, 0) != MAP_FAILED);
}

static void file_ends(void)
{
    int fd = open_in(out, "large", O_WRONLY | O_CREAT);
    CLAIM(fd >= 0 && ftruncate(fd, (off_t)MIB) == 0);
    (void)!ftruncate(fd, (off_t)MIB + 1); /* SIGXFSZ */
    CLAIM(false);
}

static void cpu_time_ends(void)
{
    for (volatile unsigned i = 0;; i++) {
    }
}

static void nothing(void)
{
}

/* ---- the cases ---- */

static void assert_holds(void (*claims)(void))
{
    int wait_status = confined(sample_job(), claims);
    assert_true(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0);
}

static void network_is_gone(void **state)
{
    (void)state;
    assert_holds(no_network);
}

static void other_processes_are_out_of_reach(void **state)
{
    (void)state;
    assert_holds(no_other_process);
}

static void what_the_runtime_needs_is_left(void **state)
{
    (void)state;
    assert_holds(threads_and_own_signals_stay);
}

static void other_files_are_out_of_reach(void **state)
{
    (void)state;
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
        skip(); /* WASI alone keeps the guest in its folders then */
    assert_holds(only_the_files_of_the_job);
}

static void links_cannot_be_made(void **state)
{
    (void)state;
    assert_holds(no_links);
}

static void memory_is_limited(void **state)
{
    (void)state;
    assert_holds(memory_ends);
}

static void size_of_a_file_is_limited(void **state)
{
    (void)state;
    int wait_status = confined(sample_job(), file_ends);
    assert_true(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGXFSZ);
}

static void cpu_time_is_limited(void **state)
{
    (void)state;
    struct runner_job job = sample_job();
    job.cpu_s = 1;
    int wait_status = confined(job, cpu_time_ends);
    assert_true(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGXCPU);
}

static void orphan_is_refused(void **state)
{
    (void)state;
    struct runner_job job = sample_job();
    job.parent = (uint64_t)getppid(); /* of us, which is not who forks below */
    struct why why;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(confine(&job, &why) == ST_CLOSED ? 0 : 1);
    int wait_status = 0;
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_true(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0);
    assert_holds(nothing);
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    char sample[80];
    if (mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(data, sizeof data, "%s/data", root);
    (void)snprintf(out, sizeof out, "%s/out", root);
    (void)snprintf(input, sizeof input, "%s/input", root);
    (void)snprintf(outside, sizeof outside, "%s/outside", root);
    (void)snprintf(sample, sizeof sample, "%s/sample", data);
    if (mkdir(data, 0700) != 0 || mkdir(out, 0700) != 0)
        return -1;
    make_file(input);
    make_file(outside);
    make_file(sample);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"data/sample", "out/new", "out/large", "data",
                                        "out",         "input",   "outside"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "%s/%s", root, names[i]);
        (void)remove(path);
    }
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_is_gone),
        cmocka_unit_test(other_processes_are_out_of_reach),
        cmocka_unit_test(what_the_runtime_needs_is_left),
        cmocka_unit_test(other_files_are_out_of_reach),
        cmocka_unit_test(links_cannot_be_made),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(size_of_a_file_is_limited),
        cmocka_unit_test(cpu_time_is_limited),
        cmocka_unit_test(orphan_is_refused),
    };
    return cmocka_run_group_tests_name("sandbox/confine", tests, setup, teardown);
}
