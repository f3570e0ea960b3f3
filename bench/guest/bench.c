/* fml-train as Wasm, in the sandbox as a proplet runs it, against the same C
 * source built for this machine by the same compiler.
 *
 *   usage: guest_bench RUNNER FML_TRAIN_WASM FML_TRAIN_SGEMM_WASM FML_TRAIN_NATIVE
 *
 * One line for each model and build of the guest. Each program runs with 1 epoch and with EPOCHS +
 * 1; the difference is training alone, the rest is starting and reading. Times are the child's
 * processor time, of which the least of RUNS counts: what makes a run longer is not the program. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "sandbox/sandbox.h"
#include "synthetic.h"

#define RUNS      7
#define EPOCHS    10
#define PATH_SIZE 256
#define ENV_SIZE  320
#define MIB       ((uint64_t)1 << 20)
#define FEATURES  (SYNTHETIC_SIDE * SYNTHETIC_SIDE)

/* The builds of one source that are compared. */
enum { NATIVE, PLAIN, SGEMM, BUILDS };

struct bench {
    const char *runner;
    const char *programs[BUILDS];
    char dir[PATH_SIZE]; /* data and model in it, read-only to the guest */
    char out[PATH_SIZE];
    char compiled[BUILDS][PATH_SIZE]; /* of the two guests */
    uv_loop_t loop;
};

/* The guest's environment. Under WASI the folders have the names of the protocol. */
struct env {
    char texts[4][ENV_SIZE];
    char *list[7];
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "guest_bench: %s: %s\n", what, why);
    exit(1);
}

static void must(enum fml_status status)
{
    if (status != FML_OK)
        fail(fml_status_name(status), fml_why());
}

static void env_make(struct env *e, const char *dir, const char *out, int epochs)
{
    snprintf(e->texts[0], ENV_SIZE, "MODEL_PATH=%s/model", dir);
    snprintf(e->texts[1], ENV_SIZE, "DATA_DIR=%s", dir);
    snprintf(e->texts[2], ENV_SIZE, "UPDATE_PATH=%s/update", out);
    snprintf(e->texts[3], ENV_SIZE, "HYPERPARAMS={\"epochs\":%d}", epochs);
    e->list[0] = "ROUND_ID=bench";
    e->list[1] = "MODEL_URI=fl/models/bench_v0";
    for (size_t i = 0; i < 4; i++)
        e->list[2 + i] = e->texts[i];
    e->list[6] = NULL;
}

/* Seconds of processor time of all children that have ended. */
static double children_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- One run of each kind: its seconds of processor time ---- */

static double run_native(const struct bench *b, int epochs)
{
    struct env e;
    const char *native = b->programs[NATIVE];
    char *argv[] = {(char *)native, NULL};
    pid_t child = 0;
    int status = 0;

    env_make(&e, b->dir, b->out, epochs);
    double start = children_s();
    if (posix_spawn(&child, native, NULL, NULL, argv, e.list) != 0)
        fail(native, "cannot be started");
    if (waitpid(child, &status, 0) != child || status != 0)
        fail(native, "failed");
    return children_s() - start;
}

static void on_done(void *owner, const struct sandbox_result *result)
{
    (void)owner;
    if (result->outcome != SANDBOX_OK) {
        fprintf(stderr, "%.*s", (int)result->err.size, (const char *)result->err.data);
        fail(sandbox_outcome_code(result->outcome), result->detail);
    }
}

static struct sandbox_limits limits(void)
{
    return (struct sandbox_limits){
        .memory_bytes = 512 * MIB,
        .cpu_s = 300,
        .wall_ms = 300000,
        .stdout_max = MIB,
        .stderr_max = MIB,
        .file_max = 64 * MIB,
        .folder_max = 64 * MIB,
    };
}

static double run_wasm(struct bench *b, int build, int epochs)
{
    struct env e;
    struct sandbox_job *job = NULL;
    const struct sandbox_folder folders[] = {{b->dir, "/bench", false}, {b->out, "/out", true}};
    const struct sandbox_run run = {
        .runner = b->runner,
        .compiled = b->compiled[build],
        .env = (const char *const *)e.list,
        .folders = folders,
        .folder_count = 2,
        .limits = limits(),
    };

    env_make(&e, "/bench", "/out", epochs);
    double start = children_s();
    if (sandbox_start(&b->loop, &run, on_done, NULL, &job) != ST_OK)
        fail(b->runner, "cannot be started");
    uv_run(&b->loop, UV_RUN_DEFAULT);
    return children_s() - start;
}

static double compile(struct bench *b, int build)
{
    struct sandbox_limits l = limits();
    struct sandbox_job *job = NULL;
    double start = children_s();
    if (sandbox_compile(&b->loop, b->runner, b->programs[build], b->compiled[build], &l, on_done,
                        NULL, &job) != ST_OK)
        fail(b->runner, "cannot be started");
    uv_run(&b->loop, UV_RUN_DEFAULT);
    return children_s() - start;
}

/* ---- The figures ---- */

