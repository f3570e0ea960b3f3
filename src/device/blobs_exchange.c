#include "device/blobs_exchange.h"

#define CHECKS_MAX 4 /* steps of checking in one turn, of a few MiB each */

static enum status publish(void *owner, const struct mqtt_message *m)
{
    const struct proplet_out *out = owner;
    return out->publish(out->owner, m->topic, m->payload);
}

static size_t unacknowledged(void *owner)
{
    const struct proplet_out *out = owner;
    return out->unacknowledged(out->owner);
}

enum status blobs_exchange_new(const struct id *me, const struct proplet_out *out,
                               struct exchange **ret)
{
    struct exchange_out over = {publish, unacknowledged, (void *)(uintptr_t)out};
    return exchange_new(me, &over, ret);
}

enum status blobs_exchange_subscribe(const struct exchange *x, const struct proplet_out *out)
{
    char filter[TOPIC_SIZE_MAX];
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && exchange_filter(x, i, filter); i++)
        status = out->subscribe(out->owner, filter);
    return status;
}

void blobs_exchange_step(struct exchange *x, uint64_t now_ms)
{
    for (int i = 0; i < CHECKS_MAX && exchange_step(x, now_ms); i++)
        ;
}
