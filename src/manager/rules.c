#include "manager/rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "manager/template.h"
#include "wire/topic.h"

#define FIELD_SIZE_MAX    ((size_t)64)
#define NAME_SIZE_MAX     ((size_t)120) /* of a task, before ids are filled in */
#define PROPERTY_SIZE_MAX ((size_t)64)

/* Every key of object is one of allowed (ends with NULL). */
static enum status only_keys(const json_t *object, const char *const *allowed, struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        const char *const *known = allowed;
        while (*known != NULL && strcmp(*known, key) != 0)
            known++;
        if (*known == NULL) {
            why_set(why, "unknown key %s", key);
            return ST_INVALID;
        }
    }
    return ST_OK;
}

static enum status text(const json_t *object, const char *key, size_t size_max, const char **ret,
                        struct why *why)
{
    enum status status = jsn_str(object, key, JSN_REQUIRED, size_max, ret, why);
    if (status == ST_OK && (*ret)[0] == '\0') {
        why_set(why, "%s is empty", key);
        return ST_INVALID;
    }
    return status;
}

static enum status filter(const json_t *object, const char *key, const char **ret, struct why *why)
{
    enum status status = text(object, key, TOPIC_SIZE_MAX - 1, ret, why);
    if (status == ST_OK && topic_filter_check(*ret) != ST_OK) {
        why_set(why, "%s is not an MQTT topic filter", key);
        return ST_INVALID;
    }
    return status;
}

/* The level of the filter's n-th '+'. */
static enum status wildcard_level(const char *topic_filter, uint64_t n, unsigned *ret_level)
{
    struct view level;
    for (unsigned i = 0; topic_level(topic_filter, i, &level) == ST_OK; i++) {
        if (view_equal(level, view_text("+")) && --n == 0) {
            *ret_level = i;
            return ST_OK;
        }
    }
    return ST_NOT_FOUND;
}

static enum status wildcard(const json_t *object, const char *key, const char *topic_filter,
                            unsigned *ret_level, struct why *why)
{
    uint64_t n = 0;
    enum status status = jsn_uint(object, key, JSN_REQUIRED, 1, TOPIC_LEVELS_MAX, &n, why);
    if (status != ST_OK)
        return status;
    if (wildcard_level(topic_filter, n, ret_level) != ST_OK) {
        why_set(why, "%s: the filter has fewer than %u '+'", key, (unsigned)n);
        return ST_INVALID;
    }
    return ST_OK;
}

/* VALUE: the name of a field, or a field with a default. */
static enum status value(const json_t *object, const char *key, struct value_rule *ret,
                         struct why *why)
{
    static const char *const keys[] = {"field", "default", NULL};
    json_t *given = json_object_get(object, key);
    if (!json_is_object(given))
        return text(object, key, FIELD_SIZE_MAX, &ret->field, why);

    enum status status = only_keys(given, keys, why);
    if (status == ST_OK)
        status = text(given, "field", FIELD_SIZE_MAX, &ret->field, why);
    if (status != ST_OK)
        return status;
    ret->fallback = json_object_get(given, "default");
    if (ret->fallback == NULL || json_is_null(ret->fallback)) {
        why_set(why, "%s has no default", key);
        return ST_INVALID;
    }
    return ST_OK;
}

