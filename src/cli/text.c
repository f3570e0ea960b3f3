#include "cli/text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *text_bytes(uint64_t bytes, char ret[TEXT_SIZE])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    if (bytes < 1000) {
        (void)snprintf(ret, TEXT_SIZE, "%u B", (unsigned)bytes);
        return ret;
    }
    double value = (double)bytes / 1000;
    size_t unit = 0;
    while (value >= 999.95 && unit < 3) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(ret, TEXT_SIZE, "%.1f %s", value, units[unit]);
    return ret;
}

const char *text_seconds(double seconds, char ret[TEXT_SIZE])
{
    if (!(seconds >= 0) || seconds > 1e9)
        (void)snprintf(ret, TEXT_SIZE, "-");
    else if (seconds < 99.95)
        (void)snprintf(ret, TEXT_SIZE, "%.1f s", seconds);
    else if (seconds < 3600)
        (void)snprintf(ret, TEXT_SIZE, "%u min %u s", (unsigned)seconds / 60,
                       (unsigned)seconds % 60);
    else
        (void)snprintf(ret, TEXT_SIZE, "%u h %u min", (unsigned)seconds / 3600,
                       (unsigned)seconds / 60 % 60);
    return ret;
}

const char *text_ratio(double value, char ret[TEXT_SIZE])
{
    if (isnan(value))
        (void)snprintf(ret, TEXT_SIZE, "-");
    else
        (void)snprintf(ret, TEXT_SIZE, "%.4f", value);
    return ret;
}

void text_make_safe(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        /* C0, DEL, and C1 in UTF-8 (U+0080 to U+009F is 0xc2 and this byte):
         * some terminals obey all of them. */
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;
        if (c[0] < 0x20 || c[0] == 0x7f || c1)
            *c = '?';
        if (c1)
            *++c = '?';
    }
}

struct table {
    size_t columns;
    size_t rows;
    size_t widths[TABLE_COLUMNS_MAX]; /* in characters */
    char **cells;                     /* (rows, columns), owned; row 0 is the head */
};

/* Characters of UTF-8: bytes that do not continue one. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xc0) != 0x80)
            width++;
    return width;
}

struct table *table_new(const char *const *columns)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    while (columns[t->columns] != NULL)
        t->columns++;
    assert(t->columns >= 1 && t->columns <= TABLE_COLUMNS_MAX);
    table_row(t, columns);
    return t;
}

void table_row(struct table *t, const char *const *cells)
{
    char **grown = realloc(t->cells, (t->rows + 1) * t->columns * sizeof *grown);
    if (grown == NULL)
        return;
    t->cells = grown;
    char **row = &t->cells[t->rows * t->columns];
    for (size_t i = 0; i < t->columns; i++) {
        row[i] = strndup(cells[i], TABLE_CELL_MAX);
        if (row[i] == NULL) {
            while (i > 0)
                free(row[--i]);
            return;
        }
        text_make_safe(row[i]);
    }
    for (size_t i = 0; i < t->columns; i++)
        if (width_of(row[i]) > t->widths[i])
            t->widths[i] = width_of(row[i]);
    t->rows++;
}

size_t table_count(const struct table *t)
{
    return t->rows == 0 ? 0 : t->rows - 1;
}

void table_print(const struct table *t, FILE *out)
{
    for (size_t r = 0; r < t->rows; r++) {
        for (size_t c = 0; c < t->columns; c++) {
            const char *cell = t->cells[r * t->columns + c];
            bool last = c + 1 == t->columns;
            int padding = last ? 0 : (int)(t->widths[c] - width_of(cell)) + 2;
            (void)fprintf(out, "%s%*s", cell, padding, "");
        }
        (void)fputc('\n', out);
    }
}

struct table *table_free(struct table *t)
{
    if (t == NULL)
        return NULL;
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
    return NULL;
}

int print_json(const json_t *value)
{
    /* Escapes all control bytes, so it is safe on a terminal. */
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    if (text == NULL)
        return failed("no memory");
    (void)puts(text);
    free(text);
    return 0;
}

/* One line "fml: ...", safe whatever the arguments hold. */
static void say(const char *program, const char *format, va_list args)
{
    char line[1024];
    (void)vsnprintf(line, sizeof line, format, args);
    text_make_safe(line);
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: %s\n", program, line);
}

int failed(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("fml", format, args);
    va_end(args);
    return 1;
}

int usage_wrong(const char *program, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(program, format, args);
    va_end(args);
    (void)fprintf(stderr, "Try '%s --help'.\n", program);
    return 2;
}
