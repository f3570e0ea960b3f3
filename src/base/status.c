#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/bytes.h"

const char *status_name(enum status status)
{
    switch (status) {
    case ST_OK:
        return "ok";
    case ST_INVALID:
        return "invalid";
    case ST_NOMEM:
        return "no_memory";
    case ST_LIMIT:
        return "limit";
    case ST_MALFORMED:
        return "malformed";
    case ST_SHAPE:
        return "shape";
    case ST_TYPE:
        return "type";
    case ST_NOT_FINITE:
        return "not_finite";
    case ST_EXISTS:
        return "exists";
    case ST_NOT_FOUND:
        return "not_found";
    case ST_CORRUPT:
        return "corrupt";
    case ST_FULL:
        return "disk_full";
    case ST_IO:
        return "io";
    case ST_CLOSED:
        return "closed";
    case ST_TIMEOUT:
        return "timeout";
    case ST_TOO_LARGE:
        return "too_large";
    }
    return "unknown";
}

void why_set(struct why *why, const char *format, ...)
{
    if (why == NULL)
        return;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    if (size >= (int)sizeof why->text)
        text_trim(why->text);
}
