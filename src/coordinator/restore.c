/* After a restart: rounds and experiments as the store has them.
 *
 * An open round is fed its start, its base model and its updates again, in their
 * order and each at its own time; so it is what it was, to the last bit of its mean.
 * What cannot be read any more fails its round, and no other. */
#include "coordinator/state.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "protect/configuration.h"
#include "service/log.h"

#define REASON_LOST ROUND_REASON_CORRUPT

/* ---- one round ---- */

struct feeding {
    struct coordinator *c;
    struct entry *e;
    struct model *model; /* the new version, if counting is over */
};

static void lose(struct entry *e, const struct digest *digest, enum status status)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    e->lost = REASON_LOST;
    log_line(LOG_ERROR, "round.lost", "round=%s bytes=%s reason=%s",
             round_start_of(e->round)->round_id.text, text, status_name(status));
}

/* True: its bytes are there. False: the round is lost, or *ret_status is not ST_OK. */
static bool read_bytes(struct entry *e, const struct digest *digest, struct bytes *ret,
                       enum status *ret_status)
{
    enum status status = blobs_get(e->blobs, digest, MODEL_BYTES_MAX, ret);
    if (status == ST_OK)
        return true;
    if (status == ST_NOMEM)
        *ret_status = status;
    else
        lose(e, digest, status);
    return false;
}

/* Bytes that are with their row, or in a file. True: they are there and right. */
static bool read_with_row(struct entry *e, const struct store_update *u, struct bytes *ret,
                          enum status *ret_status)
{
    if (u->bytes.size == 0)
        return read_bytes(e, &u->digest, ret, ret_status);
    struct digest found = digest_of(u->bytes);
    if (!digest_equal(&found, &u->digest)) {
        lose(e, &u->digest, ST_CORRUPT);
        return false;
    }
    *ret_status = bytes_copy(ret, u->bytes);
    return *ret_status == ST_OK;
}

/* What an older program kept: it stays in memory until the round's end. */
static bool read_older(struct entry *e, const struct store_update *u, struct round_kept *ret,
                       enum status *ret_status)
{
    struct kept *older = calloc(1, sizeof *older);
    if (older == NULL) {
        *ret_status = ST_NOMEM;
        return false;
    }
    older->next = e->older;
    e->older = older;
    if (!read_with_row(e, u, &older->bytes, ret_status))
        return false;
    ret->size = older->bytes.size;
    ret->bytes = bytes_view(&older->bytes);
    return true;
}

/* True: its bytes are there, and what they were when it counted. */
static bool read_update(struct entry *e, const struct store_update *u, struct round_kept *ret,
                        enum status *ret_status)
{
    bool spooled = u->place.size > 0;
    *ret = (struct round_kept){
        .update = u->digest, .size = u->size, .digest = spooled ? u->kept : u->digest};
    if (!spooled && !read_older(e, u, ret, ret_status))
        return false;
    if (spooled && spool_at(e->spool, &u->place, &ret->bytes) != ST_OK) {
        lose(e, &u->kept, ST_NOT_FOUND);
        return false;
    }
    struct digest found = digest_of(ret->bytes);
    if (digest_equal(&found, &ret->digest))
        return true;
    lose(e, &ret->digest, ST_CORRUPT);
    return false;
}

/* The last update was aggregated as it was before, or there is no memory for it. Any other
 * end was stored with the update that led to it, and would not be fed: something that the
 * aggregate was made of has changed since, as the base of a round that this one carries. */
static enum status after_update(struct feeding *f, const struct digest *update,
                                const struct round_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct round_action *a = &actions->items[i];
        if (a->kind == ROUND_PUBLISH_MODEL)
            f->model = a->model;
        else if (a->kind == ROUND_SEND_COMPLETE) {
            if (strcmp(a->complete.reason, ROUND_REASON_NO_MEMORY) == 0)
                return ST_NOMEM;
            lose(f->e, update, ST_CORRUPT);
        }
    }
    return ST_OK;
}

static enum status feed_update(void *arg, const struct store_update *u)
{
    struct feeding *f = arg;
    enum status status = ST_OK;
    struct round_kept kept;
    struct round_actions actions;
    if (f->e->lost != NULL || !read_update(f->e, u, &kept, &status))
        return status;
    secure_counted(f->e, &u->participant);
    status = round_restore_update(f->e->round, &u->participant, &kept, u->received_ms, &actions);
    if (status == ST_CORRUPT) { /* what counted once counts again, or something changed */
        lose(f->e, &kept.digest, status);
        return ST_OK;
    }
    if (status != ST_OK)
        return status;
    return after_update(f, &kept.update, &actions);
}

