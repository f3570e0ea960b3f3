#include "cli/track.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 7 /* of EXPERIMENT_ROUNDS_MAX */

bool track_row(struct track *t, const struct experiment_row *row)
{
    if (!id_equal(&row->experiment_id, &t->experiment_id) || row->round <= t->shown)
        return false;
    if (row->round > t->shown + 1) {
        t->behind = true;
        return false;
    }
    t->shown = row->round;
    if (t->now.round <= row->round)
        t->now = (struct track_round){0}; /* what ran is over */
    return true;
}

bool track_ended(const struct track *t)
{
    return t->known && t->state.phase == EXPERIMENT_DONE;
}

void track_state(struct track *t, const struct experiment_state *state)
{
    if (!id_equal(&state->experiment_id, &t->experiment_id) || track_ended(t))
        return;
    t->state = *state;
    t->known = true;
    if (state->phase == EXPERIMENT_DONE)
        t->behind = true;
}

/* The round of "{experiment}-r0001" or "-e0001"; 0: another id. */
static uint32_t round_of(const struct track *t, const struct id *round_id, enum round_mode *ret)
{
    size_t size = strlen(t->experiment_id.text);
    const char *rest = round_id->text + size;
    if (strncmp(round_id->text, t->experiment_id.text, size) != 0 || rest[0] != '-' ||
        (rest[1] != 'r' && rest[1] != 'e'))
        return 0;
    size_t digits = strspn(rest + 2, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || rest[2 + digits] != '\0')
        return 0;
    *ret = rest[1] == 'r' ? ROUND_TRAIN : ROUND_EVALUATE;
    return (uint32_t)strtoul(rest + 2, NULL, 10);
}

bool track_start(struct track *t, const struct id *round_id, uint64_t asked)
{
    enum round_mode mode;
    uint32_t round = round_of(t, round_id, &mode);
    if (round == 0 || id_equal(round_id, &t->now.round_id))
        return false;
    t->now =
        (struct track_round){.round_id = *round_id, .mode = mode, .round = round, .asked = asked};
    return true;
}

/* After a restart of the coordinator the same may be said again. */
static bool count(struct track *t, const struct id *round_id, uint64_t *counter)
{
    if (!id_equal(round_id, &t->now.round_id))
        return false;
    if (*counter < t->now.asked)
        (*counter)++;
    return true;
}

bool track_accepted(struct track *t, const struct id *round_id)
{
    return count(t, round_id, &t->now.accepted);
}

bool track_failed(struct track *t, const struct id *round_id)
{
    return count(t, round_id, &t->now.failed);
}
