#include "sandbox/engine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wasi.h>
#include <wasm.h>
#include <wasmtime.h>

#include "base/limits.h"
#include "sandbox/compiled_file.h"
#include "sandbox/engine_config.h"
#include "sandbox/engine_sgemm.h"
#include "sandbox/memory_budget.h"

#define STACK_BYTES        ((size_t)1 << 20) /* of compiled code; the thread has 8 MiB */
#define TABLE_ELEMENTS_MAX 1000000           /* 8 bytes each, of the runtime's memory */
#define TABLES_MAX         8
#define ENTRY              "_start"

/* Of a guest's memory, for the next one. Above it, clearing is slower than new pages. */
#define KEPT_BYTES_MAX ((uint64_t)8 << 20)

/* What jobs need of the runtime. Not freed by a runner: the process ends with it. */
struct engine {
    struct memory_budget budget;
    bool exact; /* the budget is what refuses memory, else Wasmtime's limiter */
    wasm_engine_t *engine;
    wasmtime_linker_t *linker;
    /* To run: */
    wasmtime_module_t *module;
    wasmtime_instance_pre_t *pre;
    /* Of one guest: */
    wasmtime_store_t *store;
    wasmtime_context_t *context;
};

/* ---- reports ---- */

static void report_error(struct runner_report *report, enum sandbox_outcome outcome,
                         const char *what, wasmtime_error_t *error)
{
    wasm_name_t message;
    wasmtime_error_message(error, &message);
    report_set(report, outcome, "%s: %.*s", what, (int)message.size, message.data);
    wasm_name_delete(&message);
    wasmtime_error_delete(error);
}

static const char *trap_text(wasm_trap_t *trap)
{
    wasmtime_trap_code_t code;
    if (!wasmtime_trap_code(trap, &code))
        return "trap";
    switch (code) {
    case WASMTIME_TRAP_CODE_STACK_OVERFLOW:
        return "stack overflow";
    case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS:
        return "memory access out of bounds";
    case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS:
        return "table access out of bounds";
    case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL:
        return "call of a null function pointer";
    case WASMTIME_TRAP_CODE_BAD_SIGNATURE:
        return "call of a function pointer of another type";
    case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW:
        return "integer overflow";
    case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO:
        return "integer division by zero";
    case WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER:
        return "conversion of a float that is no integer";
    case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED:
        return "unreachable code was reached (abort, failed assertion)";
    default:
        return "trap";
    }
}

/* A trap without a code is one of ours: its first line says what was wrong. */
static void report_own_trap(struct runner_report *report, const wasm_trap_t *trap)
{
    wasm_message_t text;
    wasm_trap_message(trap, &text);
    const char *end = memchr(text.data, '\n', text.size);
    size_t size = end == NULL ? text.size : (size_t)(end - text.data);
    report_set(report, SANDBOX_TRAP, "%.*s", (int)size, text.data);
    wasm_byte_vec_delete(&text);
}

static void report_trap(struct runner_report *report, wasm_trap_t *trap)
{
    wasmtime_trap_code_t code;
    if (!wasmtime_trap_code(trap, &code)) {
        report_own_trap(report, trap);
        return;
    }
    wasm_frame_t *frame = wasm_trap_origin(trap);
    const wasm_name_t *name = frame == NULL ? NULL : wasmtime_frame_func_name(frame);
    if (name != NULL)
        report_set(report, SANDBOX_TRAP, "%s, in function %.*s", trap_text(trap), (int)name->size,
                   name->data);
    else
        report_set(report, SANDBOX_TRAP, "%s", trap_text(trap));
}

static void report_exit(struct runner_report *report, int status)
{
    if (status == 0) {
        report_set(report, SANDBOX_OK, "%s", "");
        return;
    }
    report_set(report, SANDBOX_EXIT_STATUS, "exit status %d", status);
    report->exit_status = status;
}

