/* Starts the demo's programs and waits until each of them answers. */
#include "cli/demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/index.h"
#include "cli/roster.h"
#include "fl/topics.h"
#include "io/clock.h"
#include "io/file.h"

#define READY_MS  20000u /* for each service */
#define RETRY_MS  250u
#define ALIVE_MS  60000u /* for all devices together */
#define BROKER    "mosquitto"
#define BROKER_AT "/usr/sbin/mosquitto" /* Debian's place, not in everyone's PATH */

/* Thousands of updates come and go in each program: glibc shall keep their memory, and not
 * have it from the kernel anew for each, which takes a tenth of all time. (mallopt(3)) */
static const char *const *allocation(const struct demo *d)
{
    static const char *const keep[] = {"MALLOC_TRIM_THRESHOLD_=268435456",
                                       "MALLOC_MMAP_THRESHOLD_=33554432", NULL};
    return d->args->simulated ? keep : NULL;
}

/* ---- the broker ---- */

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A port that nobody listens on: the kernel's choice. */
static enum status free_port(uint16_t *ret, struct why *why)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    if (!found)
        why_set(why, "no free port on the loopback: %s", strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    if (found)
        *ret = ntohs(address.sin_port);
    return found ? ST_OK : ST_IO;
}

static bool answers(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return yes;
}

static enum status write_broker_config(const struct demo *d, const char *path, struct why *why)
{
    char text[512];
    /* Started by root it would become another user, and the kernel then forgets
     * that it must not outlive us (PR_SET_PDEATHSIG). It listens on the loopback
     * only, for as long as we live. */
    (void)snprintf(text, sizeof text,
                   "listener %u 127.0.0.1\n"
                   "allow_anonymous true\n"
                   "set_tcp_nodelay true\n"
                   "persistence false\n"
                   "max_queued_messages 100000\n"
                   "sys_interval 1\n"
                   "log_dest stderr\n"
                   "log_type error\nlog_type warning\nlog_type notice\n"
                   "%s",
                   d->port, geteuid() == 0 ? "user root\n" : "");
    enum status status = file_write(path, view_text(text));
    if (status != ST_OK)
        why_set(why, "cannot write %.150s: %s", path, status_name(status));
    return status;
}

static enum status launch_broker(struct demo *d, const char *config, struct why *why)
{
    const char *argv[] = {BROKER, "-c", config, NULL};
    const struct fleet_program program = {
        .name = BROKER, .argv = argv, .variables = allocation(d), .essential = true};
    enum status status = fleet_start(d->fleet, &program, why);
    if (status == ST_NOT_FOUND) {
        argv[0] = BROKER_AT;
        status = fleet_start(d->fleet, &program, why);
    }
    if (status == ST_NOT_FOUND)
        why_set(why, "mosquitto is not installed (Debian: mosquitto); run tools/setup");
    return status;
}

/* Waits a little; fails: ST_CLOSED (stopped) */
static enum status pause_a_little(struct demo *d, struct why *why)
{
    static const bool never = false;
    if (run_wait(d->run, &never, RETRY_MS) != ST_CLOSED)
        return ST_OK;
    why_set(why, "%s", run_stopped(d->run));
    return ST_CLOSED;
}

static enum status start_broker(struct demo *d, struct why *why)
{
    char config[DEMO_PATH_MAX];
    enum status status = free_port(&d->port, why);
    if (status == ST_OK)
        status = demo_path(config, why, "%s/mosquitto.conf", d->dir);
    if (status == ST_OK)
        status = write_broker_config(d, config, why);
    if (status == ST_OK)
        status = launch_broker(d, config, why);
    uint64_t until_ms = clock_now_ms() + READY_MS;
    while (status == ST_OK && !answers(d->port)) {
        status = pause_a_little(d, why);
        if (status == ST_OK && clock_now_ms() > until_ms) {
            why_set(why, BROKER " does not answer on port %u", d->port);
            status = ST_TIMEOUT;
        }
    }
    (void)snprintf(d->broker, sizeof d->broker, "tcp://127.0.0.1:%u", d->port);
    return status;
}

/* ---- manager, coordinator, model server ---- */

/* Starts a program of ours with the common options and up to two more pairs. */
static enum status start_ours(struct demo *d, const char *name, const char *program, bool essential,
                              const char *const *more, struct why *why)
{
    char path[DEMO_PATH_MAX];
    const char *argv[32] = {path, "--broker", d->broker};
    size_t count = 3;
    for (size_t i = 0; more[i] != NULL; i++)
        argv[count++] = more[i];
    enum status status = demo_path(path, why, "%s/%s", d->programs, program);
    const struct fleet_program p = {
        .name = name, .argv = argv, .variables = allocation(d), .essential = essential};
    return status == ST_OK ? fleet_start(d->fleet, &p, why) : status;
}

