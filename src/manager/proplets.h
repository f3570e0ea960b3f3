/* The devices that registered: who is there, who went, since when.
 *
 * A table without I/O and without a clock: `now_ms` is handed in (any clock that
 * does not jump) and everything that follows from its passing happens in
 * proplets_check(). Heartbeats may be late by 3.5 intervals before a device
 * counts as offline: one lost heartbeat and a slow network must not do it.
 *
 *     unknown --heard--> ALIVE --gone, or silent for 3.5 intervals--> OFFLINE
 *     OFFLINE --heard--> ALIVE      OFFLINE --lost_after--> LOST --heard--> ALIVE
 *     unknown --expect--> EXPECTED  EXPECTED --heard--> ALIVE, --silent--> OFFLINE
 *
 * EXPECTED is one that was known before the manager restarted and has not been
 * heard since: most likely there, so that it is given tasks, but not called alive. */
#ifndef MANAGER_PROPLETS_H
#define MANAGER_PROPLETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/status.h"
#include "manager/changes.h"
#include "wire/proplet_msg.h"

enum proplet_state { PROPLET_ALIVE, PROPLET_EXPECTED, PROPLET_OFFLINE, PROPLET_LOST };

struct proplet {
    struct id id;
    enum proplet_state state;
    enum start_topic start_topic; /* as in its latest message */
    uint64_t last_seen_ms;
    uint64_t offline_since_ms; /* of an offline or lost one */
    char *metadata;            /* compact JSON; NULL: none was sent */
};

struct proplets;

/* gives: *ret, to be ended with proplets_free(). fails: ST_NOMEM
 * proplets_max: 1..PROPLETS_MAX */
MUST_CHECK enum status proplets_new(uint32_t proplets_max, uint64_t interval_ms,
                                    uint64_t lost_after_ms, struct proplets **ret);

/* A registration or a heartbeat came: the device is alive, whatever it was, and
 * registered if it was not. When the table is full the device that has been
 * lost the longest makes room.
 * metadata: compact JSON of at most PROPLET_METADATA_MAX bytes, copied; NULL
 *           keeps what is there
 * ret_was: the state before; PROPLET_LOST if it was unknown. May be NULL.
 * fails: ST_LIMIT (full and nobody is lost; or metadata too long), ST_NOMEM;
 *        nothing is changed then */
MUST_CHECK enum status proplets_heard(struct proplets *t, const struct id *id,
                                      enum start_topic start_topic, const char *metadata,
                                      uint64_t now_ms, enum proplet_state *ret_was);

/* The device was known before a restart. One that is known already stays as it is.
 * fails: ST_LIMIT (full and nobody is lost) */
MUST_CHECK enum status proplets_expect(struct proplets *t, const struct id *id,
                                       enum start_topic start_topic, uint64_t now_ms);

/* One that was recorded, into the next slot; PROPLET_EXPECTED, OFFLINE or LOST,
 * from now on. It is as recorded, so not among the changes.
 * fails: ST_EXISTS, ST_LIMIT (the table's size, or that of metadata), ST_NOMEM */
MUST_CHECK enum status proplets_restore(struct proplets *t, const struct proplet *proplet,
                                        uint64_t now_ms);

/* The slots (see proplets_at()) whose id, start_topic, metadata or presence (there,
 * offline or lost) are not as recorded. Whoever records them clears it. */
struct changes *proplets_changes(struct proplets *t);

/* The device is gone (its last will came). False: unknown, or not present anyway. */
bool proplets_gone(struct proplets *t, const struct id *id, uint64_t now_ms);

/* Brings the state of the device at index up to date. True if it changed. */
bool proplets_check(struct proplets *t, size_t index, uint64_t now_ms);

/* Silence up to now was ours: nobody is called silent or lost for it. */
void proplets_excuse(struct proplets *t, uint64_t now_ms);

/* NULL: unknown. Valid until the next proplets_heard(). */
const struct proplet *proplets_find(const struct proplets *t, const struct id *id);

/* index: 0..proplets_count()-1; a device keeps its index while it is known. */
size_t proplets_count(const struct proplets *t);
const struct proplet *proplets_at(const struct proplets *t, size_t index);
size_t proplets_index(const struct proplets *t, const struct proplet *proplet);

/* It can be given tasks: there, as far as one can know. */
static inline bool proplet_present(const struct proplet *p)
{
    return p->state == PROPLET_ALIVE || p->state == PROPLET_EXPECTED;
}

const char *proplet_state_name(enum proplet_state state); /* "alive", "expected", ... */

struct proplets *proplets_free(struct proplets *t);

#endif
