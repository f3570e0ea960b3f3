#include "aggregate/weight.h"

#include <assert.h>
#include <math.h>

/* 2^30 samples times 2^30 steps of 10,000 participants need 74 bits. */
typedef unsigned __int128 wide;

static enum status check(const struct local_work *work, size_t count, struct why *why)
{
    if (count < 1) {
        why_set(why, "there is no update to weigh");
        return ST_INVALID;
    }
    if (count > ROUND_PARTICIPANTS_MAX) {
        why_set(why, "%zu updates are more than the limit of %d", count, ROUND_PARTICIPANTS_MAX);
        return ST_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        if (work[i].samples < 1 || work[i].samples > UPDATE_SAMPLES_MAX) {
            why_set(why, "update %zu is of %llu samples", i, (unsigned long long)work[i].samples);
            return ST_INVALID;
        }
        if (work[i].steps < 1 || work[i].steps > WEIGHT_STEPS_MAX) {
            why_set(why, "update %zu is of %llu local steps, and FedNova needs 1 to %llu", i,
                    (unsigned long long)work[i].steps, (unsigned long long)WEIGHT_STEPS_MAX);
            return ST_INVALID;
        }
    }
    return ST_OK;
}

enum status weight_fednova(const struct local_work *work, size_t count, double *ret_weights,
                           struct why *why)
{
    enum status status = check(work, count, why);
    if (status != ST_OK)
        return status;

    /* Sums of whole numbers: exact, so no order of participants changes them. */
    wide samples = 0, steps = 0;
    for (size_t i = 0; i < count; i++) {
        samples += work[i].samples;
        steps += (wide)work[i].samples * work[i].steps;
    }
    double effective = (double)steps / (double)samples;
    for (size_t i = 0; i < count; i++)
        ret_weights[i] =
            (double)work[i].samples / (double)samples * (effective / (double)work[i].steps);
    return ST_OK;
}

double weight_fedbuff(uint64_t staleness)
{
    if (staleness > WEIGHT_STALENESS_MAX)
        staleness = WEIGHT_STALENESS_MAX;
    return 1 / sqrt(1 + (double)staleness);
}
