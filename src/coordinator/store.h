/* What the coordinator must not forget: rounds, whose update counted, versions,
 * experiments, and what is still to be said. One header, and behind it one database.
 *
 * Writes belong to one transaction, which the first of them begins. Nothing of it
 * is there until store_commit(), and all of it is once that returned: it survives
 * a kill and a loss of power. After a write failed (ST_FULL, ST_IO, ST_CORRUPT,
 * ST_NOMEM) every further one fails too, until store_rollback(). ST_EXISTS and
 * ST_NOT_FOUND change nothing and spoil nothing.
 *
 * Bytes of models and updates are not here: models lie in files named by the digests
 * that are, updates in a spool (spool.h). Times are the
 * coordinator's own clock (see durable.c), in milliseconds. One process at a time. Not thread-safe.
 */
#ifndef COORDINATOR_STORE_H
#define COORDINATOR_STORE_H

#include "coordinator/spool.h"
#include "fl/receipt.h"
#include "fl/topics.h"

struct store;

/* Opens what is at path, or makes it, or brings an older one up to date. It is
 * checked as a whole.
 * gives: *ret, to be ended with store_close()
 * fails: ST_CORRUPT (damaged, or something else), ST_INVALID (made by a newer
 *        program), ST_EXISTS (another process has it), ST_FULL, ST_IO, ST_NOMEM;
 *        each with a sentence */
MUST_CHECK enum status store_open(const char *path, struct store **ret, struct why *why);

/* Whether something was written since the last commit or rollback. */
bool store_changed(const struct store *s);

/* Without a write before it, does nothing.
 * fails: as the writes do; call store_rollback() then */
MUST_CHECK enum status store_commit(struct store *s);
void store_rollback(struct store *s);

/* ---- rounds ---- */

/* A new round. start: as it was received. fails: ST_EXISTS, and as above */
MUST_CHECK enum status store_add_round(struct store *s, const struct id *round, struct view start,
                                       uint64_t opened_ms);

/* Its base model came. fails: ST_NOT_FOUND (no such open round), here and below;
 * and as above */
MUST_CHECK enum status store_set_base(struct store *s, const struct id *round,
                                      const struct digest *base, uint64_t base_ms);

struct store_update {
    struct id participant;
    struct digest digest;
    uint64_t num_samples;
    uint64_t received_ms;
    uint64_t size;        /* of the bytes that came */
    struct digest kept;   /* of those that lie at `place` until the round's end */
    struct spooled place; /* size 0: an older program wrote it, and it lies elsewhere: */
    struct view bytes;    /* here, or if that is empty in a file named by `digest` */
};

/* It counts. At most one of a participant in a round, whoever calls.
 * fails: ST_EXISTS (one of this participant counts already), ST_NOT_FOUND, ... */
MUST_CHECK enum status store_add_update(struct store *s, const struct id *round,
                                        const struct store_update *update);

/* It waits for the base model. At most one of a participant in a round. num_samples
 * and received_ms mean nothing yet. fails: as above */
MUST_CHECK enum status store_add_early(struct store *s, const struct id *round,
                                       const struct store_update *update);
/* None of the round waits any more. */
MUST_CHECK enum status store_drop_early(struct store *s, const struct id *round);

/* What happened in its secure aggregation, in order: a message that was accepted, or the end
 * of a phase (sender and message are then empty). */
struct store_secure {
    struct id sender;
    struct view message;
    uint64_t at_s; /* seconds of Unix time, by which its certificate was judged */
};

MUST_CHECK enum status store_add_secure(struct store *s, const struct id *round,
                                        const struct store_secure *event);

/* In the order in which they were added; as store_each_update(). */
MUST_CHECK enum status
store_each_secure(struct store *s, const struct id *round,
                  enum status (*visit)(void *arg, const struct store_secure *event), void *arg);

/* The shares in them are not needed any more. */
MUST_CHECK enum status store_drop_secure(struct store *s, const struct id *round);

/* The key of the noise that is put on its sum: a secret. Once.
 * fails: ST_EXISTS, ST_NOT_FOUND, ... */
MUST_CHECK enum status store_set_noise(struct store *s, const struct id *round, struct view noise);
/* gives: *ret, to be ended with bytes_done(). fails: ST_NOT_FOUND (none), ... */
MUST_CHECK enum status store_noise(struct store *s, const struct id *round, struct bytes *ret);

/* One more was refused with this verdict. fails: ST_NOT_FOUND, ... */
MUST_CHECK enum status store_count_rejected(struct store *s, const struct id *round,
                                            enum verdict verdict);

/* The round's version, the only one; a number that was taken by somebody else is
 * replaced by the next one. fails: ST_NOT_FOUND, ... */
MUST_CHECK enum status store_set_version(struct store *s, const struct id *round,
                                         const struct model_ref *ref, const struct digest *digest);

/* complete: what is said at its end, as text. fails: ST_NOT_FOUND, ... */
MUST_CHECK enum status store_end_round(struct store *s, const struct id *round,
                                       const char *complete);

/* Forgets all ended rounds but the newest `keep`, and those of spared.
 * spared: (count,); may be NULL if there are none */
MUST_CHECK enum status store_forget_rounds(struct store *s, size_t keep, const struct id *spared,
                                           size_t count);

struct store_round {
    struct id round;
    struct view start;
    uint64_t opened_ms;
    bool has_base;
    struct digest base;
    uint64_t base_ms;
    bool has_version;
    struct model_ref version;
    struct digest version_digest;
    uint64_t rejected[VERDICT_COUNT];
    struct view complete; /* size 0: open */
};

