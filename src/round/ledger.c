#include "round/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEDGER_MAGIC 0x6c656467u /* "ledg" */

struct line {
    const struct id *who;
    bool counted;
    struct digest update; /* of the counted one */
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

void ledger_count(struct ledger *l, const struct id *sender, const struct digest *update)
{
    assert(l != NULL && l->magic == LEDGER_MAGIC && sender != NULL && update != NULL);
    size_t at = line_of(l, sender);
    assert(at < l->count && !l->lines[at].counted);
    l->lines[at].counted = true;
    l->lines[at].update = *update;
    l->counted++;
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
    if (l != NULL)
        *(volatile uint32_t *)&l->magic = 0;
    free(l);
    return NULL;
}
