#include "aggregate/update_source.h"

#include <assert.h>
#include <stdlib.h>

#include "aggregate/pieces.h"

struct source update_source_as(const struct update_source *s, const struct id *participant,
                               double weight)
{
    return (struct source){.participant = *participant,
                           .weight = weight,
                           .pieces = s->pieces,
                           .piece_count = s->piece_count,
                           .base = s->base};
}

static enum status of_json(const struct model *base, struct update *u, struct update_source *s,
                           struct why *why)
{
    if (!model_same_shape(base, u->params, why))
        return ST_SHAPE;
    enum status status = model_reorder(u->params, base);
    if (status != ST_OK)
        return status;
    s->pieces = calloc(1, sizeof s->pieces[0]);
    if (s->pieces == NULL)
        return ST_NOMEM;
    s->decoded = u->params;
    u->params = NULL;
    s->piece_count = 1;
    s->pieces[0] = (struct piece){.count = model_param_count(base),
                                  .bytes = (const uint8_t *)model_params(s->decoded),
                                  .dtype = DTYPE_F32};
    return ST_OK;
}

static enum status of_safetensors(const struct model *base, bool partial, const struct update *u,
                                  struct update_source *s, struct why *why)
{
    static const struct id any = {"update"};
    enum status status = pieces_of(base, &u->layout, &s->pieces, &s->piece_count, why);
    if (status != ST_OK)
        return status;
    s->base = u->differences ? model_params(base) : NULL;
    struct source source = update_source_as(s, &any, 1);
    size_t from = 0, to = model_param_count(base);
    if (partial && s->piece_count > 0) { /* what there is, is enough */
        from = s->pieces[0].from;
        to = from + 1;
    }
    return sources_check(&source, 1, from, to, why);
}

enum status update_source_of(const struct model *base, bool partial, struct update *u,
                             struct update_source *ret, struct why *why)
{
    assert(base != NULL && model_param_count(base) > 0 && u != NULL && ret != NULL);
    struct update_source s = {0};
    enum status status =
        u->params != NULL ? of_json(base, u, &s, why) : of_safetensors(base, partial, u, &s, why);
    if (status == ST_OK)
        *ret = s;
    else
        update_source_done(&s);
    return status;
}

void update_source_done(struct update_source *s)
{
    free(s->pieces);
    model_free(s->decoded);
    *s = (struct update_source){0};
}
