/* What one who follows an experiment has seen of it: each row once and in order,
 * whether it comes by itself or from an answer, and the round under way. Pure. */
#ifndef CLI_TRACK_H
#define CLI_TRACK_H

#include "fl/experiment_report.h"

/* The round under way, as far as others tell. */
struct track_round {
    struct id round_id; /* empty: none was seen yet */
    enum round_mode mode;
    uint32_t round;
    uint64_t asked, accepted, failed; /* participants; the latter two at most asked */
};

/* Zeroed but for experiment_id, nothing was seen. */
struct track {
    struct id experiment_id;
    uint32_t shown; /* rows 1..shown were seen */
    bool behind;    /* rows or the state were missed and have to be asked for */
    bool known;     /* state holds */
    struct experiment_state state;
    struct track_round now;
};

/* True: it is the row after the last one, to be shown. False: it was shown before, or
 * is another experiment's; or rows before it are missing, then behind is set. */
bool track_row(struct track *t, const struct experiment_row *row);

/* An end is final, and what came before it may have been missed: sets behind. */
void track_state(struct track *t, const struct experiment_state *state);

bool track_ended(const struct track *t);

/* True if it is a round of this experiment, which is now the one under way. */
bool track_start(struct track *t, const struct id *round_id, uint64_t asked);

/* An accepted update or a failed task of a round. True if it is the one under way. */
bool track_accepted(struct track *t, const struct id *round_id);
bool track_failed(struct track *t, const struct id *round_id);

#endif