/* How a call into the guest ended. proc_exit(), also that of 0, comes as an error. */
static void report_call(struct runner_report *report, wasmtime_error_t *error, wasm_trap_t *trap)
{
    int status = 0;
    if (trap != NULL)
        report_trap(report, trap);
    else if (error == NULL || wasmtime_error_exit_status(error, &status))
        report_exit(report, status);
    else
        report_error(report, SANDBOX_TRAP, "a call into the system failed", error);
}

/* A guest that was refused memory and did not end well: that is the reason. */
static void blame_memory(struct runner_report *report, const struct engine *e)
{
    if (!e->budget.refused || report->outcome == SANDBOX_OK)
        return;
    char then[sizeof report->detail];
    memcpy(then, report->detail, sizeof then);
    report_set(report, SANDBOX_MEMORY_LIMIT, "asked for more than %llu bytes of memory; then: %s",
               (unsigned long long)e->budget.limit, then);
}

/* ---- configuration: ENGINE_CONFIG_VERSION is raised with every change here ---- */

static wasm_config_t *configuration(struct memory_budget *budget, bool exact)
{
    wasm_config_t *config = wasm_config_new();
    /* No epochs and no fuel: they cost half of a kernel's speed, and do not end
     * a blocking call. SIGKILL from the parent does. */
    wasmtime_config_max_wasm_stack_set(config, STACK_BYTES);
    wasmtime_config_wasm_simd_set(config, true);
    wasmtime_config_wasm_relaxed_simd_set(config, true);
    wasmtime_config_wasm_multi_memory_set(config, false);
    wasmtime_config_wasm_memory64_set(config, false);
    wasmtime_config_wasm_tail_call_set(config, false);
    /* One thread: a device has other things to do, and cpu_s means the same
     * everywhere. */
    wasmtime_config_parallel_compilation_set(config, false);
    wasmtime_config_native_unwind_info_set(config, false);
    if (exact)
        memory_budget_use(budget, config);
    return config;
}

static bool open_engine(struct engine *e, struct runner_report *report)
{
    /* Else Wasmtime's limiter refuses, and nobody learns that it did. */
    e->exact = memory_budget_can_be_used();
    e->engine = wasm_engine_new_with_config(configuration(&e->budget, e->exact));
    if (e->engine == NULL) {
        report_set(report, SANDBOX_RUNNER_FAILED, "the runtime does not start");
        return false;
    }
    e->linker = wasmtime_linker_new(e->engine);
    /* What every module can import. What only some do follows in offer_sgemm(). */
    wasmtime_error_t *error = wasmtime_linker_define_wasi(e->linker);
    if (error == NULL)
        return true;
    report_error(report, SANDBOX_RUNNER_FAILED, "WASI", error);
    return false;
}

static bool is_command_entry(const wasm_exporttype_t *export)
{
    const wasm_name_t *name = wasm_exporttype_name(export);
    if (name->size != strlen(ENTRY) || memcmp(name->data, ENTRY, name->size) != 0)
        return false;
    const wasm_functype_t *type = wasm_externtype_as_functype_const(wasm_exporttype_type(export));
    return type != NULL && wasm_functype_params(type)->size == 0 &&
           wasm_functype_results(type)->size == 0;
}

static bool has_entry(const wasmtime_module_t *module)
{
    wasm_exporttype_vec_t exports;
    wasmtime_module_exports(module, &exports);
    bool found = false;
    for (size_t i = 0; i < exports.size; i++)
        found = found || is_command_entry(exports.data[i]);
    wasm_exporttype_vec_delete(&exports);
    return found;
}

/* A module that does not import it runs with WASI alone. */
static bool offer_sgemm(const struct engine *e, const struct runner_job *job,
                        const wasmtime_module_t *module, struct runner_report *report)
{
    if (!engine_sgemm_is_imported(module))
        return true;
    if (job->refuse_sgemm) {
        report_set(report, SANDBOX_INVALID_MODULE,
                   "imports fml.fml_sgemm, which this device refuses");
        return false;
    }
    wasmtime_error_t *error = engine_sgemm_define(e->linker);
    if (error == NULL)
        return true;
    report_error(report, SANDBOX_RUNNER_FAILED, "fml_sgemm", error);
    return false;
}