/* Calls visit for each round, what it gets is borrowed for the call: ended ones in
 * the order of their ends, then open ones in the order of their starts. visit may
 * read from the store. fails: as visit does, at once; ST_CORRUPT (a row that
 * cannot be what was written), ST_IO, ST_NOMEM */
MUST_CHECK enum status
store_each_round(struct store *s, enum status (*visit)(void *arg, const struct store_round *round),
                 void *arg);

/* The updates that count, in the order in which they were added. fails: as above */
MUST_CHECK enum status
store_each_update(struct store *s, const struct id *round,
                  enum status (*visit)(void *arg, const struct store_update *update), void *arg);

/* The same for those that wait. */
MUST_CHECK enum status
store_each_early(struct store *s, const struct id *round,
                 enum status (*visit)(void *arg, const struct store_update *update), void *arg);

/* The run of correlated noise that this model's rounds go on with: a secret.
 * fails: ST_NOT_FOUND (none), ... */
MUST_CHECK enum status store_run(struct store *s, const struct id *model, struct bytes *ret);
MUST_CHECK enum status store_set_run(struct store *s, const struct id *model, struct view run);

/* ---- what was spent of privacy ---- */

/* Of one model's name, over all its rounds: dp/rdp.h, as doubles. */
struct store_spent {
    uint64_t releases;
    uint32_t accountant; /* RDP_VERSION */
    struct view spent;
};

/* fails: ST_NOT_FOUND (nothing), ...; what ret_bytes gets is to be ended with bytes_done() */
MUST_CHECK enum status store_spent(struct store *s, const struct id *model, struct store_spent *ret,
                                   struct bytes *ret_bytes);
MUST_CHECK enum status store_set_spent(struct store *s, const struct id *model,
                                       const struct store_spent *spent);

/* The names of all models with an account, in order; at most `count`. */
MUST_CHECK enum status store_each_spent(struct store *s, size_t count,
                                        enum status (*visit)(void *arg, const struct id *model),
                                        void *arg);

/* ---- experiments ---- */

/* A new experiment. start: in its canonical form. memory: experiment_memory_encode().
 * fails: ST_EXISTS, and as above */
MUST_CHECK enum status store_add_experiment(struct store *s, const struct id *experiment,
                                            const char *start, const char *memory);

/* What it has to remember now. fails: ST_NOT_FOUND (no such open one), here and below;
 * and as above */
MUST_CHECK enum status store_set_memory(struct store *s, const struct id *experiment,
                                        const char *memory);

/* The row of a round, the only one. fails: ST_EXISTS, ST_NOT_FOUND, ... */
MUST_CHECK enum status store_add_row(struct store *s, const struct id *experiment, uint32_t round,
                                     const char *row);

/* state: what is said at its end, as text. fails: ST_NOT_FOUND, ... */
MUST_CHECK enum status store_end_experiment(struct store *s, const struct id *experiment,
                                            const char *state);

/* Forgets the one that ended first, with its rows, if more than `keep` have ended.
 * gives: *ret_forgotten. fails: ST_NOT_FOUND (not so many), ... */
MUST_CHECK enum status store_forget_experiment(struct store *s, size_t keep,
                                               struct id *ret_forgotten);

struct store_experiment {
    struct id experiment;
    struct view start;
    struct view memory;
    struct view state; /* size 0: open */
};

/* As store_each_round(). */
MUST_CHECK enum status
store_each_experiment(struct store *s,
                      enum status (*visit)(void *arg, const struct store_experiment *experiment),
                      void *arg);

/* The rows behind round `after`, at most `count`, in order. An experiment that is not
 * here has none. fails: as above */
MUST_CHECK enum status store_each_row(struct store *s, const struct id *experiment, uint32_t after,
                                      size_t count,
                                      enum status (*visit)(void *arg, struct view row), void *arg);

/* ---- what is to be said ---- */

/* A message to be sent once it is durable, and again until store_forget_said().
 * retain: as in struct mqtt_message */
MUST_CHECK enum status store_say(struct store *s, const char *topic, struct view payload,
                                 bool retain);

struct store_said {
    uint64_t number; /* they only ever grow, and the first is 1 */
    const char *topic;
    struct view payload;
    bool retain;
};

/* Those behind number `after`, in order, until visit returns false; what it gets is
 * borrowed for the call. fails: ST_CORRUPT, ST_IO, ST_NOMEM */
MUST_CHECK enum status store_each_said(struct store *s, uint64_t after,
                                       bool (*visit)(void *arg, const struct store_said *said),
                                       void *arg);

/* The broker has all up to this number. */
MUST_CHECK enum status store_forget_said(struct store *s, uint64_t number);

/* ---- the clock ---- */

#define STORE_BOOT_SIZE 64
struct store_clock {
    char boot[STORE_BOOT_SIZE]; /* which start of the machine */
    uint64_t shift_ms;          /* modulo 2^64: machine's clock + shift = own clock */
    uint64_t last_ms;           /* the own clock when this was written */
};

MUST_CHECK enum status store_set_clock(struct store *s, const struct store_clock *clock);
/* fails: ST_NOT_FOUND (never set), ST_CORRUPT, ST_IO, ST_NOMEM */
MUST_CHECK enum status store_clock(struct store *s, struct store_clock *ret);

/* Rolls back what was not committed. NULL is allowed; returns NULL. */
struct store *store_close(struct store *s);

#endif
