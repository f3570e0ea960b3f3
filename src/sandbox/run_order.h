/* From what a caller wants to be run to what the child is told. */
#ifndef SANDBOX_RUN_ORDER_H
#define SANDBOX_RUN_ORDER_H

#include "sandbox/runner_job.h"

/* Parent and limits are left to the caller; the texts are borrowed.
 * fails: ST_LIMIT (SANDBOX_TEXTS_MAX), ST_INVALID (an env entry without a name) */
MUST_CHECK enum status run_order(const struct sandbox_run *run, struct runner_job *ret);

#endif
