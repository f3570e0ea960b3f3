#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_FIRST ((size_t)256)

/* Makes room for `more` bytes and a zero. */
static bool text_reserve(struct fml_text *t, size_t more)
{
    if (t->failed)
        return false;
    if (t->capacity - t->size > more)
        return true;
    size_t capacity = 2 * (t->size + more) + TEXT_FIRST;
    char *data = realloc(t->data, capacity);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void fml_text_add(struct fml_text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0 || !text_reserve(t, (size_t)size))
        return;
    va_start(args, format);
    vsnprintf(t->data + t->size, t->capacity - t->size, format, args);
    va_end(args);
    t->size += (size_t)size;
}

void fml_text_add_string(struct fml_text *t, const char *string)
{
    fml_text_add(t, "\"");
    for (const char *c = string; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fml_text_add(t, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fml_text_add(t, "\\u%04x", (unsigned)*c);
        else
            fml_text_add(t, "%c", *c);
    }
    fml_text_add(t, "\"");
}

void fml_text_add_metrics(struct fml_text *t, const struct fml_metric *metrics, size_t count)
{
    fml_text_add(t, "{");
    for (size_t i = 0; i < count; i++) {
        fml_text_add(t, "%s", i > 0 ? "," : "");
        fml_text_add_string(t, metrics[i].name);
        fml_text_add(t, ":%.9g", metrics[i].value);
    }
    fml_text_add(t, "}");
}

void fml_text_done(struct fml_text *t)
{
    free(t->data);
    *t = (struct fml_text){0};
}
