/* fml-simulate: options in, the broker connection and the clock handed to the simulator, its
 * life. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "io/clock.h"
#include "device/service_out.h"
#include "service/service.h"
#include "simulate/limits.h"
#include "simulate/simulator.h"

#define PROGRAM          "fml-simulate"
#define TICK_MS          200u
#define SESSION_EXPIRY_S 300u /* a start that comes while the connection is down is not lost */

struct app {
    struct service_settings common;
    const char *domain, *channel, *id, *manager, *prefix;
    const char *data_dir, *state_dir, *runner, *worker;
    uint64_t devices, workers, alive_interval_s, memory_mb, model_wait_s, resend_s, seed;
    double drop;
    bool refuse_sgemm;
    char beside[2][PROPLET_PATH_SIZE];
    struct simulator_settings settings;
    struct service *service;
    struct simulator *simulator; /* NULL once it has ended */
};

static enum options_result read_options(struct app *a, int argc, char **argv)
{
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        SERVICE_OPTION_SPECS(&a->common),
        {.flag = "devices", .value = "N", .kind = OPTION_NUMBER, .required = true,
         .target = &a->devices, .min = 1, .max = SIMULATE_DEVICES_MAX, .help = "how many"},
        {.flag = "prefix", .value = "ID", .kind = OPTION_TEXT, .fallback = "device",
         .target = &a->prefix, .help = "they are called PREFIX-1 to PREFIX-N"},
        {.flag = "id", .value = "ID", .kind = OPTION_TEXT, .fallback = "simulator",
         .target = &a->id, .help = "this process's name at the broker"},
        {.flag = "domain", .value = "ID", .kind = OPTION_TEXT, .fallback = "demo",
         .target = &a->domain, .help = "first part of the core topics"},
        {.flag = "channel", .value = "ID", .kind = OPTION_TEXT, .fallback = "fl",
         .target = &a->channel, .help = "second part of the core topics"},
        {.flag = "manager", .value = "ID", .kind = OPTION_TEXT, .fallback = "manager",
         .target = &a->manager, .help = "who is asked for images"},
        {.flag = "data-dir", .value = "DIR", .kind = OPTION_TEXT, .target = &a->data_dir,
         .help = "data: of the folders PREFIX-1 and so on in it each device has one, in turns;"
                 " without such folders all share DIR"},
        {.flag = "state-dir", .value = "DIR", .kind = OPTION_TEXT, .fallback = "./fml-simulate",
         .target = &a->state_dir, .help = "images, models and what guests write"},
        {.flag = "workers", .value = "N", .kind = OPTION_NUMBER, .target = &a->workers,
         .min = 1, .max = SIMULATE_WORKERS_MAX,
         .help = "guests that run at once (default: one for each processor)"},
        {.flag = "runner", .value = "FILE", .kind = OPTION_TEXT, .target = &a->runner,
         .help = "the program fml-runner (default: beside this program)"},
        {.flag = "worker", .value = "FILE", .kind = OPTION_TEXT, .target = &a->worker,
         .help = "the program fml-worker (default: beside this program)"},
        {.flag = "alive-interval", .value = "S", .kind = OPTION_NUMBER, .fallback = "10",
         .target = &a->alive_interval_s, .min = 1, .max = 3600,
         .help = "seconds between a device's heartbeats"},
        {.flag = "memory-mb", .value = "MB", .kind = OPTION_NUMBER, .fallback = "512",
         .target = &a->memory_mb, .min = 1, .max = 4096, .help = "memory of one guest"},
        {.flag = "no-sgemm", .kind = OPTION_SWITCH, .target = &a->refuse_sgemm,
         .help = "refuse tasks that import native matrix products (fml_sgemm)"},
        {.flag = "model-wait", .value = "S", .kind = OPTION_NUMBER, .fallback = "10",
         .target = &a->model_wait_s, .min = 1, .max = 3600,
         .help = "how long a task waits for its base model"},
        {.flag = "resend", .value = "S", .kind = OPTION_NUMBER, .fallback = "5",
         .target = &a->resend_s, .min = 1, .max = 3600,
         .help = "how often an update is sent until it is answered"},
        {.flag = "drop", .value = "P", .kind = OPTION_REAL, .fallback = "0", .target = &a->drop,
         .help = "share of the tasks that a device takes and never answers, 0 to 1"},
        {.flag = "seed", .value = "N", .kind = OPTION_NUMBER, .fallback = "1", .target = &a->seed,
         .min = 0, .max = (uint64_t)1 << 53, .help = "of --drop"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "Is many devices at once, on one machine, for research.",
        .usage = "--devices N [options]",
        .notes = "Guests share worker processes and updates are kept in memory only: for\n"
                 "experiments, not in place of fml-proplet. fml simulate starts all of it.",
        .specs = specs,
        .count = sizeof specs / sizeof specs[0],
    };
    return options_read_only(&options, argc, argv);
}

static bool is_program(const char *flag, const char *path)
{
    if (access(path, X_OK) == 0)
        return true;
    (void)fprintf(stderr, PROGRAM ": %s is not a program; --%s says where it is\n", path, flag);
    return false;
}

