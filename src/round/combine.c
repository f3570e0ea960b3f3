#include "round/combine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregation.h"
#include "aggregate/fold.h"
#include "aggregate/partial.h"
#include "aggregate/update_source.h"

/* Coordinates of one window: what is written before its sources' bytes are let go. All
 * windows that are open at once, of all sources, are to be small beside a model. */
#define WINDOW_MAX   ((size_t)16 * FOLD_TILE)
#define WINDOW_MIN   ((size_t)4 * FOLD_TILE) /* not less than what a page fault brings in */
#define WINDOW_BYTES ((size_t)4 << 20)

struct gathered {
    const struct rule_settings *rule;
    const struct combine_step *step; /* or NULL */
    const struct hands *hands;
    const struct counted *updates; /* (count,) */
    struct model *model;
    size_t param_count, count;
    struct update_source *parts; /* (count,) */
    struct source *sources;      /* (count,) */
    uint64_t *steps;             /* (count,): local steps; 0 where it does not say */
    const float **bases;         /* (count,): what each was trained from; NULL: all from model */
    uint64_t *staleness;         /* (count,) */
};

/* ---- where the values lie ---- */

static enum status read_update(struct gathered *a, size_t index, struct why *why)
{
    struct view bytes = a->updates[index].bytes;
    struct update u;
    enum update_fault fault = update_read(bytes, &u, why);
    if (fault != UPDATE_FINE)
        return fault == UPDATE_NO_MEMORY ? ST_NOMEM : ST_CORRUPT;
    a->steps[index] = u.local_steps;
    enum status status = update_source_of(a->model, a->rule->partial, &u, &a->parts[index], why);
    update_done(&u);
    if (status == ST_OK && a->parts[index].base != NULL && a->bases != NULL)
        a->parts[index].base = a->bases[index]; /* differences to what it was trained from */
    return status;
}

/* ---- work that is shared out ---- */

/* Pieces of work that know nothing of each other. Each leaves its status, and the first
 * that failed, by its number, is the one that counts: so threads change nothing. */
struct shared {
    struct gathered *a;
    struct aggregation *rule;
    size_t window; /* coordinates of each piece, where it is a window */
    enum status (*work)(struct shared *s, size_t index);
    enum status *statuses;
};

static void work_on(void *arg, size_t index)
{
    struct shared *s = arg;
    s->statuses[index] = s->work(s, index);
}

/* gives: *ret_first, the piece that failed; fails: as it */
static enum status share_out(struct shared *s, size_t count, size_t *ret_first)
{
    const struct hands *hands = s->a->hands;
    s->statuses = calloc(count + 1, sizeof *s->statuses);
    if (s->statuses == NULL)
        return ST_NOMEM;
    if (hands->each != NULL)
        hands->each(hands->owner, count, work_on, s);
    else
        for (size_t i = 0; i < count; i++)
            work_on(s, i);
    size_t first = 0;
    while (first < count && s->statuses[first] == ST_OK)
        first++;
    enum status status = first < count ? s->statuses[first] : ST_OK;
    *ret_first = first;
    free(s->statuses);
    return status;
}

static void let_go(const struct gathered *a, struct view bytes)
{
    if (a->hands->let_go != NULL && bytes.size > 0)
        a->hands->let_go(a->hands->owner, bytes);
}

#define DIGEST_PIECE ((size_t)4 << 20)

enum status combine_unchanged(const struct counted *update, const struct hands *hands)
{
    struct digest_stream *stream;
    struct view bytes = update->bytes;
    enum status status = digest_begin(&stream);
    if (status != ST_OK)
        return status;
    for (size_t at = 0; at < bytes.size; at += DIGEST_PIECE) {
        size_t left = bytes.size - at;
        struct view piece = view_of(bytes.data + at, left < DIGEST_PIECE ? left : DIGEST_PIECE);
        digest_more(stream, piece);
        if (hands->let_go != NULL)
            hands->let_go(hands->owner, piece);
    }
    struct digest found = digest_end(stream);
    return digest_equal(&found, &update->digest) ? ST_OK : ST_CORRUPT;
}

enum status combine_put(const struct combine_step *step, struct model *model, size_t from,
                        size_t to, float *values)
{
    float *params = model_params_mutable(model);
    enum status status = ST_OK;
    if (step != NULL) {
        struct optimiser_state state = step->state; /* which is about [from, to) only */
        status = optimiser_step(step->optimiser, &step->state, params + from, values, from, to,
                                &state, values);
    }
    if (status == ST_OK)
        memcpy(params + from, values, (to - from) * sizeof values[0]);
    return status;
}

/* An update is what it was when it counted, to the last bit, or it is not used. */
static enum status read_one(struct shared *s, size_t index)
{
    struct gathered *a = s->a;
    const struct counted *u = &a->updates[index];
    assert(u->bytes.data != NULL);
    struct why why = {0};
    enum status status = combine_unchanged(u, a->hands);
    if (status == ST_OK)
        status = read_update(a, index, &why);
    let_go(a, u->bytes); /* what the header brought in */
    if (status == ST_OK)
        a->sources[index] = update_source_as(&a->parts[index], u->participant, (double)u->samples);
    return status == ST_OK || status == ST_NOMEM ? status : ST_CORRUPT;
}

