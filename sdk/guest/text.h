/* A growing text, private to the SDK. After a failure (no memory) it takes
 * nothing more and says so at the end, so that writers need one check only. */
#ifndef FML_TEXT_H
#define FML_TEXT_H

#include "fml_guest.h"

/* Zeroed, it is empty. */
struct fml_text {
    char *data; /* size bytes and a zero; NULL while it is empty */
    size_t size;
    size_t capacity;
    bool failed;
};

void fml_text_add(struct fml_text *t, const char *format, ...) FML_PRINTF_LIKE(2, 3);

/* Adds a JSON string, with quotes and escapes. */
void fml_text_add_string(struct fml_text *t, const char *string);

/* Adds a JSON object of numbers, {"loss":0.25,...}. */
void fml_text_add_metrics(struct fml_text *t, const struct fml_metric *metrics, size_t count);

void fml_text_done(struct fml_text *t);

#endif