static bool is_variable(const char *name)
{
    size_t size = strlen(name);
    return size >= 1 && size <= FIELD_SIZE_MAX && (name[0] < '0' || name[0] > '9') &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

static enum status env(const json_t *object, struct launch_rule *ret, struct why *why)
{
    json_t *variables = NULL;
    enum status status = jsn_object(object, "env", JSN_OPTIONAL, &variables, why);
    if (status != ST_OK || variables == NULL)
        return status;
    if (json_object_size(variables) > TASK_ENV_MAX) {
        why_set(why, "env has more than %d variables", TASK_ENV_MAX);
        return ST_LIMIT;
    }
    const char *key;
    json_t *given;
    json_object_foreach(variables, key, given)
    {
        struct env_rule *rule = &ret->env[ret->env_count++];
        rule->variable = key;
        if (!is_variable(key)) {
            why_set(why, "%s is not the name of an environment variable", key);
            return ST_INVALID;
        }
        status = value(variables, key, &rule->value, why);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status timeout_default(const struct value_rule *rule, struct why *why)
{
    json_int_t seconds = json_integer_value(rule->fallback);
    if (rule->fallback == NULL || (seconds >= 1 && seconds <= TASK_TIMEOUT_S_MAX))
        return ST_OK;
    why_set(why, "the default of timeout_s is not 1 to %u", TASK_TIMEOUT_S_MAX);
    return ST_INVALID;
}

static enum status read_launch(struct rules *r, const json_t *object, struct why *why)
{
    static const char *const keys[] = {"topic", "id",  "participants", "image", "timeout_s",
                                       "name",  "env", "spec",         NULL};
    struct launch_rule *rule = &r->launches[r->launch_count++];
    enum status status = only_keys(object, keys, why);
    if (status == ST_OK)
        status = filter(object, "topic", &rule->topic, why);
    if (status == ST_OK)
        status = text(object, "id", FIELD_SIZE_MAX, &rule->id, why);
    if (status == ST_OK)
        status = text(object, "participants", FIELD_SIZE_MAX, &rule->participants, why);
    if (status == ST_OK)
        status = text(object, "image", FIELD_SIZE_MAX, &rule->image, why);
    if (status == ST_OK)
        status = value(object, "timeout_s", &rule->timeout_s, why);
    if (status == ST_OK)
        status = timeout_default(&rule->timeout_s, why);
    if (status == ST_OK)
        status = text(object, "name", NAME_SIZE_MAX, &rule->name, why);
    if (status == ST_OK)
        status = env(object, rule, why);
    if (status == ST_OK)
        status = jsn_object(object, "spec", JSN_OPTIONAL, &rule->spec, why);
    if (status == ST_OK && rule->spec != NULL)
        status = template_check(rule->spec, why);
    return status;
}

static enum status read_forward(struct rules *r, const json_t *object, struct why *why)
{
    static const char *const keys[] = {"from", "to", "properties", NULL};
    struct forward_rule *rule = &r->forwards[r->forward_count++];
    json_t *properties = NULL;
    enum status status = only_keys(object, keys, why);
    if (status == ST_OK)
        status = filter(object, "from", &rule->from, why);
    if (status == ST_OK)
        status = filter(object, "to", &rule->to, why);
    if (status == ST_OK)
        status = jsn_object(object, "properties", JSN_OPTIONAL, &properties, why);
    if (status != ST_OK)
        return status;
    if (strpbrk(rule->to, "+#") != NULL) {
        why_set(why, "to has a wildcard");
        return ST_INVALID;
    }
    if (json_object_size(properties) > FORWARD_PROPERTIES_MAX) {
        why_set(why, "more than %d properties", FORWARD_PROPERTIES_MAX);
        return ST_LIMIT;
    }
    const char *key;
    json_t *given;
    json_object_foreach(properties, key, given)
    {
        struct forward_property *property = &rule->properties[rule->property_count++];
        property->key = key;
        if (strlen(key) < 1 || strlen(key) > PROPERTY_SIZE_MAX || strcmp(key, "topic") == 0) {
            why_set(why, "%s cannot be the key of a property", key);
            return ST_INVALID;
        }
        status = wildcard(properties, key, rule->from, &property->level, why);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status read_close(struct rules *r, const json_t *object, struct why *why)
{
    static const char *const keys[] = {"topic", "id", NULL};
    struct close_rule *rule = &r->closes[r->close_count++];
    enum status status = only_keys(object, keys, why);
    if (status == ST_OK)
        status = filter(object, "topic", &rule->topic, why);
    if (status == ST_OK)
        status = wildcard(object, "id", rule->topic, &rule->level, why);
    return status;
}

static enum status read_pin(struct rules *r, const json_t *object, struct why *why)
{
    static const char *const keys[] = {"topic", "property", NULL};
    struct pin_rule *rule = &r->pins[r->pin_count++];
    enum status status = only_keys(object, keys, why);
    if (status == ST_OK)
        status = filter(object, "topic", &rule->topic, why);
    if (status == ST_OK)
        status = text(object, "property", PROPERTY_SIZE_MAX, &rule->property, why);
    return status;
}

typedef enum status (*read_fn)(struct rules *r, const json_t *object, struct why *why);

/* Reads all rules of one kind. */
static enum status read_kind(struct rules *r, const char *kind, read_fn read_one, struct why *why)
{
    json_t *array = NULL;
    enum status status = jsn_array(r->document, kind, JSN_OPTIONAL, SIZE_MAX, &array, why);
    if (status != ST_OK)
        return status;
    if (json_array_size(array) > RULES_MAX) {
        why_set(why, "%s has more than %d rules", kind, RULES_MAX);
        return ST_LIMIT;
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *object = json_array_get(array, i);
        struct why inner;
        why_set(&inner, "not an object");
        status = json_is_object(object) ? read_one(r, object, &inner) : ST_INVALID;
        if (status != ST_OK) {
            why_set(why, "%s rule %zu: %s", kind, i + 1, inner.text);
            return status;
        }
    }
    return ST_OK;
}

/* What is forwarded must not come back to be forwarded again, for ever. */
static enum status check_loops(const struct rules *r, struct why *why)
{
    for (size_t i = 0; i < r->forward_count; i++) {
        for (size_t j = 0; j < r->forward_count; j++) {
            if (topic_match(r->forwards[j].from, r->forwards[i].to)) {
                why_set(why, "forward rule %zu: %s would be forwarded again", i + 1,
                        r->forwards[i].to);
                return ST_INVALID;
            }
        }
    }
    return ST_OK;
}

enum status rules_parse(struct view document, struct rules **ret, struct why *why)
{
    static const char *const kinds[] = {"launch", "forward", "close", "pin", NULL};
    struct rules *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    enum status status = jsn_parse(document, RULES_SIZE_MAX, &r->document, why);
    if (status == ST_OK)
        status = only_keys(r->document, kinds, why);
    if (status == ST_OK)
        status = read_kind(r, "launch", read_launch, why);
    if (status == ST_OK)
        status = read_kind(r, "forward", read_forward, why);
    if (status == ST_OK)
        status = read_kind(r, "close", read_close, why);
    if (status == ST_OK)
        status = read_kind(r, "pin", read_pin, why);
    if (status == ST_OK)
        status = check_loops(r, why);
    if (status != ST_OK) {
        rules_free(r);
        return status;
    }
    *ret = r;
    return ST_OK;
}

struct rules *rules_free(struct rules *r)
{
    if (r == NULL)
        return NULL;
    json_decref(r->document);
    free(r);
    return NULL;
}
