#include "manager/images.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/blobs.h"
#include "manager/store.h"

struct cached {
    bool used;
    uint64_t last_use;
    struct digest digest;
    struct bytes module;
    struct manifest manifest;
};

struct images {
    struct store *store;
    struct blobs *blobs;
    struct image *list; /* (count,) of room for IMAGES_MAX; the oldest first */
    size_t count;
    uint64_t uses;
    struct cached cache[IMAGES_CACHED_MAX];
};

/* ---- the list of names ---- */

static enum status restore(void *owner, const struct image *image)
{
    struct images *s = owner;
    if (!blobs_has(s->blobs, &image->digest))
        return ST_OK;
    if (s->count >= IMAGES_MAX)
        return ST_LIMIT;
    s->list[s->count++] = *image;
    return ST_OK;
}

static enum status record(struct images *s, const struct image *list, size_t count)
{
    store_begin(s->store);
    store_put_images(s->store, list, count);
    return store_commit(s->store);
}

enum status images_open(const char *folder, struct store *store, struct images **ret,
                        struct why *why)
{
    char path[PATH_MAX];
    struct images *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    enum status status = ST_OK;
    s->store = store;
    s->list = calloc(IMAGES_MAX, sizeof *s->list);
    if (s->list == NULL)
        status = ST_NOMEM;
    else if (snprintf(path, sizeof path, "%s/blobs", folder) >= (int)sizeof path)
        status = ST_IO;
    if (status == ST_OK)
        status = blobs_open(path, &s->blobs);
    if (status != ST_OK)
        why_set(why, "the folder %s cannot be used: %s", folder, status_name(status));
    else
        status = store_read(store, &(struct store_visitor){.image = restore, .owner = s}, why);
    if (status != ST_OK) {
        images_close(s);
        return status;
    }
    *ret = s;
    return ST_OK;
}

const struct image *images_by_digest(const struct images *s, const struct digest *digest)
{
    for (size_t i = s->count; i > 0; i--)
        if (digest_equal(&s->list[i - 1].digest, digest))
            return &s->list[i - 1];
    return NULL;
}

const struct image *images_find(const struct images *s, const struct image_ref *ref)
{
    if (ref->by_digest)
        return images_by_digest(s, &ref->digest);
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->list[i].name, ref->name) == 0)
            return &s->list[i];
    return NULL;
}

/* ---- what is held in memory ---- */

static void forget(struct cached *c)
{
    bytes_done(&c->module);
    if (c->used)
        manifest_done(&c->manifest);
    *c = (struct cached){0};
}

static struct cached *cached(struct images *s, const struct digest *digest)
{
    for (size_t i = 0; i < IMAGES_CACHED_MAX; i++)
        if (s->cache[i].used && digest_equal(&s->cache[i].digest, digest))
            return &s->cache[i];
    return NULL;
}

/* ---- naming ---- */

static void drop(struct image *list, size_t *count, size_t index)
{
    memmove(&list[index], &list[index + 1], (*count - index - 1) * sizeof *list);
    (*count)--;
}

static bool holds(const struct image *list, size_t count, const struct digest *digest)
{
    for (size_t i = 0; i < count; i++)
        if (digest_equal(&list[i].digest, digest))
            return true;
    return false;
}

/* The name leaves the image that has it; that image stays as an old one, unless
 * another name keeps it. */
static void take_name(struct image *list, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i].name, name) != 0)
            continue;
        struct image image = list[i];
        drop(list, count, i);
        image.name[0] = '\0';
        if (!holds(list, *count, &image.digest))
            list[(*count)++] = image;
        return;
    }
}

static void drop_unnamed(struct image *list, size_t *count, const struct digest *digest)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i].name[0] == '\0' && digest_equal(&list[i].digest, digest)) {
            drop(list, count, i);
            return;
        }
    }
}

/* Old images go, the oldest first, until as many as old_max are left. */
static void drop_old(struct image *list, size_t *count, size_t old_max)
{
    size_t old = 0;
    for (size_t i = 0; i < *count; i++)
        old += list[i].name[0] == '\0';
    for (size_t i = 0; i < *count && old > old_max;) {
        if (list[i].name[0] != '\0') {
            i++;
            continue;
        }
        drop(list, count, i);
        old--;
    }
}

