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
    SANDBOX_OK,             /* exit status 0 */
    SANDBOX_EXIT_STATUS,    /* proc_exit with another one, in exit_status */
    SANDBOX_TRAP,           /* unreachable, out of bounds, stack overflow, ... */
    SANDBOX_MEMORY_LIMIT,   /* more memory than memory_bytes was asked for */
    SANDBOX_CPU_LIMIT,
    SANDBOX_DEADLINE,       /* wall clock */
    SANDBOX_OUTPUT_LIMIT,   /* standard output or a file too large */
    SANDBOX_INVALID_MODULE, /* does not compile, imports what is not offered, no _start */
    SANDBOX_STOPPED,        /* sandbox_stop() */
    SANDBOX_RUNNER_FAILED,  /* the runner itself could not do its work */
};

/* A short stable code: "ok", "trap", "deadline", ... as in PROTOCOL 1.3. */
const char *sandbox_outcome_code(enum sandbox_outcome outcome);

struct sandbox_limits {
    uint64_t memory_bytes; /* linear memories and tables together */
    uint32_t cpu_s;
    uint32_t wall_ms;
    size_t stdout_max;
    size_t stderr_max;     /* the tail is kept, the rest read and dropped */
    uint64_t file_max;     /* bytes of one file that the guest writes */
    uint64_t folder_max;   /* bytes of all files in its writable folder */
};

/* A folder that the guest sees. */
struct sandbox_folder {
    const char *host_path;
    const char *guest_path;
    bool writable;
};

struct sandbox_result {
    enum sandbox_outcome outcome;
    int exit_status;
    char detail[512];  /* one line for people: the trap's message, ... */
    struct view out;   /* borrowed for the callback */
    struct view err;   /* its tail */
    uint64_t wall_ms, cpu_ms, peak_rss_kb; /* of the child */
};

typedef void sandbox_done_fn(void *owner, const struct sandbox_result *result);

struct sandbox_run {
    const char *runner;        /* path of fml-runner */
    const char *compiled;      /* path of the compiled module */
    const char *const *env;    /* "NAME=value", NULL-ended */
    const char *const *args;   /* argv[1..] of the guest, NULL-ended; may be NULL */
    const struct sandbox_folder *folders;
    size_t folder_count;       /* at most SANDBOX_FOLDERS_MAX */
    struct sandbox_limits limits;
};
#define SANDBOX_FOLDERS_MAX 8

/* Starts a child; on_done is called once, from the loop, when it has ended and
 * all its output was read; the job is then over and must not be used again.
 * Borrows run only for the call.
 * gives: *ret, valid until on_done. fails: ST_NOMEM, ST_IO; on_done is not called */
MUST_CHECK enum status sandbox_start(uv_loop_t *loop, const struct sandbox_run *run,
                                     sandbox_done_fn *on_done, void *owner,
                                     struct sandbox_job **ret);

/* Compiles module (a path) into compiled (a path, written whole or not at all)
 * in a child with the same limits. Result as above. */
MUST_CHECK enum status sandbox_compile(uv_loop_t *loop, const char *runner, const char *module,
                                       const char *compiled, const struct sandbox_limits *limits,
                                       sandbox_done_fn *on_done, void *owner,
                                       struct sandbox_job **ret);

/* Kills the child; on_done follows with SANDBOX_STOPPED. */
void sandbox_stop(struct sandbox_job *job);

/* What compiled code depends on beyond the module: the runtime's version and
 * configuration. Part of the cache's file name. */
const char *sandbox_cache_tag(void);

#endif
