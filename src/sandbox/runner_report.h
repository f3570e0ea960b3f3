/* What the runner tells the parent at its end: one fixed structure, in one
 * write to RUNNER_REPORT_FD (a pipe takes up to 4096 bytes whole or not at
 * all). Both programs come from one build on one machine, so its bytes are as
 * the compiler lays them out. The parent believes none of it unseen: a guest
 * that broke out of the runtime could have written it. */
#ifndef SANDBOX_RUNNER_REPORT_H
#define SANDBOX_RUNNER_REPORT_H

#include "sandbox/sandbox.h"

#define RUNNER_REPORT_MAGIC 0x74707230u /* "0rpt" */

struct runner_report {
    uint32_t magic;
    uint32_t outcome; /* enum sandbox_outcome */
    int32_t exit_status;
    char detail[512]; /* ends with a zero byte */
};

/* Fills a report; the text is cut at its size. */
void report_set(struct runner_report *report, enum sandbox_outcome outcome, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
