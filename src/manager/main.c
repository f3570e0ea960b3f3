/* fml-manager: reads its settings, joins the manager to a broker, ends in order. */
#include <assert.h>
#include <stdio.h>

#include "io/clock.h"
#include "io/file.h"
#include "manager/manager.h"
#include "service/service.h"
#include "transfer/manifest.h"

#define TICK_MS          500u
#define SESSION_EXPIRY_S 3600u /* the broker keeps our messages while we restart */
#define PROGRAM          "fml-manager"

struct app {
    struct service_settings service_settings;
    const char *domain, *channel, *id, *state_dir, *rules_path, *url_base;
    uint64_t alive_interval_s, lost_after_s, result_margin_s;
    struct rules *rules;
    struct service *service;
    struct manager *manager;
    char boot_id[CLOCK_BOOT_SIZE];
    uv_check_t turn; /* the end of each turn of the loop */
    bool has_turn;
};

static enum options_result read_options(struct app *a, int argc, char **argv)
{
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        SERVICE_OPTION_SPECS(&a->service_settings),
        {.flag = "domain", .env = "MANAGER_DOMAIN_ID", .fallback = "demo", .value = "ID",
         .help = "the domain in the core topics",
         .kind = OPTION_TEXT, .target = &a->domain},
        {.flag = "channel", .env = "MANAGER_CHANNEL_ID", .fallback = "fl", .value = "ID",
         .help = "the channel in the core topics",
         .kind = OPTION_TEXT, .target = &a->channel},
        {.flag = "id", .env = "MANAGER_CLIENT_ID", .fallback = "manager", .value = "ID",
         .help = "this client's id at the broker",
         .kind = OPTION_TEXT, .target = &a->id},
        {.flag = "state-dir", .env = "MANAGER_STATE_DIR", .fallback = "./fml-manager",
         .value = "FOLDER", .help = "the folder for images and what must outlive a restart",
         .kind = OPTION_TEXT, .target = &a->state_dir},
        {.flag = "url-base", .env = "URL_BASE", .value = "URL",
         .help = "a web server gives FOLDER/blobs of --state-dir FOLDER at this URL: images say so, "
                 "and who may fetches them there",
         .kind = OPTION_TEXT, .target = &a->url_base},
        {.flag = "rules", .env = "MANAGER_RULES", .value = "FILE",
         .help = "what to launch, forward, close and pin, as JSON; default: the built-in rules",
         .kind = OPTION_TEXT, .target = &a->rules_path},
        {.flag = "alive-interval", .env = "MANAGER_ALIVE_INTERVAL", .fallback = "10", .value = "S",
         .help = "seconds between a proplet's heartbeats",
         .kind = OPTION_NUMBER, .target = &a->alive_interval_s, .min = 1, .max = 3600},
        {.flag = "lost-after", .env = "MANAGER_LOST_AFTER", .fallback = "15", .value = "S",
         .help = "seconds offline until a proplet's tasks are given up",
         .kind = OPTION_NUMBER, .target = &a->lost_after_s, .min = 0, .max = 86400},
        {.flag = "result-margin", .env = "MANAGER_RESULT_MARGIN", .fallback = "10", .value = "S",
         .help = "seconds after a task's own limit until its result must be here",
         .kind = OPTION_NUMBER, .target = &a->result_margin_s, .min = 1, .max = 3600},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "launches tasks on proplets, keeps images, passes messages on",
        .usage = "[options]",
        .specs = specs,
        .count = sizeof specs / sizeof specs[0],
    };
    return options_read_only(&options, argc, argv);
}

static enum status read_rules(struct app *a, struct why *why)
{
    if (a->rules_path == NULL)
        return rules_parse(view_of(rules_default_text, rules_default_size), &a->rules, why);
    struct bytes text = {0};
    enum status status = file_read(a->rules_path, RULES_SIZE_MAX, &text);
    if (status != ST_OK)
        why_set(why, "the rules cannot be read: %s", status_name(status));
    else
        status = rules_parse(bytes_view(&text), &a->rules, why);
    bytes_done(&text);
    return status;
}

/* ---- from the service to the manager ---- */

static void on_message(void *owner, const struct mqtt_message *message)
{
    struct app *a = owner;
    manager_message(a->manager, message, clock_now_ms());
}

/* All messages that had come were delivered: one transaction for them together,
 * and then the broker hears that they need not come again. While nothing can be
 * recorded they are held in memory, and acknowledged all the same: a connection
 * that acknowledges nothing can send nothing either. */