/* Everything that can be known of a module without running it. */
static wasmtime_instance_pre_t *check_module(const struct engine *e, const struct runner_job *job,
                                             const wasmtime_module_t *module,
                                             struct runner_report *report)
{
    if (!has_entry(module)) {
        report_set(report, SANDBOX_INVALID_MODULE,
                   "no function " ENTRY " is exported: not a WASI command");
        return NULL;
    }
    if (!offer_sgemm(e, job, module, report))
        return NULL;
    wasmtime_instance_pre_t *pre;
    wasmtime_error_t *error = wasmtime_linker_instantiate_pre(e->linker, module, &pre);
    if (error == NULL)
        return pre;
    report_error(report, SANDBOX_INVALID_MODULE, "imports", error);
    return NULL;
}

/* gives: the bytes of job->input; NULL: reported */
static uint8_t *read_input(const struct runner_job *job, size_t *ret_size,
                           struct runner_report *report)
{
    enum sandbox_outcome unreadable =
        job->mode == RUNNER_RUN ? SANDBOX_BAD_CODE : SANDBOX_RUNNER_FAILED;
    int fd = open(job->input, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        report_set(report, unreadable, "%s cannot be read: %s", job->input, strerror(errno));
        return NULL;
    }
    if (job->mode == RUNNER_COMPILE && (uint64_t)st.st_size > IMAGE_SIZE_MAX) {
        report_set(report, SANDBOX_INVALID_MODULE, "the module is larger than %zu bytes",
                   IMAGE_SIZE_MAX);
        return NULL;
    }
    size_t size = (size_t)st.st_size, done = 0;
    uint8_t *bytes = malloc(size + 1);
    ssize_t n = 1;
    while (bytes != NULL && done < size && (n = read(fd, bytes + done, size - done)) > 0)
        done += (size_t)n;
    if (bytes == NULL || done < size) {
        report_set(report, unreadable, "%s was not read to its end", job->input);
        return NULL;
    }
    close(fd);
    *ret_size = size;
    return bytes;
}

/* ---- compile ---- */

/* The compiler would say it, too, but not so that one knows what to do. */
static bool is_core_module(const uint8_t *bytes, size_t size, struct runner_report *report)
{
    static const uint8_t magic[4] = {0, 'a', 's', 'm'};
    if (size < 8 || memcmp(bytes, magic, sizeof magic) != 0) {
        report_set(report, SANDBOX_INVALID_MODULE, "not a Wasm module: it does not begin as one");
        return false;
    }
    /* Two bytes of version, two of layer. */
    if (bytes[6] == 1) {
        report_set(report, SANDBOX_INVALID_MODULE,
                   "a Wasm component, which is not supported: build a module for WASI preview 1 "
                   "(wasm32-wasi, GOOS=wasip1)");
        return false;
    }
    return true;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    size_t done = 0;
    ssize_t n = 1;
    while (done < size && (n = write(fd, bytes + done, size - done)) > 0)
        done += (size_t)n;
    return done == size;
}

