#include "model_server/store.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/file.h"
#include "io/map.h"

#define STORE_MAGIC  0x73746f72u /* "stor" */
#define INDEX_NAME   "index.json"
#define GROWTH_FIRST 64u

struct store {
    uint32_t magic;
    char *folder;
    size_t count, capacity;
    struct version *versions; /* (count,), oldest first */
    size_t channel_count, channel_capacity;
    struct channel *channels;
    size_t event_count, event_capacity;
    struct event *events; /* oldest first */
    /* The records and the lines as they stand in the index, with commas between: what
     * was written once is not made again for each version that comes. */
    struct bytes versions_text, events_text;
    bool has_index;          /* index.json was read or written; then */
    struct digest index_was; /* what is in it */
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

/* ---- the lists ---- */

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

const struct version *store_find_bytes(const struct store *s, const struct digest *d)
{
    for (size_t i = store_count(s); i > 0; i--) {
        const struct version *v = &s->versions[i - 1];
        if (!version_is_deleted(v) && digest_equal(&v->digest, d))
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

size_t store_channel_count(const struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    return s->channel_count;
}

const struct channel *store_channel_at(const struct store *s, size_t index)
{
    assert(index < store_channel_count(s));
    return &s->channels[index];
}

const struct channel *store_channel(const struct store *s, const struct id *model,
                                    const struct id *channel)
{
    for (size_t i = 0; i < store_channel_count(s); i++)
        if (id_equal(&s->channels[i].model, model) && id_equal(&s->channels[i].name, channel))
            return &s->channels[i];
    return NULL;
}

bool store_is_pointed_at(const struct store *s, const struct version *v)
{
    for (size_t i = 0; i < store_channel_count(s); i++)
        if (s->channels[i].version == v->ref.version &&
            id_equal(&s->channels[i].model, &v->ref.name))
            return true;
    return false;
}

size_t store_event_count(const struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    return s->event_count;
}

const struct event *store_event_at(const struct store *s, size_t index)
{
    assert(index < store_event_count(s));
    return &s->events[index];
}

/* Makes room for one more in an array. */
static enum status grow(void **items, size_t *capacity, size_t count, size_t size, size_t max)
{
    if (count >= max)
        return ST_LIMIT;
    if (count < *capacity)
        return ST_OK;
    size_t larger = *capacity == 0 ? GROWTH_FIRST : 2 * *capacity;
    void *grown = realloc(*items, larger * size);
    if (grown == NULL)
        return ST_NOMEM;
    *items = grown;
    *capacity = larger;
    return ST_OK;
}

/* takes: item; NULL: no memory */
static enum status append_text(struct bytes *list, json_t *item)
{
    char *text = item == NULL ? NULL : jsn_text(item);
    json_decref(item);
    if (text == NULL)
        return ST_NOMEM;
    size_t before = list->size;
    enum status status =
        before == 0 ? ST_OK : bytes_append(list, view_text(","), MODEL_INDEX_SIZE_MAX);
    if (status == ST_OK)
        status = bytes_append(list, view_text(text), MODEL_INDEX_SIZE_MAX);
    if (status != ST_OK)
        list->size = before;
    free(text);
    return status;
}

static enum status push_version(struct store *s, const struct version *v)
{
    enum status status = grow((void **)&s->versions, &s->capacity, s->count, sizeof *s->versions,
                              MODEL_VERSIONS_MAX);
    if (status != ST_OK)
        return status;
    const struct version *before = store_newest(s, &v->ref.name);
    uint64_t ordinal = before == NULL ? 1 : before->ordinal + 1;
    status = append_text(&s->versions_text, version_to_json(v));
    if (status != ST_OK)
        return status;
    s->versions[s->count] = *v;
    s->versions[s->count++].ordinal = ordinal;
    return ST_OK;
}

static enum status push_channel(struct store *s, const struct channel *c)
{
    enum status status = grow((void **)&s->channels, &s->channel_capacity, s->channel_count,
                              sizeof *s->channels, MODEL_CHANNELS_MAX);
    if (status == ST_OK)
        s->channels[s->channel_count++] = *c;
    return status;
}

/* However often channels are moved by hand, each version that can still come has
 * its line. */
static enum status push_event(struct store *s, const struct event *e)
{
    size_t reserved = e->kind == EVENT_PUBLISHED ? 0 : MODEL_VERSIONS_MAX - s->count;
    enum status status = grow((void **)&s->events, &s->event_capacity, s->event_count,
                              sizeof *s->events, MODEL_EVENTS_MAX - reserved);
    if (status == ST_OK)
        status = append_text(&s->events_text, event_to_json(e));
    if (status == ST_OK)
        s->events[s->event_count++] = *e;
    return status;
}

/* ---- the index, written ---- */

static enum status put(struct bytes *out, const char *text)
{
    return bytes_append(out, view_text(text), MODEL_INDEX_SIZE_MAX);
}

/* Appends ,"key":[list] */
static enum status put_list(struct bytes *out, const char *key, const struct bytes *list)
{
    enum status status = put(out, key);
    if (status == ST_OK)
        status = bytes_append(out, bytes_view(list), MODEL_INDEX_SIZE_MAX);
    return status == ST_OK ? put(out, "]") : status;
}

/* How the index begins, both of them; keys are sorted, as jsn_text() has them. */
static enum status put_channels(const struct store *s, struct bytes *out)
{
    struct bytes list = {0};
    enum status status = ST_OK;
    for (size_t i = 0; i < s->channel_count && status == ST_OK; i++)
        status = append_text(&list, channel_to_json(&s->channels[i]));
    if (status == ST_OK)
        status = put_list(out, "{\"channels\":[", &list);
    bytes_done(&list);
    return status;
}

char *store_index(const struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    struct bytes out = {0};
    enum status status = put_channels(s, &out);
    if (status == ST_OK)
        status = put_list(&out, ",\"models\":[", &s->versions_text);
    if (status == ST_OK)
        status = put(&out, "}");
    char *text = status == ST_OK ? text_of(bytes_view(&out)) : NULL;
    bytes_done(&out);
    return text;
}

/* All but the check, which stands at *ret_place. */
static enum status put_unchecked(const struct store *s, struct bytes *out, size_t *ret_place)
{
    enum status status = put_channels(s, out);
    *ret_place = out->size;
    if (status == ST_OK)
        status = put_list(out, ",\"history\":[", &s->events_text);
    if (status == ST_OK)
        status = put_list(out, ",\"models\":[", &s->versions_text);
    return status == ST_OK ? put(out, "}") : status;
}

/* What is in index.json; "check" is the digest of all the rest. */
static enum status file_text(const struct store *s, struct bytes *ret)
{
    struct bytes rest = {0};
    size_t place;
    char digest[DIGEST_TEXT_SIZE], check[DIGEST_TEXT_SIZE + 16];
    enum status status = put_unchecked(s, &rest, &place);
    if (status == ST_OK) {
        struct digest d = digest_of(bytes_view(&rest));
        digest_text(&d, digest);
        (void)snprintf(check, sizeof check, ",\"check\":\"%s\"", digest);
        status = bytes_append(ret, view_of(rest.data, place), MODEL_INDEX_SIZE_MAX);
    }
    if (status == ST_OK)
        status = put(ret, check);
    if (status == ST_OK)
        status =
            bytes_append(ret, view_of(rest.data + place, rest.size - place), MODEL_INDEX_SIZE_MAX);
    bytes_done(&rest);
    return status;
}

/* A write can fail after its rename: then the index is there all the same. */
static bool index_is_as_it_was(const struct store *s, const char *path)
{
    struct bytes bytes = {0};
    enum status status = file_read(path, MODEL_INDEX_SIZE_MAX, &bytes);
    struct digest digest = digest_of(bytes_view(&bytes));
    bytes_done(&bytes);
    if (status != ST_OK)
        return !s->has_index && status == ST_NOT_FOUND;
    return s->has_index && digest_equal(&digest, &s->index_was);
}

/* Writes the lists as they are. ret_unchanged is set on failure. */
static enum status save(struct store *s, bool *ret_unchanged)
{
    char path[PATH_MAX];
    *ret_unchanged = true;
    enum status status = path_of_index(s, path);
    if (status != ST_OK)
        return status;
    struct bytes text = {0};
    status = file_text(s, &text); /* ST_LIMIT: it could not be read again */
    if (status == ST_OK) {
        status = file_write(path, bytes_view(&text));
        if (status != ST_OK)
            *ret_unchanged = index_is_as_it_was(s, path);
    }
    if (status == ST_OK) {
        s->has_index = true;
        s->index_was = digest_of(bytes_view(&text));
    }
    bytes_done(&text);
    return status;
}

/* ---- a change that may not come to be ---- */

struct undo {
    size_t count, channel_count, event_count;
    size_t versions_text, events_text; /* sizes */
    size_t moved;                      /* the channel that was moved, if it was there before */
    struct channel channel;
};

static struct undo undo_of(const struct store *s)
{
    return (struct undo){.count = s->count,
                         .channel_count = s->channel_count,
                         .event_count = s->event_count,
                         .versions_text = s->versions_text.size,
                         .events_text = s->events_text.size,
                         .moved = SIZE_MAX};
}

static void undo(struct store *s, const struct undo *u)
{
    s->count = u->count;
    s->channel_count = u->channel_count;
    s->event_count = u->event_count;
    s->versions_text.size = u->versions_text;
    s->events_text.size = u->events_text;
    if (u->moved != SIZE_MAX)
        s->channels[u->moved] = u->channel;
}

/* Moves or makes a channel and writes the history's line. */
static enum status move(struct store *s, const struct event *what, struct undo *u)
{
    struct event e = *what;
    struct channel c = {.model = e.model, .name = e.channel, .version = e.to};
    memcpy(c.moved_at, e.at, sizeof c.moved_at);
    memcpy(c.why, e.why, sizeof c.why);
    const struct channel *there = store_channel(s, &e.model, &e.channel);
    e.has_from = there != NULL;
    e.from = there == NULL ? 0 : there->version;
    enum status status = push_event(s, &e);
    if (status != ST_OK)
        return status;
    if (there == NULL)
        return push_channel(s, &c);
    u->moved = (size_t)(there - s->channels);
    u->channel = *there;
    s->channels[u->moved] = c;
    return ST_OK;
}

static struct event publication_of(const struct version *v)
{
    struct event e = {
        .kind = EVENT_PUBLISHED, .model = v->ref.name, .to = v->ref.version, .who = "publisher"};
    (void)snprintf(e.channel.text, sizeof e.channel.text, CHANNEL_LATEST);
    memcpy(e.at, v->created_at, sizeof e.at);
    (void)snprintf(e.why, sizeof e.why, v->round_id.text[0] == '\0' ? "published%s" : "round %s",
                   v->round_id.text);
    return e;
}

enum status store_move(struct store *s, const struct event *what)
{
    assert(s != NULL && s->magic == STORE_MAGIC && what != NULL);
    assert(what->kind == EVENT_POINTED || what->kind == EVENT_ROLLED_BACK);
    const struct model_ref ref = {what->model, what->to};
    const struct version *v = store_find(s, &ref);
    if (v == NULL || version_is_deleted(v))
        return ST_NOT_FOUND;
    const struct channel *there = store_channel(s, &what->model, &what->channel);
    if (there != NULL && there->version == what->to)
        return ST_OK;
    struct undo u = undo_of(s);
    bool unchanged;
    enum status status = move(s, what, &u);
    if (status == ST_OK)
        status = save(s, &unchanged);
    if (status != ST_OK)
        undo(s, &u);
    return status;
}

/* ---- the index, read: we wrote it, but the disk may have changed it ---- */

static enum status read_versions(struct store *s, const json_t *object, struct why *why)
{
    json_t *array;
    enum status status = jsn_array(object, "models", JSN_REQUIRED, MODEL_VERSIONS_MAX, &array, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(array); i++) {
        struct version v;
        status = version_from_json(json_array_get(array, i), &v, why);
        if (status == ST_OK && store_find(s, &v.ref) != NULL) {
            why_set(why, "version %llu of %s is there twice", (unsigned long long)v.ref.version,
                    v.ref.name.text);
            status = ST_INVALID;
        }
        if (status == ST_OK)
            status = push_version(s, &v);
    }
    return status;
}

static enum status read_channel(struct store *s, const json_t *object, struct why *why)
{
    struct channel c;
    enum status status = channel_from_json(object, &c, why);
    if (status != ST_OK)
        return status;
    const struct model_ref ref = {c.model, c.version};
    const struct version *v = store_find(s, &ref);
    if (v == NULL || version_is_deleted(v) || store_channel(s, &c.model, &c.name) != NULL) {
        why_set(why, "channel %s of %s points at nothing, or is there twice", c.name.text,
                c.model.text);
        return ST_INVALID;
    }
    return push_channel(s, &c);
}

static enum status read_channels(struct store *s, const json_t *object, struct why *why)
{
    json_t *array = NULL;
    enum status status =
        jsn_array(object, "channels", JSN_OPTIONAL, MODEL_CHANNELS_MAX, &array, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(array); i++)
        status = read_channel(s, json_array_get(array, i), why);
    return status;
}

/* An index from before there were channels. */
static enum status add_missing_latest(struct store *s)
{
    struct id latest = {CHANNEL_LATEST};
    enum status status = ST_OK;
    for (size_t i = s->count; i > 0 && status == ST_OK; i--) {
        const struct version *v = &s->versions[i - 1];
        if (store_channel(s, &v->ref.name, &latest) != NULL)
            continue;
        struct channel c = {.model = v->ref.name, .name = latest, .version = v->ref.version};
        struct event e = publication_of(v);
        memcpy(c.moved_at, e.at, sizeof c.moved_at);
        memcpy(c.why, e.why, sizeof c.why);
        status = push_channel(s, &c);
    }
    return status;
}

static enum status read_events(struct store *s, const json_t *object, struct why *why)
{
    json_t *array = NULL;
    enum status status = jsn_array(object, "history", JSN_OPTIONAL, MODEL_EVENTS_MAX, &array, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(array); i++) {
        struct event e;
        status = event_from_json(json_array_get(array, i), &e, why);
        if (status == ST_OK)
            status = push_event(s, &e);
    }
    return status;
}

/* The digest of an object's text, as JSON. gives: a new reference; NULL: no memory */
static json_t *check_of(const json_t *object)
{
    char *text = jsn_text(object), digest[DIGEST_TEXT_SIZE];
    if (text == NULL)
        return NULL;
    struct digest d = digest_of(view_text(text));
    digest_text(&d, digest);
    free(text);
    return json_string(digest);
}

static enum status verify(json_t *object, struct why *why)
{
    json_t *said = json_incref(json_object_get(object, "check"));
    if (said == NULL && json_object_get(object, "channels") == NULL)
        return ST_OK; /* from before there was either */
    (void)json_object_del(object, "check");
    json_t *found = check_of(object);
    bool same = json_equal(said, found) == 1;
    enum status status = found == NULL ? ST_NOMEM : same ? ST_OK : ST_INVALID;
    if (status == ST_INVALID)
        why_set(why, "its digest is not the one that was written with it");
    json_decref(said);
    json_decref(found);
    return status;
}

static enum status read_lists(struct store *s, json_t *object, struct why *why)
{
    enum status status = verify(object, why);
    if (status == ST_OK)
        status = read_versions(s, object, why);
    if (status == ST_OK)
        status = read_channels(s, object, why);
    if (status == ST_OK)
        status = read_events(s, object, why);
    if (status == ST_OK)
        status = add_missing_latest(s);
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
        status = read_lists(s, object, &inner);
    if (status == ST_OK) {
        s->has_index = true;
        s->index_was = digest_of(bytes_view(&bytes));
    }
    if (status == ST_MALFORMED || status == ST_INVALID || status == ST_LIMIT ||
        status == ST_NOT_FINITE) {
        why_set(why, "%s is damaged (%.150s); put back a copy, or move the folder away", path,
                inner.text);
        status = ST_CORRUPT;
    }
    json_decref(object);
    bytes_done(&bytes);
    return status;
}

/* A crash after the index and before the removal leaves bytes that are deleted. */
static void remove_deleted(const struct store *s)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < s->count; i++)
        if (version_is_deleted(&s->versions[i]) && path_of(s, &s->versions[i], path) == ST_OK)
            (void)remove(path);
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
        status = file_sweep(folder);
    if (status == ST_OK)
        status = read_index(s, why);
    if (status == ST_OK) {
        remove_deleted(s);
        *ret = s;
        return ST_OK;
    }
    if (status != ST_CORRUPT)
        why_set(why, "%s cannot be used: %s", folder, status_name(status));
    store_close(s);
    return status;
}

/* ---- versions, written and read ---- */

static enum status read_checked(const char *path, const struct version *v, struct view *ret)
{
    struct view bytes;
    enum status status = map_open(path, v->size, &bytes);
    if (status == ST_LIMIT || status == ST_INVALID)
        return ST_CORRUPT; /* longer than what was stored, or empty */
    if (status != ST_OK)
        return status;
    struct digest digest = digest_of(bytes);
    if (!digest_equal(&digest, &v->digest)) {
        map_close(&bytes);
        return ST_CORRUPT;
    }
    *ret = bytes;
    return ST_OK;
}

/* Whether the file is there and right, as a status. */
static enum status check_file(const char *path, const struct version *v)
{
    struct view bytes = {0};
    enum status status = read_checked(path, v, &bytes);
    map_close(&bytes);
    return status;
}

enum status store_path(const struct store *s, const struct version *v, char ret[PATH_MAX])
{
    assert(s != NULL && s->magic == STORE_MAGIC && v != NULL && ret != NULL);
    return path_of(s, v, ret);
}

enum status store_read(const struct store *s, const struct version *v, struct view *ret)
{
    assert(s != NULL && s->magic == STORE_MAGIC && v != NULL && ret != NULL);
    if (version_is_deleted(v))
        return ST_NOT_FOUND;
    char path[PATH_MAX];
    enum status status = path_of(s, v, path);
    return status == ST_OK ? read_checked(path, v, ret) : status;
}

/* Makes the file of v hold bytes. One that is there and is not in the index was
 * left by a crash (then it is the same), or is somebody's: it is not touched. */
static enum status write_new(const char *path, const struct version *v, struct view bytes,
                             bool *ret_made)
{
    enum status status = check_file(path, v);
    *ret_made = status == ST_NOT_FOUND;
    if (status == ST_NOT_FOUND)
        return file_write(path, bytes);
    return status == ST_CORRUPT ? ST_EXISTS : status;
}

/* The record, `latest` and the line of history, in one write. */
static enum status record(struct store *s, const struct version *v, bool *ret_unchanged)
{
    struct undo u = undo_of(s);
    struct event published = publication_of(v);
    *ret_unchanged = true;
    enum status status = push_version(s, v);
    if (status == ST_OK)
        status = move(s, &published, &u);
    if (status == ST_OK)
        status = save(s, ret_unchanged);
    if (status != ST_OK)
        undo(s, &u);
    return status;
}

static enum status add_new(struct store *s, const struct version *v, struct view bytes)
{
    char path[PATH_MAX];
    bool made = false, unchanged = true;
    enum status status = path_of(s, v, path);
    if (status == ST_OK && s->count == MODEL_VERSIONS_MAX)
        status = ST_LIMIT;
    if (status == ST_OK)
        status = write_new(path, v, bytes, &made);
    if (status != ST_OK)
        return status;
    status = record(s, v, &unchanged);
    /* Never from under an index that may speak of it after a crash. */
    if (status != ST_OK && made && unchanged)
        (void)remove(path);
    return status;
}

static enum status repair(const struct store *s, const struct version *v, struct view bytes)
{
    char path[PATH_MAX];
    enum status status = path_of(s, v, path);
    if (status == ST_OK)
        status = check_file(path, v);
    if (status == ST_CORRUPT || status == ST_NOT_FOUND)
        status = file_write(path, bytes);
    return status;
}

/* Whether other bytes stand in the way. ret_known: the version that is there, or NULL */
static enum status compare(const struct store *s, const struct version *v,
                           const struct version **ret_known)
{
    const struct version *known = store_find(s, &v->ref);
    if (known != NULL && !digest_equal(&known->digest, &v->digest))
        return ST_EXISTS;
    if (known != NULL && version_is_deleted(known))
        return ST_NOT_FOUND;
    *ret_known = known;
    return ST_OK;
}

enum status store_expect(const struct store *s, const struct version *v, bool *ret_there)
{
    assert(s != NULL && s->magic == STORE_MAGIC && v != NULL && ret_there != NULL);
    char path[PATH_MAX];
    const struct version *known;
    enum status status = compare(s, v, &known);
    if (status == ST_OK)
        status = path_of(s, v, path);
    if (status != ST_OK)
        return status;
    *ret_there = false;
    if (known == NULL && s->count == MODEL_VERSIONS_MAX)
        return ST_LIMIT;
    status = check_file(path, v);
    if (known != NULL) { /* a damaged file of ours may be written anew */
        *ret_there = status == ST_OK;
        return ST_OK;
    }
    if (status == ST_OK) /* what a crash left */
        return ST_OK;
    if (status == ST_NOT_FOUND)
        return ST_OK;
    return status == ST_CORRUPT ? ST_EXISTS : status; /* somebody's: it is not touched */
}

enum status store_add(struct store *s, const struct version *facts, struct view bytes,
                      const struct version **ret)
{
    assert(s != NULL && s->magic == STORE_MAGIC && facts != NULL && ret != NULL);
    assert(bytes.size >= 1 && bytes.size <= MODEL_BYTES_MAX);
    struct version v = *facts;
    v.size = bytes.size;
    v.digest = digest_of(bytes);
    const struct version *known;
    enum status status = compare(s, &v, &known);
    if (status != ST_OK)
        return status;
    status = known != NULL ? repair(s, known, bytes) : add_new(s, &v, bytes);
    if (status == ST_OK)
        *ret = known != NULL ? known : &s->versions[s->count - 1];
    return status;
}

/* ---- deleting ---- */

static enum status record_deletions(struct store *s, const bool *chosen, const struct event *what)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < s->count && status == ST_OK; i++) {
        struct version *v = &s->versions[i];
        if (!chosen[i])
            continue;
        assert(!version_is_deleted(v) && !store_is_pointed_at(s, v));
        struct event e = *what;
        e.kind = EVENT_DELETED;
        e.model = v->ref.name;
        e.channel = (struct id){""};
        e.has_from = false;
        e.to = v->ref.version;
        status = push_event(s, &e);
        if (status == ST_OK)
            memcpy(v->deleted_at, what->at, sizeof v->deleted_at);
    }
    return status;
}

