/* Asynchronous experiments (PROTOCOL 2.8): a round goes on with those whom the rounds before
 * it have not counted. Here is whom it carries, which round counts an update, and when the
 * round that a device was asked in is over for it.
 *
 * Nothing of this is stored: each start says what its round carries, and who counted in a
 * round is known of each. */
#include "coordinator/state.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "io/map.h"
#include "service/log.h"

/* A task's way to its device, and its update's way back. */
#define TASK_MARGIN_MS 10000u

static bool is_asynchronous(const struct entry *e)
{
    return round_start_of(e->round)->asynchronous.is_on;
}

/* That of the row under way, if it was opened, or the last one before it. */
struct entry *newest_training(struct coordinator *c, const struct experiment_entry *x)
{
    const struct experiment_memory *m = experiment_memory(x->experiment);
    struct id id;
    experiment_round_id(&x->id, ROUND_TRAIN, m->row.round, &id);
    struct entry *e = rounds_find(c->rounds, &id);
    experiment_round_id(&x->id, ROUND_TRAIN, m->trained, &id);
    return e != NULL ? e : rounds_find(c->rounds, &id);
}

size_t spared_rounds(const struct coordinator *c, struct id ret[SPARED_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < experiments_open_count(c->experiments); i++) {
        const struct experiment_entry *x = experiments_open_at(c->experiments, i);
        const struct experiment_memory *m = experiment_memory(x->experiment);
        if (!experiment_start_of(x->experiment)->asynchronous.is_on)
            continue;
        experiment_round_id(&x->id, ROUND_TRAIN, m->row.round, &ret[count++]);
        experiment_round_id(&x->id, ROUND_TRAIN, m->trained, &ret[count++]);
    }
    return count;
}

/* ---- whom a round carries ---- */

/* Versions that its end put between what it carried and the next round. */
static uint32_t versions_made(const struct entry *e)
{
    return e->complete.has_version ? 1 : 0;
}

/* Its devices end their tasks timeout_s after they took them, whatever becomes of the guest. */
static bool may_still_train(const struct entry *e, uint64_t now_ms)
{
    uint64_t task_ms = (uint64_t)round_start_of(e->round)->timeout_s * 1000 + TASK_MARGIN_MS;
    return now_ms < e->opened_ms + task_ms;
}

static bool has_sent(const struct coordinator *c, const struct id *round,
                     const struct id *participant)
{
    return held_has(&c->held, round, participant) || has_come(c, round, participant);
}

/* Leaves those whose updates wait for a round, however long that took. */
static void keep_those_who_sent(const struct coordinator *c, struct carried *k)
{
    size_t count = 0;
    for (size_t i = 0; i < k->participant_count; i++)
        if (has_sent(c, &k->round_id, &k->participants[i]))
            k->participants[count++] = k->participants[i];
    k->participant_count = count;
}

/* Adds those of a group who still train.
 * from: of e, borrowed. fails: ST_NOMEM */
static enum status add_awaited(struct coordinator *c, const struct entry *e,
                               const struct carried *from, uint64_t now_ms, struct asynchronous *a)
{
    struct carried k = *from;
    k.staleness += versions_made(e);
    const struct entry *asked = rounds_find(c->rounds, &k.round_id);
    if (asked == NULL || asked->base_is_bad || k.staleness > a->staleness_max ||
        a->carried_count == CARRIED_MAX || k.participant_count == 0)
        return ST_OK;
    k.participants = calloc(k.participant_count, sizeof k.participants[0]);
    if (k.participants == NULL)
        return ST_NOMEM;
    k.participant_count =
        round_awaited(e->round, from->participants, from->participant_count, k.participants);
    if (!may_still_train(asked, now_ms))
        keep_those_who_sent(c, &k);
    if (k.participant_count > 0)
        a->carried[a->carried_count++] = k;
    else
        free(k.participants);
    return ST_OK;
}

/* Those whom e asked itself, as whoever carries them says it. borrows from e */
static struct carried own_group(const struct entry *e)
{
    const struct round_start *start = round_start_of(e->round);
    struct carried own = {.round_id = start->round_id,
                          .model_digest = e->base,
                          .participants = start->participants,
                          /* without a base nobody could train */
                          .participant_count = e->has_base ? start->participant_count : 0};
    memcpy(own.model_uri, start->model_uri, sizeof own.model_uri);
    return own;
}

