/* Updates and the base model. All numbers are whole and small, so that every sum
 * of them is exact in float64 and the mean is known to the last bit. */
#include "sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX    1024
#define SAMPLES_MAX 8

/* ---- the numbers ---- */

static struct sim_update numbers(struct world *w, int round, int device)
{
    struct sim_update u = {
        .device = device,
        .round = round,
        .deserves = VERDICT_ACCEPTED,
        .samples = (int64_t)between(w, 1, SAMPLES_MAX),
        .loss = (int64_t)below(w, 100),
    };
    for (int i = 0; i < WIDTH; i++)
        u.w[i] = (int64_t)below(w, 2001) - 1000;
    return u;
}

static const struct sim_update *keep(struct world *w, const struct sim_update *u, struct view bytes)
{
    struct sim_update *kept = must(malloc(sizeof *kept + bytes.size));
    *kept = *u;
    kept->next = w->updates;
    kept->digest = digest_of(bytes);
    kept->size = bytes.size;
    if (bytes.size > 0)
        memcpy(kept->data, bytes.data, bytes.size);
    w->updates = kept;
    return kept;
}

/* ---- JSON, by hand: a wrong one has to be possible ---- */

struct body {
    char text[BODY_MAX];
    size_t size;
};

static void put(struct body *b, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct body *b, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(b->text + b->size, sizeof b->text - b->size, format, list);
    va_end(list);
    assert(size >= 0 && (size_t)size < sizeof b->text - b->size);
    b->size += (size_t)size;
}

static void put_tensors(const struct world *w, const struct sim_update *u, struct body *b)
{
    put(b, "\"w\":[%lld,%lld,%lld],\"who\":[", (long long)u->w[0], (long long)u->w[1],
        (long long)u->w[2]);
    for (int i = 0; i < w->device_count; i++)
        put(b, "%s%lld", i == 0 ? "" : ",", i == u->device ? (long long)u->mark : 0);
    put(b, "]");
}

/* What is put in place of what is right; NULL: nothing is. */
struct twist {
    const char *round, *base, *sender, *samples, *steps, *loss, *tensors;
};

static void put_body(const struct world *w, const struct sim_update *u, const struct twist *t,
                     struct body *b)
{
    const struct round_start *start = &w->rounds[u->round].start;
    put(b, "{\"round_id\":\"%s\",\"base_model_uri\":\"%s\"",
        t->round != NULL ? t->round : start->round_id.text,
        t->base != NULL ? t->base : start->model_uri);
    if (t->sender != NULL)
        put(b, ",\"proplet_id\":\"%s\"", t->sender);
    if (t->samples != NULL)
        put(b, ",\"num_samples\":%s", t->samples);
    else
        put(b, ",\"num_samples\":%lld", (long long)u->samples);
    if (t->steps != NULL)
        put(b, ",\"local_steps\":%s", t->steps);
    if (t->loss != NULL)
        put(b, ",\"metrics\":{\"loss\":%s}", t->loss);
    else
        put(b, ",\"metrics\":{\"loss\":%lld}", (long long)u->loss);
    put(b, ",\"update\":{");
    if (t->tensors != NULL)
        put(b, "%s", t->tensors);
    else if (start->mode == ROUND_TRAIN)
        put_tensors(w, u, b);
    put(b, "}}");
}

/* ---- safetensors, through the real encoder ---- */

/* The base has its tensors in another order than most updates. */
static struct model *blank(const struct world *w, bool who_first)
{
    const struct model_shape values = {.name = "w", .rank = 1, .shape = {WIDTH}};
    const struct model_shape who = {.name = "who", .rank = 1, .shape = {(size_t)w->device_count}};
    const struct model_shape shapes[] = {who_first ? who : values, who_first ? values : who};
    struct model *m = NULL;
    enum status status = model_new(shapes, 2, &m);
    assert(status == ST_OK);
    return m;
}

static const struct sim_update *as_safetensors(struct world *w, const struct sim_update *u)
{
    struct update real = {
        .round_id = w->rounds[u->round].start.round_id,
        .num_samples = (uint64_t)u->samples,
        .metrics = {.count = 1, .items = {{.name = "loss", .value = (double)u->loss, .weight = 1}}},
        .params = blank(w, below(w, 2) == 0),
    };
    memcpy(real.base_model_uri, w->rounds[u->round].start.model_uri, sizeof real.base_model_uri);
    for (int i = 0; i < WIDTH; i++)
        model_find(real.params, "w")->data[i] = (float)u->w[i];
    model_find(real.params, "who")->data[u->device] = (float)u->mark;

    struct bytes bytes = {0};
    enum status status = update_encode(&real, MODEL_SAFETENSORS, &bytes);
    assert(status == ST_OK);
    const struct sim_update *kept = keep(w, u, bytes_view(&bytes));
    bytes_done(&bytes);
    update_done(&real);
    return kept;
}

