/* A network that promises nothing: a message may be lost, come twice, and be
 * overtaken by any that was sent after it. */
#include "sim.h"

#define SLOW_MS_MAX 8000

void after(struct world *w, uint64_t delay_ms, struct event e)
{
    uint64_t at_ms = w->now_ms + delay_ms;
    e.at_ms = at_ms + w->odds.grid_ms - 1 - (at_ms + w->odds.grid_ms - 1) % w->odds.grid_ms;
    queue_add(&w->queue, e);
}

static uint64_t delay(struct world *w)
{
    return chance(w, w->odds.slow) ? between(w, 50, SLOW_MS_MAX) : between(w, 1, 50);
}

void network_send(struct world *w, struct event e)
{
    if (chance(w, w->odds.drop)) {
        w->tally->dropped++;
        return;
    }
    after(w, delay(w), e);
    while (chance(w, w->odds.duplicate)) {
        w->tally->duplicated++;
        after(w, delay(w), e);
    }
}
