#include "manager/outbox.h"

#include <stdlib.h>
#include <string.h>

struct outbox {
    struct outgoing *first;
    struct outgoing **last; /* where the next one is linked */
    uint64_t last_number;
    size_t count, new_count, gone_count, bytes;
};

enum status outbox_new(struct outbox **ret)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (o == NULL)
        return ST_NOMEM;
    o->last = &o->first;
    *ret = o;
    return ST_OK;
}

static void free_one(struct outgoing *out)
{
    free(out->topic);
    free(out->text);
    free(out);
}

/* takes: text. */
static enum status append(struct outbox *o, const struct outgoing *like, const char *topic,
                          char *text)
{
    struct outgoing *out = malloc(sizeof *out);
    char *topic_copy = strdup(topic);
    if (out == NULL || topic_copy == NULL || text == NULL) {
        free(out);
        free(topic_copy);
        free(text);
        return ST_NOMEM;
    }
    *out = *like;
    out->topic = topic_copy;
    out->text = text;
    *o->last = out;
    o->last = &out->next;
    o->last_number = out->number;
    o->count++;
    o->new_count += !out->recorded;
    o->bytes += strlen(text);
    return ST_OK;
}

enum status outbox_add(struct outbox *o, enum outgoing_kind kind, const struct id *task_id,
                       const char *topic, char *text)
{
    if (o->count >= OUTGOING_MAX) {
        free(text);
        return ST_LIMIT;
    }
    const struct outgoing like = {.number = o->last_number + 1, .kind = kind, .task_id = *task_id};
    return append(o, &like, topic, text);
}

enum status outbox_restore(struct outbox *o, uint64_t number, enum outgoing_kind kind,
                           const struct id *task_id, const char *topic, const char *text)
{
    if (number <= o->last_number)
        return ST_INVALID;
    const struct outgoing like = {
        .number = number, .kind = kind, .task_id = *task_id, .recorded = true};
    return append(o, &like, topic, strdup(text));
}

struct outgoing *outbox_first(const struct outbox *o)
{
    return o->first;
}

void outbox_end(struct outbox *o, struct outgoing *out)
{
    if (out->gone)
        return;
    out->gone = true;
    o->gone_count++;
}

void outbox_taken(struct outbox *o, uint64_t taken_count)
{
    for (struct outgoing *out = o->first; out != NULL; out = out->next)
        if (out->sent_as != 0 && out->sent_as <= taken_count)
            outbox_end(o, out);
}

void outbox_recorded(struct outbox *o)
{
    struct outgoing **at = &o->first;
    while (*at != NULL) {
        struct outgoing *out = *at;
        if (out->gone) {
            *at = out->next;
            o->count--;
            o->bytes -= strlen(out->text);
            free_one(out);
        } else {
            out->recorded = true;
            at = &out->next;
        }
    }
    o->last = at;
    o->new_count = o->gone_count = 0;
}

size_t outbox_new_count(const struct outbox *o)
{
    return o->new_count;
}

size_t outbox_gone_count(const struct outbox *o)
{
    return o->gone_count;
}

size_t outbox_count(const struct outbox *o)
{
    return o->count;
}

size_t outbox_bytes(const struct outbox *o)
{
    return o->bytes;
}

struct outbox *outbox_free(struct outbox *o)
{
    if (o == NULL)
        return NULL;
    for (struct outgoing *out = o->first; out != NULL;) {
        struct outgoing *next = out->next;
        free_one(out);
        out = next;
    }
    free(o);
    return NULL;
}
