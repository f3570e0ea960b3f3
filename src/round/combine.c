#include "round/combine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregation.h"
#include "aggregate/fold.h"
#include "round/update_source.h"

struct gathered {
    const struct rule_settings *rule;
    const struct combine_step *step; /* or NULL */
    struct model *model;
    size_t param_count, count;
    struct update_source *parts; /* (count,) */
    struct source *sources;      /* (count,) */
};

/* ---- where the values lie ---- */

static enum status read_update(struct gathered *a, struct view bytes, struct update_source *ret,
                               struct why *why)
{
    struct update u;
    enum update_fault fault = update_read(bytes, &u, why);
    if (fault != UPDATE_FINE)
        return fault == UPDATE_NO_MEMORY ? ST_NOMEM : ST_CORRUPT;
    enum status status = update_source_of(a->model, &u, ret, why);
    update_done(&u);
    return status;
}

/* An update is what it was when it counted, to the last bit, or it is not used. */
static enum status read_one(struct gathered *a, const struct counted *u, size_t index,
                            struct why *why)
{
    assert(u->bytes.data != NULL);
    struct update_source *part = &a->parts[index];
    struct digest found = digest_of(u->bytes);
    enum status status = ST_CORRUPT;
    if (digest_equal(&found, &u->digest))
        status = read_update(a, u->bytes, part, why);
    if (status != ST_OK && status != ST_NOMEM) {
        why_set(why, "the update of %s is not what it was when it counted", u->participant->text);
        return ST_CORRUPT;
    }
    a->sources[index] = update_source_as(part, u->participant, (double)u->samples);
    return status;
}

/* ---- the rule ---- */

/* Norms are only of use where a rule bounds them. */
static enum status measure_norms(const struct gathered *a, double *squares, struct why *why)
{
    enum status status = ST_OK;
    if (a->rule->rule != RULE_NORM_BOUND)
        return ST_OK;
    for (size_t k = 0; k < a->count && status == ST_OK; k++)
        status = source_measure(&a->sources[k], model_params(a->model), &squares[k], why);
    return status;
}

static enum status make_passes(struct aggregation *rule)
{
    enum status status = ST_OK;
    for (size_t pass = 0; pass < aggregation_passes(rule) && status == ST_OK; pass++) {
        for (size_t i = 0; i < aggregation_section_count(rule) && status == ST_OK; i++)
            status = aggregation_measure(rule, i);
        if (status == ST_OK)
            status = aggregation_next(rule);
    }
    return status;
}

/* In the base's place, tile by tile: a coordinate's result depends on that coordinate of
 * the base alone, so what is overwritten is not looked at again. */
static enum status write_all(const struct aggregation *rule, const struct combine_step *step,
                             float *params, size_t count)
{
    float tile[FOLD_TILE];
    enum status status = ST_OK;
    for (size_t from = 0; from < count && status == ST_OK; from += FOLD_TILE) {
        size_t size = count - from < FOLD_TILE ? count - from : FOLD_TILE;
        status = aggregation_write(rule, from, from + size, tile);
        if (status == ST_OK && step != NULL)
            status = optimiser_step(step->optimiser, &step->state, params + from, tile, from,
                                    from + size, &step->state, tile);
        if (status != ST_OK)
            return status;
        memcpy(params + from, tile, size * sizeof tile[0]);
    }
    return status;
}

static enum status apply(const struct gathered *a, struct why *why)
{
    struct aggregation *rule = NULL;
    double *squares = calloc(a->count, sizeof *squares);
    enum status status = squares == NULL ? ST_NOMEM : measure_norms(a, squares, why);
    const struct aggregation_input input = {.sources = a->sources,
                                            .count = a->count,
                                            .param_count = a->param_count,
                                            .base = model_params(a->model),
                                            .squares = squares};
    if (status == ST_OK)
        status = aggregation_new(a->rule, &input, &rule, why);
    if (status == ST_OK)
        status = make_passes(rule);
    if (status == ST_OK)
        status = write_all(rule, a->step, model_params_mutable(a->model), a->param_count);
    aggregation_free(rule);
    free(squares);
    return status;
}

/* ---- all of it ---- */

static enum status read_all(struct gathered *a, const struct counted *updates, struct why *why)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < a->count && status == ST_OK; i++)
        status = read_one(a, &updates[i], i, why);
    if (status != ST_OK)
        return status;
    /* Shapes were compared when they counted and digests just now. */
    return sources_check(a->sources, a->count, 0, a->param_count, why) == ST_OK ? ST_OK
                                                                                : ST_CORRUPT;
}

static void done(struct gathered *a)
{
    for (size_t i = 0; a->parts != NULL && i < a->count; i++)
        update_source_done(&a->parts[i]);
    free(a->parts);
    free(a->sources);
}

enum status combine_updates(const struct rule_settings *rule, const struct counted *updates,
                            size_t count, const struct combine_step *step, struct model *model,
                            struct why *why)
{
    assert(rule != NULL && updates != NULL && count >= 1 && model != NULL && why != NULL);
    struct gathered a = {.rule = rule,
                         .step = step,
                         .model = model,
                         .param_count = model_param_count(model),
                         .count = count,
                         .parts = calloc(count, sizeof(struct update_source)),
                         .sources = calloc(count, sizeof(struct source))};
    enum status status = a.parts == NULL || a.sources == NULL ? ST_NOMEM : ST_OK;
    if (status == ST_OK)
        status = read_all(&a, updates, why);
    if (status == ST_OK)
        status = apply(&a, why);
    if (status != ST_OK && why->text[0] == '\0')
        why_set(why, "the updates cannot be aggregated: %s", status_name(status));
    done(&a);
    return status;
}
