/* fml-coordinator: owns rounds. Connects coordinator.h to a broker. */
#include <stdio.h>
#include <stdlib.h>

#include "coordinator/coordinator.h"
#include "coordinator/fleet.h"
#include "io/clock.h"
#include "service/service.h"
#include "web/web_options.h"

#define TICK_MS          50u
#define SESSION_EXPIRY_S 3600u
#define TEXT(number)     TEXT_OF(number)
#define TEXT_OF(number)  #number

struct program {
    struct service_settings common;
    const char *id;
    uint64_t max_rounds, max_experiments, keep_updates, threads;
    const char *domain, *channel;
    const char *models_dir;
    const char *state_dir;
    const char *fleet_key, *revocations;
    struct fleet fleet;
    bool cancel_on_stop;
    char boot[CLOCK_BOOT_SIZE];
    uv_check_t batch_over;
    struct service *service;
    struct web_words urls;
    struct web *web;
    struct coordinator *coordinator;
};

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct program *p = owner;
    return mqtt_publish(service_mqtt(p->service), m);
}

static void ask(void *owner, const char *topic)
{
    struct program *p = owner;
    enum status status = mqtt_subscribe(service_mqtt(p->service), topic);
    if (status != ST_OK)
        log_line(LOG_ERROR, "subscribe.failed", "topic=%s reason=%s", log_quote(topic),
                 status_name(status));
}

static void ask_no_more(void *owner, const char *topic)
{
    struct program *p = owner;
    mqtt_unsubscribe(service_mqtt(p->service), topic);
}

static uint64_t taken(void *owner)
{
    struct program *p = owner;
    const struct mqtt *mqtt = service_mqtt(p->service);
    return mqtt_counters(mqtt).sent - mqtt_unacknowledged(mqtt);
}

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct program *p = owner;
    coordinator_message(p->coordinator, m, clock_now_ms());
}

/* All messages that had come were handled in this turn of the loop: one commit, and
 * then the broker hears that they need not come again. */
static void on_batch_over(uv_check_t *check)
{
    struct program *p = check->data;
    bool kept = coordinator_flush(p->coordinator, clock_now_ms());
    struct mqtt *mqtt = service_mqtt(p->service);
    if (mqtt == NULL) /* the connection has ended */
        return;
    if (kept)
        mqtt_settled(mqtt);
    else
        mqtt_hand_back(mqtt);
}

static void on_connected(void *owner)
{
    struct program *p = owner;
    coordinator_packet_max(p->coordinator, mqtt_packet_max(service_mqtt(p->service)));
    coordinator_connected(p->coordinator, mqtt_session_kept(service_mqtt(p->service)));
}

static void on_tick(void *owner, uint64_t now_ms)
{
    struct program *p = owner;
    coordinator_tick(p->coordinator, now_ms);
}

static void on_stop(void *owner)
{
    struct program *p = owner;
    coordinator_stop(p->coordinator, clock_now_ms());
    service_end(p->service, 0);
}

static enum options_result read_settings(struct program *p, int argc, char **argv)
{
    const struct option_spec specs[] = {
        SERVICE_OPTION_SPECS(&p->common),
        {.flag = "id",
         .fallback = "fml-coordinator",
         .help = "client id at the broker",
         .value = "ID",
         .kind = OPTION_TEXT,
         .target = &p->id},
        {.flag = "max-rounds",
         .fallback = TEXT(ROUNDS_OPEN_MAX),
         .help = "rounds that may be open at once",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->max_rounds,
         .min = 1,
         .max = ROUNDS_KEPT_MAX},
        {.flag = "max-experiments",
         .fallback = TEXT(EXPERIMENTS_OPEN_MAX),
         .help = "experiments that may be open at once",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->max_experiments,
         .min = 1,
         .max = EXPERIMENTS_KEPT_MAX},
        {.flag = "domain",
         .env = "COORDINATOR_DOMAIN_ID",
         .fallback = "demo",
         .help = "the domain of the manager's topics",
         .value = "ID",
         .kind = OPTION_TEXT,
         .target = &p->domain},
        {.flag = "channel",
         .env = "COORDINATOR_CHANNEL_ID",
         .fallback = "fl",
         .help = "the channel of the manager's topics",
         .value = "ID",
         .kind = OPTION_TEXT,
         .target = &p->channel},
        {.flag = "models-dir",
         .env = "MODELS_DIR",
         .help = "also write each new version to this folder",
         .value = "DIR",
         .kind = OPTION_TEXT,
         .target = &p->models_dir},
        {.flag = "state-dir",
         .env = "COORDINATOR_STATE_DIR",
         .fallback = "./fml-coordinator",
         .help = "the folder for rounds and experiments, which outlive a restart",
         .value = "DIR",
         .kind = OPTION_TEXT,
         .target = &p->state_dir},
        {.flag = "threads",
         .fallback = "0",
         .help = "of an aggregation; 0: as many as there are processors",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->threads,
         .max = AGGREGATION_THREADS_MAX},
        {.flag = "keep-updates",
         .env = "COORDINATOR_KEEP_UPDATES",
         .fallback = "0",
         .help = "keep the updates of the newest N rounds, for fml models verify",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->keep_updates,
         .max = ROUNDS_KEPT_MAX},
        WEB_OPTION_SPECS(&p->urls),
        {.flag = "fleet-key",
         .env = "FML_FLEET_KEY",
         .help = "the fleet's public key (fleet.pub of fml fleet init), for secure aggregation",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &p->fleet_key},
        {.flag = "revocations",
         .env = "FML_REVOCATIONS",
         .help = "the fleet's list of revoked devices",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &p->revocations},
        {.flag = "cancel-on-stop",
         .help = "SIGTERM cancels open rounds and experiments; otherwise they go on later",
         .kind = OPTION_SWITCH,
         .target = &p->cancel_on_stop},
    };
    const struct options o = {
        .program = "fml-coordinator",
        .summary = "owns federated learning rounds: judges updates, averages them, closes rounds",
        .usage = "[options]",
        .specs = specs,
        .count = sizeof specs / sizeof specs[0],
    };
    return options_read_only(&o, argc, argv);
}

