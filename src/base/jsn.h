/* JSON from outside, read with limits and with errors that name the field.
 *
 * jansson (json_t) does the work; this adds what hostile input needs: the size
 * before the parse, no duplicate keys, and for each field its presence, type
 * and range in one call. The caller owns what jsn_parse gives: json_decref(). */
#ifndef BASE_JSN_H
#define BASE_JSN_H

#include <stdbool.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/id.h"

/* Parses one JSON object and nothing after it.
 * gives: *ret_object
 * fails: ST_LIMIT (more than size_max bytes, JSON_OBJECTS_MAX objects or
 *        JSON_ARRAYS_MAX arrays), ST_MALFORMED (not JSON, not an object, a key
 *        twice, nested too deep), ST_NOT_FINITE (a number too
 *        large for a double, or a whole one for 64 bits, as 1e999) */
MUST_CHECK enum status jsn_parse(struct view text, size_t size_max, json_t **ret_object,
                                 struct why *why);

/* Compact text with keys sorted, so that equal objects are equal bytes. Numbers
 * that are real have 9 significant digits: enough for every float32.
 * gives: the text, to be freed with free(); NULL: no memory */
char *jsn_text(const json_t *value);

/* The same with 17 digits, which is every double again (IEEE 754-2019, 5.12.2): for
 * what is read back and has to be what it was. */
char *jsn_text_exact(const json_t *value);

/* jsn_text() of a value that is then done with. takes: value; NULL gives NULL. */
char *jsn_text_and_release(json_t *value);

/* A JSON text of any bytes: a guest's output, a sentence that quotes a peer.
 * Zero bytes and what is not UTF-8 become '?', one for each byte.
 * gives: a new reference; NULL: no memory */
json_t *jsn_string(struct view v);

/* One field of an object. A field that is absent or null leaves *ret as it was
 * and is ST_OK, unless it is required: then it is ST_INVALID, as is a field of
 * another type or out of range. Texts and objects are borrowed from object. */
enum jsn_need { JSN_OPTIONAL, JSN_REQUIRED };

MUST_CHECK enum status jsn_id(const json_t *object, const char *key, enum jsn_need need,
                              struct id *ret, struct why *why);
MUST_CHECK enum status jsn_str(const json_t *object, const char *key, enum jsn_need need,
                               size_t size_max, const char **ret, struct why *why);
MUST_CHECK enum status jsn_uint(const json_t *object, const char *key, enum jsn_need need,
                                uint64_t min, uint64_t max, uint64_t *ret, struct why *why);
/* A digest in either of its forms (see base/digest.h). */
MUST_CHECK enum status jsn_digest(const json_t *object, const char *key, enum jsn_need need,
                                  struct digest *ret, struct why *why);
MUST_CHECK enum status jsn_bool(const json_t *object, const char *key, enum jsn_need need,
                                bool *ret, struct why *why);
/* A number, whole or not; always finite. */
MUST_CHECK enum status jsn_real(const json_t *object, const char *key, enum jsn_need need,
                                double *ret, struct why *why);
MUST_CHECK enum status jsn_object(const json_t *object, const char *key, enum jsn_need need,
                                  json_t **ret, struct why *why);
MUST_CHECK enum status jsn_array(const json_t *object, const char *key, enum jsn_need need,
                                 size_t count_max, json_t **ret, struct why *why);

#endif
