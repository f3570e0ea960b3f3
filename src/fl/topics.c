#include "fl/topics.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_PREFIX   "fl/models/"
#define VERSION_MARK   "_v"
#define VERSION_DIGITS 16 /* digits of FL_VERSION_MAX */

static void PRINTF_LIKE(2, 3) write_topic(char ret[FL_TOPIC_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(ret, FL_TOPIC_SIZE, format, args);
    va_end(args);
    assert(size > 0 && size < FL_TOPIC_SIZE); /* ids are short enough */
}

void fl_topic_update(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, "fl/rounds/%s/updates/%s", round->text, proplet->text);
}

void fl_topic_receipt(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, "fl/rounds/%s/receipts/%s", round->text, proplet->text);
}

void fl_topic_complete(const struct id *round, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, "fl/rounds/%s/complete", round->text);
}

#define ROUNDS_PREFIX "fl/rounds/"
#define SECAGG_LEVEL  "/secagg/"
#define TOLD_LEVEL    "/told"

void fl_topic_secagg(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, ROUNDS_PREFIX "%s" SECAGG_LEVEL "%s", round->text, proplet->text);
}

void fl_topic_secagg_told(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, ROUNDS_PREFIX "%s" SECAGG_LEVEL "%s" TOLD_LEVEL, round->text, proplet->text);
}

enum status fl_secagg_parse(const char *topic, bool told, struct id *ret_round,
                            struct id *ret_proplet)
{
    size_t prefix = strlen(ROUNDS_PREFIX), tail = told ? strlen(TOLD_LEVEL) : 0;
    struct id round, proplet;
    size_t size = strlen(topic);
    if (strncmp(topic, ROUNDS_PREFIX, prefix) != 0 || size < prefix + tail ||
        strcmp(topic + size - tail, told ? TOLD_LEVEL : "") != 0)
        return ST_INVALID;
    const char *id = topic + prefix, *level = strstr(id, SECAGG_LEVEL);
    if (level == NULL || id_of(view_of(id, (size_t)(level - id)), &round) != ST_OK)
        return ST_INVALID;
    const char *who = level + strlen(SECAGG_LEVEL);
    if (who > topic + size - tail ||
        id_of(view_of(who, (size_t)(topic + size - tail - who)), &proplet) != ST_OK)
        return ST_INVALID;
    *ret_round = round;
    *ret_proplet = proplet;
    return ST_OK;
}

void fl_topic_experiment_state(const struct id *experiment, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, "fl/experiments/%s/state", experiment->text);
}

void fl_topic_experiment_rows(const struct id *experiment, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, "fl/experiments/%s/rows", experiment->text);
}

void fl_topic_round_state(const struct id *round, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, "fl/rounds/%s/state", round->text);
}

void fl_topic_model(const struct model_ref *ref, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, MODEL_PREFIX "%s" VERSION_MARK "%llu", ref->name.text,
                (unsigned long long)ref->version);
}

void fl_topic_channel(const struct id *name, const struct id *channel, char ret[FL_TOPIC_SIZE])
{
    write_topic(ret, MODEL_PREFIX "%s/channels/%s", name->text, channel->text);
}

enum status fl_version_parse(const char *text, uint64_t *ret_version)
{
    assert(text != NULL && ret_version != NULL);
    size_t size = strlen(text);
    if (size < 1 || size > VERSION_DIGITS || strspn(text, "0123456789") != size ||
        (text[0] == '0' && size > 1))
        return ST_INVALID;
    uint64_t version = strtoull(text, NULL, 10);
    if (version > FL_VERSION_MAX)
        return ST_INVALID;
    *ret_version = version;
    return ST_OK;
}

/* The last "_v" of text, as a name may hold one too; NULL if there is none. */
static const char *last_mark(const char *text)
{
    const char *last = NULL;
    for (const char *at = strstr(text, VERSION_MARK); at != NULL; at = strstr(at + 1, VERSION_MARK))
        last = at;
    return last;
}

enum status fl_model_ref_parse(const char *topic, struct model_ref *ret_ref)
{
    assert(topic != NULL && ret_ref != NULL);
    size_t prefix = sizeof MODEL_PREFIX - 1;
    if (strncmp(topic, MODEL_PREFIX, prefix) != 0)
        return ST_INVALID;
    const char *name = topic + prefix, *mark = last_mark(name);
    if (mark == NULL)
        return ST_INVALID;

    struct model_ref ref;
    enum status status = id_of(view_of(name, (size_t)(mark - name)), &ref.name);
    if (status == ST_OK)
        status = fl_version_parse(mark + sizeof VERSION_MARK - 1, &ref.version);
    if (status == ST_OK)
        *ret_ref = ref;
    return status;
}