static uint32_t processors(void)
{
    unsigned count = uv_available_parallelism();
    return count > SIMULATE_WORKERS_MAX ? SIMULATE_WORKERS_MAX : count;
}

static bool settle(struct app *a)
{
    struct simulator_settings *s = &a->settings;
    if (!options_id(PROGRAM, "id", a->id, &s->id) ||
        !options_id(PROGRAM, "domain", a->domain, &s->space.domain) ||
        !options_id(PROGRAM, "channel", a->channel, &s->space.channel) ||
        !options_id(PROGRAM, "manager", a->manager, &s->manager) ||
        !options_id(PROGRAM, "prefix", a->prefix, &s->devices.prefix))
        return false;
    if (!(a->drop >= 0 && a->drop <= 1)) {
        (void)fprintf(stderr, PROGRAM ": --drop must be 0 to 1\n");
        return false;
    }
    s->devices.count = (uint32_t)a->devices;
    s->devices.drop = a->drop;
    s->devices.seed = a->seed;
    s->data_dir = a->data_dir;
    s->state_dir = a->state_dir;
    s->runner = a->runner != NULL ? a->runner
                                  : options_beside("fml-runner", a->beside[0], sizeof a->beside[0]);
    s->worker = a->worker != NULL ? a->worker
                                  : options_beside("fml-worker", a->beside[1], sizeof a->beside[1]);
    s->workers = a->workers != 0 ? (uint32_t)a->workers : processors();
    s->memory_bytes = a->memory_mb << 20;
    s->alive_interval_s = (uint32_t)a->alive_interval_s;
    s->model_wait_s = (uint32_t)a->model_wait_s;
    s->resend_s = (uint32_t)a->resend_s;
    s->refuse_sgemm = a->refuse_sgemm;
    return is_program("runner", s->runner) && is_program("worker", s->worker);
}

/* ---- life ---- */

static void on_message(void *owner, const struct mqtt_message *m)
{
    const struct app *a = owner;
    if (a->simulator != NULL)
        simulator_message(a->simulator, m);
}

static void on_connected(void *owner)
{
    const struct app *a = owner;
    if (a->simulator == NULL)
        return;
    simulator_packet_max(a->simulator, mqtt_packet_max(service_mqtt(a->service)));
    simulator_connected(a->simulator);
}

static void log_counters(const struct simulator *s)
{
    struct simulator_counters c = simulator_counters(s);
    log_line(LOG_INFO, "simulate.ended",
             "started=%llu completed=%llu failed=%llu silent=%llu updates=%llu accepted=%llu "
             "rejected=%llu",
             (unsigned long long)c.started, (unsigned long long)c.completed,
             (unsigned long long)c.failed, (unsigned long long)c.silent,
             (unsigned long long)c.updates, (unsigned long long)c.accepted,
             (unsigned long long)c.rejected);
}

static void end_if_stopped(struct app *a)
{
    if (a->simulator == NULL || !simulator_stopped(a->simulator))
        return;
    log_counters(a->simulator);
    a->simulator = simulator_free(a->simulator);
    service_end(a->service, EXIT_SUCCESS);
}

static void on_tick(void *owner, uint64_t now_ms)
{
    struct app *a = owner;
    (void)now_ms;
    if (a->simulator != NULL)
        simulator_tick(a->simulator);
    end_if_stopped(a);
}

static void on_stop_signal(void *owner)
{
    struct app *a = owner;
    if (a->simulator != NULL)
        simulator_stop(a->simulator);
    end_if_stopped(a);
}

static bool start_service(struct app *a)
{
    struct service_hooks hooks = {
        .client_id = a->settings.id.text,
        .session_expiry_s = SESSION_EXPIRY_S,
        .on_message = on_message,
        .on_connected = on_connected,
        .on_tick = on_tick,
        .tick_ms = TICK_MS,
        .on_stop = on_stop_signal,
        .owner = a,
    };
    return service_new(&a->common, &hooks, &a->service) == ST_OK;
}

static int live(struct app *a)
{
    const struct proplet_out out = service_out(a->service);
    struct why why = {0};
    enum status status =
        simulator_new(service_loop(a->service), &a->settings, &out, &a->simulator, &why);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "simulate.refused", "reason=%s",
                 log_quote(why.text[0] != '\0' ? why.text : status_name(status)));
        return EXIT_FAILURE;
    }
    log_line(LOG_INFO, "simulate.started", "devices=%u workers=%u data_folders=%u",
             a->settings.devices.count, a->settings.workers, simulator_shards(a->simulator));
    return service_run(a->service);
}

int main(int argc, char **argv)
{
    static struct app a;
    enum options_result result = read_options(&a, argc, argv);
    if (result == OPTIONS_DONE)
        return EXIT_SUCCESS;
    if (result == OPTIONS_WRONG || !settle(&a))
        return 2;
    if (!start_service(&a))
        return EXIT_FAILURE;
    int exit_status = live(&a);
    service_free(a.service);
    return exit_status;
}
