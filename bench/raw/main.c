/* What the broker itself can do: messages of one part's size, QoS 1, from one connection
 * to another, as many under way as keep it busy. The peer of large.py.
 *
 *     raw_bench BROKER COUNT     prints: raw: megabytes_per_second=N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/mqtt.h"

#define TOPIC     "bench/raw"
#define RAW_SIZE  ((size_t)1 << 20)
#define UNDER_WAY 8 /* more of them made it no faster */
#define LIMIT_MS  120000u

struct bench {
    uv_loop_t loop;
    uv_timer_t tick;
    struct mqtt *sender, *receiver;
    uint8_t *part;
    size_t count, sent, received;
    uint64_t opened_ms, began_ms, ended_ms;
};

static void send_more(struct bench *b)
{
    while (b->sent < b->count && b->sent - b->received < UNDER_WAY) {
        const struct mqtt_message m = {.topic = TOPIC, .payload = view_of(b->part, RAW_SIZE)};
        if (mqtt_publish(b->sender, &m) != ST_OK)
            return;
        b->sent++;
    }
}

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct bench *b = owner;
    if (m->payload.size == 1) { /* it listens */
        b->began_ms = clock_now_ms();
        send_more(b);
        return;
    }
    b->received++;
    if (b->received == b->count) {
        b->ended_ms = clock_now_ms();
        uv_stop(&b->loop);
    } else
        send_more(b);
}

/* The first message that comes through says that the subscription stands. */
static void on_tick(uv_timer_t *tick)
{
    struct bench *b = tick->data;
    const struct mqtt_message m = {.topic = TOPIC, .payload = view_of(b->part, 1)};
    if (b->began_ms == 0 && mqtt_publish(b->sender, &m) != ST_OK)
        uv_stop(&b->loop);
    if (clock_now_ms() - b->opened_ms > LIMIT_MS)
        uv_stop(&b->loop);
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc != 3 || (b.count = strtoul(argv[2], NULL, 10)) < 1)
        return 2;
    b.part = calloc(1, RAW_SIZE);
    struct mqtt_options options = {
        .address = argv[1], .client_id = "raw-receiver", .on_message = on_message, .owner = &b};
    if (b.part == NULL || uv_loop_init(&b.loop) != 0 ||
        mqtt_open(&b.loop, &options, &b.receiver) != ST_OK ||
        mqtt_subscribe(b.receiver, TOPIC) != ST_OK)
        return 1;
    options.client_id = "raw-sender";
    if (mqtt_open(&b.loop, &options, &b.sender) != ST_OK)
        return 1;
    b.opened_ms = clock_now_ms();
    b.tick.data = &b;
    (void)uv_timer_init(&b.loop, &b.tick);
    (void)uv_timer_start(&b.tick, on_tick, 100, 100);
    (void)uv_run(&b.loop, UV_RUN_DEFAULT);
    if (b.ended_ms <= b.began_ms)
        return 1;
    (void)printf("raw: megabytes_per_second=%.0f\n",
                 (double)(b.count * RAW_SIZE) / 1e3 / (double)(b.ended_ms - b.began_ms));
    return 0;
}
