/* The life of a daemon: loop, broker connection, signals, orderly end.
 *
 *     main: options_read → service_new → make own state → service_run → free
 *
 * SIGTERM and SIGINT call on_stop; the program then finishes what it must and
 * calls service_end(). A second signal ends the process at once. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "io/mqtt.h"
#include "service/log.h"
#include "service/options.h"

struct service;

/* The settings that every daemon has. Put SERVICE_OPTION_SPECS(&settings) into
 * the program's table. */
struct service_settings {
    const char *broker;
    const char *username;
    const char *password;
    const char *log_level;
};

#define SERVICE_OPTION_SPECS(s)                                                                    \
    {.flag = "broker",                                                                             \
     .env = "MQTT_BROKER",                                                                         \
     .fallback = "tcp://localhost:1883",                                                           \
     .help = "the MQTT broker",                                                                    \
     .value = "URL",                                                                               \
     .kind = OPTION_TEXT,                                                                          \
     .target = &(s)->broker},                                                                      \
        {.flag = "username",                                                                       \
         .env = "MQTT_USERNAME",                                                                   \
         .help = "user name at the broker",                                                        \
         .value = "NAME",                                                                          \
         .kind = OPTION_TEXT,                                                                      \
         .target = &(s)->username},                                                                \
        {.env = "MQTT_PASSWORD",                                                                   \
         .help = "password at the broker (environment only)",                                      \
         .kind = OPTION_TEXT,                                                                      \
         .target = &(s)->password},                                                                \
    {                                                                                              \
        .flag = "log-level", .env = "FML_LOG_LEVEL", .fallback = "info",                           \
        .help = "debug, info, warn or error", .value = "LEVEL", .kind = OPTION_TEXT,               \
        .target = &(s)->log_level                                                                  \
    }

struct service_hooks {
    const char *client_id;
    const char *will_topic; /* NULL: none */
    struct view will_payload;
    uint32_t session_expiry_s;  /* see io/mqtt.h */
    bool hold_acknowledgements; /* the same; the program calls mqtt_settled() */
    void (*on_message)(void *owner, const struct mqtt_message *m);
    void (*on_connected)(void *owner); /* at each connect; may be NULL */
    /* Every tick_ms while the loop runs; may be NULL. now_ms: clock_now_ms() */
    void (*on_tick)(void *owner, uint64_t now_ms);
    uint32_t tick_ms;
    /* A signal came: finish and call service_end(), now or later. NULL: at once. */
    void (*on_stop)(void *owner);
    /* SIGHUP: read again what can be read again. NULL: it ends the process, as ever. */
    void (*on_hangup)(void *owner);
    void *owner;
};

/* gives: *ret. fails: as mqtt_open(); ST_INVALID (log level), each logged */
MUST_CHECK enum status service_new(const struct service_settings *settings,
                                   const struct service_hooks *hooks, struct service **ret);

uv_loop_t *service_loop(struct service *s);
struct mqtt *service_mqtt(struct service *s);

/* Runs until service_end(); then closes the connection and all handles that the
 * service made. The program's own handles must be closed by then.
 * Returns the process's exit status. */
int service_run(struct service *s);
void service_end(struct service *s, int exit_status);

struct service *service_free(struct service *s);

#endif
