#include "round/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEDGER_MAGIC 0x6c656467u /* "ledg" */

struct line {
    const struct id *who;
    bool counted;
    /* of the counted one */
    struct digest update; /* of the bytes that came */
    uint64_t samples;
    struct metric *metrics; /* (metric_count,), owned */
    size_t metric_count;
    struct view kept;
    struct digest kept_digest;
};

struct ledger {
    uint32_t magic;
    size_t counted;
    size_t count;
    struct line lines[]; /* (count,), sorted by who */
};

static int by_name(const void *a, const void *b)
{
    const struct line *left = a;
    const struct line *right = b;
    return strcmp(left->who->text, right->who->text);
}

static bool one_is_twice(const struct ledger *l)
{
    for (size_t i = 1; i < l->count; i++)
        if (id_equal(l->lines[i - 1].who, l->lines[i].who))
            return true;
    return false;
}

enum status ledger_new(const struct id *participants, size_t count, struct ledger **ret)
{
    assert(participants != NULL && ret != NULL);
    if (count < 1 || count > ROUND_PARTICIPANTS_MAX)
        return ST_INVALID;

    struct ledger *l = calloc(1, sizeof *l + count * sizeof l->lines[0]);
    if (l == NULL)
        return ST_NOMEM;
    l->magic = LEDGER_MAGIC;
    l->count = count;
    for (size_t i = 0; i < count; i++)
        l->lines[i].who = &participants[i];
    qsort(l->lines, count, sizeof l->lines[0], by_name);

    if (one_is_twice(l)) {
        ledger_free(l);
        return ST_INVALID;
    }
    *ret = l;
    return ST_OK;
}

static size_t line_of(const struct ledger *l, const struct id *sender)
{
    const struct line key = {.who = sender};
    const struct line *found = bsearch(&key, l->lines, l->count, sizeof key, by_name);
    return found == NULL ? l->count : (size_t)(found - l->lines);
}

enum ledger_entry ledger_look(const struct ledger *l, const struct id *sender,
                              const struct digest *update)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && sender != NULL && update != NULL);
    size_t at = line_of(l, sender);
    if (at == l->count)
        return LEDGER_STRANGER;
    if (!l->lines[at].counted)
        return LEDGER_AWAITED;
    return digest_equal(&l->lines[at].update, update) ? LEDGER_SAME : LEDGER_OTHER;
}

bool ledger_takes_part(const struct ledger *l, const struct id *participant)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && participant != NULL);
    return line_of(l, participant) < l->count;
}

bool ledger_has_counted(const struct ledger *l, const struct id *participant)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && participant != NULL);
    size_t at = line_of(l, participant);
    return at < l->count && l->lines[at].counted;
}

static enum status copy_metrics(const struct metrics *metrics, struct line *line)
{
    if (metrics == NULL || metrics->count == 0)
        return ST_OK;
    size_t size = metrics->count * sizeof metrics->items[0];
    line->metrics = malloc(size);
    if (line->metrics == NULL)
        return ST_NOMEM;
    memcpy(line->metrics, metrics->items, size);
    line->metric_count = metrics->count;
    return ST_OK;
}

enum status ledger_count(struct ledger *l, const struct id *sender, const struct digest *update,
                         uint64_t samples, const struct metrics *metrics)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && sender != NULL && update != NULL);
    size_t at = line_of(l, sender);
    assert(at < l->count && !l->lines[at].counted);
    struct line *line = &l->lines[at];
    enum status status = copy_metrics(metrics, line);
    if (status != ST_OK)
        return status;
    line->counted = true;
    line->update = *update;
    line->samples = samples;
    l->counted++;
    return ST_OK;
}

void ledger_keep(struct ledger *l, const struct id *sender, struct view bytes,
                 const struct digest *digest)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && bytes.data != NULL && digest != NULL);
    size_t at = line_of(l, sender);
    assert(at < l->count && l->lines[at].counted);
    l->lines[at].kept = bytes;
    l->lines[at].kept_digest = *digest;
}

void ledger_metrics(const struct ledger *l, struct metrics *ret)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && ret != NULL);
    struct metrics one;
    ret->count = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct line *line = &l->lines[i];
        one.count = line->metric_count;
        if (line->metric_count == 0)
            continue;
        memcpy(one.items, line->metrics, line->metric_count * sizeof one.items[0]);
        metrics_add(ret, &one, (double)line->samples);
    }
}

void ledger_list(const struct ledger *l, struct counted *ret)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && ret != NULL);
    for (size_t i = 0; i < l->count; i++) {
        const struct line *line = &l->lines[i];
        if (line->counted)
            *ret++ = (struct counted){.participant = line->who,
                                      .samples = line->samples,
                                      .bytes = line->kept,
                                      .digest = line->kept_digest};
    }
}

void ledger_forget_bytes(struct ledger *l)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC);
    for (size_t i = 0; i < l->count; i++) {
        struct line *line = &l->lines[i];
        free(line->metrics);
        line->metrics = NULL;
        line->metric_count = 0;
        line->kept = view_of(NULL, 0);
    }
}

size_t ledger_counted(const struct ledger *l)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC);
    return l->counted;
}

size_t ledger_participants(const struct ledger *l)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC);
    return l->count;
}

struct ledger *ledger_free(struct ledger *l)
{
    if (l == NULL)
        return NULL;
    ledger_forget_bytes(l);
    *(volatile uint32_t *)&l->magic = 0;
    free(l);
    return NULL;
}