static enum status versions_again(const struct store *s, struct bytes *ret)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < s->count && status == ST_OK; i++)
        status = append_text(ret, version_to_json(&s->versions[i]));
    return status;
}

/* What stays is removed at the next start. */
static void remove_chosen(const struct store *s, const bool *chosen)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < s->count; i++)
        if (chosen[i] && path_of(s, &s->versions[i], path) == ST_OK)
            (void)remove(path);
}

enum status store_delete(struct store *s, const bool *chosen, const struct event *what)
{
    assert(s != NULL && s->magic == STORE_MAGIC && chosen != NULL && what != NULL);
    assert(what->at[0] != '\0');
    struct undo u = undo_of(s);
    struct bytes before = s->versions_text;
    bool unchanged;
    s->versions_text = (struct bytes){0};
    enum status status = record_deletions(s, chosen, what);
    if (status == ST_OK)
        status = versions_again(s, &s->versions_text);
    if (status == ST_OK)
        status = save(s, &unchanged);
    if (status == ST_OK) {
        bytes_done(&before);
        remove_chosen(s, chosen);
        return ST_OK;
    }
    bytes_done(&s->versions_text);
    s->versions_text = before;
    undo(s, &u);
    for (size_t i = 0; i < s->count; i++)
        if (chosen[i])
            s->versions[i].deleted_at[0] = '\0';
    return status;
}

struct store *store_close(struct store *s)
{
    if (s == NULL)
        return NULL;
    free(s->folder);
    free(s->versions);
    free(s->channels);
    free(s->events);
    bytes_done(&s->versions_text);
    bytes_done(&s->events_text);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}
