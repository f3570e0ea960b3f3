/* Devices: they train, send, and send again until a receipt or the round's end, as
 * src/proplet/outbox.h says. They die and return, with or without what they had
 * kept, and some of them lie. */
#include "sim.h"

#include <assert.h>
#include <stddef.h>

#define AGAIN_MS_MIN    2000
#define AGAIN_MS_MAX    5000
#define KEPT_MS         20000 /* beyond its round's time */
#define TRAINING_MS_MIN 50
#define AWAY_MS_MAX     15000

/* ---- the outbox ---- */

static void send(struct world *w, const struct sim_update *u)
{
    network_send(
        w, (struct event){.kind = EV_UPDATE, .round = u->round, .device = u->device, .update = u});
}

static void send_and_wait(struct world *w, const struct sim_update *u)
{
    send(w, u);
    after(w, between(w, AGAIN_MS_MIN, AGAIN_MS_MAX),
          (struct event){.kind = EV_SEND_AGAIN, .device = u->device, .update = u});
}

static uint64_t until(const struct world *w, const struct sim_update *u)
{
    uint64_t timeout_ms =
        u->round == NO_ROUND ? 0 : (uint64_t)w->rounds[u->round].start.timeout_s * SECOND;
    return w->now_ms + timeout_ms + KEPT_MS;
}

static void put(struct world *w, const struct sim_update *u)
{
    struct device *d = &w->devices[u->device];
    for (int i = 0; i < OUTBOX_MAX; i++) {
        if (d->outbox[i].update != NULL)
            continue;
        d->outbox[i].update = u;
        d->outbox[i].until_ms = until(w, u);
        send_and_wait(w, u);
        return;
    }
}

static struct waiting *find(struct device *d, const struct sim_update *u)
{
    for (int i = 0; i < OUTBOX_MAX; i++)
        if (d->outbox[i].update == u)
            return &d->outbox[i];
    return NULL;
}

void device_sends_again(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    struct waiting *waiting = find(d, e->update);
    if (!d->alive || waiting == NULL)
        return;
    if (w->now_ms >= waiting->until_ms) {
        waiting->update = NULL;
        return;
    }
    trace(w, "d-%d sends again", e->device);
    send_and_wait(w, e->update);
}

/* Whatever the answer is, it need not be sent again. */
void device_receipt(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    struct waiting *waiting = d->alive ? find(d, e->update) : NULL;
    if (waiting == NULL)
        return;
    waiting->update = NULL;
    trace(w, "d-%d r-%d got its receipt: %s", e->device, e->round, verdict_code(e->verdict));
}

void device_complete(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    if (!d->alive)
        return;
    d->over[e->round] = true;
    for (int i = 0; i < OUTBOX_MAX; i++)
        if (d->outbox[i].update != NULL && d->outbox[i].update->round == e->round)
            d->outbox[i].update = NULL;
}

/* ---- training ---- */

static void train(struct world *w, int device, int round)
{
    w->devices[device].training[round] = true;
    uint64_t timeout_ms = (uint64_t)w->rounds[round].start.timeout_s * SECOND;
    uint64_t most = below(w, 8) == 0 ? timeout_ms * 5 / 4 : timeout_ms / 3;
    after(w, between(w, TRAINING_MS_MIN, most),
          (struct event){.kind = EV_TRAINED, .round = round, .device = device});
}

void device_start(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    if (!d->alive || d->started[e->round])
        return;
    d->started[e->round] = true;
    trace(w, "d-%d r-%d starts", e->device, e->round);
    train(w, e->device, e->round);
}

static bool may_make_more(const struct world *w, int round, int device)
{
    return w->rounds[round].made[device] < VARIANTS_MAX;
}

/* Wrong ones, one of them perhaps followed by a right one; or two right ones, of
 * which only the first to come may count. */
static void lie(struct world *w, int device, int round)
{
    if (below(w, 3) == 0 && may_make_more(w, round, device))
        put(w, update_right(w, round, device));
    for (uint64_t i = between(w, 1, 3); i > 0; i--)
        put(w, update_wrong(w, round, device));
    if (below(w, 10) == 0)
        put(w, update_astray(w, device));
    if (below(w, 2) == 0 && may_make_more(w, round, device))
        put(w, update_right(w, round, device));
}

void device_trained(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    if (!d->alive || !d->training[e->round])
        return;
    d->training[e->round] = false;
    trace(w, "d-%d r-%d has trained", e->device, e->round);
    if (chance(w, w->odds.hostile))
        lie(w, e->device, e->round);
    else if (may_make_more(w, e->round, e->device) && !d->over[e->round])
        put(w, update_right(w, e->round, e->device));
    if (chance(w, w->odds.device_dies))
        after(w, between(w, 1, 3000), (struct event){.kind = EV_DEVICE_DIES, .device = e->device});
}

void device_intrudes(struct world *w, int device, int round)
{
    if (may_make_more(w, round, device))
        put(w, update_right(w, round, device));
}

/* ---- death ---- */

void device_dies(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    if (!d->alive)
        return;
    trace(w, "d-%d dies", e->device);
    d->alive = false;
    d->outbox_survives = below(w, 2) == 0;
    after(w, between(w, 10, AWAY_MS_MAX),
          (struct event){.kind = EV_DEVICE_RETURNS, .device = e->device});
}

/* A device whose outbox is gone trains again, and gets other numbers. */
static void resume(struct world *w, int device, int round)
{
    struct device *d = &w->devices[device];
    bool interrupted = d->training[round];
    if (interrupted || (!d->outbox_survives && d->started[round] && below(w, 2) == 0))
        train(w, device, round);
}

void device_returns(struct world *w, const struct event *e)
{
    struct device *d = &w->devices[e->device];
    assert(!d->alive);
    trace(w, "d-%d returns, outbox %s", e->device, d->outbox_survives ? "kept" : "lost");
    d->alive = true;
    for (int i = 0; i < OUTBOX_MAX; i++) {
        if (d->outbox[i].update == NULL)
            continue;
        if (d->outbox_survives)
            send_and_wait(w, d->outbox[i].update);
        else
            d->outbox[i].update = NULL;
    }
    for (int round = 0; round < w->round_count; round++)
        if (!d->over[round])
            resume(w, e->device, round);
}
