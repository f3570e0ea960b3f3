#include "device/fake_out.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status publish(void *owner, const char *topic, struct view payload)
{
    struct fake_out *f = owner;
    if (f->publish_status != ST_OK)
        return f->publish_status;
    if (f->message_max > 0 && payload.size > f->message_max)
        return ST_TOO_LARGE;
    if (f->on_publish != NULL)
        f->on_publish();
    assert(f->published_count < FAKE_PUBLISHED_MAX);
    struct fake_message *m = &f->published[f->published_count++];
    (void)snprintf(m->topic, sizeof m->topic, "%s", topic);
    return bytes_copy(&m->payload, payload);
}

static enum status subscribe(void *owner, const char *filter)
{
    struct fake_out *f = owner;
    if (f->subscribe_status != ST_OK)
        return f->subscribe_status;
    assert(f->subscribed_count < FAKE_SUBSCRIBED_MAX);
    (void)snprintf(f->subscribed[f->subscribed_count++], TOPIC_SIZE_MAX, "%s", filter);
    return ST_OK;
}

static void unsubscribe(void *owner, const char *filter)
{
    struct fake_out *f = owner;
    for (size_t i = f->subscribed_count; i > 0; i--)
        if (strcmp(f->subscribed[i - 1], filter) == 0)
            memmove(f->subscribed[i - 1], f->subscribed[--f->subscribed_count], TOPIC_SIZE_MAX);
}

static bool connected(void *owner)
{
    struct fake_out *f = owner;
    return !f->offline;
}

static bool quiet(void *owner)
{
    struct fake_out *f = owner;
    return !f->offline && !f->busy;
}

static size_t unacknowledged(void *owner)
{
    struct fake_out *f = owner;
    return f->busy ? 1 : 0;
}

static uint64_t now_ms(void *owner)
{
    struct fake_out *f = owner;
    return f->now_ms;
}

struct fake_out *fake_out_new(void)
{
    struct fake_out *f = calloc(1, sizeof *f);
    assert(f != NULL);
    f->now_ms = 1000;
    f->out = (struct proplet_out){publish, subscribe,      unsubscribe, connected,
                                  quiet,   unacknowledged, now_ms,      f};
    return f;
}

void fake_out_clear(struct fake_out *f)
{
    for (size_t i = 0; i < f->published_count; i++)
        bytes_done(&f->published[i].payload);
    f->published_count = 0;
}

bool fake_out_subscribed(const struct fake_out *f, const char *filter)
{
    for (size_t i = 0; i < f->subscribed_count; i++)
        if (strcmp(f->subscribed[i], filter) == 0)
            return true;
    return false;
}

struct fake_out *fake_out_free(struct fake_out *f)
{
    if (f != NULL)
        fake_out_clear(f);
    free(f);
    return NULL;
}
