#include "manager/pushes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pushes {
    struct push slots[PUSHES_MAX]; /* free where receiver is NULL */
};

enum status pushes_new(struct pushes **ret)
{
    struct pushes *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    *ret = p;
    return ST_OK;
}

static bool same(const struct push *push, const struct id *client_id, const char *name,
                 const struct digest *digest)
{
    return push->receiver != NULL && id_equal(&push->client_id, client_id) &&
           strcmp(push->name, name) == 0 &&
           digest_equal(&receiver_manifest(push->receiver)->digest, digest);
}

enum status pushes_add(struct pushes *p, const struct id *client_id, const char *name,
                       struct manifest *manifest)
{
    assert(strlen(name) <= IMAGE_NAME_MAX);
    struct push *room = NULL;
    for (size_t i = 0; i < PUSHES_MAX; i++) {
        if (same(&p->slots[i], client_id, name, &manifest->digest))
            return ST_EXISTS;
        if (p->slots[i].receiver == NULL && room == NULL)
            room = &p->slots[i];
    }
    if (room == NULL)
        return ST_LIMIT;
    enum status status = receiver_new(manifest, &room->receiver);
    if (status != ST_OK)
        return status;
    room->client_id = *client_id;
    strcpy(room->name, name);
    return ST_OK;
}

struct push *pushes_at(struct pushes *p, size_t index)
{
    assert(index < PUSHES_MAX);
    return p->slots[index].receiver == NULL ? NULL : &p->slots[index];
}

void pushes_end(struct pushes *p, size_t index)
{
    assert(index < PUSHES_MAX);
    receiver_free(p->slots[index].receiver);
    p->slots[index] = (struct push){0};
}

struct pushes *pushes_free(struct pushes *p)
{
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < PUSHES_MAX; i++)
        pushes_end(p, i);
    free(p);
    return NULL;
}
