/* One line per event on standard error, in logfmt:
 *
 *     2026-11-24T21:57:12.345Z info round.closed round=r-0001 updates=3 took_ms=812
 *
 * Event names are fixed texts. Values that hold spaces, quotes or control bytes
 * are quoted and escaped here, so nothing from outside can forge a line. Payloads,
 * keys and data have no formatter. Only the programs log; libraries return. */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

#include <stdarg.h>

#include "base/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* The least level that is written; the default is LOG_INFO. */
void log_level_set(enum log_level level);
/* "debug", "info", "warn", "error". fails: ST_INVALID */
MUST_CHECK enum status log_level_parse(const char *text, enum log_level *ret);

/* format holds key=value pairs: log_line(LOG_INFO, "round.closed", "round=%s updates=%zu", …).
 * A value that comes from outside goes through log_quote(). */
void log_line(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#define LOG_QUOTE_SIZE 512
/* Makes text safe as a value: quoted if it must be, control bytes escaped, cut.
 * Gives one of eight buffers in turn (for use in the arguments of one call). */
const char *log_quote(const char *text);

#endif
