/* fml-model-server: keeps versions and has them on their topics. Connects
 * server.h to a broker. */
#include <stdio.h>

#include "model_server/server.h"
#include "service/service.h"
#include "transfer/manifest.h"

#define TICK_MS          50u
#define SESSION_EXPIRY_S 3600u

struct program {
    struct service_settings common;
    const char *id;
    struct id me; /* the same */
    const char *models_dir;
    const char *initial;
    const char *url_base;
    uint64_t retain, keep;
    uv_check_t turn_over;
    struct service *service;
    struct server *server;
};

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct program *p = owner;
    return mqtt_publish(service_mqtt(p->service), m);
}

static size_t unacknowledged(void *owner)
{
    struct program *p = owner;
    return mqtt_unacknowledged(service_mqtt(p->service));
}

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct program *p = owner;
    server_message(p->server, m);
}

/* What came in this turn of the loop is stored and said: it need not come again. */
static void on_turn_over(uv_check_t *check)
{
    struct program *p = check->data;
    struct mqtt *mqtt = service_mqtt(p->service);
    if (mqtt != NULL) /* the connection has not ended */
        mqtt_settled(mqtt);
}

static void on_connected(void *owner)
{
    struct program *p = owner;
    server_packet_max(p->server, mqtt_packet_max(service_mqtt(p->service)));
    server_connected(p->server);
}

static void on_tick(void *owner, uint64_t now_ms)
{
    struct program *p = owner;
    server_tick(p->server, now_ms);
}

static enum options_result read_settings(struct program *p, int argc, char **argv)
{
    const struct option_spec specs[] = {
        SERVICE_OPTION_SPECS(&p->common),
        {.flag = "id",
         .fallback = "fml-model-server",
         .help = "client id at the broker",
         .value = "ID",
         .kind = OPTION_TEXT,
         .target = &p->id},
        {.flag = "models-dir",
         .env = "MODELS_DIR",
         .fallback = "/tmp/fl-models",
         .help = "where the versions are kept",
         .value = "DIR",
         .kind = OPTION_TEXT,
         .target = &p->models_dir},
        {.flag = "initial",
         .help = "version 0, if the folder has none (default: three weights and a bias, all 0)",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &p->initial},
        {.flag = "url-base",
         .env = "URL_BASE",
         .help = "a web server gives DIR/sha256 of --models-dir DIR at this URL: large versions "
                 "say so, and who may fetches them there",
         .value = "URL",
         .kind = OPTION_TEXT,
         .target = &p->url_base},
        {.flag = "retain",
         .fallback = "64",
         .help = "how many of the newest versions of a name stay on their topics",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->retain,
         .min = 1,
         .max = SERVER_RETAIN_MAX},
        {.flag = "keep",
         .fallback = "0",
         .help = "delete versions older than the newest N of a name, unless a channel or an open "
                 "round needs them (0: delete nothing)",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->keep,
         .min = 0,
         .max = SERVER_RETAIN_MAX},
    };
    const struct options o = {
        .program = "fml-model-server",
        .summary = "keeps model versions and publishes them on fl/models/{name}_v{N}",
        .usage = "[options]",
        .specs = specs,
        .count = sizeof specs / sizeof specs[0],
    };
    enum options_result result = options_read_only(&o, argc, argv);
    if (result == OPTIONS_RUN && id_from(p->id, &p->me) != ST_OK) {
        (void)fprintf(stderr,
                      "%s: --id is not an id: 1 to 64 letters, digits, '.', '_', '-', ':'\n",
                      o.program);
        result = OPTIONS_WRONG;
    }
    struct why why = {""};
    if (result == OPTIONS_RUN && p->url_base != NULL &&
        manifest_url_base_check(p->url_base, &why) != ST_OK) {
        (void)fprintf(stderr, "%s: --url-base: %s\n", o.program, why.text);
        result = OPTIONS_WRONG;
    }
    return result;
}

/* gives: p->server and p->service */
static enum status open_all(struct program *p)
{
    const struct server_settings settings = {.me = p->me,
                                             .folder = p->models_dir,
                                             .initial = p->initial,
                                             .url_base = p->url_base,
                                             .retain = (size_t)p->retain,
                                             .keep = (size_t)p->keep};
    const struct server_out out = {
        .publish = publish, .unacknowledged = unacknowledged, .owner = p};
    const struct service_hooks hooks = {
        .client_id = p->id,
        .session_expiry_s = SESSION_EXPIRY_S,
        .hold_acknowledgements = true,
        .on_message = on_message,
        .on_connected = on_connected,
        .on_tick = on_tick,
        .tick_ms = TICK_MS,
        .owner = p,
    };
    enum status status = server_new(&settings, &out, &p->server);
    if (status == ST_OK)
        status = service_new(&p->common, &hooks, &p->service);
    char filter[TOPIC_SIZE_MAX];
    for (size_t i = 0; status == ST_OK && server_filter(p->server, i, filter); i++)
        status = mqtt_subscribe(service_mqtt(p->service), filter);
    if (status != ST_OK)
        return status;
    (void)uv_check_init(service_loop(p->service), &p->turn_over);
    p->turn_over.data = p;
    (void)uv_check_start(&p->turn_over, on_turn_over);
    uv_unref((uv_handle_t *)&p->turn_over);
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
    if (p.turn_over.data != NULL)
        uv_close((uv_handle_t *)&p.turn_over, NULL);
    service_free(p.service);
    server_free(p.server);
    return exit_status;
}
