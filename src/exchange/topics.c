#include "exchange/topics.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

#define ROOT "fl/parts/"

void exchange_topic_get(const struct id *holder, char ret[EXCHANGE_TOPIC_SIZE])
{
    (void)snprintf(ret, EXCHANGE_TOPIC_SIZE, ROOT "get/%s", holder->text);
}

void exchange_topic_refused(const struct id *receiver, char ret[EXCHANGE_TOPIC_SIZE])
{
    (void)snprintf(ret, EXCHANGE_TOPIC_SIZE, ROOT "refused/%s", receiver->text);
}

void exchange_topic_parts(const struct id *receiver, char ret[EXCHANGE_TOPIC_SIZE])
{
    (void)snprintf(ret, EXCHANGE_TOPIC_SIZE, ROOT "part/%s/+/+", receiver->text);
}

void exchange_topic_part(const struct id *receiver, const struct digest *d, uint32_t part,
                         char ret[EXCHANGE_TOPIC_SIZE])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    (void)snprintf(ret, EXCHANGE_TOPIC_SIZE, ROOT "part/%s/%s/%u", receiver->text, hex, part);
}

/* The rest of a topic behind a first part that it must have; NULL: it has not. */
static const char *behind(const char *topic, const char *first)
{
    size_t size = strlen(first);
    return strncmp(topic, first, size) == 0 ? topic + size : NULL;
}

/* Decimal digits, without a sign and without leading zeros. */
static bool read_part(const char *text, uint32_t *ret)
{
    uint32_t value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 6 || (text[0] == '0' && size > 1))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *ret = value;
    return value < PARTS_MAX;
}

/* {hex}/{n} */
static enum exchange_topic read_which(const char *rest, struct digest *ret_digest,
                                      uint32_t *ret_part)
{
    char hex[DIGEST_HEX_SIZE];
    const char *slash = strchr(rest, '/');
    if (slash == NULL || slash - rest != DIGEST_HEX_SIZE - 1)
        return EXCHANGE_BAD;
    memcpy(hex, rest, DIGEST_HEX_SIZE - 1);
    hex[DIGEST_HEX_SIZE - 1] = '\0';
    struct digest digest;
    uint32_t part;
    if (digest_parse(hex, &digest) != ST_OK || !read_part(slash + 1, &part))
        return EXCHANGE_BAD;
    *ret_digest = digest;
    *ret_part = part;
    return EXCHANGE_PART;
}

enum exchange_topic exchange_topic_read(const char *topic, const struct id *me,
                                        struct digest *ret_digest, uint32_t *ret_part)
{
    const char *rest = behind(topic, ROOT);
    if (rest == NULL)
        return EXCHANGE_NONE;
    const char *mine = behind(rest, "get/");
    if (mine != NULL)
        return strcmp(mine, me->text) == 0 ? EXCHANGE_GET : EXCHANGE_BAD;
    mine = behind(rest, "refused/");
    if (mine != NULL)
        return strcmp(mine, me->text) == 0 ? EXCHANGE_REFUSED : EXCHANGE_BAD;
    mine = behind(rest, "part/");
    const char *which = mine == NULL ? NULL : behind(mine, me->text);
    return which != NULL && which[0] == '/' ? read_which(which + 1, ret_digest, ret_part)
                                            : EXCHANGE_BAD;
}
