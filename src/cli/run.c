#include "cli/run.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#define SIGNAL_COUNT 3

static const int signals[SIGNAL_COUNT] = {SIGINT, SIGTERM, SIGHUP};

struct run {
    uv_loop_t loop;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t limit;
    bool limit_reached;
    bool stopped, interrupted;
    struct why reason;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct run *r = handle->data;
    if (!r->stopped)
        r->interrupted = number == SIGINT;
    run_stop(r, "interrupted");
}

static void on_limit(uv_timer_t *handle)
{
    struct run *r = handle->data;
    r->limit_reached = true;
    /* Timers that are due run before the loop looks for events, which it would
     * then wait for although nobody waits for them any more. */
    uv_stop(&r->loop);
}

enum status run_open(struct run **ret)
{
    assert(ret != NULL);
    struct run *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    if (uv_loop_init(&r->loop) != 0) {
        free(r);
        return ST_IO;
    }
    (void)uv_timer_init(&r->loop, &r->limit); /* cannot fail, says libuv */
    r->limit.data = r;
    bool works = true;
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        (void)uv_signal_init(&r->loop, &r->signals[i]);
        r->signals[i].data = r;
        works = works && uv_signal_start(&r->signals[i], on_signal, signals[i]) == 0;
    }
    if (!works) {
        (void)run_close(r);
        return ST_IO;
    }
    *ret = r;
    return ST_OK;
}

uv_loop_t *run_loop(struct run *r)
{
    return &r->loop;
}

enum status run_wait(struct run *r, const bool *done, uint64_t limit_ms)
{
    r->limit_reached = false;
    uv_update_time(&r->loop);
    (void)uv_timer_start(&r->limit, on_limit, limit_ms, 0);
    while (!*done && !r->stopped && !r->limit_reached)
        (void)uv_run(&r->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&r->limit);
    if (r->stopped)
        return ST_CLOSED;
    return *done ? ST_OK : ST_TIMEOUT;
}

void run_stop(struct run *r, const char *reason)
{
    if (r->stopped)
        return;
    r->stopped = true;
    uv_stop(&r->loop); /* as in on_limit() */
    why_set(&r->reason, "%s", reason);
}

const char *run_stopped(const struct run *r)
{
    return r->stopped ? r->reason.text : NULL;
}

bool run_interrupted(const struct run *r)
{
    return r->stopped && r->interrupted;
}

void run_go_on(struct run *r)
{
    r->stopped = false;
    r->interrupted = false;
}

struct run *run_close(struct run *r)
{
    if (r == NULL)
        return NULL;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&r->signals[i], NULL);
    uv_close((uv_handle_t *)&r->limit, NULL);
    /* Again if uv_stop() had been called: the first turn only forgets that. */
    while (uv_run(&r->loop, UV_RUN_DEFAULT) != 0) {
    }
    int busy = uv_loop_close(&r->loop);
    assert(busy == 0); /* someone left a handle open */
    free(r);
    return NULL;
}
