/* From how a child ended to what that is called. Pure: no process is touched. */
#ifndef SANDBOX_VERDICT_H
#define SANDBOX_VERDICT_H

#include "sandbox/child.h"
#include "sandbox/runner_report.h"
#include "sandbox/sandbox.h"

struct verdict {
    enum sandbox_outcome outcome;
    int exit_status;
    char detail[512];
};

/* report: what came through the report pipe, hostile, of any size.
 * errors: the tail of standard error; only read when the runtime gave up */
struct verdict verdict_of(const struct child_ending *ending, struct view report, struct view errors,
                          const struct sandbox_limits *limits);

void verdict_set(struct verdict *v, enum sandbox_outcome outcome, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
