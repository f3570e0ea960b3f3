/* fml-proplet: options in, the broker connection and the clock handed to the
 * device agent, its life. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "io/clock.h"
#include "device/limits.h"
#include "device/service_out.h"
#include "proplet/proplet.h"
#include "proplet/trust.h"
#include "service/service.h"
#include "web/web_options.h"
#include "wire/proplet_msg.h"

#define TICK_MS          200u
#define SESSION_EXPIRY_S 300u /* a start that comes while the connection is down is not lost */

struct app {
    struct service_settings common;
    const char *domain, *channel, *id, *manager;
    const char *data_dir, *state_dir, *runner;
    uint64_t alive_interval_s, tasks_max, memory_mb, cpu_s, model_wait_s, resend_s;
    bool refuse_sgemm;
    struct web_words urls;
    struct trust_files trust_files;
    char boot_id[CLOCK_BOOT_SIZE];
    char default_state_dir[128];
    char default_runner[PROPLET_PATH_SIZE];
    struct proplet_settings settings;
    struct service *service;
    struct proplet *proplet;
};

static enum options_result read_options(struct app *a, int argc, char **argv)
{
    const struct option_spec specs[] = {
        SERVICE_OPTION_SPECS(&a->common),
        {.flag = "id",
         .env = "PROPLET_CLIENT_ID",
         .required = true,
         .value = "ID",
         .help = "this device's name",
         .kind = OPTION_TEXT,
         .target = &a->id},
        {.flag = "domain",
         .env = "PROPLET_DOMAIN_ID",
         .fallback = "demo",
         .value = "ID",
         .help = "first part of the core topics",
         .kind = OPTION_TEXT,
         .target = &a->domain},
        {.flag = "channel",
         .env = "PROPLET_CHANNEL_ID",
         .fallback = "fl",
         .value = "ID",
         .help = "second part of the core topics",
         .kind = OPTION_TEXT,
         .target = &a->channel},
        {.flag = "manager",
         .fallback = "manager",
         .value = "ID",
         .help = "who is asked for images",
         .kind = OPTION_TEXT,
         .target = &a->manager},
        {.flag = "data-dir",
         .env = "PROPLET_DATA_DIR",
         .value = "DIR",
         .help = "the device's own data; tasks see it as /data, read-only",
         .kind = OPTION_TEXT,
         .target = &a->data_dir},
        {.flag = "state-dir",
         .env = "PROPLET_STATE_DIR",
         .value = "DIR",
         .help = "images, running tasks, what is unanswered (default: ./fml-proplet-ID)",
         .kind = OPTION_TEXT,
         .target = &a->state_dir},
        {.flag = "runner",
         .value = "FILE",
         .help = "the program fml-runner (default: beside this program)",
         .kind = OPTION_TEXT,
         .target = &a->runner},
        {.flag = "identity",
         .env = "PROPLET_IDENTITY",
         .value = "FILE",
         .help = "this device's key and certificate (fml fleet enroll), mode 0600",
         .kind = OPTION_TEXT,
         .target = &a->trust_files.identity},
        {.flag = "policy",
         .env = "PROPLET_POLICY",
         .value = "FILE",
         .help = "what the owner of the device allows (default: everything)",
         .kind = OPTION_TEXT,
         .target = &a->trust_files.policy},
        {.flag = "revocations",
         .env = "PROPLET_REVOCATIONS",
         .value = "FILE",
         .help = "certificates that no longer count (fml fleet revoke); SIGHUP: read again",
         .kind = OPTION_TEXT,
         .target = &a->trust_files.revocations},
        {.flag = "alive-interval",
         .env = "PROPLET_LIVELINESS_INTERVAL",
         .fallback = "10",
         .value = "S",
         .help = "seconds between heartbeats",
         .kind = OPTION_NUMBER,
         .target = &a->alive_interval_s,
         .min = 1,
         .max = 3600},
        {.flag = "max-tasks",
         .fallback = "1",
         .value = "N",
         .help = "tasks that run at once",
         .kind = OPTION_NUMBER,
         .target = &a->tasks_max,
         .min = 1,
         .max = PROPLET_RUNNING_MAX},
        {.flag = "memory-mb",
         .fallback = "512",
         .value = "MB",
         .help = "memory of one task",
         .kind = OPTION_NUMBER,
         .target = &a->memory_mb,
         .min = 1,
         .max = 4096},
        {.flag = "cpu-s",
         .fallback = "3600",
         .value = "S",
         .help = "processor time of one task",
         .kind = OPTION_NUMBER,
         .target = &a->cpu_s,
         .min = 1,
         .max = 604800},
        {.flag = "no-sgemm",
         .help = "refuse tasks that import native matrix products (fml_sgemm)",
         .kind = OPTION_SWITCH,
         .target = &a->refuse_sgemm},
        WEB_OPTION_SPECS(&a->urls),
        {.flag = "model-wait",
         .fallback = "10",
         .value = "S",
         .help = "how long a task waits for its base model",
         .kind = OPTION_NUMBER,
         .target = &a->model_wait_s,
         .min = 1,
         .max = 3600},
        {.flag = "resend",
         .fallback = "5",
         .value = "S",
         .help = "how often an update is sent until it is answered",
         .kind = OPTION_NUMBER,
         .target = &a->resend_s,
         .min = 1,
         .max = 3600},
    };
    const struct options options = {
        .program = "fml-proplet",
        .summary = "Runs tasks as WebAssembly next to a device's data.",
        .usage = "--id ID [options]",
        .specs = specs,
        .count = sizeof specs / sizeof specs[0],
    };
    return options_read_only(&options, argc, argv);
}