static enum status take_early(void *arg, const struct store_update *u)
{
    struct feeding *f = arg;
    enum status status = ST_OK;
    struct bytes bytes = {0};
    if (f->e->lost != NULL || !read_with_row(f->e, u, &bytes, &status))
        return status;
    bool held = hold_early(f->c, f->e, &u->participant, bytes_view(&bytes));
    bytes_done(&bytes);
    return held ? ST_OK : ST_NOMEM;
}

static enum status feed_base(const struct feeding *f, struct entry *e, const struct store_round *r)
{
    enum status status = ST_OK;
    struct bytes bytes = {0};
    struct model *base = NULL;
    struct round_actions actions;
    if (!r->has_base || !read_bytes(e, &r->base, &bytes, &status))
        return status;
    status = decode_base(bytes_view(&bytes), &base, &e->form, NULL);
    bytes_done(&bytes);
    e->has_base = true;
    e->base = r->base;
    if (status == ST_OK)
        status = round_base_model(e->round, base, &r->base, r->base_ms, &actions);
    if (status == ST_OK)
        status = privacy_restore(f->c, e);
    return status == ST_OK || status == ST_NOMEM ? status : ST_CORRUPT;
}

static enum status take_version(struct entry *e, const struct store_round *r)
{
    enum status status = ST_OK;
    if (!r->has_version || !read_bytes(e, &r->version_digest, &e->bytes, &status))
        return status;
    e->version = r->version;
    e->digest = r->version_digest;
    e->has_version = e->debited = true;
    return ST_OK;
}

static enum status feed_updates(void *arg)
{
    struct feeding *f = arg;
    return store_each_update(f->c->store, &round_start_of(f->e->round)->round_id, feed_update, f);
}

/* Of a masked round they are fed when its devices had dealt their shares. */
static enum status feed_all_updates(struct feeding *f, const struct store_round *r)
{
    if (!round_start_of(f->e->round)->privacy.is_masked)
        return feed_updates(f);
    return r->has_base ? secure_restore(f->c, f->e, feed_updates, f, &f->model) : ST_OK;
}

enum status feed_round(struct coordinator *c, struct entry *e, const struct store_round *r)
{
    char folder[PATH_MAX];
    struct feeding f = {.c = c, .e = e};
    lend_hands(c, e);
    enum status status = round_folder(c, &r->round, folder, sizeof folder);
    if (status == ST_OK)
        status = blobs_open(folder, &e->blobs);
    if (status == ST_OK)
        status = spool_open(folder, &e->spool);
    if (status == ST_OK)
        status = carry_bases(c, e);
    if (status == ST_OK)
        status = feed_base(&f, e, r);
    if (status == ST_OK && e->lost == NULL)
        status = take_version(e, r);
    if (status == ST_OK && e->lost == NULL)
        status = feed_all_updates(&f, r);
    if (status == ST_OK && !r->has_base)
        status = store_each_early(c->store, &r->round, take_early, &f);
    e->model = f.model;
    for (int v = VERDICT_ACCEPTED + 1; v < VERDICT_COUNT; v++)
        round_restore_rejected(e->round, (enum verdict)v, r->rejected[v]);
    return status;
}

static enum status count_again(void *arg, const struct store_update *u)
{
    struct entry *e = arg;
    enum status status = round_restore_counted(e->round, &u->participant, &u->digest);
    return status == ST_OK ? ST_OK : ST_CORRUPT;
}

static enum status adopt(struct coordinator *c, const struct round_start *start,
                         const struct store_round *r, struct entry **ret)
{
    struct round *round = NULL;
    struct complete complete;
    enum status status = ST_OK;
    if (r->complete.size == 0)
        status = round_new(start, r->opened_ms, &round);
    else {
        status = complete_decode(r->complete, &complete, NULL);
        if (status == ST_OK)
            status = round_restore_ended(start, &complete, &round);
    }
    if (status == ST_OK)
        status = rounds_adopt(c->rounds, round, ret);
    if (status != ST_OK) {
        round_free(round);
        return status;
    }
    if (r->complete.size > 0)
        (*ret)->complete = complete;
    (*ret)->opened_ms = r->opened_ms;
    (*ret)->has_base = r->has_base;
    (*ret)->base = r->base;
    status = configuration_hyperparams(start->hyperparams, &(*ret)->hyperparams);
    return status == ST_OK ? digest_of_start(start, &(*ret)->start) : status;
}