enum status carry_on(struct coordinator *c, const struct experiment_entry *x, uint64_t now_ms,
                     struct asynchronous *ret)
{
    const struct entry *e = newest_training(c, x);
    struct asynchronous a = {.is_on = true,
                             .staleness_max =
                                 experiment_start_of(x->experiment)->asynchronous.staleness_max};
    enum status status = ST_OK;
    if (e != NULL && is_asynchronous(e) && round_state(e->round) == ROUND_ENDED) {
        const struct asynchronous *carried = &round_start_of(e->round)->asynchronous;
        const struct carried own = own_group(e);
        a.carried = calloc(carried->carried_count + 1, sizeof a.carried[0]);
        status = a.carried == NULL ? ST_NOMEM : add_awaited(c, e, &own, now_ms, &a);
        for (size_t i = carried->carried_count; i > 0 && status == ST_OK; i--)
            status = add_awaited(c, e, &carried->carried[i - 1], now_ms, &a);
    }
    if (status == ST_OK)
        *ret = a;
    else
        asynchronous_done(&a);
    return status;
}

/* ---- which round counts an update ---- */

static bool has_counted(const struct entry *e, const struct id *participant)
{
    struct id unused;
    return round_awaited(e->round, participant, 1, &unused) == 0;
}

/* Was it this round that asked it, and not one before? Others hear at once that they take no
 * part. */
static bool was_asked(const struct entry *e, const struct id *participant)
{
    return round_takes_part(e->round, participant) &&
           asynchronous_find(&round_start_of(e->round)->asynchronous, NULL, participant) == NULL;
}

static bool carries(const struct entry *e, const struct id *asked, const struct id *participant)
{
    return asynchronous_find(&round_start_of(e->round)->asynchronous, asked, participant) != NULL;
}

/* Will the round behind this ended one, the newest of an open experiment, carry it? */
static bool will_be_carried(const struct entry *e, const struct id *asked,
                            const struct id *participant)
{
    const struct round_start *start = round_start_of(e->round);
    if (!start->asynchronous.is_on || round_state(e->round) != ROUND_ENDED ||
        has_counted(e, participant))
        return false;
    uint32_t staleness = versions_made(e);
    const struct carried *k = asynchronous_find(&start->asynchronous, asked, participant);
    if (k != NULL)
        staleness += k->staleness;
    else if (!id_equal(&start->round_id, asked) || !e->has_base || !was_asked(e, participant))
        return false;
    return staleness <= start->asynchronous.staleness_max;
}

static bool is_between_rounds(struct coordinator *c, const struct id *asked,
                              const struct id *participant)
{
    for (size_t i = 0; i < experiments_open_count(c->experiments); i++) {
        const struct experiment_entry *x = experiments_open_at(c->experiments, i);
        if (!experiment_start_of(x->experiment)->asynchronous.is_on)
            continue;
        const struct entry *newest = newest_training(c, x);
        if (newest != NULL && will_be_carried(newest, asked, participant))
            return true;
    }
    return false;
}

/* The newest round that knows of what this one was asked in e. */
static struct entry *newest_that_carries(struct coordinator *c, struct entry *e,
                                         const struct id *participant)
{
    const struct id *asked = &round_start_of(e->round)->round_id;
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--)
        if (carries(rounds_open_at(c->rounds, i - 1), asked, participant))
            return rounds_open_at(c->rounds, i - 1);
    for (size_t i = 0; round_state(e->round) == ROUND_ENDED && i < rounds_ended_count(c->rounds);
         i++)
        if (carries(rounds_ended_at(c->rounds, i), asked, participant))
            return rounds_ended_at(c->rounds, i);
    return e;
}

struct entry *counting_round(struct coordinator *c, struct entry *e, const struct id *participant,
                             uint64_t now_ms)
{
    if (!is_asynchronous(e) || !was_asked(e, participant))
        return e;
    struct entry *last = newest_that_carries(c, e, participant);
    if (has_counted(last, participant) || round_counts(last->round, now_ms))
        return last;
    bool another_comes = round_state(last->round) != ROUND_ENDED ||
                         is_between_rounds(c, &round_start_of(e->round)->round_id, participant);
    return another_comes ? NULL : last;
}