static enum status measure_section(struct shared *s, size_t index)
{
    return aggregation_measure(s->rule, index);
}

/* The bytes of a source that lie in [from, to). */
static void let_window_go(const struct gathered *a, const struct source *source, size_t from,
                          size_t to)
{
    for (size_t i = 0; i < source->piece_count; i++) {
        const struct piece *p = &source->pieces[i];
        size_t low = p->from > from ? p->from : from;
        size_t high = p->from + p->count < to ? p->from + p->count : to;
        if (low >= high)
            continue;
        let_go(a, piece_values(p, low, high));
        let_go(a, piece_indices(p, low, high));
    }
}

static enum status put(const struct shared *s, size_t from, size_t to, float *values)
{
    return combine_put(s->a->step, s->a->model, from, to, values);
}

static enum status write_tile(const struct shared *s, struct source *scratch, size_t from,
                              size_t to)
{
    float tile[FOLD_TILE];
    enum status status = s->rule != NULL
                             ? aggregation_write(s->rule, from, to, tile)
                             : fold_partial(s->a->sources, s->a->count, model_params(s->a->model),
                                            from, to, scratch, tile);
    return status == ST_OK ? put(s, from, to, tile) : status;
}

static enum status write_window(struct shared *s, size_t index)
{
    size_t from = index * s->window;
    size_t end = from + s->window < s->a->param_count ? from + s->window : s->a->param_count;
    struct source *scratch = NULL; /* of partial updates, some of which have a tensor */
    if (s->rule == NULL && (scratch = calloc(s->a->count, sizeof *scratch)) == NULL)
        return ST_NOMEM;
    enum status status = ST_OK;
    for (size_t at = from; at < end && status == ST_OK; at += FOLD_TILE)
        status = write_tile(s, scratch, at, at + FOLD_TILE < end ? at + FOLD_TILE : end);
    free(scratch);
    for (size_t k = 0; k < s->a->count; k++)
        let_window_go(s->a, &s->a->sources[k], from, end);
    return status;
}

/* ---- the mean of many ---- */

/* More sources than this are read one group after the other into the sums of a wide window:
 * then a few windows are in memory, and not one of each source. */
#define MANY  ((size_t)32)
#define GROUP ((size_t)4)

struct wide {
    double sums[WINDOW_MAX];
    float mean[WINDOW_MAX];
};

static enum status fold_wide(const struct shared *s, struct wide *w, size_t from, size_t to)
{
    const struct gathered *a = s->a;
    double divisor = 0;
    fold_begin(to - from, w->sums);
    for (size_t k = 0; k < a->count; k += GROUP) {
        size_t group = a->count - k < GROUP ? a->count - k : GROUP;
        fold_add(&a->sources[k], group, from, to, w->sums);
        for (size_t i = k; i < k + group; i++) {
            divisor += a->sources[i].weight;
            /* With all before it: a fault brings in a whole folio of the page cache, also
             * what lies before this window and was let go of already. */
            let_window_go(a, &a->sources[i], 0, to);
        }
    }
    return fold_end(w->sums, divisor, to - from, w->mean);
}

static enum status write_wide(struct shared *s, size_t index)
{
    size_t from = index * s->window;
    size_t to = from + s->window < s->a->param_count ? from + s->window : s->a->param_count;
    struct wide *w = malloc(sizeof *w);
    if (w == NULL)
        return ST_NOMEM;
    enum status status = fold_wide(s, w, from, to);
    if (status == ST_OK)
        status = put(s, from, to, w->mean);
    free(w);
    return status;
}

static void weigh(struct gathered *a)
{
    for (size_t k = 0; k < a->count && a->rule->weighting == WEIGHTING_EQUAL; k++)
        a->sources[k].weight = 1;
}

static enum status apply_to_many(struct gathered *a)
{
    size_t first;
    struct shared s = {.a = a, .work = write_wide, .window = WINDOW_MAX};
    weigh(a);
    enum status status = share_out(&s, (a->param_count + s.window - 1) / s.window, &first);
    for (size_t k = 0; k < a->count; k++) /* the windows' edges */
        let_go(a, a->updates[k].bytes);
    return status;
}

/* ---- the rule ---- */

/* Norms are only of use where a rule bounds them. */
static enum status measure_norms(const struct gathered *a, double *squares, struct why *why)
{
    enum status status = ST_OK;
    if (a->rule->rule != RULE_NORM_BOUND)
        return ST_OK;
    for (size_t k = 0; k < a->count && status == ST_OK; k++) {
        status =
            source_measure(&a->sources[k], a->bases == NULL ? model_params(a->model) : a->bases[k],
                           &squares[k], why);
        let_go(a, a->updates[k].bytes);
    }
    return status;
}