/* Thousands of heartbeats need not be said every ten seconds. */
static const char *alive_interval(const struct demo *d)
{
    return d->args->simulated ? "60" : "10";
}

static enum status start_manager(struct demo *d, struct why *why)
{
    char state[DEMO_PATH_MAX];
    enum status status = demo_path(state, why, "%s/" DEMO_MANAGER, d->state);
    const char *const more[] = {"--domain",          d->settings.domain, "--channel",
                                d->settings.channel, "--state-dir",      state,
                                "--alive-interval",  alive_interval(d),  NULL};
    return status == ST_OK ? start_ours(d, "fml-manager", "fml-manager", true, more, why) : status;
}

static enum status start_model_server(struct demo *d, struct why *why)
{
    char state[DEMO_PATH_MAX], first[DEMO_PATH_MAX];
    enum status status = demo_path(state, why, "%s/" DEMO_STORE, d->state);
    if (status == ST_OK)
        status = demo_path(first, why, "%s/" DEMO_FIRST, d->dir);
    const char *const more[] = {"--models-dir", state, "--initial", first, NULL};
    return status == ST_OK ? start_ours(d, "fml-model-server", "fml-model-server", true, more, why)
                           : status;
}

static enum status start_coordinator(struct demo *d, struct why *why)
{
    char state[DEMO_PATH_MAX];
    enum status status = demo_path(state, why, "%s/" DEMO_ROUNDS, d->state);
    const char *const more[] = {
        "--domain", d->settings.domain, "--channel", d->settings.channel, "--state-dir", state,
        NULL};
    return status == ST_OK ? start_ours(d, "fml-coordinator", "fml-coordinator", true, more, why)
                           : status;
}

/* Asks again until there is an answer: a question that comes before the service
 * has subscribed is lost. */
typedef enum status question_fn(struct session *s, uint64_t limit_ms, json_t **ret,
                                struct why *why);

static enum status ask_coordinator(struct session *s, uint64_t limit_ms, json_t **ret,
                                   struct why *why)
{
    return session_ask(s, FL_ROUND_QUERY, "{\"what\":\"status\"}", "fml-coordinator", limit_ms, ret,
                       why);
}

static enum status wait_for_answer(struct demo *d, question_fn *ask, struct why *why)
{
    uint64_t until_ms = clock_now_ms() + READY_MS;
    enum status status;
    do {
        json_t *answer = NULL;
        status = ask(d->session, RETRY_MS, &answer, why);
        json_decref(answer);
    } while (status == ST_TIMEOUT && clock_now_ms() < until_ms);
    return status;
}

/* The index is retained, so it waits for us. */
static enum status wait_for_index(struct demo *d, struct why *why)
{
    struct bytes index = {0};
    enum status status = session_fetch(d->session, FL_MODEL_INDEX, READY_MS, &index);
    if (status == ST_CLOSED)
        why_set(why, "%s", run_stopped(d->run));
    else if (status != ST_OK)
        why_set(why, "fml-model-server publishes no index: %s", status_name(status));
    bytes_done(&index);
    return status;
}

enum status demo_start_services(struct demo *d, struct why *why)
{
    enum status status = start_broker(d, why);
    if (status == ST_OK)
        status = start_model_server(d, why);
    if (status == ST_OK)
        status = start_manager(d, why);
    if (status == ST_OK)
        status = start_coordinator(d, why);
    d->settings.broker = d->broker;
    if (status == ST_OK)
        status = session_open(d->run, &d->settings, &d->session, why);
    if (status == ST_OK)
        status = wait_for_answer(d, roster_ask, why);
    if (status == ST_OK)
        status = wait_for_answer(d, ask_coordinator, why);
    if (status == ST_OK)
        status = wait_for_index(d, why);
    if (status == ST_OK)
        (void)printf("  broker %s\n", d->broker);
    return status;
}

/* ---- devices ---- */

static enum status start_device(struct demo *d, const char *name, struct why *why)
{
    char data[DEMO_PATH_MAX], state[DEMO_PATH_MAX];
    enum status status = demo_path(data, why, "%s/" DEMO_DATA "/%s", d->state, name);
    if (status == ST_OK)
        status = demo_path(state, why, "%s/" DEMO_PROPLETS "/%s", d->state, name);
    const char *const more[] = {"--id",
                                name,
                                "--data-dir",
                                data,
                                "--state-dir",
                                state,
                                "--domain",
                                d->settings.domain,
                                "--channel",
                                d->settings.channel,
                                "--alive-interval",
                                alive_interval(d),
                                NULL};
    return status == ST_OK ? start_ours(d, name, "fml-proplet", false, more, why) : status;
}

