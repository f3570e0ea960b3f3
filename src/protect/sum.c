#include "protect/sum.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dp/fixed.h"

_Static_assert(SUM_PART % MASK_ALIGN == 0, "a part begins where a mask can");

/* ---- the ring ---- */

union ring {
    uint32_t narrow[SUM_PART];
    uint64_t wide[SUM_PART];
};

static void add_words(union ring *r, const struct protection *p, struct view words, size_t first,
                      size_t count)
{
    const uint8_t *at = words.data + first * p->word;
    for (size_t i = 0; i < count; i++) {
        if (p->word == MASK_WORD_32) {
            uint32_t word;
            memcpy(&word, at + 4 * i, sizeof word);
            r->narrow[i] += word;
        } else {
            uint64_t word;
            memcpy(&word, at + 8 * i, sizeof word);
            r->wide[i] += word;
        }
    }
}

/* Words that are not masked stand for themselves, and are no ring: 10,000 of them may be
 * more than 32 bits hold. */
static void add_whole(int64_t *sum, const struct protection *p, struct view words, size_t first,
                      size_t count)
{
    const uint8_t *at = words.data + first * p->word;
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        memcpy(&word, at + i * p->word, p->word);
        sum[i] += fixed_centred(word, (unsigned)p->word * 8);
    }
}

static enum status sum_masked(const struct sum *s, size_t first, size_t count, int64_t *ret)
{
    const struct protection *p = s->protection;
    union ring r = {{0}};
    memset(&r, 0, sizeof r);
    for (size_t i = 0; i < s->count; i++)
        add_words(&r, p, s->words[i], first, count);
    enum status status = masks_apply(s->masks, s->mask_count, p->word, first, &r, count);
    for (size_t i = 0; i < count; i++)
        ret[i] =
            p->word == MASK_WORD_32 ? fixed_centred(r.narrow[i], 32) : fixed_centred(r.wide[i], 64);
    return status;
}

/* The exact sum of words [first, first + count), count at most SUM_PART. */
static enum status sum_words(const struct sum *s, size_t first, size_t count, int64_t *ret)
{
    assert(first % SUM_PART == 0 && count <= SUM_PART);
    if (s->protection->privacy.is_masked)
        return sum_masked(s, first, count, ret);
    memset(ret, 0, count * sizeof ret[0]);
    for (size_t i = 0; i < s->count; i++)
        add_whole(ret, s->protection, s->words[i], first, count);
    return ST_OK;
}

/* ---- the tail ---- */

static enum status corrupt(struct why *why, const char *what)
{
    why_set(why, "the sum does not add up: %s cannot be what %s", what,
            "so many devices say; a mask, a share or an update was wrong");
    return ST_CORRUPT;
}

/* All parts that hold a word of the tail. */
static enum status read_tail(const struct sum *s, int64_t *ret)
{
    const struct protection *p = s->protection;
    int64_t part[SUM_PART];
    enum status status = ST_OK;
    for (size_t first = p->param_count / SUM_PART * SUM_PART;
         status == ST_OK && first < p->word_count; first += SUM_PART) {
        size_t count = p->word_count - first < SUM_PART ? p->word_count - first : SUM_PART;
        status = sum_words(s, first, count, part);
        for (size_t i = 0; i < count; i++)
            if (first + i >= p->param_count)
                ret[first + i - p->param_count] = part[i];
    }
    return status;
}

static enum status add_metric(const struct sum *s, const struct privacy_metric *m,
                              const int64_t pair[2], struct sum_tail *ret, struct why *why)
{
    uint32_t unit = s->protection->privacy.samples_max;
    double most = (double)pair[1] * (double)PROTECTION_METRIC_UNIT / (unit == 0 ? 1 : unit);
    if (pair[1] < 0 || (uint64_t)pair[1] > ret->samples || pair[0] < 0 ||
        (double)pair[0] > most + (double)s->count)
        return corrupt(why, "a metric");
    if (pair[1] == 0)
        return ST_OK;
    struct metric *metric = &ret->metrics.items[ret->metrics.count++];
    (void)snprintf(metric->name, sizeof metric->name, "%s", m->name);
    metric->value = m->low + (m->high - m->low) * fmin((double)pair[0] / most, 1);
    metric->weight = (double)pair[1];
    return ST_OK;
}

enum status sum_tail(const struct sum *s, struct sum_tail *ret, struct why *why)
{
    const struct privacy *privacy = &s->protection->privacy;
    int64_t tail[PROTECTION_TAIL_MAX];
    struct sum_tail t = {.weight = (double)s->count, .samples = s->count};
    if (s->protection->tail_count == 0) {
        *ret = t;
        return ST_OK;
    }
    enum status status = read_tail(s, tail);
    if (status != ST_OK)
        return status;
    uint64_t most = (uint64_t)s->count * (privacy->samples_max == 0 ? 1 : privacy->samples_max);
    if (tail[0] < 0 || tail[0] > (int64_t)s->count)
        return corrupt(why, "the number of clipped updates");
    if (tail[1] < (int64_t)s->count || (uint64_t)tail[1] > most)
        return corrupt(why, "the weight");
    t.clipped = (uint32_t)tail[0];
    t.samples = (uint64_t)tail[1];
    t.weight = (double)tail[1] / (privacy->samples_max == 0 ? 1 : privacy->samples_max);
    for (size_t i = 0; status == ST_OK && i < privacy->metric_count; i++)
        status = add_metric(s, &privacy->metrics[i], &tail[2 + 2 * i], &t, why);
    if (status == ST_OK)
        *ret = t;
    return status;
}

/* ---- the parameters ---- */

/* Nobody's whole numbers are longer than the sensitivity, so no sum of them is; noise is. */
static bool is_possible(const struct sum *s, const int64_t *sum, size_t count)
{
    const struct protection *p = s->protection;
    double most = (double)s->count * p->sensitivity +
                  p->share_sigma * sqrt((double)s->count) * 2 * PROTECTION_SIGMAS;
    for (size_t i = 0; i < count; i++)
        if (fabs((double)sum[i]) > most)
            return false;
    return true;
}

enum status sum_part(const struct sum *s, size_t part, double weight, float *ret, size_t *ret_count)
{
    const struct protection *p = s->protection;
    int64_t sum[SUM_PART], noise[SUM_PART];
    size_t first = part * SUM_PART;
    assert(first < p->param_count);
    size_t count = p->param_count - first < SUM_PART ? p->param_count - first : SUM_PART;
    enum status status = sum_words(s, first, count, sum);
    if (status == ST_OK && !is_possible(s, sum, count))
        status = ST_CORRUPT;
    if (status == ST_OK && s->noise != NULL) {
        ftrl_difference(s->noise, part, noise);
        for (size_t i = 0; i < count; i++)
            sum[i] += noise[i];
    }
    if (status == ST_OK)
        status = fixed_decode(p->scale, weight, sum, count, ret);
    if (status == ST_OK)
        *ret_count = count;
    return status;
}

bool sum_is_within(const struct protection *p, struct view words)
{
    __uint128_t square = 0;
    for (size_t i = 0; i < p->param_count; i++) {
        uint64_t word = 0;
        memcpy(&word, words.data + i * p->word, p->word);
        __int128_t value = fixed_centred(word, (unsigned)p->word * 8);
        square += (__uint128_t)(value * value);
        if (square > p->square_max)
            return false;
    }
    return true;
}