/* ---- right ones ---- */

const struct sim_update *update_right(struct world *w, int round, int device)
{
    struct sim_update u = numbers(w, round, device);
    assert(w->rounds[round].made[device] < VARIANTS_MAX);
    u.mark = 1 + 16 * w->rounds[round].made[device]++;
    if (w->rounds[round].start.mode == ROUND_TRAIN && below(w, 4) == 0)
        return as_safetensors(w, &u);
    struct body body = {0};
    struct id me = device_name(device);
    put_body(w, &u, &(struct twist){.sender = below(w, 3) == 0 ? me.text : NULL}, &body);
    return keep(w, &u, view_of(body.text, body.size));
}

/* ---- wrong ones ---- */

static const struct wrong {
    enum verdict deserves;
    struct twist twist;
} wrongs[] = {
    {VERDICT_WRONG_ROUND, {.round = "r-of-another-time"}},
    {VERDICT_WRONG_BASE_MODEL, {.base = "fl/models/m_v77"}},
    {VERDICT_WRONG_SENDER, {.sender = "somebody-else"}},
    {VERDICT_BAD_NUM_SAMPLES, {.samples = "0"}},
    {VERDICT_BAD_NUM_SAMPLES, {.samples = "-1"}},
    {VERDICT_BAD_LOCAL_STEPS, {.steps = "0"}},
    {VERDICT_NON_FINITE, {.loss = "1e999"}},
    {VERDICT_WRONG_SHAPE, {.tensors = "\"w\":[1,2]"}},
    {VERDICT_WRONG_SHAPE, {.tensors = "\"w\":[1,2,3],\"who\":[1],\"more\":1"}},
    {VERDICT_WRONG_DTYPE, {.tensors = "\"w\":true"}},
    {VERDICT_NON_FINITE, {.tensors = "\"w\":[1,2,1e39]"}},
    {VERDICT_MALFORMED, {.loss = "\"low\""}},
};
#define WRONGS (sizeof wrongs / sizeof wrongs[0])

/* Right in all but that it is for another round of the same world. */
static const struct sim_update *of_another_round(struct world *w, int round, int device)
{
    int further = 1 + (int)below(w, (uint64_t)w->round_count - 1);
    int other = (round + further) % w->round_count;
    struct sim_update u = numbers(w, other, device);
    u.mark = 1;
    struct body body = {0};
    put_body(w, &u, &(struct twist){0}, &body);
    u.round = round;
    u.deserves = VERDICT_WRONG_ROUND;
    return keep(w, &u, view_of(body.text, body.size));
}

const struct sim_update *update_wrong(struct world *w, int round, int device)
{
    uint64_t which = below(w, WRONGS + 3);
    if (which > WRONGS && w->round_count > 1)
        return of_another_round(w, round, device);
    struct sim_update u = numbers(w, round, device);
    struct body body = {0};
    if (which < WRONGS) {
        u.deserves = wrongs[which].deserves;
        put_body(w, &u, &wrongs[which].twist, &body);
    } else {
        u.deserves = VERDICT_MALFORMED;
        put_body(w, &u, &(struct twist){0}, &body);
        body.size = (size_t)below(w, body.size); /* cut off, or nothing at all */
    }
    return keep(w, &u, view_of(body.text, body.size));
}

const struct sim_update *update_astray(struct world *w, int device)
{
    struct sim_update u = {.device = device, .round = NO_ROUND, .deserves = VERDICT_UNKNOWN_ROUND};
    return keep(w, &u, view_text("{\"round_id\":\"r-none\"}"));
}

/* ---- versions ---- */

struct version *version_new(struct world *w, uint64_t number, int round, struct bytes *bytes)
{
    struct version *v = must(calloc(1, sizeof *v));
    v->next = w->versions;
    v->number = number;
    v->round = round;
    v->digest = digest_of(bytes_view(bytes));
    v->bytes = *bytes;
    *bytes = (struct bytes){0};
    w->versions = v;
    return v;
}

struct version *version_zero(struct world *w)
{
    struct model *m = blank(w, true);
    struct bytes bytes = {0};
    enum status status = model_encode(m, w->form, &bytes);
    assert(status == ST_OK);
    model_free(m);
    return version_new(w, 0, NO_ROUND, &bytes);
}
