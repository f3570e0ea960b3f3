/* Filters and topics: two lines of input. The matcher is compared with a slow
 * one that is written the way MQTT 5 section 4.7 reads. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/topic.h"

static const struct topic_space space = {{"demo"}, {"fl"}};

/* Recursion over letters instead of a loop over levels; start: at a level's begin. */
static bool matches_slowly(const char *filter, const char *topic, bool start)
{
    if (start && strcmp(filter, "#") == 0)
        return true;
    if (start && *filter == '+') {
        topic += strcspn(topic, "/");
        return matches_slowly(filter + 1, topic, false);
    }
    if (*topic == '\0')
        return *filter == '\0' || strcmp(filter, "/#") == 0;
    if (*filter != *topic)
        return false;
    return matches_slowly(filter + 1, topic + 1, *filter == '/');
}

static void check_match(const char *filter, const char *topic)
{
    bool matched = topic_match(filter, topic);
    if (topic_filter_check(filter) != ST_OK || *topic == '\0')
        return;
    bool hidden = *topic == '$' && (*filter == '+' || *filter == '#');
    assert(matched == (!hidden && matches_slowly(filter, topic, true)));
    if (strpbrk(filter, "+#") == NULL)
        assert(matched == (strcmp(filter, topic) == 0));
}

/* The levels, joined by '/', are the topic. */
static void check_levels(const char *topic)
{
    const char *at = topic;
    struct view level;
    for (unsigned i = 0;; i++) {
        assert(topic_level(topic, i, &level) == ST_OK);
        assert((const char *)level.data == at);
        assert(memchr(level.data, '/', level.size) == NULL);
        at += level.size;
        assert(*at == '/' || *at == '\0');
        if (*at == '\0') {
            assert(topic_level(topic, i + 1, &level) == ST_NOT_FOUND);
            return;
        }
        at++;
    }
}

static void check_rest(const char *topic)
{
    const char *rest = topic_rest(&space, topic);
    if (rest == NULL || strlen(topic) >= TOPIC_SIZE_MAX)
        return;
    struct topic made;
    topic_make(&space, &made, rest, NULL);
    assert(strcmp(made.text, topic) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0; /* the slow matcher recurses by letter */
    const uint8_t *line_end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t filter_size = line_end == NULL ? size : (size_t)(line_end - data);
    size_t topic_at = line_end == NULL ? size : filter_size + 1;
    char *filter = text_of(view_of(data, filter_size));
    char *topic = text_of(view_of(data + topic_at, size - topic_at));
    if (filter != NULL && topic != NULL) {
        check_match(filter, topic);
        check_match(topic, topic);
        check_levels(topic);
        check_rest(topic);
    }
    free(filter);
    free(topic);
    return 0;
}
