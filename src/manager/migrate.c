#include "manager/migrate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "manager/ring.h"

/* What the two files hold. */
struct old_state {
    struct proplets *proplets;
    struct ring *launches;
    struct image *images; /* (image_count,) of room for IMAGES_MAX */
    size_t image_count;
    bool found;
};

/* ---- memory.json ---- */

static enum status read_launches(const json_t *document, struct old_state *old, struct why *why)
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
        status = ring_put(old->launches, id.text, NULL);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status read_proplet(const json_t *object, struct old_state *old, struct why *why)
{
    struct id id;
    const char *topic = "own";
    enum status status = jsn_id(object, "proplet_id", JSN_REQUIRED, &id, why);
    if (status == ST_OK)
        status = jsn_str(object, "start_topic", JSN_OPTIONAL, ID_SIZE_MAX, &topic, why);
    if (status != ST_OK)
        return status;
    enum start_topic start_topic = strcmp(topic, "own") == 0 ? START_OWN : START_SHARED;
    return proplets_expect(old->proplets, &id, start_topic, 0);
}

static enum status read_proplets(const json_t *document, struct old_state *old, struct why *why)
{
    json_t *array = NULL;
    json_t *value;
    size_t i;
    enum status status = jsn_array(document, "proplets", JSN_REQUIRED, PROPLETS_MAX, &array, why);
    if (status != ST_OK)
        return status;
    json_array_foreach(array, i, value)
    {
        status = read_proplet(value, old, why);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status read_memory(const json_t *document, struct old_state *old, struct why *why)
{
    enum status status = read_launches(document, old, why);
    return status == ST_OK ? read_proplets(document, old, why) : status;
}

/* ---- images.json ---- */

static enum status read_image(const json_t *object, struct old_state *old, struct why *why)
{
    struct image image = {0};
    const char *name = "";
    const char *digest = NULL;
    enum status status = jsn_str(object, "name", JSN_OPTIONAL, IMAGE_NAME_MAX, &name, why);
    if (status == ST_OK)
        status = jsn_str(object, "digest", JSN_REQUIRED, DIGEST_TEXT_SIZE - 1, &digest, why);
    if (status == ST_OK)
        status = jsn_uint(object, "size", JSN_REQUIRED, 1, IMAGE_SIZE_MAX, &image.size, why);
    if (status != ST_OK)
        return status;
    strcpy(image.name, name);
    status = digest_parse(digest, &image.digest);
    if (status != ST_OK)
        why_set(why, "digest is not sha256: and 64 digits");
    else
        old->images[old->image_count++] = image;
    return status;
}

static enum status read_images(const json_t *document, struct old_state *old, struct why *why)
{
    json_t *array = NULL;
    enum status status = jsn_array(document, "images", JSN_REQUIRED, IMAGES_MAX, &array, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(array); i++)
        status = read_image(json_array_get(array, i), old, why);
    return status;
}

/* ---- both ---- */

static enum status path_of(const char *folder, const char *name, char ret[PATH_MAX])
{
    return snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX ? ST_OK : ST_IO;
}

typedef enum status (*read_document_fn)(const json_t *document, struct old_state *old,
                                        struct why *why);

static enum status read_one(const char *folder, const char *name, read_document_fn read_document,
                            struct old_state *old, struct why *why)
{
    char path[PATH_MAX];
    struct bytes text = {0};
    json_t *document = NULL;
    struct why inner = {""};
    enum status status = path_of(folder, name, path);
    if (status == ST_OK)
        status = file_read(path, JSON_SIZE_MAX, &text);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    old->found = true;
    why_set(&inner, "%s", status_name(status));
    if (status == ST_OK)
        status = jsn_parse(bytes_view(&text), JSON_SIZE_MAX, &document, &inner);
    if (status == ST_OK)
        status = read_document(document, old, &inner);
    json_decref(document);
    bytes_done(&text);
    if (status != ST_OK)
        why_set(why, "%s cannot be used: %s", path, inner.text);
    return status == ST_OK || status == ST_NOMEM || status == ST_IO ? status : ST_MALFORMED;
}

static enum status write_all(struct store *store, const struct old_state *old)
{
    size_t cursor = 0;
    const char *launch_id;
    store_begin(store);
    while ((launch_id = ring_next(old->launches, &cursor)) != NULL)
        store_put_launch(store, launch_id);
    for (size_t i = 0; i < proplets_count(old->proplets); i++)
        store_put_proplet(store, i, proplets_at(old->proplets, i));
    store_put_images(store, old->images, old->image_count);
    return store_commit(store);
}

static enum status rename_one(const char *folder, const char *name)
{
    char path[PATH_MAX], target[PATH_MAX], migrated[64];
    (void)snprintf(migrated, sizeof migrated, "%s.migrated", name);
    if (path_of(folder, name, path) != ST_OK || path_of(folder, migrated, target) != ST_OK)
        return ST_IO;
    return rename(path, target) == 0 || errno == ENOENT ? ST_OK : ST_IO;
}

static enum status read_and_write(const char *folder, struct store *store, struct old_state *old,
                                  struct why *why)
{
    enum status status = proplets_new(PROPLETS_MAX, 1, 1, &old->proplets);
    if (status == ST_OK)
        status = ring_new(LAUNCHES_SEEN_MAX, &old->launches);
    if (status == ST_OK && (old->images = calloc(IMAGES_MAX, sizeof *old->images)) == NULL)
        status = ST_NOMEM;
    if (status == ST_OK)
        status = read_one(folder, "memory.json", read_memory, old, why);
    if (status == ST_OK)
        status = read_one(folder, "images.json", read_images, old, why);
    if (status != ST_OK || !old->found)
        return status;
    status = write_all(store, old);
    if (status != ST_OK)
        why_set(why, "what %s held could not be recorded: %s", folder, status_name(status));
    return status;
}

enum status migrate_files(const char *folder, struct store *store, struct why *why)
{
    struct old_state old = {0};
    bool empty = false;
    why_set(why, "no memory");
    enum status status = store_empty(store, &empty);
    if (status == ST_OK && empty)
        status = read_and_write(folder, store, &old, why);
    if (status == ST_OK)
        status = rename_one(folder, "memory.json");
    if (status == ST_OK) {
        status = rename_one(folder, "images.json");
        if (status != ST_OK)
            why_set(why, "the old files in %s cannot be renamed", folder);
    }
    proplets_free(old.proplets);
    ring_free(old.launches);
    free(old.images);
    return status;
}
