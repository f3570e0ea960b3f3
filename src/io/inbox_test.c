/* Checks the inbox's order, its bounds, and that waiting putters are let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>

#include "io/inbox.h"

struct numbered {
    struct inbox_item head;
    int number;
};

static int wakes;

static void count_wake(void *arg)
{
    (void)arg;
    wakes++;
}

static void items_come_in_order_and_wake_once(void **state)
{
    (void)state;
    struct inbox *inbox;
    struct numbered items[3];
    wakes = 0;
    assert_int_equal(inbox_new(10, 100, count_wake, NULL, &inbox), ST_OK);
    for (int i = 0; i < 3; i++) {
        items[i] = (struct numbered){.head.size = 1, .number = i};
        assert_true(inbox_put(inbox, &items[i].head));
    }
    assert_int_equal(wakes, 1);
    int expected = 0;
    for (struct inbox_item *at = inbox_take_all(inbox); at != NULL; at = at->next)
        assert_int_equal(((struct numbered *)at)->number, expected++);
    assert_int_equal(expected, 3);
    assert_null(inbox_take_all(inbox));
    inbox_close(inbox);
    inbox_free(inbox);
}

/* A putter that meets a full inbox, seen from both threads. */
struct putter {
    struct inbox *inbox;
    struct numbered item;
    sem_t started;
    bool put;
    pthread_t thread;
};

static void *put_main(void *arg)
{
    struct putter *p = arg;
    (void)sem_post(&p->started);
    p->put = inbox_put(p->inbox, &p->item.head);
    return NULL;
}

static void start_putter(struct putter *p, struct inbox *inbox, size_t size)
{
    *p = (struct putter){.inbox = inbox, .item.head.size = size, .item.number = 7};
    assert_int_equal(sem_init(&p->started, 0, 0), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, put_main, p), 0);
    (void)sem_wait(&p->started);
}

static size_t take_count(struct inbox *inbox)
{
    size_t count = 0;
    for (struct inbox_item *at = inbox_take_all(inbox); at != NULL; at = at->next)
        count++;
    return count;
}

static void full_by_count(void **state)
{
    (void)state;
    struct inbox *inbox;
    struct numbered first = {.head.size = 1};
    struct putter p;
    assert_int_equal(inbox_new(1, 100, count_wake, NULL, &inbox), ST_OK);
    assert_true(inbox_put(inbox, &first.head));
    start_putter(&p, inbox, 1);
    /* The putter cannot be in yet: with it there would be two. */
    assert_int_equal(take_count(inbox), 1);
    (void)pthread_join(p.thread, NULL);
    assert_true(p.put);
    assert_int_equal(take_count(inbox), 1);
    inbox_close(inbox);
    inbox_free(inbox);
}

static void full_by_bytes_but_a_large_item_goes_in_alone(void **state)
{
    (void)state;
    struct inbox *inbox;
    struct numbered large = {.head.size = 500};
    struct putter p;
    assert_int_equal(inbox_new(10, 100, count_wake, NULL, &inbox), ST_OK);
    assert_true(inbox_put(inbox, &large.head));
    start_putter(&p, inbox, 1);
    assert_int_equal(take_count(inbox), 1);
    (void)pthread_join(p.thread, NULL);
    assert_true(p.put);
    assert_int_equal(take_count(inbox), 1);
    inbox_close(inbox);
    inbox_free(inbox);
}

static void closing_lets_a_waiting_putter_go(void **state)
{
    (void)state;
    struct inbox *inbox;
    struct numbered first = {.head.size = 1};
    struct putter p;
    assert_int_equal(inbox_new(1, 100, count_wake, NULL, &inbox), ST_OK);
    assert_true(inbox_put(inbox, &first.head));
    start_putter(&p, inbox, 1);
    inbox_close(inbox);
    (void)pthread_join(p.thread, NULL);
    assert_false(p.put);
    assert_false(inbox_put(inbox, &p.item.head));
    assert_int_equal(take_count(inbox), 1);
    inbox_free(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_order_and_wake_once),
        cmocka_unit_test(full_by_count),
        cmocka_unit_test(full_by_bytes_but_a_large_item_goes_in_alone),
        cmocka_unit_test(closing_lets_a_waiting_putter_go),
    };
    return cmocka_run_group_tests_name("io/inbox", tests, NULL, NULL);
}