static enum status start_simulator(struct demo *d, struct why *why)
{
    char data[DEMO_PATH_MAX], state[DEMO_PATH_MAX], count[24], workers[24], drop[40], seed[24];
    const struct demo_args *args = d->args;
    enum status status = demo_path(data, why, "%s/" DEMO_DATA, d->state);
    if (status == ST_OK)
        status = demo_path(state, why, "%s/" DEMO_PROPLETS "/" DEMO_SIMULATOR, d->state);
    (void)snprintf(count, sizeof count, "%llu", (unsigned long long)args->devices);
    (void)snprintf(workers, sizeof workers, "%llu", (unsigned long long)args->workers);
    (void)snprintf(drop, sizeof drop, "%.17g", args->drop);
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)args->seed);
    const char *const more[] = {"--devices",
                                count,
                                "--data-dir",
                                data,
                                "--state-dir",
                                state,
                                "--domain",
                                d->settings.domain,
                                "--channel",
                                d->settings.channel,
                                "--alive-interval",
                                alive_interval(d),
                                "--drop",
                                drop,
                                "--seed",
                                seed,
                                args->workers == 0 ? NULL : "--workers",
                                workers,
                                NULL};
    return status == ST_OK ? start_ours(d, DEMO_SIMULATOR, DEMO_SIMULATOR, true, more, why)
                           : status;
}

/* Whether all are alive by the manager's word. */
static enum status all_alive(struct demo *d, const struct ids *expected, bool *ret, struct why *why)
{
    struct ids alive = {0};
    enum status status = roster_fetch_alive(d->session, &alive, why);
    bool all = true;
    for (size_t i = 0; status == ST_OK && i < expected->count; i++) {
        if (ids_have(&alive, &expected->items[i]))
            continue;
        all = false;
        why_set(why, "%s does not become alive", expected->items[i].text);
    }
    if (status == ST_OK)
        *ret = all;
    ids_done(&alive);
    return status;
}

static void on_proplet(void *owner, const struct mqtt_message *m)
{
    (void)m;
    bool *heard = owner;
    *heard = true;
}

/* The manager is asked again whenever a proplet says something. */
static enum status wait_for_devices(struct demo *d, const struct ids *expected, bool *heard,
                                    struct why *why)
{
    uint64_t until_ms = clock_now_ms() + ALIVE_MS;
    for (;;) {
        bool all = false;
        *heard = false;
        enum status status = all_alive(d, expected, &all, why);
        if (status != ST_OK || all)
            return status;
        uint64_t now_ms = clock_now_ms();
        status =
            now_ms < until_ms ? session_wait(d->session, heard, until_ms - now_ms) : ST_TIMEOUT;
        if (status == ST_CLOSED)
            why_set(why, "%s", run_stopped(d->run));
        if (status != ST_OK)
            return status;
    }
}

/* The evaluator is a real device in a simulation, too. */
static enum status start_all(struct demo *d, const struct ids *expected, struct why *why)
{
    enum status status = ST_OK;
    size_t real = d->args->simulated ? 1 : expected->count;
    for (size_t i = 0; status == ST_OK && i < real; i++)
        status = start_device(d, expected->items[i].text, why);
    if (status == ST_OK && d->args->simulated)
        status = start_simulator(d, why);
    return status;
}

static enum status start_and_wait(struct demo *d, const struct ids *expected, struct why *why)
{
    bool heard = false;
    struct topic filter;
    topic_make(session_space(d->session), &filter, "control", "proplet", "+", NULL);
    enum status status = session_listen(d->session, filter.text, on_proplet, &heard);
    if (status != ST_OK)
        why_set(why, "cannot listen to the devices: %s", status_name(status));
    if (status == ST_OK)
        status = start_all(d, expected, why);
    if (status == ST_OK)
        status = wait_for_devices(d, expected, &heard, why);
    session_ignore(d->session, filter.text, &heard);
    return status;
}

enum status demo_start_devices(struct demo *d, struct why *why)
{
    struct ids expected = {0};
    struct id id;
    enum status status = id_from(DEMO_EVALUATOR, &id);
    if (status == ST_OK)
        status = ids_add(&d->evaluators, &id);
    if (status == ST_OK)
        status = ids_add(&expected, &id);
    for (uint64_t i = 1; status == ST_OK && i <= d->args->devices; i++) {
        (void)snprintf(id.text, sizeof id.text, "device-%llu", (unsigned long long)i);
        status = ids_add(&expected, &id);
    }
    if (status == ST_OK)
        status = start_and_wait(d, &expected, why);
    ids_done(&expected);
    return status;
}

enum status demo_start_simulator(struct demo *d, struct why *why)
{
    return demo_start_devices(d, why);
}
