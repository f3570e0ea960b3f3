#include "model_server/store.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/file.h"

#define STORE_MAGIC  0x73746f72u /* "stor" */
#define INDEX_NAME   "index.json"
#define GROWTH_FIRST 64u

struct store {
    uint32_t magic;
    char *folder;
    size_t count, capacity;
    struct version *versions; /* (count,), oldest first */
};

/* ---- paths ---- */

static enum status path_of_index(const struct store *s, char ret[PATH_MAX])
{
    int size = snprintf(ret, PATH_MAX, "%s/" INDEX_NAME, s->folder);
    return size > 0 && size < PATH_MAX ? ST_OK : ST_LIMIT;
}

/* A name is an id, so this never leaves the folder. */
static enum status path_of(const struct store *s, const struct version *v, char ret[PATH_MAX])
{
    int size = snprintf(ret, PATH_MAX, "%s/%s_v%llu.%s", s->folder, v->ref.name.text,
                        (unsigned long long)v->ref.version, model_form_name(v->form));
    return size > 0 && size < PATH_MAX ? ST_OK : ST_LIMIT;
}

/* ---- the list ---- */

size_t store_count(const struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    return s->count;
}

const struct version *store_at(const struct store *s, size_t index)
{
    assert(index < store_count(s));
    return &s->versions[index];
}

const struct version *store_find(const struct store *s, const struct model_ref *ref)
{
    for (size_t i = store_count(s); i > 0; i--) {
        const struct version *v = &s->versions[i - 1];
        if (v->ref.version == ref->version && id_equal(&v->ref.name, &ref->name))
            return v;
    }
    return NULL;
}

const struct version *store_newest(const struct store *s, const struct id *name)
{
    for (size_t i = store_count(s); i > 0; i--)
        if (id_equal(&s->versions[i - 1].ref.name, name))
            return &s->versions[i - 1];
    return NULL;
}

static enum status make_room(struct store *s)
{
    if (s->count == MODEL_VERSIONS_MAX)
        return ST_LIMIT;
    if (s->count < s->capacity)
        return ST_OK;
    size_t capacity = s->capacity == 0 ? GROWTH_FIRST : 2 * s->capacity;
    struct version *grown = realloc(s->versions, capacity * sizeof *grown);
    if (grown == NULL)
        return ST_NOMEM;
    s->versions = grown;
    s->capacity = capacity;
    return ST_OK;
}

/* There is room. */
static void push(struct store *s, const struct version *v)
{
    const struct version *before = store_newest(s, &v->ref.name);
    uint64_t ordinal = before == NULL ? 1 : before->ordinal + 1;
    s->versions[s->count] = *v;
    s->versions[s->count++].ordinal = ordinal;
}

/* ---- the index, written ---- */

