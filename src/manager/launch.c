#include "manager/launch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager/lookup.h"
#include "manager/template.h"

/* Of a start, beside env and spec: ids, name, image, digest and keys. */
#define START_REST_SIZE ((size_t)4096)

static enum status read_participants(const json_t *message, const char *field, struct launch *l,
                                     struct why *why)
{
    json_t *array = NULL;
    enum status status =
        jsn_array(message, field, JSN_REQUIRED, LAUNCH_PARTICIPANTS_MAX, &array, why);
    if (status != ST_OK)
        return status;
    size_t count = json_array_size(array);
    if (count == 0) {
        why_set(why, "%s is empty", field);
        return ST_INVALID;
    }
    struct lookup *seen = NULL;
    l->participants = calloc(count, sizeof *l->participants);
    if (l->participants == NULL || lookup_new((uint32_t)count, &seen) != ST_OK)
        return ST_NOMEM;

    for (size_t i = 0; i < count && status == ST_OK; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        struct id *id = &l->participants[i];
        uint32_t other;
        if (text == NULL || id_from(text, id) != ST_OK) {
            why_set(why, "%s holds something that is not a name", field);
            status = ST_INVALID;
        } else if (lookup_find(seen, id->text, &other)) {
            why_set(why, "%s holds %s twice", field, id->text);
            status = ST_INVALID;
        } else {
            lookup_put(seen, (uint32_t)i, id->text);
        }
    }
    lookup_free(seen);
    l->participant_count = count;
    return status;
}

static enum status read_image(const json_t *message, const char *field, struct launch *l,
                              struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(message, field, JSN_REQUIRED, sizeof l->image - 1, &text, why);
    if (status == ST_OK)
        status = image_ref_parse(text, &l->image_ref, why);
    if (status == ST_OK)
        strcpy(l->image, text);
    return status;
}

static enum status read_timeout(const json_t *message, const struct value_rule *rule,
                                struct launch *l, struct why *why)
{
    uint64_t seconds = (uint64_t)json_integer_value(rule->fallback);
    enum status status =
        jsn_uint(message, rule->field, rule->fallback == NULL ? JSN_REQUIRED : JSN_OPTIONAL, 1,
                 TASK_TIMEOUT_S_MAX, &seconds, why);
    l->timeout_s = (uint32_t)seconds;
    return status;
}

/* The text of a value in the environment; NULL: no memory. To be freed. */
static char *env_text(const json_t *value)
{
    return json_is_string(value) ? strdup(json_string_value(value)) : jsn_text(value);
}

static enum status read_variable(const json_t *message, const struct env_rule *rule,
                                 struct launch *l, struct why *why)
{
    const json_t *value = json_object_get(message, rule->value.field);
    if (value == NULL || json_is_null(value))
        value = rule->value.fallback;
    if (value == NULL) {
        why_set(why, "%s is missing", rule->value.field);
        return ST_INVALID;
    }
    char *text = env_text(value);
    if (text == NULL)
        return ST_NOMEM;
    enum status status = ST_OK;
    if (strlen(text) > TASK_ENV_VALUE_MAX) {
        why_set(why, "%s is longer than %zu bytes", rule->value.field, TASK_ENV_VALUE_MAX);
        status = ST_LIMIT;
    } else if (json_object_set_new(l->env, rule->variable, json_string(text)) != 0) {
        status = ST_NOMEM;
    }
    free(text);
    return status;
}

static enum status read_env(const json_t *message, const struct launch_rule *rule, struct launch *l,
                            struct why *why)
{
    l->env = json_object();
    enum status status = l->env == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; i < rule->env_count && status == ST_OK; i++)
        status = read_variable(message, &rule->env[i], l, why);
    return status;
}

/* Levels of nesting; bounded like the message and the rules that it came from. */
static unsigned depth_of(const json_t *value)
{
    unsigned deepest = 0;
    const char *key;
    json_t *inner;
    size_t i;
    json_object_foreach((json_t *)value, key, inner)
    {
        unsigned depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(value, i, inner)
    {
        unsigned depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_object(value) || json_is_array(value) ? deepest + 1 : 0;
}

/* A template may use a field more than once and nests it deeper, so that a start
 * grows beyond what its receiver reads. Better refused here than there. */
static enum status check_size(struct launch *l, struct why *why)
{
    char *env = jsn_text(l->env);
    char *spec = l->spec == NULL ? strdup("") : jsn_text(l->spec);
    enum status status = ST_OK;
    if (env == NULL || spec == NULL) {
        status = ST_NOMEM;
    } else if (depth_of(l->spec) >= JSON_DEPTH_MAX) {
        why_set(why, "its values are nested too deep for the starts of its tasks");
        status = ST_LIMIT;
    } else {
        l->start_size = strlen(env) + strlen(spec) + START_REST_SIZE;
    }
    if (l->start_size > CONTROL_SIZE_MAX) {
        why_set(why, "its values are too large for the starts of its tasks");
        status = ST_LIMIT;
    }
    free(env);
    free(spec);
    return status;
}

enum status launch_read(const struct launch_rule *rule, const struct ring *pins,
                        struct view payload, struct launch *ret, struct why *why)
{
    struct launch l = {0};
    json_t *message = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &message, why);
    if (status == ST_OK)
        status = jsn_id(message, rule->id, JSN_REQUIRED, &l.id, why);
    if (status == ST_OK)
        status = read_participants(message, rule->participants, &l, why);
    if (status == ST_OK)
        status = read_image(message, rule->image, &l, why);
    if (status == ST_OK)
        status = read_timeout(message, &rule->timeout_s, &l, why);
    if (status == ST_OK)
        status = read_env(message, rule, &l, why);
    if (status == ST_OK && rule->spec != NULL)
        status = template_fill(rule->spec, message, pins, &l.spec);
    if (status == ST_OK)
        status = check_size(&l, why);
    json_decref(message);
    if (status != ST_OK) {
        launch_done(&l);
        return status;
    }
    *ret = l;
    return ST_OK;
}

void launch_name(const struct launch_rule *rule, const struct launch *launch,
                 const struct id *proplet_id, char ret[LAUNCH_NAME_SIZE])
{
    size_t size = 0;
    const char *from = rule->name;
    while (*from != '\0' && size < LAUNCH_NAME_SIZE - 1) {
        const char *fill = NULL;
        size_t skip = 1;
        if (strncmp(from, "{id}", 4) == 0) {
            fill = launch->id.text;
            skip = 4;
        } else if (strncmp(from, "{proplet}", 9) == 0) {
            fill = proplet_id->text;
            skip = 9;
        }
        size_t left = LAUNCH_NAME_SIZE - 1 - size;
        size_t length = fill == NULL ? 1 : strnlen(fill, left);
        memcpy(ret + size, fill == NULL ? from : fill, length);
        size += length;
        from += skip;
    }
    ret[size] = '\0';
}

void launch_done(struct launch *launch)
{
    if (launch == NULL)
        return;
    free(launch->participants);
    json_decref(launch->env);
    json_decref(launch->spec);
    *launch = (struct launch){0};
}
