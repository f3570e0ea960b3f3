#include "coordinator/models.h"

#include <assert.h>
#include <stdlib.h>

#define MODELS_MAGIC 0x6d6f6473u /* "mods" */

struct cached {
    struct model_ref ref;
    struct digest digest;
    struct bytes bytes;
    uint64_t used; /* when it was needed last, in uses */
};

struct name {
    struct id name;
    uint64_t highest;
};

struct models {
    uint32_t magic;
    uint64_t uses;
    size_t bytes; /* of all cached */
    size_t cached_count;
    struct cached cached[MODELS_CACHED_MAX];
    size_t name_count;
    struct name names[MODEL_NAMES_MAX];
};

enum status models_new(struct models **ret)
{
    assert(ret != NULL);
    struct models *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ST_NOMEM;
    m->magic = MODELS_MAGIC;
    *ret = m;
    return ST_OK;
}

static struct cached *find(struct models *m, const struct model_ref *ref)
{
    assert(m != NULL && m->magic == MODELS_MAGIC && ref != NULL);
    for (size_t i = 0; i < m->cached_count; i++)
        if (m->cached[i].ref.version == ref->version &&
            id_equal(&m->cached[i].ref.name, &ref->name))
            return &m->cached[i];
    return NULL;
}

static void drop(struct models *m, struct cached *c)
{
    m->bytes -= c->bytes.size;
    bytes_done(&c->bytes);
    *c = m->cached[--m->cached_count];
}

static struct cached *longest_unused(struct models *m)
{
    struct cached *oldest = &m->cached[0];
    for (size_t i = 1; i < m->cached_count; i++)
        if (m->cached[i].used < oldest->used)
            oldest = &m->cached[i];
    return oldest;
}

enum status models_put(struct models *m, const struct model_ref *ref, struct view bytes,
                       const struct digest *digest)
{
    models_drop(m, ref);
    if (bytes.size > MODELS_CACHED_BYTES_MAX)
        return ST_LIMIT;
    while (m->cached_count == MODELS_CACHED_MAX || m->bytes + bytes.size > MODELS_CACHED_BYTES_MAX)
        drop(m, longest_unused(m));

    struct bytes copy = {0};
    enum status status = bytes_copy(&copy, bytes);
    if (status != ST_OK)
        return status;
    m->bytes += bytes.size;
    m->cached[m->cached_count++] =
        (struct cached){.ref = *ref, .digest = *digest, .bytes = copy, .used = ++m->uses};
    return ST_OK;
}

bool models_get(struct models *m, const struct model_ref *ref, struct view *ret_bytes,
                struct digest *ret_digest)
{
    struct cached *c = find(m, ref);
    if (c == NULL)
        return false;
    c->used = ++m->uses;
    *ret_bytes = bytes_view(&c->bytes);
    *ret_digest = c->digest;
    return true;
}

void models_drop(struct models *m, const struct model_ref *ref)
{
    struct cached *c = find(m, ref);
    if (c != NULL)
        drop(m, c);
}

static const struct name *find_name(const struct models *m, const struct id *name)
{
    assert(m != NULL && m->magic == MODELS_MAGIC && name != NULL);
    for (size_t i = 0; i < m->name_count; i++)
        if (id_equal(&m->names[i].name, name))
            return &m->names[i];
    return NULL;
}

enum status models_note(struct models *m, const struct model_ref *ref)
{
    const struct name *known = find_name(m, &ref->name);
    if (known != NULL) {
        if (ref->version > known->highest)
            m->names[known - m->names].highest = ref->version;
        return ST_OK;
    }
    if (m->name_count == MODEL_NAMES_MAX)
        return ST_LIMIT;
    m->names[m->name_count++] = (struct name){ref->name, ref->version};
    return ST_OK;
}

bool models_highest(const struct models *m, const struct id *name, uint64_t *ret_version)
{
    const struct name *known = find_name(m, name);
    if (known == NULL)
        return false;
    *ret_version = known->highest;
    return true;
}

struct models *models_free(struct models *m)
{
    if (m == NULL)
        return NULL;
    while (m->cached_count > 0)
        drop(m, &m->cached[0]);
    *(volatile uint32_t *)&m->magic = 0;
    free(m);
    return NULL;
}