static enum status restore_round(void *arg, const struct store_round *r)
{
    struct coordinator *c = arg;
    struct round_start start;
    struct id id;
    struct entry *e = NULL;
    enum status status = round_start_decode(r->start, &start, &id, NULL);
    if (status != ST_OK)
        return status == ST_NOMEM ? status : ST_CORRUPT;
    status = adopt(c, &start, r, &e);
    round_start_done(&start);
    if (status != ST_OK)
        return status == ST_NOMEM ? status : ST_CORRUPT;
    if (r->has_version) { /* numbers are not used twice; beyond the limit the topic tells */
        status = models_note(c->models, &r->version);
        if (status != ST_OK)
            log_line(LOG_WARN, "model.unnoted", "model=%s reason=%s, ignoring",
                     r->version.name.text, status_name(status));
    }
    if (r->complete.size == 0)
        return feed_round(c, e, r);
    status = store_each_update(c->store, &r->round, count_again, e);
    struct id spared[SPARED_MAX];
    rounds_end(c->rounds, e, spared, spared_rounds(c, spared));
    return status;
}

/* ---- one experiment ---- */

static enum status adopt_experiment(struct coordinator *c, struct experiment_start *start,
                                    const struct store_experiment *r)
{
    struct experiment_memory memory;
    struct experiment *experiment = NULL;
    struct experiment_entry *e = NULL;
    struct digest digest = digest_of(r->start);
    enum status status = experiment_memory_decode(r->memory, &memory, NULL);
    if (status == ST_OK)
        status = experiment_restore(start, &memory, &experiment);
    if (status == ST_OK)
        status = experiments_add(c->experiments, &digest, experiment, &e);
    if (status != ST_OK) {
        experiment_free(experiment);
        return status;
    }
    e->kept = digest_of(r->memory);
    return ST_OK;
}

static enum status restore_ended(struct coordinator *c, const struct store_experiment *r)
{
    struct experiment_state state;
    struct digest digest = digest_of(r->start);
    enum status status = experiment_state_decode(r->state, &state, NULL);
    return status == ST_OK ? experiments_add_ended(c->experiments, &digest, &state) : status;
}

static enum status restore_open(struct coordinator *c, const struct store_experiment *r)
{
    struct experiment_start start = {0};
    struct id id;
    enum status status = experiment_start_decode(r->start, &start, &id, NULL);
    if (status != ST_OK)
        return status;
    status = adopt_experiment(c, &start, r);
    experiment_start_done(&start);
    return status;
}

static enum status restore_experiment(void *arg, const struct store_experiment *r)
{
    struct coordinator *c = arg;
    enum status status = r->state.size > 0 ? restore_ended(c, r) : restore_open(c, r);
    return status == ST_OK || status == ST_NOMEM ? status : ST_CORRUPT;
}

/* ---- all of them ---- */

/* The broker is asked for base models again, or no more. */
static void ask_no_more(struct coordinator *c)
{
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++) {
        const struct entry *e = rounds_open_at(c->rounds, i);
        if (e->asked)
            c->out.ask_no_more(c->out.owner, round_start_of(e->round)->model_uri);
    }
}

enum status restore(struct coordinator *c)
{
    ask_no_more(c);
    rounds_clear(c->rounds);
    experiments_clear(c->experiments);
    c->early_bytes = 0;
    /* Experiments first: they say which rounds are not to be forgotten. */
    enum status status = store_each_experiment(c->store, restore_experiment, c);
    if (status == ST_OK)
        status = store_each_round(c->store, restore_round, c);
    if (status != ST_OK) {
        rounds_clear(c->rounds);
        experiments_clear(c->experiments);
    }
    return status;
}

/* It may have ended by itself while it was fed; nobody was told then. */
static void end_lost(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    struct round_actions actions;
    round_cancel(e->round, ROUND_FAILED, e->lost, now_ms, &actions);
    if (actions.count == 0) {
        actions = (struct round_actions){.count = 1, .items = {{.kind = ROUND_SEND_COMPLETE}}};
        round_facts(e->round, now_ms, &actions.items[0].complete);
    }
    carry_out(c, e, &actions, now_ms);
}

static void go_on(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    log_line(LOG_INFO, "round.resumed", "round=%s state=%s",
             round_start_of(e->round)->round_id.text, round_state_name(round_state(e->round)));
    if (e->lost != NULL)
        end_lost(c, e, now_ms);
    else if (round_state(e->round) == ROUND_OPENING)
        want_base(c, e, now_ms);
    else if (e->model != NULL)
        publish_version(c, e, e->model, now_ms);
}

void resume(struct coordinator *c, uint64_t now_ms)
{
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--)
        go_on(c, rounds_open_at(c->rounds, i - 1), now_ms);
    resume_experiments(c, now_ms);
}
