/* fml-model-server: keeps and distributes model versions. Connects server.h to a
 * broker. */
#include <stdio.h>

#include "io/file.h"
#include "model_server/server.h"
#include "service/service.h"

#define SESSION_EXPIRY_S 3600u

struct program {
    struct service_settings common;
    const char *id;
    const char *folder;
    const char *initial_path;
    uint64_t retain;
    struct bytes initial;
    struct service *service;
    struct server *server;
};

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct program *p = owner;
    return mqtt_publish(service_mqtt(p->service), m);
}

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct program *p = owner;
    server_message(p->server, m);
}

static void on_connected(void *owner)
{
    struct program *p = owner;
    server_connected(p->server);
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
         .target = &p->folder},
        {.flag = "initial",
         .help = "version 0 if there is none yet; without it the FML demo's",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &p->initial_path},
        {.flag = "retain",
         .fallback = "256",
         .help = "how many of the newest versions are retained on their topics",
         .value = "N",
         .kind = OPTION_NUMBER,
         .target = &p->retain,
         .min = 1,
         .max = STORE_VERSIONS_MAX},
    };
    const struct options o = {
        .program = "fml-model-server",
        .summary = "keeps model versions and publishes them, retained, on their topics",
        .usage = "[options]",
        .specs = specs,
        .count = sizeof specs / sizeof specs[0],
    };
    int rest;
    enum options_result result = options_read(&o, argc, argv, &rest);
    if (result == OPTIONS_RUN && rest > 0) {
        (void)fprintf(stderr, "fml-model-server: %s: it takes no arguments; see --help\n", argv[1]);
        return OPTIONS_WRONG;
    }
    return result;
}

/* gives: p->server */
static enum status open_server(struct program *p)
{
    struct why why = {{0}};
    enum status status = ST_OK;
    if (p->initial_path != NULL) {
        status = file_read(p->initial_path, MESSAGE_SIZE_MAX, &p->initial);
        if (status != ST_OK)
            why_set(&why, "%.200s cannot be read: %s", p->initial_path, status_name(status));
    }
    const struct server_settings settings = {
        .folder = p->folder, .initial = bytes_view(&p->initial), .retain = p->retain};
    const struct server_out out = {.publish = publish, .owner = p};
    if (status == ST_OK)
        status = server_new(&settings, &out, &p->server, &why);
    if (status != ST_OK)
        log_line(LOG_ERROR, "service.refused", "models_dir=%s reason=%s", log_quote(p->folder),
                 log_quote(why.text[0] == '\0' ? status_name(status) : why.text));
    return status;
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
    const struct service_hooks hooks = {.client_id = p.id,
                                        .session_expiry_s = SESSION_EXPIRY_S,
                                        .on_message = on_message,
                                        .on_connected = on_connected,
                                        .owner = &p};
    if (open_server(&p) == ST_OK && service_new(&p.common, &hooks, &p.service) == ST_OK &&
        mqtt_subscribe(service_mqtt(p.service), FL_MODEL_PUBLISH) == ST_OK)
        exit_status = service_run(p.service);
    service_free(p.service);
    server_free(p.server);
    bytes_done(&p.initial);
    return exit_status;
}
