/* The table of rounds: the open ones, and the ended ones that are still
 * answered for.
 *
 * It is what store.h holds, ready to be worked with: restore.c fills it again after
 * a restart. Not thread-safe. */
#ifndef COORDINATOR_ROUNDS_H
#define COORDINATOR_ROUNDS_H

#include "base/bytes.h"
#include "coordinator/spool.h"
#include "io/blobs.h"
#include "model/model_file.h"
#include "round/round.h"

/* An update that came before its round had its base model. */
struct early {
    struct early *next; /* a later one */
    struct id sender;
    struct bytes bytes;
};

/* An update that an older program kept elsewhere than in the spool. */
struct kept {
    struct kept *next;
    struct bytes bytes;
};

/* What the coordinator keeps beside each round. */
struct entry {
    struct round *round;
    uint64_t opened_ms;
    struct digest start;       /* of the start in its canonical form */
    struct blobs *blobs;       /* the bytes of base and version, until the end */
    struct spool *spool;       /* those of the updates that count, until the end */
    struct view judged;        /* the update that is looked at, if it is a mapped file, */
    const char *judged_path;   /* and the name of this */
    struct kept *older;        /* the same, as an older program kept them */
    size_t threads;            /* that its aggregation may use */
    const char *lost;          /* something of it cannot be read any more: why it must fail */
    struct digest hyperparams; /* of the start, which round/ does not keep */
    bool debited;              /* its release stands in the account: privacy.c */
    char account[160];         /* how that stands, for people; "": it has no noise */
    struct secure *secure;     /* masked rounds, from OPEN to the end: secure.c */
    /* OPENING */
    bool asked; /* the broker was asked for the base model */
    struct early *early;
    /* from then on, also when it has ended */
    bool has_base;
    struct digest base; /* of the base model's bytes */
    bool base_is_bad;   /* asynchronous: they were looked for again, and are not what they were */
    /* asynchronous, until the end */
    struct view *bases; /* (carried_count,), owned maps: of those that it carries */
    /* OPEN and STORING */
    enum model_form form; /* of the base, and so of the new version */
    /* STORING: the new version, once it has a number */
    bool has_version;
    struct model *model; /* borrowed from round */
    struct model_ref version;
    struct bytes bytes;
    struct digest digest;
    bool due; /* to be published once it is durable */
    /* ENDED: as it was sent */
    struct complete complete;
};

/* Ends what secure.c keeps of a round. NULL is allowed; returns NULL. */
struct secure *secure_free(struct secure *s);

struct rounds;

/* open_max: 1..ROUNDS_KEPT_MAX. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status rounds_new(size_t open_max, struct rounds **ret);

/* A round that is in no table. takes: round, on success
 * gives: *ret, to be ended with entry_free(). fails: ST_NOMEM */
MUST_CHECK enum status entry_new(struct round *round, struct entry **ret);
/* Lets go of the bytes on disk, of a round that has ended. */
void entry_close_bytes(struct entry *e);
/* NULL is allowed; returns NULL. */
struct entry *entry_free(struct entry *e);

/* Open or ended; NULL: never seen, or forgotten. */
struct entry *rounds_find(struct rounds *r, const struct id *round_id);

/* Adds a round, whose id must not be there. takes: round, on success
 * gives: *ret, which stays where it is until the round is forgotten
 * fails: ST_LIMIT (open_max are open), ST_NOMEM */
MUST_CHECK enum status rounds_open(struct rounds *r, struct round *round, struct entry **ret);

/* The same for a round that was open before a restart, whatever open_max says.
 * fails: ST_LIMIT (ROUNDS_KEPT_MAX are open), ST_NOMEM */
MUST_CHECK enum status rounds_adopt(struct rounds *r, struct round *round, struct entry **ret);

/* Takes an open one out again, as if it had never been there, and frees it. */
void rounds_drop(struct rounds *r, struct entry *e);

/* Moves an open one to the ended ones, of which the oldest are forgotten beyond
 * ROUNDS_KEPT_MAX or ROUNDS_KEPT_PARTICIPANTS_MAX. Never the one just ended, and those of
 * spared only when no other is left.
 * spared: (count,); may be NULL if there are none */
void rounds_end(struct rounds *r, struct entry *e, const struct id *spared, size_t count);

/* Open ones, in the order of opening. Ending the one at `index` moves only
 * those behind it, so a loop that ends some of them counts down. */
size_t rounds_open_count(const struct rounds *r);
struct entry *rounds_open_at(struct rounds *r, size_t index);

/* Ended ones; index 0 is the newest. */
size_t rounds_ended_count(const struct rounds *r);
struct entry *rounds_ended_at(struct rounds *r, size_t index);

/* Forgets all, open and ended. */
void rounds_clear(struct rounds *r);

struct rounds *rounds_free(struct rounds *r);

#endif