/* ---- updates between two rounds ---- */

void release_held(struct coordinator *c, uint64_t now_ms)
{
    struct held_updates all = c->held;
    c->held = (struct held_updates){0}; /* those that wait on are held anew */
    for (const struct held *h = all.first; h != NULL; h = h->next) {
        struct entry *e = rounds_find(c->rounds, &h->asked);
        if (e != NULL && !is_closed(c)) /* else its sender repeats it */
            take_update(c, e, &h->sender, bytes_view(&h->payload), now_ms);
    }
    held_done(&all);
}

/* ---- the bases of what is carried ---- */

static enum status map_base(const struct coordinator *c, const struct carried *k, struct view *ret)
{
    char path[PATH_MAX];
    struct blobs *blobs = NULL;
    enum status status = round_folder(c, &k->round_id, path, sizeof path);
    if (status == ST_OK)
        status = blobs_open(path, &blobs);
    if (status == ST_OK)
        status = blobs_path(blobs, &k->model_digest, path, sizeof path);
    blobs_close(blobs);
    return status == ST_OK ? map_open(path, MODEL_BYTES_MAX, ret) : status;
}

/* Maps it, and looks whether it is what it was. */
static enum status check_base(const struct coordinator *c, const struct carried *k)
{
    struct view bytes = {0};
    enum status status = map_base(c, k, &bytes);
    if (status != ST_OK)
        return status;
    struct digest found = digest_of(bytes);
    map_close(&bytes);
    return digest_equal(&found, &k->model_digest) ? ST_OK : ST_CORRUPT;
}

static void log_unread(const struct carried *k, enum status status)
{
    log_line(LOG_ERROR, "base.unread", "round=%s model=%s reason=%s", k->round_id.text,
             log_quote(k->model_uri), status_name(status));
}

enum status check_bases(struct coordinator *c, const struct asynchronous *a)
{
    bool all_good = true;
    for (size_t i = 0; i < a->carried_count; i++) {
        enum status status = check_base(c, &a->carried[i]);
        if (status == ST_NOMEM)
            return status;
        if (status == ST_OK)
            continue;
        all_good = false;
        log_unread(&a->carried[i], status);
        struct entry *e = rounds_find(c->rounds, &a->carried[i].round_id);
        if (e != NULL)
            e->base_is_bad = true;
    }
    return all_good ? ST_OK : ST_CORRUPT;
}

enum status carry_bases(const struct coordinator *c, struct entry *e)
{
    const struct asynchronous *a = &round_start_of(e->round)->asynchronous;
    if (a->carried_count == 0)
        return ST_OK;
    e->bases = calloc(a->carried_count, sizeof e->bases[0]);
    if (e->bases == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < a->carried_count; i++) {
        enum status status = map_base(c, &a->carried[i], &e->bases[i]);
        if (status == ST_NOMEM)
            return status;
        if (status != ST_OK) /* the round fails, if an update to it counts */
            log_unread(&a->carried[i], status);
        round_carry(e->round, i, e->bases[i]);
    }
    return ST_OK;
}

/* ---- when a round is over for those whom it asked ---- */

static void say_over(struct coordinator *c, const struct id *round)
{
    const struct entry *e = rounds_find(c->rounds, round);
    if (e != NULL && is_asynchronous(e) && round_state(e->round) == ROUND_ENDED)
        say_complete(c, &e->complete);
}

static bool goes_on_with(const struct entry *next, const struct id *round)
{
    const struct asynchronous *a = &round_start_of(next->round)->asynchronous;
    for (size_t i = 0; i < a->carried_count; i++)
        if (id_equal(&a->carried[i].round_id, round))
            return true;
    return false;
}

void say_those_over(struct coordinator *c, const struct entry *newest, const struct entry *next)
{
    if (newest == NULL || newest == next)
        return;
    const struct round_start *start = round_start_of(newest->round);
    for (size_t i = 0; i < start->asynchronous.carried_count; i++) {
        const struct id *round = &start->asynchronous.carried[i].round_id;
        if (next == NULL || !goes_on_with(next, round))
            say_over(c, round);
    }
    if (next == NULL || !goes_on_with(next, &start->round_id))
        say_over(c, &start->round_id);
}
