#include "sandbox/runner_report.h"

#include <stdarg.h>
#include <stdio.h>

void report_set(struct runner_report *report, enum sandbox_outcome outcome, const char *format, ...)
{
    *report = (struct runner_report){.magic = RUNNER_REPORT_MAGIC, .outcome = outcome};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(report->detail, sizeof report->detail, format, args);
    va_end(args);
}
