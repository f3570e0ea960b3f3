#include "sandbox/verdict.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Module and import names are the guest's, and end in logs and JSON. The
 * runtime's own messages have several lines. */
static void make_printable(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        bool space = *from == '\n' || *from == '\t' || *from == ' ';
        if (space && to > text && to[-1] == ' ')
            continue;
        *to++ = space ? ' ' : *from < 0x20 || *from > 0x7e ? '?' : *from;
    }
    *to = '\0';
}

void verdict_set(struct verdict *v, enum sandbox_outcome outcome, const char *format, ...)
{
    *v = (struct verdict){.outcome = outcome};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(v->detail, sizeof v->detail, format, args);
    va_end(args);
    make_printable(v->detail);
}

static bool may_report(uint32_t outcome)
{
    switch (outcome) {
    case SANDBOX_OK:
    case SANDBOX_EXIT_STATUS:
    case SANDBOX_TRAP:
    case SANDBOX_MEMORY_LIMIT:
    case SANDBOX_INVALID_MODULE:
    case SANDBOX_BAD_CODE:
    case SANDBOX_RUNNER_FAILED:
        return true;
    default: /* limits that the kernel or the parent keeps */
        return false;
    }
}

static bool read_report(struct view bytes, struct runner_report *ret)
{
    struct runner_report report;
    if (bytes.size != sizeof report)
        return false;
    memcpy(&report, bytes.data, sizeof report);
    if (report.magic != RUNNER_REPORT_MAGIC || !may_report(report.outcome) ||
        memchr(report.detail, 0, sizeof report.detail) == NULL)
        return false;
    *ret = report;
    return true;
}

static bool contains(struct view v, const char *text)
{
    return v.size > 0 && memmem(v.data, v.size, text, strlen(text)) != NULL;
}

static struct verdict killed(int signal_number, const struct child_ending *ending,
                             struct view errors, const struct sandbox_limits *limits)
{
    struct verdict v;
    bool all_cpu = limits->cpu_s > 0 && ending->cpu_ms >= (uint64_t)limits->cpu_s * 1000;
    if (signal_number == SIGXCPU || (signal_number == SIGKILL && all_cpu))
        verdict_set(&v, SANDBOX_CPU_LIMIT, "used more than %u s of CPU time", limits->cpu_s);
    else if (signal_number == SIGXFSZ)
        verdict_set(&v, SANDBOX_OUTPUT_LIMIT, "wrote a file of more than %llu bytes",
                    (unsigned long long)limits->file_max);
    else if (signal_number == SIGABRT && contains(errors, "memory allocation of "))
        /* The runtime's allocator met RLIMIT_DATA on the guest's behalf. */
        verdict_set(&v, SANDBOX_MEMORY_LIMIT, "the runtime needed more memory than it may have");
    else if (signal_number == SIGKILL)
        verdict_set(&v, SANDBOX_RUNNER_FAILED,
                    "killed from outside; the system may have run out of memory");
    else
        verdict_set(&v, SANDBOX_RUNNER_FAILED, "the runner was ended by signal %d (%s)",
                    signal_number, strsignal(signal_number));
    return v;
}

struct verdict verdict_of(const struct child_ending *ending, struct view report_bytes,
                          struct view errors, const struct sandbox_limits *limits)
{
    struct verdict v;
    struct runner_report report;
    if (WIFSIGNALED(ending->wait_status))
        return killed(WTERMSIG(ending->wait_status), ending, errors, limits);
    if (!read_report(report_bytes, &report)) {
        verdict_set(&v, SANDBOX_RUNNER_FAILED, "the runner ended with status %d and no report",
                    WEXITSTATUS(ending->wait_status));
        return v;
    }
    verdict_set(&v, (enum sandbox_outcome)report.outcome, "%s", report.detail);
    if (v.outcome == SANDBOX_OK)
        v.detail[0] = '\0';
    v.exit_status = v.outcome == SANDBOX_EXIT_STATUS ? report.exit_status : 0;
    return v;
}
