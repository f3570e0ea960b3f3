#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#define JSMN_STATIC
#include <jsmn.h>

#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE_MAX 64     /* characters of a number */
#define EXACT_MAX       0x1p53 /* whole numbers up to here are exact as double */

static size_t digits(const char *text, size_t size)
{
    size_t n = 0;
    while (n < size && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

/* RFC 8259, section 6: -? int frac? exp? */
static bool is_number(const char *text, size_t size)
{
    size_t at = size > 0 && text[0] == '-';
    size_t whole = digits(text + at, size - at);
    if (whole == 0 || (whole > 1 && text[at] == '0') || size >= NUMBER_SIZE_MAX)
        return false;
    at += whole;
    if (at < size && text[at] == '.') {
        size_t fraction = digits(text + at + 1, size - at - 1);
        if (fraction == 0)
            return false;
        at += 1 + fraction;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < size && (text[at] == '+' || text[at] == '-');
        size_t exponent = digits(text + at, size - at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return at == size;
}

static bool equals(const struct fml_json *j, const jsmntok_t *t, const char *text)
{
    size_t size = (size_t)(t->end - t->start);
    return strlen(text) == size && memcmp(j->text + t->start, text, size) == 0;
}

static bool is_primitive(const struct fml_json *j, const jsmntok_t *t)
{
    return equals(j, t, "true") || equals(j, t, "false") || equals(j, t, "null") ||
           is_number(j->text + t->start, (size_t)(t->end - t->start));
}

/* A member of an object is a text with one value; every other text and every
 * primitive has nothing in it, and nothing lies outside of its container. */
static bool is_in_place(const struct fml_json *j, const jsmntok_t *t)
{
    if (t->parent < 0 || t->parent >= t - j->tokens)
        return false;
    const jsmntok_t *parent = j->tokens + t->parent;
    bool container = parent->type == JSMN_OBJECT || parent->type == JSMN_ARRAY;
    if (container && (t->start < parent->start || t->end > parent->end))
        return false;
    if (!container && parent->type != JSMN_STRING)
        return false;
    if (parent->type == JSMN_OBJECT)
        return t->type == JSMN_STRING && t->size == 1;
    if (t->type == JSMN_STRING)
        return t->size == 0;
    if (t->type == JSMN_PRIMITIVE)
        return t->size == 0 && is_primitive(j, t);
    return true;
}

static bool is_deep(const struct fml_json *j, const jsmntok_t *t)
{
    int depth = 0;
    for (; t->parent >= 0 && depth <= 2 * JSON_DEPTH_MAX; depth++)
        t = j->tokens + t->parent;
    return depth > 2 * JSON_DEPTH_MAX; /* a member counts as two: key and value */
}

static enum fml_status check_tokens(const struct fml_json *j, const char *what)
{
    if (j->count < 1 || j->tokens[0].type != JSMN_OBJECT)
        return fml_fail(FML_MALFORMED, "%s is not a JSON object", what);
    for (int i = 1; i < j->count; i++) {
        const jsmntok_t *t = j->tokens + i;
        if (!is_in_place(j, t))
            return fml_fail(FML_MALFORMED, "%s is not valid JSON near byte %d", what, t->start);
        if (is_deep(j, t))
            return fml_fail(FML_LIMIT, "%s is nested too deep", what);
    }
    return FML_OK;
}

enum fml_status fml_json_read(struct fml_json *ret, const char *text, size_t size, const char *what)
{
    struct fml_json j = {.text = text, .size = size};
    jsmn_parser parser;

    if (size > FML_JSON_SIZE_MAX)
        return fml_fail(FML_LIMIT, "%s has %zu bytes of JSON, more than are read", what, size);
    if (memchr(text, 0, size) != NULL)
        return fml_fail(FML_MALFORMED, "%s is not JSON: it holds a zero byte", what);
    jsmn_init(&parser);
    int count = jsmn_parse(&parser, text, size, NULL, 0);
    if (count <= 0)
        return fml_fail(FML_MALFORMED, "%s is not a JSON object", what);

    j.tokens = calloc((size_t)count, sizeof *j.tokens);
    if (j.tokens == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory to read %s", what);
    for (int i = 0; i < count; i++)
        j.tokens[i].parent = -1;
    jsmn_init(&parser);
    j.count = jsmn_parse(&parser, text, size, j.tokens, (unsigned)count);
    enum fml_status status = check_tokens(&j, what);
    if (status != FML_OK) {
        fml_json_done(&j);
        return status;
    }
    *ret = j;
    return FML_OK;
}

void fml_json_done(struct fml_json *j)
{
    free(j->tokens);
    *j = (struct fml_json){0};
}

int fml_json_after(const struct fml_json *j, int token)
{
    int end = j->tokens[token].end;
    int next = token + 1;
    while (next < j->count && j->tokens[next].start < end)
        next++;
    return next;
}

int fml_json_find(const struct fml_json *j, int object, const char *key)
{
    if (j->tokens[object].type != JSMN_OBJECT)
        return -1;
    int end = fml_json_after(j, object);
    for (int member = object + 1; member < end; member = fml_json_after(j, member + 1))
        if (equals(j, j->tokens + member, key))
            return member + 1;
    return -1;
}

bool fml_json_real(const struct fml_json *j, int token, double *ret)
{
    const jsmntok_t *t = j->tokens + token;
    size_t size = (size_t)(t->end - t->start);
    char number[NUMBER_SIZE_MAX];

    if (t->type != JSMN_PRIMITIVE || !is_number(j->text + t->start, size))
        return false;
    memcpy(number, j->text + t->start, size);
    number[size] = '\0';
    double value = strtod(number, NULL);
    if (!isfinite(value))
        return false;
    *ret = value;
    return true;
}

bool fml_json_whole(const struct fml_json *j, int token, uint64_t *ret)
{
    double value = 0.0;
    if (!fml_json_real(j, token, &value) || value < 0.0 || value > EXACT_MAX ||
        value != floor(value))
        return false;
    *ret = (uint64_t)value;
    return true;
}

bool fml_json_integer(const struct fml_json *j, int token, uint64_t *ret)
{
    size_t size = (size_t)(j->tokens[token].end - j->tokens[token].start);
    return digits(j->text + j->tokens[token].start, size) == size && fml_json_whole(j, token, ret);
}

static uint32_t hex4(const char *from)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = from[i];
        uint32_t digit = (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        value = value << 4 | digit;
    }
    return value;
}

/* Reads the \u escape at *from ("\\uXXXX", checked by jsmn but for its length),
 * with its second half if it is the first of a pair. 0: it is not a character. */
static uint32_t unicode_escape(const char **from, const char *end)
{
    if (end - *from < 6)
        return 0;
    uint32_t c = hex4(*from + 2);
    *from += 6;
    if (c < 0xD800 || c > 0xDFFF)
        return c;
    if (c > 0xDBFF || end - *from < 6 || (*from)[0] != '\\' || (*from)[1] != 'u')
        return 0;
    uint32_t low = hex4(*from + 2);
    *from += 6;
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

/* Writes c as UTF-8 (RFC 3629). Returns the number of bytes, 1 to 4. */
static size_t utf8(uint32_t c, char ret[4])
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint32_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    for (size_t i = more; i > 0; i--, c >>= 6)
        ret[i] = (char)(0x80 | (c & 0x3F));
    ret[0] = (char)(lead[more] | c);
    return more + 1;
}

static char unescape(char c)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char *at = strchr(from, c);
    return at == NULL ? c : to[at - from];
}

bool fml_json_text(const struct fml_json *j, int token, char *ret_text, size_t text_size)
{
    const jsmntok_t *t = j->tokens + token;
    if (t->type != JSMN_STRING)
        return false;

    const char *from = j->text + t->start;
    const char *end = j->text + t->end;
    size_t size = 0;
    while (from < end) {
        char bytes[4] = {*from};
        size_t count = 1;
        if (*from == '\\' && from + 1 < end && from[1] == 'u') {
            uint32_t c = unicode_escape(&from, end);
            if (c == 0)
                return false;
            count = utf8(c, bytes);
        } else if (*from == '\\' && from + 1 < end) {
            bytes[0] = unescape(from[1]);
            from += 2;
        } else {
            from++;
        }
        if (size + count >= text_size)
            return false;
        memcpy(ret_text + size, bytes, count);
        size += count;
    }
    ret_text[size] = '\0';
    return true;
}