/* What the owner gave the device, if anything. */
static bool settle_trust(struct app *a)
{
    const struct trust_files *f = &a->trust_files;
    struct why why = {0};
    if (f->identity == NULL && f->policy == NULL && f->revocations == NULL)
        return true;
    enum status status = trust_open(f, &a->settings.id, &a->settings.trust, &why);
    if (status == ST_OK)
        return true;
    (void)fprintf(stderr, "fml-proplet: %s\n",
                  why.text[0] != '\0' ? why.text : status_name(status));
    return false;
}

static bool settle(struct app *a)
{
    struct proplet_settings *s = &a->settings;
    if (!options_id("fml-proplet", "id", a->id, &s->id) ||
        !options_id("fml-proplet", "domain", a->domain, &s->space.domain) ||
        !options_id("fml-proplet", "channel", a->channel, &s->space.channel) ||
        !options_id("fml-proplet", "manager", a->manager, &s->manager))
        return false;
    (void)snprintf(a->default_state_dir, sizeof a->default_state_dir, "./fml-proplet-%s",
                   s->id.text);
    s->state_dir = a->state_dir != NULL ? a->state_dir : a->default_state_dir;
    s->data_dir = a->data_dir;
    clock_boot(a->boot_id);
    s->boot_id = a->boot_id;
    s->runner = a->runner != NULL
                    ? a->runner
                    : options_beside("fml-runner", a->default_runner, sizeof a->default_runner);
    s->alive_interval_s = (uint32_t)a->alive_interval_s;
    s->model_wait_s = (uint32_t)a->model_wait_s;
    s->resend_s = (uint32_t)a->resend_s;
    s->tasks_max = (uint32_t)a->tasks_max;
    s->memory_bytes = a->memory_mb << 20;
    s->cpu_s = (uint32_t)a->cpu_s;
    s->refuse_sgemm = a->refuse_sgemm;
    if (access(s->runner, X_OK) == 0)
        return settle_trust(a);
    (void)fprintf(stderr, "fml-proplet: %s is not a program; --runner says where fml-runner is\n",
                  s->runner);
    return false;
}

/* ---- whom it trusts ---- */

static void log_revocations(const struct trust *t)
{
    const struct revocations *r = trust_revocations(t);
    if (r != NULL)
        log_line(LOG_INFO, "revocations.read", "number=%llu count=%zu",
                 (unsigned long long)revocations_number(r), revocations_count(r));
}

/* Nobody will take this device for what it says it is: its owner should know before. */
static void log_own_verdict(const struct trust *t)
{
    enum certificate_verdict verdict = trust_own_verdict(t, clock_unix_s());
    if (verdict != CERTIFICATE_FINE)
        log_line(LOG_WARN, "identity.does_not_count", "reason=%s",
                 certificate_verdict_name(verdict));
}