static enum status make_passes(struct shared *s)
{
    size_t first;
    enum status status = ST_OK;
    s->work = measure_section;
    for (size_t pass = 0; pass < aggregation_passes(s->rule) && status == ST_OK; pass++) {
        status = share_out(s, aggregation_section_count(s->rule), &first);
        if (status == ST_OK)
            status = aggregation_next(s->rule);
    }
    return status;
}

static enum status write_all(struct shared *s)
{
    size_t first, window = WINDOW_BYTES / sizeof(float) / s->a->count / FOLD_TILE * FOLD_TILE;
    window = window < WINDOW_MAX ? window : WINDOW_MAX;
    s->window = window > WINDOW_MIN ? window : WINDOW_MIN;
    s->work = write_window;
    enum status status = share_out(s, (s->a->param_count + s->window - 1) / s->window, &first);
    for (size_t k = 0; k < s->a->count; k++) /* the windows' edges */
        let_go(s->a, s->a->updates[k].bytes);
    return status;
}

/* Each tensor by those who sent it. */
static enum status apply_partial(struct gathered *a)
{
    struct shared s = {.a = a, .rule = NULL};
    weigh(a);
    return write_all(&s);
}

static enum status apply(struct gathered *a, struct why *why)
{
    if (a->rule->partial)
        return apply_partial(a);
    bool shares = a->rule->weighting != WEIGHTING_FEDNOVA; /* whose sum is 1 */
    if (a->rule->rule == RULE_MEAN && shares && a->bases == NULL && a->count > MANY)
        return apply_to_many(a);
    struct aggregation *rule = NULL;
    double *squares = calloc(a->count, sizeof *squares);
    enum status status = squares == NULL ? ST_NOMEM : measure_norms(a, squares, why);
    const struct aggregation_input input = {.sources = a->sources,
                                            .count = a->count,
                                            .param_count = a->param_count,
                                            .base = model_params(a->model),
                                            .bases = a->bases,
                                            .squares = squares,
                                            .steps = a->steps,
                                            .staleness = a->staleness};
    if (status == ST_OK)
        status = aggregation_new(a->rule, &input, &rule, why);
    struct shared s = {.a = a, .rule = rule};
    if (status == ST_OK)
        status = make_passes(&s);
    if (status == ST_OK)
        status = write_all(&s);
    aggregation_free(rule);
    free(squares);
    return status;
}

/* ---- all of it ---- */

static enum status read_all(struct gathered *a, struct why *why)
{
    size_t first;
    struct shared s = {.a = a, .work = read_one};
    enum status status = share_out(&s, a->count, &first);
    if (status == ST_CORRUPT)
        why_set(why, "the update of %s is not what it was when it counted",
                a->updates[first].participant->text);
    if (status != ST_OK)
        return status;
    if (a->rule->partial)
        return ST_OK; /* each was looked at by itself */
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
    free(a->steps);
    free(a->bases);
    free(a->staleness);
}

/* Room for each update, and what is known of it beforehand. fails: ST_NOMEM */
static enum status prepare(struct gathered *a)
{
    bool asynchronous = a->updates[0].base != NULL;
    a->parts = calloc(a->count, sizeof a->parts[0]);
    a->sources = calloc(a->count, sizeof a->sources[0]);
    a->steps = calloc(a->count, sizeof a->steps[0]);
    a->staleness = calloc(a->count, sizeof a->staleness[0]);
    if (a->parts == NULL || a->sources == NULL || a->steps == NULL || a->staleness == NULL)
        return ST_NOMEM;
    if (asynchronous && (a->bases = calloc(a->count, sizeof(const float *))) == NULL)
        return ST_NOMEM;
    for (size_t k = 0; k < a->count; k++) {
        assert((a->updates[k].base != NULL) == asynchronous);
        a->staleness[k] = a->updates[k].staleness;
        if (asynchronous)
            a->bases[k] = a->updates[k].base;
    }
    return ST_OK;
}

enum status combine_updates(const struct rule_settings *rule, const struct counted *updates,
                            size_t count, const struct combine_step *step,
                            const struct hands *hands, struct model *model, struct why *why)
{
    static const struct hands none = {NULL, NULL, NULL};
    assert(rule != NULL && updates != NULL && count >= 1 && model != NULL && why != NULL);
    struct gathered a = {.rule = rule,
                         .step = step,
                         .hands = hands == NULL ? &none : hands,
                         .updates = updates,
                         .model = model,
                         .param_count = model_param_count(model),
                         .count = count};
    enum status status = prepare(&a);
    if (status == ST_OK)
        status = read_all(&a, why);
    if (status == ST_OK)
        status = apply(&a, why);
    if (status != ST_OK && why->text[0] == '\0')
        why_set(why, "the updates cannot be aggregated: %s", status_name(status));
    done(&a);
    return status;
}
