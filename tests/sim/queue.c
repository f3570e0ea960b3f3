/* Events in the order of their time; those of one moment in the order in which
 * they were added, so that a run can be repeated. */
#include "sim.h"

#include <stdlib.h>

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event other = *a;
    *a = *b;
    *b = other;
}

void queue_add(struct queue *q, struct event e)
{
    if (q->count == q->capacity) {
        q->capacity = q->capacity == 0 ? 256 : 2 * q->capacity;
        q->items = must(realloc(q->items, q->capacity * sizeof q->items[0]));
    }
    e.order = q->order++;
    size_t at = q->count++;
    q->items[at] = e;
    while (at > 0 && earlier(&q->items[at], &q->items[(at - 1) / 2])) {
        swap(&q->items[at], &q->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

bool queue_take(struct queue *q, struct event *ret)
{
    if (q->count == 0)
        return false;
    *ret = q->items[0];
    q->items[0] = q->items[--q->count];
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < q->count; child++)
            if (earlier(&q->items[child], &q->items[least]))
                least = child;
        if (least == at)
            return true;
        swap(&q->items[at], &q->items[least]);
        at = least;
    }
}

void queue_done(struct queue *q)
{
    free(q->items);
    *q = (struct queue){0};
}
