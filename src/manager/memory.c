#include "manager/memory.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"

/* ---- load ---- */

static enum status load_launches(const json_t *document, struct ring *launches, struct why *why)
{
    json_t *array = NULL;
    json_t *value;
    size_t i;
    enum status status =
        jsn_array(document, "launches", JSN_REQUIRED, LAUNCHES_SEEN_MAX, &array, why);
    if (status != ST_OK)
        return status;
    json_array_foreach(array, i, value)
    {
        struct id id;
        const char *text = json_string_value(value);
        if (text == NULL || id_from(text, &id) != ST_OK) {
            why_set(why, "launches holds something that is not a name");
            return ST_MALFORMED;
        }
        status = ring_put(launches, id.text, NULL);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status load_proplet(const json_t *object, struct proplets *proplets, struct why *why)
{
    struct id id;
    const char *topic = "own";
    enum status status = jsn_id(object, "proplet_id", JSN_REQUIRED, &id, why);
    if (status == ST_OK)
        status = jsn_str(object, "start_topic", JSN_OPTIONAL, ID_SIZE_MAX, &topic, why);
    if (status != ST_OK)
        return status;
    enum start_topic start_topic = strcmp(topic, "own") == 0 ? START_OWN : START_SHARED;
    status = proplets_expect(proplets, &id, start_topic, 0);
    return status == ST_LIMIT ? ST_OK : status;
}

static enum status load_proplets(const json_t *document, struct proplets *proplets, struct why *why)
{
    json_t *array = NULL;
    json_t *value;
    size_t i;
    enum status status = jsn_array(document, "proplets", JSN_REQUIRED, PROPLETS_MAX, &array, why);
    if (status != ST_OK)
        return status;
    json_array_foreach(array, i, value)
    {
        status = load_proplet(value, proplets, why);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

enum status memory_load(const char *path, struct proplets *proplets, struct ring *launches,
                        struct why *why)
{
    struct bytes text = {0};
    json_t *document = NULL;
    struct why inner = {""};
    enum status status = file_read(path, JSON_SIZE_MAX, &text);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    why_set(&inner, "%s", status_name(status));
    if (status == ST_OK)
        status = jsn_parse(bytes_view(&text), JSON_SIZE_MAX, &document, &inner);
    if (status == ST_OK)
        status = load_launches(document, launches, &inner);
    if (status == ST_OK)
        status = load_proplets(document, proplets, &inner);
    json_decref(document);
    bytes_done(&text);
    if (status != ST_OK)
        why_set(why, "%s cannot be used: %s", path, inner.text);
    return status == ST_OK || status == ST_NOMEM || status == ST_IO ? status : ST_MALFORMED;
}

/* ---- save ---- */

static json_t *encode_launches(const struct ring *launches)
{
    json_t *array = json_array();
    size_t cursor = 0;
    const char *text;
    while ((text = ring_next(launches, &cursor)) != NULL) {
        if (json_array_append_new(array, json_string(text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *encode_proplets(const struct proplets *proplets)
{
    json_t *array = json_array();
    for (size_t i = 0; i < proplets_count(proplets); i++) {
        const struct proplet *p = proplets_at(proplets, i);
        if (p->state == PROPLET_LOST)
            continue;
        json_t *object = json_pack("{s:s, s:s}", "proplet_id", p->id.text, "start_topic",
                                   p->start_topic == START_OWN ? "own" : "shared");
        if (json_array_append_new(array, object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

enum status memory_save(const char *path, const struct proplets *proplets,
                        const struct ring *launches)
{
    /* json_pack() takes both references, also when it fails. */
    json_t *document = json_pack("{s:o, s:o}", "launches", encode_launches(launches), "proplets",
                                 encode_proplets(proplets));
    char *text = document == NULL ? NULL : jsn_text(document);
    json_decref(document);
    if (text == NULL)
        return ST_NOMEM;
    enum status status = file_write(path, view_text(text));
    free(text);
    return status;
}
