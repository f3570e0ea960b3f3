/* What went wrong, in one word and one sentence. */
#include "fml_guest.h"

#include <stdarg.h>
#include <stdio.h>

#define WHY_SIZE 256

static char why[WHY_SIZE];

const char *fml_status_name(enum fml_status status)
{
    switch (status) {
    case FML_OK:
        return "ok";
    case FML_NO_MEMORY:
        return "no_memory";
    case FML_INVALID:
        return "invalid";
    case FML_MALFORMED:
        return "malformed";
    case FML_MISSING:
        return "missing";
    case FML_SHAPE:
        return "shape";
    case FML_TYPE:
        return "type";
    case FML_NOT_FINITE:
        return "not_finite";
    case FML_LIMIT:
        return "limit";
    case FML_IO:
        return "io";
    }
    return "unknown";
}

const char *fml_why(void)
{
    return why;
}

enum fml_status fml_fail(enum fml_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return status;
}

int fml_report(const char *program, enum fml_status status)
{
    fprintf(stderr, "%s: %s: %s\n", program, fml_status_name(status), why);
    return 1;
}