static bool write_durably(const char *path, const wasm_byte_vec_t *code)
{
    char head[COMPILED_HEAD_SIZE];
    compiled_file_head(view_of(code->data, code->size), head);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok =
        write_all(fd, head, sizeof head) && write_all(fd, code->data, code->size) && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

static void save(const wasmtime_module_t *module, const char *path, struct runner_report *report)
{
    wasm_byte_vec_t compiled;
    wasmtime_error_t *error = wasmtime_module_serialize(module, &compiled);
    if (error != NULL)
        report_error(report, SANDBOX_RUNNER_FAILED, "serialize", error);
    else if (!write_durably(path, &compiled))
        report_set(report, SANDBOX_RUNNER_FAILED, "%s cannot be written: %s", path,
                   strerror(errno));
    else
        report_set(report, SANDBOX_OK, "%s", "");
}

void engine_compile(const struct runner_job *job, struct runner_report *report)
{
    static struct engine e;
    size_t size;
    uint8_t *bytes = read_input(job, &size, report);
    if (bytes == NULL || !is_core_module(bytes, size, report) || !open_engine(&e, report))
        return;
    wasmtime_module_t *module;
    wasmtime_error_t *error = wasmtime_module_new(e.engine, bytes, size, &module);
    if (error != NULL) {
        report_error(report, SANDBOX_INVALID_MODULE, "does not compile", error);
        return;
    }
    if (check_module(&e, job, module, report) != NULL)
        save(module, job->output, report);
}

/* ---- run ---- */

/* Not from the file directly: its data would be mapped (memory_budget.h). */
static wasmtime_module_t *load(const struct engine *e, const struct runner_job *job,
                               struct runner_report *report)
{
    size_t size;
    uint8_t *bytes = read_input(job, &size, report);
    if (bytes == NULL)
        return NULL;
    wasmtime_module_t *module = NULL;
    struct view code;
    if (!compiled_file_code(view_of(bytes, size), &code)) {
        report_set(report, SANDBOX_BAD_CODE, "the compiled module is damaged");
        goto done;
    }
    wasmtime_error_t *error = wasmtime_module_deserialize(e->engine, code.data, code.size, &module);
    if (error != NULL)
        report_error(report, SANDBOX_BAD_CODE, "the compiled module cannot be loaded", error);
done:
    free(bytes);
    return module;
}

/* The guest's output as it comes, without a buffer that could be lost. */
static ptrdiff_t write_through(void *data, const unsigned char *bytes, size_t size)
{
    int fd = (int)(intptr_t)data;
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return (ptrdiff_t)size;
}

static bool give_args(wasi_config_t *wasi, const struct runner_job *job)
{
    const char *argv[SANDBOX_TEXTS_MAX + 1] = {"guest"};
    memcpy(argv + 1, job->args, job->arg_count * sizeof argv[0]);
    return wasi_config_set_argv(wasi, job->arg_count + 1, argv);
}

static bool give_env(wasi_config_t *wasi, const struct runner_job *job)
{
    for (size_t i = 0; i < job->env_count; i++) {
        const char *equals = strchr(job->env[i], '=');
        char *name = equals == NULL ? NULL : strndup(job->env[i], (size_t)(equals - job->env[i]));
        if (name == NULL)
            return false;
        const char *names[] = {name}, *values[] = {equals + 1};
        bool ok = wasi_config_set_env(wasi, 1, names, values);
        free(name);
        if (!ok)
            return false;
    }
    return true;
}

static bool give_folders(wasi_config_t *wasi, const struct runner_job *job,
                         struct runner_report *report)
{
    for (size_t i = 0; i < job->folder_count; i++) {
        const struct sandbox_folder *f = &job->folders[i];
        if (wasi_config_preopen_dir(wasi, f->host_path, f->guest_path, f->writable))
            continue;
        report_set(report, SANDBOX_RUNNER_FAILED, "the folder %s cannot be opened", f->host_path);
        return false;
    }
    return true;
}

/* Standard input stays empty, there is no network and no other variable. */
static bool give_wasi(const struct engine *e, const struct runner_job *job,
                      const struct engine_output *output, struct runner_report *report)
{
    wasi_config_t *wasi = wasi_config_new();
    wasi_config_set_stdout_custom(wasi, output->write, output->out, NULL);
    wasi_config_set_stderr_custom(wasi, output->write, output->err, NULL);
    if (!give_args(wasi, job) || !give_env(wasi, job)) {
        report_set(report, SANDBOX_RUNNER_FAILED, "an argument or variable is not UTF-8");
        return false;
    }
    if (!give_folders(wasi, job, report))
        return false;
    wasmtime_error_t *error = wasmtime_context_set_wasi(e->context, wasi);
    if (error == NULL)
        return true;
    report_error(report, SANDBOX_RUNNER_FAILED, "WASI", error);
    return false;
}

/* Runs the module's start function, if it has one. */
static bool instantiate(const struct engine *e, const wasmtime_instance_pre_t *pre,
                        wasmtime_instance_t *ret, struct runner_report *report)
{
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = wasmtime_instance_pre_instantiate(pre, e->context, ret, &trap);
    if (error == NULL && trap == NULL)
        return true;
    int status;
    if (trap != NULL || wasmtime_error_exit_status(error, &status))
        report_call(report, error, trap);
    else /* the memory or the tables that it wants from the start */
        report_error(report, SANDBOX_INVALID_MODULE, "cannot be instantiated", error);
    return false;
}

static void call_entry(const struct engine *e, const wasmtime_instance_t *instance,
                       struct runner_report *report)
{
    wasmtime_extern_t entry;
    bool found = wasmtime_instance_export_get(e->context, instance, ENTRY, strlen(ENTRY), &entry);
    assert(found && entry.kind == WASMTIME_EXTERN_FUNC); /* check_module() saw it */
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error =
        wasmtime_func_call(e->context, &entry.of.func, NULL, 0, NULL, 0, &trap);
    report_call(report, error, trap);
}

static void open_store(struct engine *e, const struct runner_job *job)
{
    bool limiter = !e->exact && job->memory_bytes <= INT64_MAX;
    e->budget.limit = job->memory_bytes;
    e->budget.refused = false;
    e->store = wasmtime_store_new(e->engine, NULL, NULL);
    e->context = wasmtime_store_context(e->store);
    wasmtime_store_limiter(e->store, limiter ? (int64_t)job->memory_bytes : -1, TABLE_ELEMENTS_MAX,
                           1, TABLES_MAX, 1);
}

static bool prepare(struct engine *e, const struct runner_job *job, struct runner_report *report)
{
    e->module = open_engine(e, report) ? load(e, job, report) : NULL;
    e->pre = e->module == NULL ? NULL : check_module(e, job, e->module, report);
    return e->pre != NULL;
}

struct engine *engine_open(const struct runner_job *job, struct runner_report *report)
{
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        report_set(report, SANDBOX_RUNNER_FAILED, "no memory");
        return NULL;
    }
    e->budget.keep_max = KEPT_BYTES_MAX;
    return prepare(e, job, report) ? e : engine_close(e);
}