static json_t *version_to_json(const struct version *v)
{
    char topic[FL_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    fl_topic_model(&v->ref, topic);
    digest_text(&v->digest, digest);
    json_t *object = json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s}", "name", v->ref.name.text,
                               "version", (json_int_t)v->ref.version, "topic", topic, "digest",
                               digest, "size", (json_int_t)v->size, "form",
                               model_form_name(v->form), "created_at", v->created_at);
    if (object == NULL || v->round_id.text[0] == '\0' ||
        json_object_set_new(object, "round_id", json_string(v->round_id.text)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

char *store_index(const struct store *s)
{
    json_t *array = json_array();
    int failed = array == NULL;
    for (size_t i = 0; i < store_count(s) && !failed; i++)
        failed = json_array_append_new(array, version_to_json(&s->versions[i]));
    json_t *object = failed ? NULL : json_pack("{s:O}", "models", array);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    json_decref(array);
    return text;
}

static enum status write_index(const struct store *s)
{
    char path[PATH_MAX];
    enum status status = path_of_index(s, path);
    if (status != ST_OK)
        return status;
    char *text = store_index(s);
    if (text == NULL)
        return ST_NOMEM;
    status = file_write(path, view_text(text));
    free(text);
    return status;
}

/* ---- the index, read: we wrote it, but the disk may have changed it ---- */

static enum status read_form(const json_t *object, struct version *v, struct why *why)
{
    const char *form = "";
    enum status status = jsn_str(object, "form", JSN_REQUIRED, 16, &form, why);
    if (status != ST_OK)
        return status;
    v->form = strcmp(form, model_form_name(MODEL_JSON)) == 0 ? MODEL_JSON : MODEL_SAFETENSORS;
    if (strcmp(form, model_form_name(v->form)) != 0) {
        why_set(why, "form is neither json nor safetensors");
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status read_texts(const json_t *object, struct version *v, struct why *why)
{
    const char *created_at = "";
    enum status status = jsn_digest(object, "digest", JSN_REQUIRED, &v->digest, why);
    if (status == ST_OK)
        status = jsn_id(object, "round_id", JSN_OPTIONAL, &v->round_id, why);
    if (status == ST_OK)
        status =
            jsn_str(object, "created_at", JSN_OPTIONAL, sizeof v->created_at - 1, &created_at, why);
    if (status == ST_OK)
        memcpy(v->created_at, created_at, strlen(created_at) + 1);
    return status;
}

static enum status read_version(const json_t *object, struct version *v, struct why *why)
{
    enum status status = jsn_id(object, "name", JSN_REQUIRED, &v->ref.name, why);
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_REQUIRED, 0, FL_VERSION_MAX, &v->ref.version, why);
    if (status == ST_OK)
        status = jsn_uint(object, "size", JSN_REQUIRED, 1, MESSAGE_SIZE_MAX, &v->size, why);
    if (status == ST_OK)
        status = read_form(object, v, why);
    if (status == ST_OK)
        status = read_texts(object, v, why);
    return status;
}

static enum status read_versions(struct store *s, const json_t *object, struct why *why)
{
    json_t *array;
    enum status status = jsn_array(object, "models", JSN_REQUIRED, MODEL_VERSIONS_MAX, &array, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(array); i++) {
        struct version v = {0};
        status = read_version(json_array_get(array, i), &v, why);
        if (status == ST_OK && store_find(s, &v.ref) != NULL) {
            why_set(why, "version %llu of %s is there twice", (unsigned long long)v.ref.version,
                    v.ref.name.text);
            status = ST_INVALID;
        }
        if (status == ST_OK)
            status = make_room(s);
        if (status == ST_OK)
            push(s, &v);
    }
    return status;
}

static enum status read_index(struct store *s, struct why *why)
{
    char path[PATH_MAX];
    struct bytes bytes = {0};
    json_t *object = NULL;
    struct why inner = {0};
    enum status status = path_of_index(s, path);
    if (status != ST_OK)
        return status;
    status = file_read(path, MODEL_INDEX_SIZE_MAX, &bytes);
    if (status == ST_NOT_FOUND)
        return ST_OK;
    if (status == ST_OK)
        status = jsn_parse(bytes_view(&bytes), MODEL_INDEX_SIZE_MAX, &object, &inner);
    if (status == ST_OK)
        status = read_versions(s, object, &inner);
    if (status == ST_MALFORMED || status == ST_INVALID || status == ST_LIMIT) {
        why_set(why, "%s is damaged (%.150s); put back a copy, or move the folder away", path,
                inner.text);
        status = ST_CORRUPT;
    }
    json_decref(object);
    bytes_done(&bytes);
    return status;
}

enum status store_open(const char *folder, struct store **ret, struct why *why)
{
    assert(folder != NULL && ret != NULL);
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->magic = STORE_MAGIC;
    s->folder = strdup(folder);
    enum status status = s->folder == NULL ? ST_NOMEM : file_make_folder(folder);
    if (status == ST_OK)
        status = read_index(s, why);
    if (status == ST_OK) {
        *ret = s;
        return ST_OK;
    }
    if (status != ST_CORRUPT)
        why_set(why, "%s cannot be used: %s", folder, status_name(status));
    store_close(s);
    return status;
}

/* ---- versions, written and read ---- */

static enum status read_checked(const char *path, const struct version *v, struct bytes *ret)
{
    struct bytes bytes = {0};
    enum status status = file_read(path, (size_t)v->size, &bytes);
    if (status == ST_LIMIT)
        return ST_CORRUPT; /* longer than what was stored */
    if (status != ST_OK)
        return status;
    struct digest digest = digest_of(bytes_view(&bytes));
    if (!digest_equal(&digest, &v->digest)) {
        bytes_done(&bytes);
        return ST_CORRUPT;
    }
    bytes_done(ret);
    *ret = bytes;
    return ST_OK;
}

enum status store_read(const struct store *s, const struct version *v, struct bytes *ret)
{
    assert(s != NULL && s->magic == STORE_MAGIC && v != NULL && ret != NULL);
    char path[PATH_MAX];
    enum status status = path_of(s, v, path);
    return status == ST_OK ? read_checked(path, v, ret) : status;
}

/* Makes the file of v hold bytes. One that is there and is not in the index was
 * left by a crash (then it is the same), or is somebody's: it is not touched. */
static enum status write_new(const char *path, const struct version *v, struct view bytes,
                             bool *ret_made)
{
    struct bytes old = {0};
    enum status status = read_checked(path, v, &old);
    bytes_done(&old);
    *ret_made = status == ST_NOT_FOUND;
    if (status == ST_NOT_FOUND)
        return file_write(path, bytes);
    return status == ST_CORRUPT ? ST_EXISTS : status;
}

static enum status add_new(struct store *s, const struct version *v, struct view bytes)
{
    char path[PATH_MAX];
    bool made;
    enum status status = path_of(s, v, path);
    if (status == ST_OK)
        status = make_room(s);
    if (status == ST_OK)
        status = write_new(path, v, bytes, &made);
    if (status != ST_OK)
        return status;
    push(s, v);
    status = write_index(s);
    if (status != ST_OK) {
        s->count--;
        if (made)
            (void)remove(path);
    }
    return status;
}

static enum status repair(const struct store *s, const struct version *v, struct view bytes)
{
    struct bytes old = {0};
    char path[PATH_MAX];
    enum status status = path_of(s, v, path);
    if (status == ST_OK)
        status = read_checked(path, v, &old);
    bytes_done(&old);
    if (status == ST_CORRUPT || status == ST_NOT_FOUND)
        status = file_write(path, bytes);
    return status;
}

enum status store_add(struct store *s, const struct version *facts, struct view bytes,
                      const struct version **ret)
{
    assert(s != NULL && s->magic == STORE_MAGIC && facts != NULL && ret != NULL);
    assert(bytes.size >= 1 && bytes.size <= MESSAGE_SIZE_MAX);
    struct version v = *facts;
    v.size = bytes.size;
    v.digest = digest_of(bytes);
    const struct version *known = store_find(s, &v.ref);
    if (known != NULL && !digest_equal(&known->digest, &v.digest))
        return ST_EXISTS;
    enum status status = known != NULL ? repair(s, known, bytes) : add_new(s, &v, bytes);
    if (status == ST_OK)
        *ret = known != NULL ? known : &s->versions[s->count - 1];
    return status;
}

struct store *store_close(struct store *s)
{
    if (s == NULL)
        return NULL;
    free(s->folder);
    free(s->versions);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}
