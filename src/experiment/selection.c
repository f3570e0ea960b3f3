#include "experiment/selection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/id_set.h"

struct ticket {
    struct digest digest;
    const struct id *id;
};

static void put_be(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

/* SHA-256 of the seed (8 bytes), the round (4 bytes, both big-endian) and the id. */
static struct digest draw(uint64_t seed, uint32_t round, const struct id *id)
{
    uint8_t bytes[8 + 4 + ID_SIZE_MAX];
    size_t size = strlen(id->text);
    put_be(bytes, 8, seed);
    put_be(bytes + 8, 4, round);
    memcpy(bytes + 12, id->text, size);
    return digest_of(view_of(bytes, 12 + size));
}

static int by_digest(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;
    return memcmp(x->digest.bytes, y->digest.bytes, sizeof x->digest.bytes);
}

/* Whom nobody asks: who evaluates, and who trains already. */
struct others {
    struct id_set evaluators, busy;
    struct id *busy_ids; /* of busy */
};

static enum status others_of(const struct experiment_start *start,
                             const struct asynchronous *carries, struct others *ret)
{
    const struct round_start busy = {.asynchronous = *carries};
    enum status status = id_set_new(start->evaluation.participants,
                                    start->evaluation.participant_count, &ret->evaluators);
    if (status == ST_OK)
        status = round_start_ids(&busy, &ret->busy_ids);
    if (status == ST_OK)
        status = id_set_new(ret->busy_ids, round_start_count(&busy), &ret->busy);
    return status;
}

static bool is_free(const struct others *o, const struct id *id)
{
    return !id_set_has(&o->evaluators, id) && !id_set_has(&o->busy, id);
}

static void others_done(struct others *o)
{
    id_set_done(&o->evaluators);
    id_set_done(&o->busy);
    free(o->busy_ids);
}

/* The eligible ones among those alive, each once.
 * ret: room for as many as are alive, and as the start names. gives: how many */
static size_t eligible(const struct experiment_start *start, const struct id_set *alive,
                       const struct others *others, const struct id **ret)
{
    size_t count = 0;
    for (size_t i = 0; start->alive && i < alive->count; i++)
        if (is_free(others, alive->sorted[i]))
            ret[count++] = alive->sorted[i];
    for (size_t i = 0; !start->alive && i < start->participant_count; i++)
        if (id_set_has(alive, &start->participants[i]) && is_free(others, &start->participants[i]))
            ret[count++] = &start->participants[i];
    return count;
}

/* Those who train already and are alive. */
static size_t busy_of(const struct id_set *alive, const struct asynchronous *carries)
{
    size_t count = 0;
    for (size_t i = 0; i < carries->carried_count; i++) {
        const struct carried *k = &carries->carried[i];
        for (size_t n = 0; n < k->participant_count; n++)
            count += id_set_has(alive, &k->participants[n]);
    }
    return count;
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many of so many eligible ones are asked, beside those who train already; 0: too few
 * are there, or none is wanted. busy: of those who are carried */
static size_t asked(const struct selection *s, size_t eligible, size_t carried, size_t busy)
{
    if (eligible + carried < s->min || eligible == 0)
        return 0;
    size_t count = share_of(&s->count, eligible + busy);
    if (count < s->min)
        count = s->min;
    size_t room = carried < ROUND_PARTICIPANTS_MAX ? ROUND_PARTICIPANTS_MAX - carried : 0;
    return count > busy ? lesser(count - busy, lesser(eligible, room)) : 0;
}

static struct id *lowest(const struct experiment_start *start, uint32_t round,
                         const struct id *const *ids, size_t there, size_t count)
{
    struct ticket *tickets = calloc(there, sizeof tickets[0]);
    struct id *chosen = calloc(count, sizeof chosen[0]);
    if (tickets == NULL || chosen == NULL) {
        free(chosen);
        chosen = NULL;
        goto done;
    }
    for (size_t i = 0; i < there; i++)
        tickets[i] = (struct ticket){draw(start->selection.seed, round, ids[i]), ids[i]};
    qsort(tickets, there, sizeof tickets[0], by_digest);
    for (size_t i = 0; i < count; i++)
        chosen[i] = *tickets[i].id;
done:
    free(tickets);
    return chosen;
}

enum status selection_train(const struct experiment_start *start, uint32_t round,
                            const struct id *alive, size_t count,
                            const struct asynchronous *carries, struct id **ret, size_t *ret_count)
{
    assert(start != NULL && carries != NULL && ret != NULL && ret_count != NULL);
    struct id_set there = {0};
    struct others others = {0};
    const struct id **ids = NULL;
    struct id *chosen = NULL;

    enum status status = id_set_new(alive, count, &there);
    if (status == ST_OK)
        status = others_of(start, carries, &others);
    if (status != ST_OK)
        goto done;
    id_set_unify(&there);
    status = ST_NOMEM;
    ids = calloc(there.count + start->participant_count + 1, sizeof(const struct id *));
    if (ids == NULL)
        goto done;

    size_t ids_count = eligible(start, &there, &others, ids);
    size_t chosen_count =
        asked(&start->selection, ids_count, asynchronous_count(carries), busy_of(&there, carries));
    if (chosen_count > 0) {
        chosen = lowest(start, round, ids, ids_count, chosen_count);
        if (chosen == NULL)
            goto done;
    }
    *ret = chosen;
    *ret_count = chosen_count;
    status = ST_OK;
done:
    free(ids);
    others_done(&others);
    id_set_done(&there);
    return status;
}

enum status selection_busy(const struct id *alive, size_t count, const struct asynchronous *carries,
                           size_t *ret)
{
    assert(carries != NULL && ret != NULL);
    struct id_set there;
    enum status status = id_set_new(alive, count, &there);
    if (status != ST_OK)
        return status;
    *ret = busy_of(&there, carries);
    id_set_done(&there);
    return ST_OK;
}

enum status selection_evaluate(const struct experiment_start *start, const struct id *alive,
                               size_t count, struct id **ret, size_t *ret_count)
{
    assert(start != NULL && ret != NULL && ret_count != NULL);
    const struct evaluation *e = &start->evaluation;
    struct id_set there;
    enum status status = id_set_new(alive, count, &there);
    if (status != ST_OK)
        return status;
    struct id *chosen = calloc(e->participant_count + 1, sizeof chosen[0]);
    size_t chosen_count = 0;
    for (size_t i = 0; chosen != NULL && i < e->participant_count; i++)
        if (id_set_has(&there, &e->participants[i]))
            chosen[chosen_count++] = e->participants[i];
    id_set_done(&there);
    if (chosen == NULL)
        return ST_NOMEM;
    if (chosen_count == 0) {
        free(chosen);
        chosen = NULL;
    }
    *ret = chosen;
    *ret_count = chosen_count;
    return ST_OK;
}
