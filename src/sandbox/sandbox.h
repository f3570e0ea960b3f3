/* Runs one Wasm module (WASI preview 1) in a child process of its own.
 *
 * The child is the program fml-runner: the Wasm runtime lives only there. The
 * kernel keeps its limits, a crash costs one task, and nothing that the parent
 * knows is in its memory. The parent reads the guest's output as it comes, so a
 * flood never blocks it, and kills the child at the wall-clock limit. There is
 * no network and no file but the folders given here.
 *
 * Compiling is a job of its own (sandbox_compile), done before any guest code
 * runs in a process, so what lies in the cache was never touched by a guest.
 * Everything is called on the loop's thread. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>

#include <uv.h>

#include "base/bytes.h"

struct sandbox_job;

enum sandbox_outcome {
    SANDBOX_OK,           /* exit status 0 */
    SANDBOX_EXIT_STATUS,  /* proc_exit with another one, in exit_status */
    SANDBOX_TRAP,         /* unreachable, out of bounds, stack overflow, ... */
    SANDBOX_MEMORY_LIMIT, /* asked for more than memory_bytes, and then did not end with 0 */
    SANDBOX_CPU_LIMIT,
    SANDBOX_DEADLINE,       /* wall clock */
    SANDBOX_OUTPUT_LIMIT,   /* standard output or a file too large */
    SANDBOX_INVALID_MODULE, /* does not compile, imports what is not offered, no _start */
    SANDBOX_STOPPED,        /* sandbox_stop() */
    SANDBOX_BAD_CODE,       /* the compiled file is missing, damaged, or of another runtime:
                             * nothing of the guest ran, and compiling anew helps */
    SANDBOX_RUNNER_FAILED,  /* the runner itself could not do its work */
};

/* A short stable code: "ok", "trap", "deadline", ... as in PROTOCOL 1.3. */
const char *sandbox_outcome_code(enum sandbox_outcome outcome);

struct sandbox_limits {
    uint64_t memory_bytes; /* the linear memory; the runtime's own need comes on top */
    uint32_t cpu_s;        /* 0: only wall_ms limits */
    uint32_t wall_ms;
    size_t stdout_max;
    size_t stderr_max;   /* the tail is kept, the rest read and dropped */
    uint64_t file_max;   /* bytes of one file that is written */
    uint64_t folder_max; /* bytes of all files in the writable folders; each file and
                          * folder counts as 4 KiB at least. Looked at every 100 ms */
};

/* A folder that the guest sees. What lies in a writable one afterwards is the
 * guest's: read it with O_NOFOLLOW. Guests cannot make links where the kernel
 * has seccomp, but not every kernel has. */
struct sandbox_folder {
    const char *host_path;
    const char *guest_path;
    bool writable;
};

struct sandbox_result {
    enum sandbox_outcome outcome;
    int exit_status;
    char detail[512]; /* one line of printable ASCII for people; "" if SANDBOX_OK */
    struct view out;  /* borrowed for the callback */
    struct view err;  /* its tail */
    uint64_t wall_ms, cpu_ms, peak_rss_kb; /* of the child, also of a killed one */
};

typedef void sandbox_done_fn(void *owner, const struct sandbox_result *result);

struct sandbox_run {
    const char *runner;      /* path of fml-runner */
    const char *compiled;    /* path of the compiled module */
    const char *const *env;  /* "NAME=value", NULL-ended */
    const char *const *args; /* argv[1..] of the guest, NULL-ended; may be NULL */
    const struct sandbox_folder *folders;
    size_t folder_count; /* at most SANDBOX_FOLDERS_MAX */
    struct sandbox_limits limits;
    bool refuse_sgemm; /* a module that imports fml_sgemm (sgemm.h) is SANDBOX_INVALID_MODULE;
                        * else it gets native matrix products on its own memory */
};
#define SANDBOX_FOLDERS_MAX 8

#define SANDBOX_TEXTS_MAX 128 /* entries of env, and of args */

/* Starts a child; on_done is called once, from the loop, when it has ended and
 * all its output was read; the job is then over and must not be used again.
 * Borrows run only for the call. All texts must be UTF-8 (WASI knows no other).
 *
 * A refused growth of memory is seen exactly. A guest that gets over it and
 * ends with 0 is SANDBOX_OK; one that later fails for another reason is still
 * reported as SANDBOX_MEMORY_LIMIT. (Without seccomp in the kernel the limit
 * holds as well, but what the guest did next is what is reported.) The compiled file is read
 * and checked in the child (compiled_file.h).
 *
 * The loop's thread must live as long as the child: the kernel kills the child
 * when the thread that started it ends.
 * gives: *ret, valid until on_done
 * fails: ST_INVALID (an env entry without a name), ST_LIMIT (too many texts),
 *        ST_NOMEM, ST_IO (no such runner, ...); on_done is not called then */
MUST_CHECK enum status sandbox_start(uv_loop_t *loop, const struct sandbox_run *run,
                                     sandbox_done_fn *on_done, void *owner,
                                     struct sandbox_job **ret);

/* Compiles module (a path) into compiled (a path, written whole or not at all)
 * in a child with the same limits: memory_bytes is what the compiler may use,
 * file_max bounds the compiled file (two to five times the module). Also looks
 * for _start and for imports that are not offered. Result as above. */
MUST_CHECK enum status sandbox_compile(uv_loop_t *loop, const char *runner, const char *module,
                                       const char *compiled, const struct sandbox_limits *limits,
                                       sandbox_done_fn *on_done, void *owner,
                                       struct sandbox_job **ret);

/* Kills the child; on_done follows, from the loop, with SANDBOX_STOPPED. */
void sandbox_stop(struct sandbox_job *job);

/* What compiled code depends on beyond the module: the runtime's version and
 * configuration. Part of the cache's file name: letters, digits, '.' and '-'. */
const char *sandbox_cache_tag(void);

#endif
