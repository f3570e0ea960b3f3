#include "manager/template.h"

#include <assert.h>
#include <string.h>

static bool is_directive(const json_t *t)
{
    return json_object_get(t, "$field") != NULL || json_object_get(t, "$pin") != NULL;
}

static enum status check_directive(const json_t *t, struct why *why)
{
    bool field = json_object_get(t, "$field") != NULL;
    const char *name = json_string_value(json_object_get(t, field ? "$field" : "$pin"));
    if (name == NULL || name[0] == '\0') {
        why_set(why, "%s is not the name of a field", field ? "$field" : "$pin");
        return ST_INVALID;
    }
    const json_t *fallback = field ? json_object_get(t, "default") : NULL;
    if (json_object_size(t) != (fallback == NULL ? 1u : 2u)) {
        why_set(why, "%s %s stands beside keys that do not belong there", field ? "$field" : "$pin",
                name);
        return ST_INVALID;
    }
    return fallback == NULL ? ST_OK : template_check(fallback, why);
}

/* Recursion is bounded: rules come through jsn_parse(), JSON_DEPTH_MAX levels. */
enum status template_check(const json_t *template, struct why *why)
{
    if (json_is_object(template) && is_directive(template))
        return check_directive(template, why);

    enum status status = ST_OK;
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)template, key, value)
    {
        if (status == ST_OK)
            status = template_check(value, why);
    }
    json_array_foreach(template, i, value)
    {
        if (status == ST_OK)
            status = template_check(value, why);
    }
    return status;
}

static const json_t *field_of(const json_t *message, const char *name)
{
    const json_t *value = json_object_get(message, name);
    return json_is_null(value) ? NULL : value;
}

static enum status copy(const json_t *value, json_t **ret)
{
    *ret = value == NULL ? NULL : json_deep_copy(value);
    return value != NULL && *ret == NULL ? ST_NOMEM : ST_OK;
}

static enum status fill_pin(const char *field, const json_t *message, const struct ring *pins,
                            json_t **ret)
{
    const char *topic = json_string_value(field_of(message, field));
    struct digest digest;
    *ret = NULL;
    if (topic == NULL || !ring_find(pins, topic, &digest))
        return ST_OK;
    char text[DIGEST_TEXT_SIZE];
    digest_text(&digest, text);
    *ret = json_string(text);
    return *ret == NULL ? ST_NOMEM : ST_OK;
}

static enum status fill_text(const json_t *template, const json_t *message, json_t **ret)
{
    const char *text = json_string_value(template);
    if (text[0] != '$')
        return copy(template, ret);
    if (text[1] != '$')
        return copy(field_of(message, text + 1), ret);
    *ret = json_string(text + 1);
    return *ret == NULL ? ST_NOMEM : ST_OK;
}

static enum status fill_object(const json_t *template, const json_t *message,
                               const struct ring *pins, json_t **ret)
{
    json_t *object = json_object();
    enum status status = object == NULL ? ST_NOMEM : ST_OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)template, key, value)
    {
        json_t *filled = NULL;
        if (status == ST_OK)
            status = template_fill(value, message, pins, &filled);
        if (filled != NULL && json_object_set_new(object, key, filled) != 0)
            status = ST_NOMEM;
    }
    if (status != ST_OK) {
        json_decref(object);
        return status;
    }
    *ret = object;
    return ST_OK;
}

static enum status fill_array(const json_t *template, const json_t *message,
                              const struct ring *pins, json_t **ret)
{
    json_t *array = json_array();
    enum status status = array == NULL ? ST_NOMEM : ST_OK;
    size_t i;
    json_t *value;
    json_array_foreach(template, i, value)
    {
        json_t *filled = NULL;
        if (status == ST_OK)
            status = template_fill(value, message, pins, &filled);
        if (filled != NULL && json_array_append_new(array, filled) != 0)
            status = ST_NOMEM;
    }
    if (status != ST_OK) {
        json_decref(array);
        return status;
    }
    *ret = array;
    return ST_OK;
}

enum status template_fill(const json_t *template, const json_t *message, const struct ring *pins,
                          json_t **ret)
{
    if (json_is_string(template))
        return fill_text(template, message, ret);
    if (json_is_array(template))
        return fill_array(template, message, pins, ret);
    if (!json_is_object(template))
        return copy(template, ret);
    if (!is_directive(template))
        return fill_object(template, message, pins, ret);

    const char *pin = json_string_value(json_object_get(template, "$pin"));
    if (pin != NULL)
        return fill_pin(pin, message, pins, ret);
    const char *field = json_string_value(json_object_get(template, "$field"));
    const json_t *value = field_of(message, field);
    const json_t *fallback = json_object_get(template, "default");
    if (value != NULL || fallback == NULL)
        return copy(value, ret);
    return template_fill(fallback, message, pins, ret);
}