struct engine *engine_close(struct engine *e)
{
    if (e->pre != NULL)
        wasmtime_instance_pre_delete(e->pre);
    if (e->module != NULL)
        wasmtime_module_delete(e->module);
    if (e->linker != NULL)
        wasmtime_linker_delete(e->linker);
    if (e->engine != NULL)
        wasm_engine_delete(e->engine);
    memory_budget_done(&e->budget);
    free(e);
    return NULL;
}

void engine_run_guest(struct engine *e, const struct runner_job *job,
                      const struct engine_output *output, struct runner_report *report)
{
    wasmtime_instance_t instance;
    open_store(e, job);
    if (give_wasi(e, job, output, report) && instantiate(e, e->pre, &instance, report))
        call_entry(e, &instance, report);
    blame_memory(report, e);
}

void engine_end_guest(struct engine *e)
{
    wasmtime_store_delete(e->store);
    e->store = NULL;
    e->context = NULL;
}

void engine_run(const struct runner_job *job, struct runner_report *report)
{
    static const struct engine_output through = {
        .write = write_through,
        .out = (void *)(intptr_t)STDOUT_FILENO,
        .err = (void *)(intptr_t)STDERR_FILENO,
    };
    static struct engine e;
    if (prepare(&e, job, report))
        engine_run_guest(&e, job, &through, report);
}