static void log_trust(const struct app *a)
{
    const struct trust *t = a->settings.trust;
    char hex[KEY_HEX_SIZE] = "";
    if (t == NULL)
        return;
    if (trust_key(t) != NULL)
        key_public_hex(key_public(trust_key(t)), hex);
    log_line(LOG_INFO, "trust.opened", "public_key=%s policy=%s rounds_taken=%llu", hex,
             log_quote(a->trust_files.policy != NULL ? a->trust_files.policy : ""),
             (unsigned long long)trust_rounds_taken(t));
    log_revocations(t);
    log_own_verdict(t);
}

static void on_hangup(void *owner)
{
    const struct app *a = owner;
    struct why why = {0};
    enum status status = trust_read_revocations(a->settings.trust, &why);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "revocations.refused", "reason=%s",
                 log_quote(why.text[0] != '\0' ? why.text : status_name(status)));
        return;
    }
    log_revocations(a->settings.trust);
    log_own_verdict(a->settings.trust);
}

/* ---- life ---- */

static void on_message(void *owner, const struct mqtt_message *m)
{
    const struct app *a = owner;
    proplet_message(a->proplet, m);
}

static void on_connected(void *owner)
{
    const struct app *a = owner;
    proplet_packet_max(a->proplet, mqtt_packet_max(service_mqtt(a->service)));
    proplet_connected(a->proplet);
}

static void end_if_stopped(const struct app *a)
{
    if (proplet_stopped(a->proplet))
        service_end(a->service, EXIT_SUCCESS);
}

static void on_tick(void *owner, uint64_t now_ms)
{
    const struct app *a = owner;
    (void)now_ms;
    proplet_tick(a->proplet);
    end_if_stopped(a);
}

static void on_stop_signal(void *owner)
{
    const struct app *a = owner;
    proplet_stop(a->proplet);
    end_if_stopped(a);
}

static bool start_service(struct app *a)
{
    struct topic will;
    char *offline = proplet_alive_encode(&a->settings.id, true);
    if (offline == NULL)
        return false;
    topic_make(&a->settings.space, &will, "control", "proplet", "alive", NULL);
    struct service_hooks hooks = {
        .client_id = a->settings.id.text,
        .will_topic = will.text,
        .will_payload = view_text(offline),
        .session_expiry_s = SESSION_EXPIRY_S,
        .on_message = on_message,
        .on_connected = on_connected,
        .on_tick = on_tick,
        .tick_ms = TICK_MS,
        .on_stop = on_stop_signal,
        .on_hangup = a->trust_files.revocations != NULL ? on_hangup : NULL,
        .owner = a,
    };
    enum status status = service_new(&a->common, &hooks, &a->service);
    free(offline);
    return status == ST_OK;
}

static int live(struct app *a)
{
    const struct proplet_out out = service_out(a->service);
    struct why why = {0};
    if (web_from_words(&a->urls, service_loop(a->service), &a->settings.web) != ST_OK)
        return EXIT_FAILURE;
    enum status status =
        proplet_new(service_loop(a->service), &a->settings, &out, &a->proplet, &why);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "proplet.refused", "reason=%s",
                 log_quote(why.text[0] != '\0' ? why.text : status_name(status)));
        a->settings.web = web_close(a->settings.web);
        return EXIT_FAILURE;
    }
    log_line(LOG_INFO, "proplet.started", "id=%s state_dir=%s data_dir=%s", a->settings.id.text,
             log_quote(a->settings.state_dir),
             log_quote(a->settings.data_dir != NULL ? a->settings.data_dir : ""));
    log_trust(a);
    int exit_status = service_run(a->service);
    a->proplet = proplet_free(a->proplet);
    a->settings.web = web_close(a->settings.web);
    return exit_status;
}

int main(int argc, char **argv)
{
    static struct app a;
    enum options_result result = read_options(&a, argc, argv);
    if (result == OPTIONS_DONE)
        return EXIT_SUCCESS;
    if (result == OPTIONS_WRONG || !settle(&a))
        return 2;
    int exit_status = start_service(&a) ? live(&a) : EXIT_FAILURE;
    service_free(a.service);
    a.settings.trust = trust_close(a.settings.trust);
    return exit_status;
}
