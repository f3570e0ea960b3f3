#include "io/inbox.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct inbox {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t room;  /* signalled when something was taken, or at the end */
    struct inbox_item *first;
    struct inbox_item **last; /* where the next item is linked */
    size_t count, bytes;
    size_t count_max, bytes_max;
    bool closed;
    void (*wake)(void *arg);
    void *arg;
};

enum status inbox_new(size_t count_max, size_t bytes_max, void (*wake)(void *arg), void *arg,
                      struct inbox **ret)
{
    assert(count_max >= 1 && wake != NULL);
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL)
        return ST_NOMEM;
    int failed = pthread_mutex_init(&inbox->lock, NULL) | pthread_cond_init(&inbox->room, NULL);
    assert(failed == 0); /* cannot fail with default attributes on Linux */
    inbox->last = &inbox->first;
    inbox->count_max = count_max;
    inbox->bytes_max = bytes_max;
    inbox->wake = wake;
    inbox->arg = arg;
    *ret = inbox;
    return ST_OK;
}

static bool full(const struct inbox *inbox, size_t size)
{
    if (inbox->count == 0)
        return false;
    return inbox->count >= inbox->count_max || size > inbox->bytes_max ||
           inbox->bytes > inbox->bytes_max - size;
}

bool inbox_put(struct inbox *inbox, struct inbox_item *item)
{
    (void)pthread_mutex_lock(&inbox->lock);
    while (!inbox->closed && full(inbox, item->size))
        (void)pthread_cond_wait(&inbox->room, &inbox->lock);
    bool put = !inbox->closed;
    bool was_empty = inbox->first == NULL;
    if (put) {
        item->next = NULL;
        *inbox->last = item;
        inbox->last = &item->next;
        inbox->count++;
        inbox->bytes += item->size;
    }
    (void)pthread_mutex_unlock(&inbox->lock);
    if (put && was_empty)
        inbox->wake(inbox->arg);
    return put;
}

struct inbox_item *inbox_take_all(struct inbox *inbox)
{
    (void)pthread_mutex_lock(&inbox->lock);
    struct inbox_item *first = inbox->first;
    inbox->first = NULL;
    inbox->last = &inbox->first;
    inbox->count = 0;
    inbox->bytes = 0;
    (void)pthread_cond_broadcast(&inbox->room);
    (void)pthread_mutex_unlock(&inbox->lock);
    return first;
}

void inbox_close(struct inbox *inbox)
{
    (void)pthread_mutex_lock(&inbox->lock);
    inbox->closed = true;
    (void)pthread_cond_broadcast(&inbox->room);
    (void)pthread_mutex_unlock(&inbox->lock);
}

struct inbox *inbox_free(struct inbox *inbox)
{
    if (inbox == NULL)
        return NULL;
    assert(inbox->closed && inbox->first == NULL);
    (void)pthread_cond_destroy(&inbox->room);
    (void)pthread_mutex_destroy(&inbox->lock);
    free(inbox);
    return NULL;
}
