/* The table of experiments: the open ones, and the newest of the ended ones.
 *
 * It is what store.h holds, ready to be worked with: restore.c fills it again after
 * a restart. The rows of their rounds are in the store only. Not thread-safe. */
#ifndef COORDINATOR_EXPERIMENTS_H
#define COORDINATOR_EXPERIMENTS_H

#include "experiment/experiment.h"

struct experiment_entry {
    struct id id;
    struct digest start;           /* of the start in its canonical form */
    struct experiment *experiment; /* NULL: it has ended */
    struct digest kept;            /* open: of the memory that the store has */
    struct experiment_state state; /* ended: as it was said */
};

struct experiments;

/* open_max: 1..EXPERIMENTS_KEPT_MAX. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status experiments_new(size_t open_max, struct experiments **ret);

/* Open or ended; NULL: never seen, or forgotten. */
struct experiment_entry *experiments_find(struct experiments *t, const struct id *id);

/* The open one whose round this is, which runs or ran last. NULL: no experiment's */
struct experiment_entry *experiments_find_round(struct experiments *t, const struct id *round);

bool experiments_are_full(const struct experiments *t);

/* Adds one, whose id must not be there, however many are open by the settings.
 * takes: experiment, on success
 * gives: *ret, which stays where it is until it is forgotten
 * fails: ST_LIMIT (EXPERIMENTS_KEPT_MAX are open), ST_NOMEM */
MUST_CHECK enum status experiments_add(struct experiments *t, const struct digest *start,
                                       struct experiment *experiment,
                                       struct experiment_entry **ret);

/* One that had ended before a restart, the newest so far. fails: ST_NOMEM */
MUST_CHECK enum status experiments_add_ended(struct experiments *t, const struct digest *start,
                                             const struct experiment_state *state);

/* It has ended so: the experiment is freed. The oldest ended one is forgotten if there
 * are more than EXPERIMENTS_KEPT_MAX then. */
void experiments_end(struct experiments *t, struct experiment_entry *e,
                     const struct experiment_state *state);

/* Open ones, in the order of their starts. Ending the one at `index` moves only those
 * behind it, so a loop that ends some of them counts down. */
size_t experiments_open_count(const struct experiments *t);
struct experiment_entry *experiments_open_at(struct experiments *t, size_t index);

/* Ended ones; index 0 is the newest. */
size_t experiments_ended_count(const struct experiments *t);
const struct experiment_entry *experiments_ended_at(const struct experiments *t, size_t index);

/* Forgets all, open and ended. */
void experiments_clear(struct experiments *t);

struct experiments *experiments_free(struct experiments *t);

#endif
