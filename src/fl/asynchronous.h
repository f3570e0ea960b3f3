/* `asynchronous` of an experiment's and of a round's start (PROTOCOL 2.1, 2.8): rounds that
 * also count updates to older versions (FedBuff, Nguyen et al. 2022, arXiv:2106.06639). */
#ifndef FL_ASYNCHRONOUS_H
#define FL_ASYNCHRONOUS_H

#include "base/digest.h"
#include "base/jsn.h"
#include "fl/topics.h"

#define STALENESS_MAX 64 /* versions between an update's base and the newest */
#define CARRIED_MAX   64 /* earlier rounds that one round goes on with */

/* Who of an earlier round still trains: their updates, to that round's base, count in the
 * round that carries them. */
struct carried {
    struct id round_id;
    char model_uri[FL_TOPIC_SIZE]; /* its base */
    struct digest model_digest;
    uint32_t staleness;       /* versions that were made since: 0..staleness_max */
    struct id *participants;  /* (participant_count,), all different, owned */
    size_t participant_count; /* 1..ROUND_PARTICIPANTS_MAX */
};

/* A zeroed one is none: all updates are to one base. */
struct asynchronous {
    bool is_on;
    uint32_t staleness_max;  /* 0..STALENESS_MAX; whoever is further behind counts no more */
    struct carried *carried; /* (carried_count,), of different rounds, owned */
    size_t carried_count;    /* 0..CARRIED_MAX */
};

/* Reads the field `asynchronous`; none if it is absent.
 * carries: of a round, which says what it carries; else ST_INVALID if it does
 * gives: *ret, to be ended with asynchronous_done()
 * fails: ST_INVALID (also: a field that it does not have), ST_NOMEM */
MUST_CHECK enum status asynchronous_read(const json_t *object, bool carries,
                                         struct asynchronous *ret, struct why *why);

/* Sets the field, unless it is none. 0, or -1 without memory; object may be NULL then. */
int asynchronous_set(json_t *object, const struct asynchronous *a);

/* gives: *ret, as asynchronous_read(). fails: ST_NOMEM */
MUST_CHECK enum status asynchronous_copy(const struct asynchronous *from, struct asynchronous *ret);

/* How many participants it carries, of all rounds together. */
size_t asynchronous_count(const struct asynchronous *a);

/* The group that this participant of this round is in; round NULL: of any. NULL: none */
const struct carried *asynchronous_find(const struct asynchronous *a, const struct id *round,
                                        const struct id *participant);

void asynchronous_done(struct asynchronous *a);

#endif