/* The list as it will be. room: at least s->count + 1 entries. */
static enum status plan(const struct images *s, const struct image *image, struct image *list,
                        size_t *ret_count)
{
    size_t count = s->count;
    memcpy(list, s->list, count * sizeof *list);
    take_name(list, &count, image->name);
    drop_unnamed(list, &count, &image->digest);
    drop_old(list, &count, IMAGES_OLD_MAX);
    if (count >= IMAGES_MAX)
        drop_old(list, &count, 0);
    if (count >= IMAGES_MAX)
        return ST_LIMIT;
    list[count++] = *image;
    *ret_count = count;
    return ST_OK;
}

/* Removes the bytes if no entry of the list has them; also from memory, or they
 * would seem to be there when they are pushed again. A file that cannot be
 * removed costs space only. */
static void discard_unlisted(struct images *s, const struct digest *digest)
{
    if (holds(s->list, s->count, digest))
        return;
    struct cached *c = cached(s, digest);
    if (c != NULL)
        forget(c);
    (void)!blobs_remove(s->blobs, digest);
}

enum status images_name(struct images *s, const char *name, const struct digest *digest)
{
    struct view module;
    struct image image = {.digest = *digest};
    if (strlen(name) > IMAGE_NAME_MAX)
        return ST_LIMIT;
    strcpy(image.name, name);
    enum status status = images_load(s, digest, &module, NULL);
    if (status != ST_OK)
        return status;
    image.size = module.size;

    size_t count;
    struct image *list = calloc(IMAGES_MAX + 1, sizeof *list);
    if (list == NULL)
        return ST_NOMEM;
    status = plan(s, &image, list, &count);
    if (status == ST_OK)
        status = record(s, list, count);
    if (status == ST_OK) {
        struct image *old = s->list;
        size_t old_count = s->count;
        s->list = list;
        s->count = count;
        list = old;
        for (size_t i = 0; i < old_count; i++)
            discard_unlisted(s, &old[i].digest);
    }
    discard_unlisted(s, digest); /* it was refused, and nothing else has these bytes */
    free(list);
    return status;
}

enum status images_put(struct images *s, struct view module, struct digest *ret_digest)
{
    if (module.size < 4 || memcmp(module.data, "\0asm", 4) != 0)
        return ST_MALFORMED;
    return blobs_put(s->blobs, module, ret_digest);
}

/* ---- serving ---- */

/* The slot that was not used for the longest time. */
static struct cached *stalest(struct images *s)
{
    struct cached *c = &s->cache[0];
    for (size_t i = 1; i < IMAGES_CACHED_MAX; i++)
        if (s->cache[i].last_use < c->last_use)
            c = &s->cache[i];
    return c;
}

static enum status load(struct images *s, const struct digest *digest, struct cached **ret)
{
    struct cached fresh = {.digest = *digest};
    enum status status = blobs_get(s->blobs, digest, IMAGE_SIZE_MAX, &fresh.module);
    if (status != ST_OK)
        return status == ST_LIMIT ? ST_CORRUPT : status;
    status = manifest_of(bytes_view(&fresh.module), PART_SIZE, &fresh.manifest);
    if (status != ST_OK) {
        bytes_done(&fresh.module);
        return status;
    }
    fresh.used = true;
    struct cached *c = stalest(s);
    forget(c);
    *c = fresh;
    *ret = c;
    return ST_OK;
}

enum status images_load(struct images *s, const struct digest *digest, struct view *ret_module,
                        const struct manifest **ret_manifest)
{
    struct cached *c = cached(s, digest);
    enum status status = c != NULL ? ST_OK : load(s, digest, &c);
    if (status != ST_OK)
        return status;
    c->last_use = ++s->uses;
    if (ret_module != NULL)
        *ret_module = bytes_view(&c->module);
    if (ret_manifest != NULL)
        *ret_manifest = &c->manifest;
    return ST_OK;
}

size_t images_count(const struct images *s)
{
    return s->count;
}

const struct image *images_at(const struct images *s, size_t index)
{
    assert(index < s->count);
    return &s->list[index];
}

struct images *images_close(struct images *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < IMAGES_CACHED_MAX; i++)
        forget(&s->cache[i]);
    blobs_close(s->blobs);
    free(s->list);
    free(s);
    return NULL;
}
