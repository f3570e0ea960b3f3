/* The virtual devices: their names, whose data each has, who falls silent. Pure. */
#ifndef SIMULATE_DEVICES_H
#define SIMULATE_DEVICES_H

#include <stdbool.h>

#include "base/id.h"

#define DEVICES_PREFIX_MAX ((size_t)53) /* bytes; with '-' and any number it is an id */

struct devices {
    struct id prefix; /* they are called {prefix}-1 to {prefix}-{count} */
    uint32_t count;   /* 1..SIMULATE_DEVICES_MAX */
    uint32_t shards;  /* folders of data, {prefix}-1 ...; 0: one folder for all */
    double drop;      /* share of the tasks that are never answered, 0 to 1 */
    uint64_t seed;    /* of those */
};

/* fails: ST_INVALID (the prefix is too long) */
MUST_CHECK enum status devices_check(const struct devices *d);

/* number: 1..count */
void devices_name(const struct devices *d, uint32_t number, struct id *ret);

/* The number of a name. fails: ST_NOT_FOUND */
MUST_CHECK enum status devices_find(const struct devices *d, struct view name, uint32_t *ret);

/* Which folder of data is that of a device: 1..shards, or 0 if there is one for all. Those
 * beyond the last folder begin again with the first. */
uint32_t devices_shard(const struct devices *d, uint32_t number);

/* Whether the device falls silent over this task: it takes it and is not heard of again.
 * The same for the same seed, task and device, whatever else happens. */
bool devices_is_silent(const struct devices *d, uint32_t number, const char *task);

#endif