static void on_turn(uv_check_t *turn)
{
    struct app *a = turn->data;
    manager_settle(a->manager, clock_now_ms());
    if (service_mqtt(a->service) != NULL)
        mqtt_settled(service_mqtt(a->service));
}

static void on_connected(void *owner)
{
    struct app *a = owner;
    manager_tick(a->manager, clock_now_ms(), true);
}

static void end_turns(struct app *a)
{
    if (a->has_turn && !uv_is_closing((uv_handle_t *)&a->turn))
        uv_close((uv_handle_t *)&a->turn, NULL);
}

/* Nothing has to be said at the end. Tasks that run go on, and their results wait
 * at the broker for our next start. */
static void on_stop(void *owner)
{
    struct app *a = owner;
    manager_settle(a->manager, clock_now_ms());
    service_end(a->service, 0);
}

static void on_tick(void *owner, uint64_t now_ms)
{
    struct app *a = owner;
    manager_tick(a->manager, now_ms, mqtt_connected(service_mqtt(a->service)));
}

/* ---- and back ---- */

static enum status publish(void *owner, const struct mqtt_message *message)
{
    struct app *a = owner;
    return mqtt_publish(service_mqtt(a->service), message);
}

static size_t pending(void *owner)
{
    struct app *a = owner;
    return mqtt_unacknowledged(service_mqtt(a->service));
}

static enum status subscribe(struct app *a)
{
    struct topic filter;
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && manager_filter(a->manager, i, &filter); i++)
        status = mqtt_subscribe(service_mqtt(a->service), filter.text);
    return status;
}

static enum status start_manager(struct app *a, struct why *why)
{
    clock_boot(a->boot_id);
    struct manager_settings settings = {.state_dir = a->state_dir,
                                        .url_base = a->url_base,
                                        .boot_id = a->boot_id,
                                        .alive_interval_s = a->alive_interval_s,
                                        .lost_after_s = a->lost_after_s,
                                        .result_margin_s = a->result_margin_s};
    if (id_from(a->domain, &settings.space.domain) != ST_OK ||
        id_from(a->channel, &settings.space.channel) != ST_OK ||
        id_from(a->id, &settings.client_id) != ST_OK) {
        why_set(why, "domain, channel and id are 1 to 64 letters, digits, '.', '_', '-' or ':'");
        return ST_INVALID;
    }
    struct why wrong = {""};
    if (a->url_base != NULL && manifest_url_base_check(a->url_base, &wrong) != ST_OK) {
        why_set(why, "--url-base: %.150s", wrong.text);
        return ST_INVALID;
    }
    const struct manager_out out = {.publish = publish, .pending = pending, .owner = a};
    return manager_new(&settings, a->rules, &out, clock_now_ms(), &a->manager, why);
}

static enum status start(struct app *a, struct why *why)
{
    enum status status = read_rules(a, why);
    if (status == ST_OK)
        status = start_manager(a, why);
    if (status != ST_OK)
        return status;
    const struct service_hooks hooks = {.client_id = a->id,
                                        .session_expiry_s = SESSION_EXPIRY_S,
                                        .hold_acknowledgements = true,
                                        .on_message = on_message,
                                        .on_connected = on_connected,
                                        .on_tick = on_tick,
                                        .tick_ms = TICK_MS,
                                        .on_stop = on_stop,
                                        .owner = a};
    why_set(why, "the broker's address cannot be used");
    status = service_new(&a->service_settings, &hooks, &a->service);
    if (status != ST_OK)
        return status;
    a->has_turn = uv_check_init(service_loop(a->service), &a->turn) == 0 &&
                  uv_check_start(&a->turn, on_turn) == 0;
    assert(a->has_turn); /* neither can fail */
    a->turn.data = a;
    uv_unref((uv_handle_t *)&a->turn); /* it goes on until all else has ended */
    return subscribe(a);
}

int main(int argc, char **argv)
{
    struct app app = {0};
    switch (read_options(&app, argc, argv)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    struct why why = {""};
    int exit_status = 1;
    enum status status = start(&app, &why);
    if (status == ST_OK)
        exit_status = service_run(app.service);
    else
        log_line(LOG_ERROR, "manager.failed", "status=%s reason=%s", status_name(status),
                 log_quote(why.text));
    end_turns(&app);
    service_free(app.service);
    manager_free(app.manager);
    rules_free(app.rules);
    return exit_status;
}