struct times {
    double training; /* of one epoch */
    double rest;     /* of a run: starting, reading, writing */
};

static void shorter(double *least, double seconds)
{
    if (*least == 0.0 || seconds < *least)
        *least = seconds;
}

static struct times times_of(double one, double many)
{
    double training = (many - one) / EPOCHS;
    return (struct times){.training = training, .rest = one - training};
}

static double run(struct bench *b, int build, int epochs)
{
    return build == NATIVE ? run_native(b, epochs) : run_wasm(b, build, epochs);
}

/* All take turns, so that what else the machine does meets each. */
static void measure(struct bench *b, struct times ret[BUILDS])
{
    double one[BUILDS] = {0}, many[BUILDS] = {0};
    for (int i = 0; i < RUNS; i++)
        for (int build = 0; build < BUILDS; build++) {
            shorter(&one[build], run(b, build, 1));
            shorter(&many[build], run(b, build, EPOCHS + 1));
        }
    for (int build = 0; build < BUILDS; build++)
        ret[build] = times_of(one[build], many[build]);
}

/* Multiplications and additions of one epoch's matrix products: forward, the
 * gradients of the weights, and the one that goes back to the hidden layer. */
static double operations(size_t hidden)
{
    double first = (double)FEATURES * (double)(hidden > 0 ? hidden : SYNTHETIC_CLASSES);
    double second = (double)hidden * SYNTHETIC_CLASSES;
    return 2.0 * SYNTHETIC_EXAMPLES * (2.0 * first + 3.0 * second);
}

/* target: what the ratio should not exceed; 0: none was set */
static void print_row(const char *name, double operations, struct times guest, struct times native,
                      double target)
{
    double ratio = guest.training / native.training;
    printf("guest/%s: examples=%d ms_per_epoch=%.1f native_ms_per_epoch=%.1f gflops=%.1f "
           "native_gflops=%.1f start_and_read_ms=%.1f native_start_and_read_ms=%.1f ratio=%.2f",
           name, SYNTHETIC_EXAMPLES, guest.training * 1e3, native.training * 1e3,
           operations / guest.training * 1e-9, operations / native.training * 1e-9,
           guest.rest * 1e3, native.rest * 1e3, ratio);
    if (target > 0.0)
        printf(" target=%.2f %s", target, ratio <= target ? "ok" : "short");
    printf("\n");
    fflush(stdout);
}

static void bench_model(struct bench *b, const char *name, size_t hidden,
                        const double targets[BUILDS])
{
    char path[PATH_SIZE + 8], row[64];
    struct times times[BUILDS];

    snprintf(path, sizeof path, "%s/model", b->dir);
    must(synthetic_model(path, hidden));
    measure(b, times);
    print_row(name, operations(hidden), times[PLAIN], times[NATIVE], targets[PLAIN]);
    snprintf(row, sizeof row, "%s_sgemm", name);
    print_row(row, operations(hidden), times[SGEMM], times[NATIVE], targets[SGEMM]);
}

static void remove_folder(struct bench *b)
{
    static const char *const names[] = {"model",        "images.idx3-ubyte", "labels.idx1-ubyte",
                                        "dataset.json", "out/update",        "compiled-1",
                                        "compiled-2"};
    char path[PATH_SIZE + 32];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", b->dir, names[i]);
        unlink(path);
    }
    rmdir(b->out);
    rmdir(b->dir);
}

int main(int argc, char **argv)
{
    static const double mlp_targets[BUILDS] = {[PLAIN] = 1.9, [SGEMM] = 1.15}, none[BUILDS] = {0};
    char dir[] = "/tmp/fml-guest-bench-XXXXXX";
    if (argc != 5) {
        fprintf(stderr, "usage: guest_bench RUNNER FML_TRAIN_WASM FML_TRAIN_SGEMM_WASM "
                        "FML_TRAIN_NATIVE\n");
        return 2;
    }
    struct bench b = {.runner = argv[1],
                      .programs = {[PLAIN] = argv[2], [SGEMM] = argv[3], [NATIVE] = argv[4]}};
    if (mkdtemp(dir) == NULL || uv_loop_init(&b.loop) != 0)
        fail(dir, "cannot be made");
    snprintf(b.dir, sizeof b.dir, "%s", dir);
    snprintf(b.out, sizeof b.out, "%s/out", dir);
    for (int build = PLAIN; build < BUILDS; build++)
        snprintf(b.compiled[build], PATH_SIZE, "%s/compiled-%d", dir, build);
    if (mkdir(b.out, 0700) != 0)
        fail(b.out, "cannot be made");
    must(synthetic_data(b.dir));

    printf("guest/compile: ms=%.1f\n", compile(&b, PLAIN) * 1e3);
    (void)compile(&b, SGEMM);
    bench_model(&b, "mlp_784_64_10", 64, mlp_targets);
    bench_model(&b, "softmax_784_10", 0, none);
    remove_folder(&b);
    uv_loop_close(&b.loop);
    return 0;
}
