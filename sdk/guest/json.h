/* JSON texts for reading, private to the SDK. jsmn splits a text into tokens;
 * this checks what jsmn leaves open (keys are texts, each has one value, numbers
 * are numbers, nothing follows) and reads values. jsmn forgives missing and
 * surplus commas, and so does this. */
#ifndef FML_JSON_H
#define FML_JSON_H

#include "fml_guest.h"

#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#define JSMN_HEADER
#include <jsmn.h>

#define JSON_DEPTH_MAX 32

/* Token 0 is the object that the text is. */
struct fml_json {
    const char *text; /* borrowed, size bytes */
    size_t size;
    jsmntok_t *tokens; /* (count,) */
    int count;
};

/* Reads one JSON object; what names it in a failure's sentence.
 * gives: *ret, to be ended with fml_json_done(); borrows text until then
 * fails: FML_LIMIT (size, depth), FML_MALFORMED, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_json_read(struct fml_json *ret, const char *text, size_t size,
                                             const char *what);
void fml_json_done(struct fml_json *j);

/* The token behind a token and all that is in it. */
int fml_json_after(const struct fml_json *j, int token);

/* The value's token of a key in an object, -1 if there is none. A text is
 * compared as it is written, escapes and all. */
int fml_json_find(const struct fml_json *j, int object, const char *key);

/* Reads a value; false if it is of another kind or out of range. An integer is
 * digits, 0 to 2^53; a whole number may also be written 1.0 or 2e1. */
bool fml_json_real(const struct fml_json *j, int token, double *ret);
bool fml_json_integer(const struct fml_json *j, int token, uint64_t *ret);
bool fml_json_whole(const struct fml_json *j, int token, uint64_t *ret);

/* A text without its escapes, as UTF-8, in ret_text of text_size bytes with its
 * zero byte; false if it is no text, does not fit or holds a zero. */
bool fml_json_text(const struct fml_json *j, int token, char *ret_text, size_t text_size);

#endif
