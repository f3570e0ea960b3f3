#include "service/log.h"

#include <stdio.h>
#include <string.h>

#include "io/clock.h"

static enum log_level level_min = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_level_set(enum log_level level)
{
    level_min = level;
}

enum status log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return ST_OK;
        }
    return ST_INVALID;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    if (level < level_min)
        return;
    char when[CLOCK_TEXT_SIZE];
    char line[2048];
    clock_text(when);
    int head = snprintf(line, sizeof line, "%s %s %s ", when, level_names[level], event);
    va_list args;
    va_start(args, format);
    int tail = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, args);
    va_end(args);

    /* One write for the whole line, so that programs sharing a file do not mix
     * theirs. A cut line still ends with its newline. */
    size_t size = (size_t)head + (tail > 0 ? (size_t)tail : 0);
    if (size > sizeof line - 2)
        size = sizeof line - 2;
    while (size > 0 && line[size - 1] == ' ')
        size--;
    line[size] = '\n';
    (void)fwrite(line, 1, size + 1, stderr);
    (void)fflush(stderr);
}

static int plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

const char *log_quote(const char *text)
{
    static char buffers[8][LOG_QUOTE_SIZE];
    static unsigned turn;
    char *out = buffers[turn++ % 8];

    size_t length = 0;
    while (plain((unsigned char)text[length]))
        length++;
    if (text[length] == '\0' && length > 0 && length < LOG_QUOTE_SIZE) {
        memcpy(out, text, length + 1);
        return out;
    }

    size_t used = 0;
    out[used++] = '"';
    for (const char *c = text; *c != '\0' && used < LOG_QUOTE_SIZE - 8; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            out[used++] = '\\';
            out[used++] = *c;
        } else if (byte < ' ' || byte == 0x7f) {
            used += (size_t)snprintf(out + used, 5, "\\x%02x", byte);
        } else {
            out[used++] = *c;
        }
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}
