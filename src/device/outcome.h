/* How a task ended, as its results say it (PROTOCOL 1.3). */
#ifndef DEVICE_OUTCOME_H
#define DEVICE_OUTCOME_H

#include <jansson.h>

#include "base/digest.h"
#include "base/id.h"
#include "device/limits.h"
#include "sandbox/sandbox.h"

struct outcome {
    const char *reason; /* "completed", or a failure's code */
    const char *detail; /* a sentence about a failure */
    json_t *results;    /* borrowed; NULL: none */
    uint64_t wall_ms, cpu_ms, peak_rss_kb;
};

bool outcome_failed(const struct outcome *o);

/* Of a guest that ran in a protected round: what it printed, how it ended beyond the reason, and
 * how long and how large it ran may each tell of the data, so they are left out. */
void outcome_hush(struct outcome *o);

/* The message, from malloc(); NULL: no memory. */
char *outcome_text(const struct outcome *o, const struct id *task, const struct id *proplet);

/* The results of a task that made an update, sent to this topic; NULL: no memory. */
json_t *outcome_update(const char *topic, const struct digest *digest, uint64_t size);

/* The detail for a guest that failed: what the sandbox says, then what the guest said. */
void outcome_guest_failed(const struct sandbox_result *r, char ret_detail[DETAIL_SIZE]);

/* Whether a guest's update has to be held back: only what no coordinator could read, which
 * cannot judge it; all else it answers with a receipt that says what is wrong.
 * gives: NULL, or the code and in ret_detail the code and a sentence */
const char *outcome_unreadable(struct view update, char ret_detail[DETAIL_SIZE]);

#endif
