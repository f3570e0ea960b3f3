#include "round/protected.h"

#include <stdlib.h>

#include "protect/masked.h"

/* ---- where the words lie ---- */

static enum status find_words(const struct protection *p, const struct counted *update,
                              const struct hands *hands, struct view *ret, struct why *why)
{
    struct update u;
    struct masked m;
    enum status status = combine_unchanged(update, hands);
    if (status != ST_OK) {
        why_set(why, "the update of %s is not what it was when it counted",
                update->participant->text);
        return status;
    }
    enum update_fault fault = update_read(update->bytes, &u, why);
    if (fault != UPDATE_FINE)
        return fault == UPDATE_NO_MEMORY ? ST_NOMEM : ST_CORRUPT;
    status = masked_of(&u, p->privacy.is_masked, p->word_count, p->word, &m, why);
    if (status == ST_OK)
        *ret = m.words;
    update_done(&u);
    return status == ST_OK ? ST_OK : ST_CORRUPT;
}

/* ---- part by part ---- */

struct shared {
    const struct sum *sum;
    const struct combine_step *step;
    const struct hands *hands;
    struct model *model;
    double weight;
    enum status *statuses; /* one for each piece of work: threads share nothing */
};

/* Parts of one piece of work: what is written before its words are let go. */
#define PARTS_AT_ONCE ((size_t)64)

static enum status write_part(const struct shared *s, size_t part)
{
    float values[SUM_PART];
    size_t count = 0, from = part * SUM_PART;
    enum status status = sum_part(s->sum, part, s->weight, values, &count);
    const float *base = model_params(s->model) + from;
    for (size_t i = 0; i < count; i++)
        values[i] += base[i];
    return status == ST_OK ? combine_put(s->step, s->model, from, from + count, values) : status;
}

static size_t part_count(const struct sum *s)
{
    return (s->protection->param_count + SUM_PART - 1) / SUM_PART;
}

static void let_words_go(const struct shared *s, size_t first_part, size_t end_part)
{
    const struct protection *p = s->sum->protection;
    size_t from = first_part * SUM_PART, to = end_part * SUM_PART;
    to = to < p->word_count ? to : p->word_count;
    for (size_t i = 0; s->hands->let_go != NULL && i < s->sum->count; i++)
        s->hands->let_go(s->hands->owner,
                         view_of(s->sum->words[i].data + from * p->word, (to - from) * p->word));
}

static void work_on(void *arg, size_t index)
{
    struct shared *s = arg;
    size_t first = index * PARTS_AT_ONCE, end = first + PARTS_AT_ONCE;
    end = end < part_count(s->sum) ? end : part_count(s->sum);
    enum status status = ST_OK;
    for (size_t part = first; status == ST_OK && part < end; part++)
        status = write_part(s, part);
    let_words_go(s, first, end);
    s->statuses[index] = status;
}

/* The first piece that failed, by its number, is the one that counts. */
static enum status share_out(struct shared *s)
{
    size_t count = (part_count(s->sum) + PARTS_AT_ONCE - 1) / PARTS_AT_ONCE;
    enum status status = ST_OK;
    s->statuses = calloc(count, sizeof *s->statuses);
    if (s->statuses == NULL)
        return ST_NOMEM;
    if (s->hands->each != NULL)
        s->hands->each(s->hands->owner, count, work_on, s);
    else
        for (size_t i = 0; i < count; i++)
            work_on(s, i);
    for (size_t i = 0; status == ST_OK && i < count; i++)
        status = s->statuses[i];
    free(s->statuses);
    return status;
}

static const char *sentence_of(enum status status)
{
    return status == ST_CORRUPT
               ? "the sum does not add up: a value is beyond what so many devices can say"
               : status_name(status);
}

enum status protected_combine(const struct protected_sum *p, const struct counted *updates,
                              size_t count, const struct combine_step *step,
                              const struct hands *hands, struct model *model,
                              struct sum_tail *ret_tail, struct why *why)
{
    struct view *words = calloc(count, sizeof *words);
    struct sum_tail tail = {0};
    const struct sum sum = {.protection = p->protection,
                            .words = words,
                            .count = count,
                            .masks = p->masks,
                            .mask_count = p->mask_count,
                            .noise = p->noise};
    enum status status = words == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; status == ST_OK && i < count; i++)
        status = find_words(p->protection, &updates[i], hands, &words[i], why);
    if (status == ST_OK)
        status = sum_tail(&sum, &tail, why);
    struct shared s = {
        .sum = &sum, .step = step, .hands = hands, .model = model, .weight = tail.weight};
    if (status == ST_OK)
        status = share_out(&s);
    if (status != ST_OK && why->text[0] == '\0')
        why_set(why, "%s", sentence_of(status));
    if (status == ST_OK)
        *ret_tail = tail;
    free(words);
    return status;
}
