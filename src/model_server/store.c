#include "model_server/store.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/file.h"

#define STORE_MAGIC 0x73746f72u /* "stor" */

struct store {
    uint32_t magic;
    char folder[PATH_MAX];
    struct stored_version *versions; /* (count,), in the order they came */
    size_t count;
};

static const char *form_name(enum model_form form)
{
    return form == MODEL_JSON ? "json" : "safetensors";
}

static enum status path_of(const struct store *s, const char *file, char ret[PATH_MAX])
{
    int size = snprintf(ret, PATH_MAX, "%s/%s", s->folder, file);
    return size > 0 && size < PATH_MAX ? ST_OK : ST_IO;
}

static enum status version_path(const struct store *s, const struct stored_version *v,
                                char ret[PATH_MAX])
{
    char file[FL_TOPIC_SIZE];
    (void)snprintf(file, sizeof file, "%s_v%llu.%s", v->ref.name.text,
                   (unsigned long long)v->ref.version, form_name(v->form));
    return path_of(s, file, ret);
}

/* ---- the index ---- */

json_t *store_index(const struct store *s)
{
    json_t *models = json_array();
    for (size_t i = 0; i < s->count; i++) {
        const struct stored_version *v = &s->versions[i];
        char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
        fl_topic_model(&v->ref, topic);
        digest_text(&v->digest, digest);
        json_t *entry =
            json_pack("{s:s,s:I,s:s,s:s,s:I,s:s,s:s}", "name", v->ref.name.text, "version",
                      (json_int_t)v->ref.version, "topic", topic, "digest", digest, "size",
                      (json_int_t)v->size, "form", form_name(v->form), "created_at", v->created_at);
        if (entry != NULL && v->round_id.text[0] != '\0')
            (void)json_object_set_new(entry, "round_id", json_string(v->round_id.text));
        if (json_array_append_new(models, entry) != 0) {
            json_decref(models);
            return NULL;
        }
    }
    return json_pack("{s:o}", "models", models);
}

static enum status write_index(const struct store *s)
{
    char path[PATH_MAX];
    enum status status = path_of(s, "index.json", path);
    if (status != ST_OK)
        return status;
    json_t *index = store_index(s);
    char *text = index == NULL ? NULL : jsn_text(index);
    json_decref(index);
    if (text == NULL)
        return ST_NOMEM;
    status = file_write(path, view_text(text));
    free(text);
    return status;
}

static enum status read_entry(const json_t *entry, struct stored_version *ret, struct why *why)
{
    const char *digest = NULL, *form = NULL, *created_at = "";
    struct stored_version v = {0};
    enum status status = json_is_object(entry) ? ST_OK : ST_INVALID;
    if (status == ST_OK)
        status = jsn_id(entry, "name", JSN_REQUIRED, &v.ref.name, why);
    if (status == ST_OK)
        status =
            jsn_uint(entry, "version", JSN_REQUIRED, 0, UINT64_C(1) << 53, &v.ref.version, why);
    if (status == ST_OK)
        status = jsn_str(entry, "digest", JSN_REQUIRED, DIGEST_TEXT_SIZE, &digest, why);
    if (status == ST_OK)
        status = digest_parse(digest, &v.digest);
    if (status == ST_OK)
        status = jsn_uint(entry, "size", JSN_REQUIRED, 1, MESSAGE_SIZE_MAX, &v.size, why);
    if (status == ST_OK)
        status = jsn_str(entry, "form", JSN_REQUIRED, 16, &form, why);
    if (status == ST_OK)
        status = jsn_id(entry, "round_id", JSN_OPTIONAL, &v.round_id, why);
    if (status == ST_OK)
        status =
            jsn_str(entry, "created_at", JSN_OPTIONAL, sizeof v.created_at - 1, &created_at, why);
    if (status != ST_OK)
        return status;
    if (strcmp(form, "json") != 0 && strcmp(form, "safetensors") != 0)
        return ST_INVALID;
    v.form = strcmp(form, "json") == 0 ? MODEL_JSON : MODEL_SAFETENSORS;
    (void)snprintf(v.created_at, sizeof v.created_at, "%s", created_at);
    *ret = v;
    return ST_OK;
}

