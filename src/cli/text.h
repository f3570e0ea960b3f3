/* Text for people: numbers with units, tables, errors. What came from the
 * network is made safe here before it reaches a terminal. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/status.h"

#define TEXT_SIZE 32

/* "712 B", "8.1 kB", "1.9 MB", "3.0 GB" (powers of 1000). */
const char *text_bytes(uint64_t bytes, char ret[TEXT_SIZE]);
/* "0.8 s", "12.4 s", "3 min 20 s", "2 h 5 min". */
const char *text_seconds(double seconds, char ret[TEXT_SIZE]);
/* 4 digits after the point; "-" for NaN. */
const char *text_ratio(double value, char ret[TEXT_SIZE]);

/* Replaces control bytes by '?', in place: no escape sequence from outside. */
void text_make_safe(char *text);

/* A table with a head line and columns as wide as their widest cell. */
struct table;
#define TABLE_COLUMNS_MAX 8
#define TABLE_CELL_MAX    ((size_t)120)

/* columns: names, the list ends with NULL. NULL: no memory. */
struct table *table_new(const char *const *columns);
/* One cell for each column, copied, cut at TABLE_CELL_MAX and made safe.
 * Rows that memory does not allow are left out. */
void table_row(struct table *t, const char *const *cells);
size_t table_count(const struct table *t);
void table_print(const struct table *t, FILE *out);
struct table *table_free(struct table *t);

/* Writes JSON on standard output as one line; gives the exit status. */
int print_json(const json_t *value);

/* Says on standard error what went wrong and gives the exit status 1. */
int failed(const char *format, ...) PRINTF_LIKE(1, 2);

/* Says what is wrong with the command line and where help is; gives 2. */
int usage_wrong(const char *program, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
