#include "transfer/manifest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parts of `size` bytes. size >= 1, so the sum cannot overflow. */
static uint64_t parts_of(uint64_t size, uint64_t part_size)
{
    return (size - 1) / part_size + 1;
}

enum status manifest_empty(uint64_t size, uint32_t part_size, struct manifest *ret)
{
    assert(part_size >= 1 && ret != NULL);
    if (size == 0)
        return ST_INVALID;
    uint64_t count = parts_of(size, part_size);
    if (count > PARTS_MAX)
        return ST_LIMIT;
    struct manifest m = {.size = size, .part_size = part_size, .part_count = (uint32_t)count};
    m.parts = calloc(m.part_count, sizeof m.parts[0]);
    if (m.parts == NULL)
        return ST_NOMEM;
    *ret = m;
    return ST_OK;
}

enum status manifest_of(struct view blob, uint32_t part_size, struct manifest *ret)
{
    struct manifest m;
    enum status status = manifest_empty(blob.size, part_size, &m);
    if (status != ST_OK)
        return status;
    m.digest = digest_of(blob);
    for (uint32_t i = 0; i < m.part_count; i++)
        m.parts[i] = digest_of(manifest_part(&m, blob, i));
    *ret = m;
    return ST_OK;
}

enum status manifest_copy(const struct manifest *m, struct manifest *ret)
{
    struct manifest copy;
    enum status status = manifest_empty(m->size, m->part_size, &copy);
    if (status != ST_OK)
        return status;
    copy.digest = m->digest;
    memcpy(copy.parts, m->parts, m->part_count * sizeof m->parts[0]);
    if (m->url != NULL)
        status = manifest_set_url(&copy, m->url);
    if (status != ST_OK) {
        manifest_done(&copy);
        return status;
    }
    *ret = copy;
    return ST_OK;
}

/* Printable ASCII: what a log and an HTTP request can carry. */
static bool is_url_text(const char *url)
{
    size_t size = strlen(url);
    for (size_t i = 0; i < size && i <= URL_SIZE_MAX; i++)
        if (url[i] <= ' ' || url[i] > '~')
            return false;
    return size >= 1 && size <= URL_SIZE_MAX;
}

enum status manifest_set_url(struct manifest *m, const char *url)
{
    assert(m != NULL && url != NULL);
    if (!is_url_text(url))
        return ST_INVALID;
    char *copy = strdup(url);
    if (copy == NULL)
        return ST_NOMEM;
    free(m->url);
    m->url = copy;
    return ST_OK;
}

static enum status read_digest(const json_t *text, const char *key, struct digest *ret,
                               struct why *why)
{
    if (!json_is_string(text) || digest_parse(json_string_value(text), ret) != ST_OK) {
        why_set(why, "%s is not a digest of 64 hexadecimal digits", key);
        return ST_INVALID;
    }
    return ST_OK;
}

/* All but the parts: size before shape before values. */
static enum status read_sizes(const json_t *object, uint64_t size_max, struct manifest *m,
                              struct why *why)
{
    uint64_t part_size = 0;
    enum status status = jsn_uint(object, "size", JSN_REQUIRED, 1, UINT64_MAX, &m->size, why);
    if (status != ST_OK)
        return status;
    if (m->size > size_max) {
        why_set(why, "%llu bytes are more than the limit of %llu", (unsigned long long)m->size,
                (unsigned long long)size_max);
        return ST_LIMIT;
    }
    /* A part has to fit into one message. */
    status = jsn_uint(object, "part_size", JSN_REQUIRED, 1, MESSAGE_SIZE_MAX, &part_size, why);
    if (status != ST_OK)
        return status;
    if (parts_of(m->size, part_size) > PARTS_MAX) {
        why_set(why, "%llu bytes in parts of %llu are more than %d parts",
                (unsigned long long)m->size, (unsigned long long)part_size, PARTS_MAX);
        return ST_INVALID;
    }
    m->part_size = (uint32_t)part_size;
    m->part_count = (uint32_t)parts_of(m->size, part_size);
    return read_digest(json_object_get(object, "digest"), "digest", &m->digest, why);
}

static enum status read_parts(const json_t *object, struct manifest *m, struct why *why)
{
    json_t *parts = NULL;
    enum status status = jsn_array(object, "parts", JSN_REQUIRED, PARTS_MAX, &parts, why);
    if (status != ST_OK)
        return status;
    if (json_array_size(parts) != m->part_count) {
        why_set(why, "parts has %zu entries, size and part_size make %u", json_array_size(parts),
                m->part_count);
        return ST_INVALID;
    }
    m->parts = calloc(m->part_count, sizeof m->parts[0]);
    if (m->parts == NULL)
        return ST_NOMEM;
    for (uint32_t i = 0; i < m->part_count && status == ST_OK; i++)
        status = read_digest(json_array_get(parts, i), "an entry of parts", &m->parts[i], why);
    return status;
}

