#include "device/service_out.h"

#include "io/clock.h"

static enum status out_publish(void *owner, const char *topic, struct view payload)
{
    struct mqtt_message m = {.topic = topic, .payload = payload};
    return mqtt_publish(service_mqtt(owner), &m);
}

static enum status out_subscribe(void *owner, const char *filter)
{
    return mqtt_subscribe(service_mqtt(owner), filter);
}

static void out_unsubscribe(void *owner, const char *filter)
{
    mqtt_unsubscribe(service_mqtt(owner), filter);
}

static bool out_connected(void *owner)
{
    return mqtt_connected(service_mqtt(owner));
}

static size_t out_unacknowledged(void *owner)
{
    return mqtt_unacknowledged(service_mqtt(owner));
}

static bool out_quiet(void *owner)
{
    return out_connected(owner) && out_unacknowledged(owner) == 0;
}

static uint64_t out_now_ms(void *owner)
{
    (void)owner;
    return clock_now_ms();
}

struct proplet_out service_out(struct service *s)
{
    return (struct proplet_out){.publish = out_publish,
                                .subscribe = out_subscribe,
                                .unsubscribe = out_unsubscribe,
                                .connected = out_connected,
                                .quiet = out_quiet,
                                .unacknowledged = out_unacknowledged,
                                .now_ms = out_now_ms,
                                .owner = s};
}
