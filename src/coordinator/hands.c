/* What rounds are lent while they aggregate: threads for as long as it takes, and the memory
 * of updates that were read (round/hands.h). */
#include "coordinator/state.h"

#include <pthread.h>
#include <stdatomic.h>

#include "io/map.h"

struct crew {
    atomic_size_t next;
    size_t count;
    void (*work)(void *arg, size_t index);
    void *arg;
};

static void *take_work(void *arg)
{
    struct crew *crew = arg;
    for (;;) {
        size_t index = atomic_fetch_add(&crew->next, 1);
        if (index >= crew->count)
            return NULL;
        crew->work(crew->arg, index);
    }
}

/* The caller works, too; a thread that cannot be had is not missed. */
static void each(void *owner, size_t count, void (*work)(void *arg, size_t index), void *arg)
{
    const struct entry *e = owner;
    pthread_t threads[AGGREGATION_THREADS_MAX];
    size_t wanted = e->threads < count ? e->threads : count, started = 0;
    struct crew crew = {.count = count, .work = work, .arg = arg};
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, take_work, &crew) == 0)
        started++;
    (void)take_work(&crew);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

static void let_go(void *owner, struct view bytes)
{
    const struct entry *e = owner;
    const struct view *judged = &e->judged;
    if (judged->size > 0 && bytes.data >= judged->data && bytes.data < judged->data + judged->size)
        map_let_go(*judged, bytes);
    else if (e->spool != NULL)
        spool_let_go(e->spool, bytes);
}

void lend_hands(const struct coordinator *c, struct entry *e)
{
    e->threads = c->settings.threads;
    round_lend(e->round, &(struct hands){each, let_go, e});
}