static enum status read_url(const json_t *object, struct manifest *m, struct why *why)
{
    const char *url = NULL;
    enum status status = jsn_str(object, "url", JSN_OPTIONAL, URL_SIZE_MAX, &url, why);
    if (status != ST_OK || url == NULL)
        return status;
    status = manifest_set_url(m, url);
    if (status == ST_INVALID)
        why_set(why, "url is not 1 to %zu printable ASCII characters", URL_SIZE_MAX);
    return status;
}

enum status manifest_decode(const json_t *object, uint64_t size_max, struct manifest *ret,
                            struct why *why)
{
    assert(ret != NULL);
    if (!json_is_object(object)) {
        why_set(why, "a manifest is a JSON object");
        return ST_INVALID;
    }
    struct manifest m = {0};
    enum status status = read_sizes(object, size_max, &m, why);
    if (status == ST_OK)
        status = read_parts(object, &m, why);
    if (status == ST_OK)
        status = read_url(object, &m, why);
    if (status != ST_OK) {
        manifest_done(&m);
        return status;
    }
    *ret = m;
    return ST_OK;
}

/* gives: an array of the parts' digests, NULL if memory is out */
static json_t *encode_parts(const struct manifest *m)
{
    json_t *parts = json_array();
    if (parts == NULL)
        return NULL;
    for (uint32_t i = 0; i < m->part_count; i++) {
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&m->parts[i], hex);
        if (json_array_append_new(parts, json_string(hex)) != 0) {
            json_decref(parts);
            return NULL;
        }
    }
    return parts;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* What follows a host's name or its address in brackets; NULL: it is neither. */
static const char *skip_host(const char *text)
{
    size_t size;
    if (*text == '[') {
        size = strspn(text + 1, DIGITS "abcdefABCDEF:.");
        return size > 0 && text[size + 1] == ']' ? text + size + 2 : NULL;
    }
    size = strspn(text, LETTERS DIGITS "-._");
    return size > 0 ? text + size : NULL;
}

/* NULL: it is none. */
static const char *skip_port(const char *text)
{
    if (*text != ':')
        return text;
    size_t size = strspn(text + 1, DIGITS);
    return size >= 1 && size <= 5 ? text + 1 + size : NULL;
}

/* A host, perhaps a port, and a path as web/allow.h takes it. */
static bool is_plain_place(const char *text)
{
    text = skip_host(text);
    text = text == NULL ? NULL : skip_port(text);
    if (text == NULL || (*text != '/' && *text != '\0'))
        return false;
    return text[strspn(text, LETTERS DIGITS "/-._~:@=+,")] == '\0';
}

enum status manifest_url_base_check(const char *base, struct why *why)
{
    size_t scheme = 0;
    if (strncmp(base, "http://", 7) == 0)
        scheme = 7;
    if (strncmp(base, "https://", 8) == 0)
        scheme = 8;
    if (scheme > 0 && is_plain_place(base + scheme) &&
        strlen(base) <= URL_SIZE_MAX - DIGEST_HEX_SIZE)
        return ST_OK;
    why_set(why, "it is not http:// or https://, a host and a path of letters, digits and "
                 "-._~:@=+,/ without user name and query");
    return ST_INVALID;
}

bool manifest_url_below(const char *base, const struct digest *d, char *ret)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    size_t size = strlen(base);
    const char *slash = size > 0 && base[size - 1] == '/' ? "" : "/";
    int length = snprintf(ret, URL_SIZE_MAX + 1, "%s%s%s", base, slash, hex);
    return length > 0 && (size_t)length <= URL_SIZE_MAX;
}

json_t *manifest_encode(const struct manifest *m)
{
    assert(m != NULL && m->parts != NULL);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&m->digest, digest);
    /* s*: without a url there is no such field */
    return json_pack("{s:s, s:I, s:I, s:o, s:s*}", "digest", digest, "size", (json_int_t)m->size,
                     "part_size", (json_int_t)m->part_size, "parts", encode_parts(m), "url",
                     m->url);
}

uint64_t manifest_offset(const struct manifest *m, uint32_t index)
{
    assert(m != NULL && index < m->part_count);
    return (uint64_t)index * m->part_size;
}

size_t manifest_part_bytes(const struct manifest *m, uint32_t index)
{
    uint64_t left = m->size - manifest_offset(m, index);
    return left < m->part_size ? (size_t)left : m->part_size;
}

struct view manifest_part(const struct manifest *m, struct view blob, uint32_t index)
{
    assert(m != NULL && blob.size == m->size);
    return view_of(blob.data + manifest_offset(m, index), manifest_part_bytes(m, index));
}

bool manifest_part_is(const struct manifest *m, uint32_t index, struct view bytes)
{
    if (bytes.size != manifest_part_bytes(m, index))
        return false;
    struct digest digest = digest_of(bytes);
    return digest_equal(&digest, &m->parts[index]);
}

void manifest_done(struct manifest *m)
{
    if (m == NULL)
        return;
    free(m->parts);
    free(m->url);
    *m = (struct manifest){0};
}
