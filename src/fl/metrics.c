#include "fl/metrics.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum status metric_name_check(const char *name, struct why *why)
{
    size_t size = strlen(name);
    if (size < 1 || size > METRIC_NAME_MAX) {
        why_set(why, "a metric's name has %zu bytes, not 1 to %zu", size, METRIC_NAME_MAX);
        return ST_LIMIT;
    }
    /* Names are shown on terminals, which obey such characters. */
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)name[i] < ' ' || name[i] == 0x7f) {
            why_set(why, "a metric's name holds a control character");
            return ST_INVALID;
        }
    return ST_OK;
}

static enum status read_metric(const char *name, const json_t *value, struct metric *ret,
                               struct why *why)
{
    enum status status = metric_name_check(name, why);
    if (status != ST_OK)
        return status;
    if (!json_is_number(value)) {
        why_set(why, "metric %s is not a number", name);
        return ST_TYPE;
    }
    double number = json_number_value(value);
    if (!isfinite(number)) {
        why_set(why, "metric %s is not finite", name);
        return ST_NOT_FINITE;
    }
    memcpy(ret->name, name, strlen(name) + 1);
    ret->value = number;
    ret->weight = 1;
    return ST_OK;
}

enum status metrics_decode(const json_t *object, struct metrics *ret, struct why *why)
{
    assert(ret != NULL && (object == NULL || json_is_object(object)));
    struct metrics m = {0};
    if (json_object_size(object) > METRICS_MAX) {
        why_set(why, "%zu metrics are more than the limit of %d", json_object_size(object),
                METRICS_MAX);
        return ST_LIMIT;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        enum status status = read_metric(name, value, &m.items[m.count++], why);
        if (status != ST_OK)
            return status;
    }
    *ret = m;
    return ST_OK;
}

json_t *metrics_encode(const struct metrics *m)
{
    assert(m != NULL && m->count <= METRICS_MAX);
    json_t *object = json_object();
    int failed = object == NULL;
    for (size_t i = 0; i < m->count; i++)
        failed |= json_object_set_new(object, m->items[i].name, json_real(m->items[i].value));
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* The place of name in total, made if there is room; NULL if there is none. */
static struct metric *place(struct metrics *total, const char *name)
{
    struct metric *there = (struct metric *)metrics_find(total, name);
    if (there != NULL || total->count == METRICS_MAX)
        return there;
    there = &total->items[total->count++];
    *there = (struct metric){0};
    memcpy(there->name, name, strlen(name) + 1);
    return there;
}

void metrics_add(struct metrics *total, const struct metrics *report, double samples)
{
    assert(total != NULL && report != NULL && samples > 0);
    for (size_t i = 0; i < report->count; i++) {
        const struct metric *new = &report->items[i];
        struct metric *t = place(total, new->name);
        if (t == NULL)
            continue;
        /* As shares of the whole, not as a sum to be divided: a participant may
         * report 1e308, and a sum of such would not be finite. */
        double weight = t->weight + samples;
        double mean = t->value * (t->weight / weight) + new->value *(samples / weight);
        t->value = fmax(-DBL_MAX, fmin(DBL_MAX, mean));
        t->weight = weight;
    }
}

const struct metric *metrics_find(const struct metrics *m, const char *name)
{
    assert(m != NULL && name != NULL);
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].name, name) == 0)
            return &m->items[i];
    return NULL;
}
