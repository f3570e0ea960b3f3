#include "wire/topic.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The level at which text begins: all up to the next '/' or the end. */
static struct view level_at(const char *text)
{
    return view_of(text, strcspn(text, "/"));
}

static bool level_is(struct view level, char letter)
{
    return level.size == 1 && level.data[0] == (uint8_t)letter;
}

bool topic_match(const char *filter, const char *topic)
{
    assert(filter != NULL && topic != NULL);
    if (*filter == '\0' || *topic == '\0')
        return false;
    /* MQTT 5 section 4.7.2: '#' does not show what the broker says of itself. */
    if (*topic == '$' && (*filter == '+' || *filter == '#'))
        return false;

    for (;;) {
        struct view wanted = level_at(filter), level = level_at(topic);
        if (level_is(wanted, '#'))
            return filter[1] == '\0';
        if (!level_is(wanted, '+') && !view_equal(wanted, level))
            return false;
        filter += wanted.size;
        topic += level.size;
        /* 'a/#' matches 'a' itself (section 4.7.1.2). */
        if (*topic == '\0')
            return *filter == '\0' || strcmp(filter, "/#") == 0;
        if (*filter == '\0')
            return false;
        filter++;
        topic++;
    }
}

enum status topic_filter_check(const char *filter)
{
    assert(filter != NULL);
    size_t size = strnlen(filter, TOPIC_SIZE_MAX);
    if (size == 0 || size >= TOPIC_SIZE_MAX)
        return ST_INVALID;

    for (unsigned levels = 1; levels <= TOPIC_LEVELS_MAX; levels++) {
        struct view level = level_at(filter);
        bool last = filter[level.size] == '\0';
        bool wildcard = memchr(level.data, '+', level.size) != NULL ||
                        memchr(level.data, '#', level.size) != NULL;
        if (wildcard && level.size != 1)
            return ST_INVALID;
        if (level_is(level, '#') && !last)
            return ST_INVALID;
        if (last)
            return ST_OK;
        filter += level.size + 1;
    }
    return ST_INVALID;
}

enum status topic_level(const char *topic, unsigned index, struct view *ret_level)
{
    assert(topic != NULL && ret_level != NULL);
    for (; index > 0; index--) {
        topic += strcspn(topic, "/");
        if (*topic == '\0')
            return ST_NOT_FOUND;
        topic++;
    }
    *ret_level = level_at(topic);
    return ST_OK;
}

/* Writes the prefix of the space.
 * gives: its length */
static size_t write_prefix(const struct topic_space *space, struct topic *topic)
{
    int size = snprintf(topic->text, sizeof topic->text, "m/%s/c/%s", space->domain.text,
                        space->channel.text);
    assert(size > 0 && (size_t)size < sizeof topic->text);
    return (size_t)size;
}

void topic_make(const struct topic_space *space, struct topic *ret_topic, ...)
{
    assert(space != NULL && ret_topic != NULL);
    size_t size = write_prefix(space, ret_topic);
    va_list pieces;
    va_start(pieces, ret_topic);
    const char *piece;
    while ((piece = va_arg(pieces, const char *)) != NULL) {
        size_t left = sizeof ret_topic->text - size;
        int added = snprintf(ret_topic->text + size, left, "/%s", piece);
        assert(added > 0 && (size_t)added < left);
        size += (size_t)added;
    }
    va_end(pieces);
}

const char *topic_rest(const struct topic_space *space, const char *topic)
{
    assert(space != NULL && topic != NULL);
    struct topic prefix;
    size_t size = write_prefix(space, &prefix);
    if (strncmp(topic, prefix.text, size) != 0 || topic[size] != '/' || topic[size + 1] == '\0')
        return NULL;
    return topic + size + 1;
}