static enum status read_entries(struct store *s, struct view text, struct why *why)
{
    json_t *index = NULL, *models = NULL;
    enum status status = jsn_parse(text, JSON_SIZE_MAX, &index, why);
    if (status == ST_OK)
        status = jsn_array(index, "models", JSN_REQUIRED, STORE_VERSIONS_MAX, &models, why);
    size_t count = status == ST_OK ? json_array_size(models) : 0;
    if (count > 0 && (s->versions = calloc(count, sizeof *s->versions)) == NULL)
        status = ST_NOMEM;
    for (size_t i = 0; status == ST_OK && i < count; i++) {
        struct stored_version v;
        status = read_entry(json_array_get(models, i), &v, why);
        if (status == ST_OK && store_find(s, &v.ref) != NULL) {
            why_set(why, "a version stands there twice");
            status = ST_INVALID;
        }
        if (status == ST_OK)
            s->versions[s->count++] = v;
    }
    json_decref(index);
    return status;
}

static enum status read_index(struct store *s, struct why *why)
{
    char path[PATH_MAX];
    struct bytes text = {0};
    struct why inner = {{0}};
    enum status status = path_of(s, "index.json", path);
    if (status == ST_OK)
        status = file_read(path, JSON_SIZE_MAX, &text);
    if (status == ST_NOT_FOUND)
        return ST_OK; /* a new folder */
    if (status == ST_OK) {
        status = read_entries(s, bytes_view(&text), &inner);
        if (status != ST_OK && status != ST_NOMEM)
            status = ST_CORRUPT;
    }
    if (status != ST_OK)
        why_set(why, "%.100s cannot be read (%s): %.100s", path, status_name(status), inner.text);
    bytes_done(&text);
    return status;
}

/* ---- the folder ---- */

enum status store_open(const char *folder, struct store **ret, struct why *why)
{
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->magic = STORE_MAGIC;
    int size = snprintf(s->folder, sizeof s->folder, "%s", folder);
    enum status status = size > 0 && (size_t)size < sizeof s->folder ? ST_OK : ST_IO;
    if (status == ST_OK)
        status = file_make_folder(folder);
    if (status != ST_OK)
        why_set(why, "the folder %.150s cannot be made: %s", folder, status_name(status));
    else
        status = read_index(s, why);
    if (status != ST_OK) {
        store_close(s);
        return status;
    }
    *ret = s;
    return ST_OK;
}

size_t store_count(const struct store *s)
{
    return s->count;
}

const struct stored_version *store_at(const struct store *s, size_t index)
{
    assert(index < s->count);
    return &s->versions[index];
}

const struct stored_version *store_find(const struct store *s, const struct model_ref *ref)
{
    /* The newest are asked for most. */
    for (size_t i = s->count; i-- > 0;)
        if (s->versions[i].ref.version == ref->version &&
            id_equal(&s->versions[i].ref.name, &ref->name))
            return &s->versions[i];
    return NULL;
}

static enum status append(struct store *s, const struct stored_version *v)
{
    struct stored_version *grown = realloc(s->versions, (s->count + 1) * sizeof *grown);
    if (grown == NULL)
        return ST_NOMEM;
    s->versions = grown;
    s->versions[s->count++] = *v;
    enum status status = write_index(s);
    if (status != ST_OK)
        s->count--;
    return status;
}

enum status store_put(struct store *s, struct stored_version *version, struct view bytes)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    version->digest = digest_of(bytes);
    version->size = bytes.size;
    const struct stored_version *old = store_find(s, &version->ref);
    if (old != NULL && !digest_equal(&old->digest, &version->digest))
        return ST_EXISTS;
    if (old == NULL && s->count >= STORE_VERSIONS_MAX)
        return ST_LIMIT;

    /* Written again even if the index knows it: the file may have been damaged. */
    char path[PATH_MAX];
    enum status status = version_path(s, version, path);
    if (status == ST_OK)
        status = file_write(path, bytes);
    if (status != ST_OK || old != NULL)
        return status;
    return append(s, version);
}

enum status store_get(struct store *s, const struct stored_version *version, struct bytes *ret)
{
    char path[PATH_MAX];
    struct bytes fresh = {0};
    enum status status = version_path(s, version, path);
    if (status == ST_OK)
        status = file_read(path, (size_t)version->size, &fresh);
    if (status == ST_LIMIT)
        return ST_CORRUPT; /* larger than it was */
    if (status != ST_OK)
        return status;
    struct digest found = digest_of(bytes_view(&fresh));
    if (!digest_equal(&found, &version->digest)) {
        bytes_done(&fresh);
        return ST_CORRUPT;
    }
    bytes_done(ret);
    *ret = fresh;
    return ST_OK;
}

struct store *store_close(struct store *s)
{
    if (s == NULL)
        return NULL;
    free(s->versions);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}
