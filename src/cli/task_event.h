/* A task changed (PROTOCOL 1.4), as the manager tells everyone. Pure. */
#ifndef CLI_TASK_EVENT_H
#define CLI_TASK_EVENT_H

#include "base/bytes.h"
#include "base/id.h"

struct task_event {
    struct id task_id;
    struct id launch_id;  /* empty: not part of a launch */
    struct id proplet_id; /* empty: none yet */
    char state[16];       /* "pending", "running", "completed", "failed" */
    char reason[64];
    char detail[200]; /* cut */
};

/* fails: ST_LIMIT, ST_MALFORMED, ST_INVALID, with a sentence */
MUST_CHECK enum status task_event_decode(struct view payload, struct task_event *ret,
                                         struct why *why);

#endif