static size_t thread_count(const struct program *p)
{
    size_t count = p->threads > 0 ? (size_t)p->threads : uv_available_parallelism();
    return count < AGGREGATION_THREADS_MAX ? count : AGGREGATION_THREADS_MAX;
}

static enum status open_fleet(struct program *p, struct coordinator_settings *settings)
{
    struct why why = {""};
    if (p->fleet_key == NULL)
        return ST_OK;
    enum status status = fleet_open(p->fleet_key, p->revocations, &p->fleet, &why);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "settings.refused", "reason=%s", log_quote(why.text));
        return status;
    }
    settings->fleet = &p->fleet.key;
    settings->revoked = p->fleet.revoked;
    return ST_OK;
}

/* gives: p->service and p->coordinator */
static enum status open_all(struct program *p)
{
    struct coordinator_settings settings = {.rounds_open_max = (size_t)p->max_rounds,
                                            .experiments_open_max = (size_t)p->max_experiments,
                                            .models_dir = p->models_dir,
                                            .state_dir = p->state_dir,
                                            .boot = p->boot,
                                            .threads = thread_count(p),
                                            .keep_updates = (size_t)p->keep_updates,
                                            .cancel_on_stop = p->cancel_on_stop};
    if (id_from(p->domain, &settings.space.domain) != ST_OK ||
        id_from(p->channel, &settings.space.channel) != ST_OK ||
        id_from(p->id, &settings.me) != ST_OK) {
        log_line(
            LOG_ERROR, "settings.refused",
            "reason=\"id, domain and channel are 1 to 64 letters, digits, '.', '_', '-' or ':'\"");
        return ST_INVALID;
    }
    const struct coordinator_out out = {
        .publish = publish, .ask = ask, .ask_no_more = ask_no_more, .taken = taken, .owner = p};
    const struct service_hooks hooks = {
        .client_id = p->id,
        .session_expiry_s = SESSION_EXPIRY_S,
        .hold_acknowledgements = true,
        .on_message = on_message,
        .on_connected = on_connected,
        .on_tick = on_tick,
        .tick_ms = TICK_MS,
        .on_stop = on_stop,
        .owner = p,
    };
    clock_boot(p->boot);
    enum status status = open_fleet(p, &settings);
    if (status != ST_OK)
        return status;
    status = coordinator_new(&settings, &out, clock_now_ms(), &p->coordinator);
    if (status != ST_OK)
        return status;
    status = service_new(&p->common, &hooks, &p->service);
    if (status == ST_OK)
        status = web_from_words(&p->urls, service_loop(p->service), &p->web);
    if (status == ST_OK)
        coordinator_use_web(p->coordinator, p->web);
    char filter[TOPIC_SIZE_MAX];
    for (size_t i = 0; status == ST_OK && coordinator_filter(p->coordinator, i, filter); i++)
        status = mqtt_subscribe(service_mqtt(p->service), filter);
    if (status != ST_OK)
        return status;
    (void)uv_check_init(service_loop(p->service), &p->batch_over);
    p->batch_over.data = p;
    (void)uv_check_start(&p->batch_over, on_batch_over);
    uv_unref((uv_handle_t *)&p->batch_over); /* also what comes while it ends is kept */
    coordinator_resume(p->coordinator, clock_now_ms());
    return ST_OK;
}

int main(int argc, char **argv)
{
    struct program p = {0};
    switch (read_settings(&p, argc, argv)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    int exit_status = 1;
    if (open_all(&p) == ST_OK)
        exit_status = service_run(p.service);
    if (p.batch_over.data != NULL)
        uv_close((uv_handle_t *)&p.batch_over, NULL);
    if (p.web != NULL)
        coordinator_use_web(p.coordinator, NULL);
    web_close(p.web);
    service_free(p.service);
    coordinator_free(p.coordinator);
    fleet_done(&p.fleet);
    return exit_status;
}
