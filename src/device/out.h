/* The way out: all that the proplet's parts may do to the world beyond the disk.
 * main.c fills it with the broker connection and the clock, tests with a record
 * of what was asked for. */
#ifndef DEVICE_OUT_H
#define DEVICE_OUT_H

#include <stdbool.h>

#include "base/bytes.h"

struct proplet_out {
    /* Copies the payload. fails: ST_TOO_LARGE (more than the broker takes, now and later),
     * ST_LIMIT (too much waits), ST_INVALID, ST_NOMEM */
    enum status (*publish)(void *owner, const char *topic, struct view payload);
    /* fails: ST_INVALID, ST_NOMEM */
    enum status (*subscribe)(void *owner, const char *filter);
    void (*unsubscribe)(void *owner, const char *filter);
    bool (*connected)(void *owner);
    /* Connected, and all that was published is acknowledged: only then does it
     * make sense to send something again. */
    bool (*quiet)(void *owner);
    /* Of what was published, that the broker has not acknowledged. */
    size_t (*unacknowledged)(void *owner);
    /* A clock that never jumps. */
    uint64_t (*now_ms)(void *owner);
    void *owner;
};

#endif
