#include "base/jsn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Where a text stands between its brackets. */
struct nesting {
    size_t depth, objects, arrays;
};

static enum status open_bracket(struct nesting *n, uint8_t bracket, struct why *why)
{
    size_t *count = bracket == '{' ? &n->objects : &n->arrays;
    size_t count_max = bracket == '{' ? JSON_OBJECTS_MAX : JSON_ARRAYS_MAX;
    if (++n->depth > JSON_DEPTH_MAX) {
        why_set(why, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
        return ST_MALFORMED;
    }
    if (++*count > count_max) {
        why_set(why, "JSON with more than %zu %s", count_max,
                bracket == '{' ? "objects" : "arrays");
        return ST_LIMIT;
    }
    return ST_OK;
}

/* Before the parse, as its cost is what is bounded here. jansson's own limit of
 * 2048 levels is a build constant, and every level costs stack; an object costs
 * 220 bytes, so that 16 MiB of "{}," would take more than a gigabyte. */
static enum status check_nesting(struct view text, struct why *why)
{
    struct nesting n = {0};
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            enum status status = open_bracket(&n, c, why);
            if (status != ST_OK)
                return status;
        } else if ((c == '}' || c == ']') && n.depth > 0) {
            n.depth--;
        }
    }
    return ST_OK;
}

enum status jsn_parse(struct view text, size_t size_max, json_t **ret_object, struct why *why)
{
    assert(ret_object != NULL);
    if (text.size > size_max) {
        why_set(why, "%zu bytes of JSON are more than the limit of %zu", text.size, size_max);
        return ST_LIMIT;
    }
    enum status status = check_nesting(text, why);
    if (status != ST_OK)
        return status;
    json_error_t error;
    json_t *value = json_loadb(text.size == 0 ? "" : (const char *)text.data, text.size,
                               JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        why_set(why, "not JSON: %s (line %d, column %d)", error.text, error.line, error.column);
        return json_error_code(&error) == json_error_numeric_overflow ? ST_NOT_FINITE
                                                                      : ST_MALFORMED;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        why_set(why, "JSON of another kind than an object");
        return ST_MALFORMED;
    }
    *ret_object = value;
    return ST_OK;
}

char *jsn_text(const json_t *value)
{
    return json_dumps(value,
                      JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
}

char *jsn_text_exact(const json_t *value)
{
    return json_dumps(value,
                      JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

char *jsn_text_and_release(json_t *value)
{
    char *text = value == NULL ? NULL : jsn_text(value);
    json_decref(value);
    return text;
}

/* Bytes of the UTF-8 character at v's start (RFC 3629 section 4), 0 if it is none. */
static size_t utf8_size(struct view v)
{
    uint8_t c = v.data[0];
    if (c < 0x80)
        return c != 0;
    size_t size = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || size > v.size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((v.data[i] & 0xC0) != 0x80)
            return 0;
    uint8_t next = v.data[1];
    bool overlong = (c == 0xE0 && next < 0xA0) || (c == 0xF0 && next < 0x90);
    bool surrogate = c == 0xED && next > 0x9F;
    bool too_large = c == 0xF4 && next > 0x8F;
    return overlong || surrogate || too_large ? 0 : size;
}

json_t *jsn_string(struct view v)
{
    assert(v.data != NULL || v.size == 0);
    if (v.size == 0)
        return json_string("");
    char *text = malloc(v.size);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < v.size;) {
        size_t size = utf8_size(view_of(v.data + i, v.size - i));
        if (size == 0)
            text[i++] = '?';
        for (; size > 0; size--, i++)
            text[i] = (char)v.data[i];
    }
    json_t *string = json_stringn(text, v.size);
    free(text);
    return string;
}

/* Finds a field. *ret is NULL when it is absent or null and may be. */
static enum status find(const json_t *object, const char *key, enum jsn_need need, json_t **ret,
                        struct why *why)
{
    json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value)) {
        *ret = NULL;
        if (need == JSN_OPTIONAL)
            return ST_OK;
        why_set(why, "%s is missing", key);
        return ST_INVALID;
    }
    *ret = value;
    return ST_OK;
}

static enum status wrong(const char *key, const char *expected, struct why *why)
{
    why_set(why, "%s is not %s", key, expected);
    return ST_INVALID;
}

enum status jsn_id(const json_t *object, const char *key, enum jsn_need need, struct id *ret,
                   struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_string(value) ||
        id_of(view_of(json_string_value(value), json_string_length(value)), ret) != ST_OK)
        return wrong(key, "a name of 1 to 64 letters, digits, '.', '_', '-' or ':'", why);
    return ST_OK;
}

enum status jsn_str(const json_t *object, const char *key, enum jsn_need need, size_t size_max,
                    const char **ret, struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_string(value))
        return wrong(key, "a text", why);
    size_t size = json_string_length(value);
    if (size > size_max || memchr(json_string_value(value), 0, size) != NULL) {
        why_set(why, "%s is longer than %zu bytes or holds a zero byte", key, size_max);
        return ST_INVALID;
    }
    *ret = json_string_value(value);
    return ST_OK;
}

enum status jsn_uint(const json_t *object, const char *key, enum jsn_need need, uint64_t min,
                     uint64_t max, uint64_t *ret, struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < min || (uint64_t)number > max) {
        why_set(why, "%s is not a whole number from %llu to %llu", key, (unsigned long long)min,
                (unsigned long long)max);
        return ST_INVALID;
    }
    *ret = (uint64_t)number;
    return ST_OK;
}

enum status jsn_digest(const json_t *object, const char *key, enum jsn_need need,
                       struct digest *ret, struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_string(value) || digest_parse(json_string_value(value), ret) != ST_OK)
        return wrong(key, "sha256: and 64 hexadecimal digits", why);
    return ST_OK;
}

enum status jsn_bool(const json_t *object, const char *key, enum jsn_need need, bool *ret,
                     struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_boolean(value))
        return wrong(key, "true or false", why);
    *ret = json_is_true(value);
    return ST_OK;
}

enum status jsn_real(const json_t *object, const char *key, enum jsn_need need, double *ret,
                     struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_number(value))
        return wrong(key, "a number", why);
    *ret = json_number_value(value);
    return ST_OK;
}

enum status jsn_object(const json_t *object, const char *key, enum jsn_need need, json_t **ret,
                       struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_object(value))
        return wrong(key, "an object", why);
    *ret = value;
    return ST_OK;
}

enum status jsn_array(const json_t *object, const char *key, enum jsn_need need, size_t count_max,
                      json_t **ret, struct why *why)
{
    json_t *value;
    enum status status = find(object, key, need, &value, why);
    if (status != ST_OK || value == NULL)
        return status;
    if (!json_is_array(value) || json_array_size(value) > count_max) {
        why_set(why, "%s is not an array of at most %zu entries", key, count_max);
        return ST_INVALID;
    }
    *ret = value;
    return ST_OK;
}
