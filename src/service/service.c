#include "service/service.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"

#define DRAIN_TICK_MS 10u
#define DRAIN_MS_MAX  2000u

struct service {
    uv_loop_t loop;
    struct mqtt *mqtt;
    struct service_hooks hooks;
    uv_timer_t tick;
    uv_timer_t drain;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hangup;
    bool stopping; /* a signal came */
    bool ending;   /* service_end() was called */
    uint64_t drain_until_ms;
    int exit_status;
};

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct service *s = owner;
    s->hooks.on_message(s->hooks.owner, m);
}

static void on_state(void *owner, bool connected, const char *reason)
{
    struct service *s = owner;
    if (!connected) {
        log_line(LOG_WARN, "mqtt.disconnected", "reason=%s", log_quote(reason));
        return;
    }
    log_line(LOG_INFO, "mqtt.connected", "client_id=%s", log_quote(s->hooks.client_id));
    if (s->hooks.on_connected != NULL)
        s->hooks.on_connected(s->hooks.owner);
}

static void on_tick(uv_timer_t *timer)
{
    struct service *s = timer->data;
    s->hooks.on_tick(s->hooks.owner, clock_now_ms());
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct service *s = handle->data;
    if (s->stopping) {
        log_line(LOG_WARN, "service.killed", "signal=%d", number);
        _exit(128 + number);
    }
    s->stopping = true;
    log_line(LOG_INFO, "service.stopping", "signal=%d", number);
    if (s->hooks.on_stop != NULL)
        s->hooks.on_stop(s->hooks.owner);
    else
        service_end(s, 0);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    const struct service *s = handle->data;
    log_line(LOG_INFO, "service.hangup", "signal=%d", number);
    s->hooks.on_hangup(s->hooks.owner);
}

enum status service_new(const struct service_settings *settings, const struct service_hooks *hooks,
                        struct service **ret)
{
    enum log_level level;
    if (log_level_parse(settings->log_level, &level) != ST_OK) {
        log_line(LOG_ERROR, "service.refused", "reason=%s",
                 log_quote("the log level is not debug, info, warn or error"));
        return ST_INVALID;
    }
    log_level_set(level);
    struct service *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->hooks = *hooks;

    /* Making these handles cannot fail on Linux but for memory at the very start. */
    int failed = uv_loop_init(&s->loop);
    failed |= uv_timer_init(&s->loop, &s->tick);
    failed |= uv_timer_init(&s->loop, &s->drain);
    failed |= uv_signal_init(&s->loop, &s->terminate);
    failed |= uv_signal_init(&s->loop, &s->interrupt);
    failed |= uv_signal_init(&s->loop, &s->hangup);
    assert(failed == 0);
    s->tick.data = s->drain.data = s->terminate.data = s->interrupt.data = s->hangup.data = s;
    (void)signal(SIGPIPE, SIG_IGN);

    struct mqtt_options o = {
        .address = settings->broker,
        .client_id = hooks->client_id,
        .username = settings->username,
        .password = settings->password,
        .session_expiry_s = hooks->session_expiry_s,
        .hold_acknowledgements = hooks->hold_acknowledgements,
        .message_size_max = (size_t)2 * MESSAGE_SIZE_MAX, /* a refusal needs to see it */
        .will_topic = hooks->will_topic,
        .will_payload = hooks->will_payload,
        .on_message = on_message,
        .on_state = on_state,
        .owner = s,
    };
    enum status status = mqtt_open(&s->loop, &o, &s->mqtt);
    if (status != ST_OK) {
        log_line(LOG_ERROR, "service.refused", "broker=%s reason=%s", log_quote(settings->broker),
                 log_quote(status == ST_INVALID ? "not an address like tcp://host:1883"
                                                : status_name(status)));
        service_free(s);
        return status;
    }
    *ret = s;
    return ST_OK;
}

uv_loop_t *service_loop(struct service *s)
{
    return &s->loop;
}

struct mqtt *service_mqtt(struct service *s)
{
    return s->mqtt;
}

static void on_mqtt_closed(void *owner)
{
    struct service *s = owner;
    s->mqtt = NULL;
}

static void close_handles(struct service *s)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&s->tick, (uv_handle_t *)&s->drain,
                              (uv_handle_t *)&s->terminate, (uv_handle_t *)&s->interrupt,
                              (uv_handle_t *)&s->hangup};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], NULL);
    if (s->mqtt != NULL)
        mqtt_close(s->mqtt, on_mqtt_closed);
}

/* What was published is handed over before the connection ends, within a limit. */
static void on_drain(uv_timer_t *timer)
{
    struct service *s = timer->data;
    bool waiting = mqtt_connected(s->mqtt) && mqtt_unacknowledged(s->mqtt) > 0;
    if (!waiting || clock_now_ms() >= s->drain_until_ms)
        close_handles(s);
}

void service_end(struct service *s, int exit_status)
{
    if (s->ending)
        return;
    s->ending = true;
    s->exit_status = exit_status;
    s->drain_until_ms = clock_now_ms() + DRAIN_MS_MAX;
    (void)uv_timer_stop(&s->tick);
    (void)uv_timer_start(&s->drain, on_drain, 0, DRAIN_TICK_MS);
}

int service_run(struct service *s)
{
    (void)uv_signal_start(&s->terminate, on_signal, SIGTERM);
    (void)uv_signal_start(&s->interrupt, on_signal, SIGINT);
    if (s->hooks.on_hangup != NULL)
        (void)uv_signal_start(&s->hangup, on_hangup, SIGHUP);
    if (s->hooks.on_tick != NULL && !s->ending)
        (void)uv_timer_start(&s->tick, on_tick, s->hooks.tick_ms, s->hooks.tick_ms);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    log_line(LOG_INFO, "service.ended", "status=%d", s->exit_status);
    return s->exit_status;
}

struct service *service_free(struct service *s)
{
    if (s == NULL)
        return NULL;
    close_handles(s);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&s->loop);
    assert(busy == 0); /* a program left a handle open */
    free(s);
    return NULL;
}
