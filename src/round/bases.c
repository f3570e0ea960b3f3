#include "round/bases.h"

#include <assert.h>
#include <stdlib.h>

#include "model/model_file.h"
#include "round/split.h"

struct older {
    struct view bytes;
    struct model *model; /* NULL: not decoded yet */
};

struct bases {
    const struct asynchronous *carries;
    struct older older[]; /* one for each of carries->carried */
};

enum status bases_new(const struct asynchronous *carries, struct bases **ret)
{
    assert(carries != NULL && ret != NULL);
    struct bases *b = calloc(1, sizeof *b + carries->carried_count * sizeof b->older[0]);
    if (b == NULL)
        return ST_NOMEM;
    b->carries = carries;
    *ret = b;
    return ST_OK;
}

void bases_set(struct bases *b, size_t index, struct view bytes)
{
    assert(b != NULL && index < b->carries->carried_count);
    b->older[index].bytes = bytes;
}

/* Its parameters alone, in the order of the newest. fails: ST_CORRUPT, ST_NOMEM, ... */
static enum status decode(struct view bytes, const struct model *newest, struct model **ret)
{
    struct model *model = NULL, *state = NULL;
    enum model_form form;
    enum status status = model_decode(bytes, &model, &form, NULL);
    if (status != ST_OK)
        return status;
    status = split_state(&model, &state);
    model_free(state);
    if (status == ST_OK && !model_same_shape(newest, model, NULL))
        status = ST_CORRUPT;
    if (status == ST_OK)
        status = model_check_finite(model, NULL);
    if (status == ST_OK)
        status = model_reorder(model, newest);
    if (status == ST_OK)
        *ret = model;
    else
        model_free(model);
    return status;
}

static enum status bring_in(struct older *o, const struct carried *k, const struct model *newest)
{
    if (o->model != NULL)
        return ST_OK;
    if (o->bytes.data == NULL)
        return ST_CORRUPT;
    struct digest digest = digest_of(o->bytes);
    if (!digest_equal(&digest, &k->model_digest))
        return ST_CORRUPT;
    return decode(o->bytes, newest, &o->model);
}

static enum status give(struct bases *b, const struct model *newest, struct counted *update,
                        struct why *why)
{
    const struct carried *k = asynchronous_find(b->carries, NULL, update->participant);
    update->staleness = k == NULL ? 0 : k->staleness;
    update->base = model_params(newest);
    if (k == NULL)
        return ST_OK;
    struct older *o = &b->older[k - b->carries->carried];
    enum status status = bring_in(o, k, newest);
    if (status != ST_OK) {
        why_set(why, "the base %s of %s's update is missing or damaged", k->model_uri,
                update->participant->text);
        return status == ST_NOMEM ? status : ST_CORRUPT;
    }
    update->base = model_params(o->model);
    return ST_OK;
}

enum status bases_give(struct bases *b, const struct model *newest, struct counted *updates,
                       size_t count, struct why *why)
{
    assert(b != NULL && newest != NULL && updates != NULL && why != NULL);
    enum status status = ST_OK;
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = give(b, newest, &updates[i], why);
    return status;
}

struct bases *bases_free(struct bases *b)
{
    if (b == NULL)
        return NULL;
    for (size_t i = 0; i < b->carries->carried_count; i++)
        model_free(b->older[i].model);
    free(b);
    return NULL;
}
