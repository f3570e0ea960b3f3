/* Drives experiments: tells them what happened, and carries out what they want.
 *
 * What an event leads to (a row, what is said, a round that opens) and what the
 * experiment remembers of it are one transaction with the event itself. */
#include "coordinator/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "round/rule_read.h"
#include "service/log.h"

#define REASON_FORGOTTEN "round_forgotten"
#define REASON_CANCELLED "experiment_cancelled"

/* ---- what is said ---- */

static void say_row(struct coordinator *c, const struct experiment_row *row)
{
    char topic[FL_TOPIC_SIZE];
    char *text = experiment_row_encode(row);
    enum status status =
        text == NULL ? ST_NOMEM : store_add_row(c->store, &row->experiment_id, row->round, text);
    (void)is_kept(c, "row", status);
    fl_topic_experiment_rows(&row->experiment_id, topic);
    send_text(c, topic, text);
    log_line(LOG_INFO, "experiment.row", "experiment=%s round=%u model=%s reason=%s",
             row->experiment_id.text, row->round, log_quote(row->model_topic),
             log_quote(row->reason));
}

static void say_experiment(struct coordinator *c, const struct experiment_state *state)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_experiment_state(&state->experiment_id, topic);
    retain_text(c, topic, experiment_state_encode(state));
}

static void set_time(struct experiment_state *state)
{
    char now[CLOCK_TEXT_SIZE];
    clock_text(now);
    static_assert(sizeof state->at == sizeof now, "one size of time");
    memcpy(state->at, now, sizeof now);
}

/* An ended one as it was said at its end. */
static void say_again(struct coordinator *c, const struct experiment_entry *e, uint64_t now_ms)
{
    if (e->experiment == NULL) {
        say_experiment(c, &e->state);
        return;
    }
    struct experiment_state state;
    experiment_state_now(e->experiment, now_ms, &state);
    set_time(&state);
    say_experiment(c, &state);
}

void say_all_experiments(struct coordinator *c, uint64_t now_ms)
{
    for (size_t i = experiments_ended_count(c->experiments); i > 0; i--)
        say_again(c, experiments_ended_at(c->experiments, i - 1), now_ms);
    for (size_t i = 0; i < experiments_open_count(c->experiments); i++)
        say_again(c, experiments_open_at(c->experiments, i), now_ms);
}

/* ---- the end of an experiment ---- */

/* Those that ended before the newest EXPERIMENTS_KEPT_MAX leave nothing at the broker. */
static void forget_oldest(struct coordinator *c)
{
    struct id id;
    enum status status;
    while ((status = store_forget_experiment(c->store, EXPERIMENTS_KEPT_MAX, &id)) == ST_OK) {
        char topic[FL_TOPIC_SIZE];
        fl_topic_experiment_state(&id, topic);
        retain_text(c, topic, strdup(""));
    }
    if (status != ST_NOT_FOUND)
        (void)is_kept(c, "forgetting", status);
}

static void end_experiment(struct coordinator *c, struct experiment_entry *e,
                           const struct experiment_state *state)
{
    char *text = experiment_state_encode(state);
    enum status status = text == NULL ? ST_NOMEM : store_end_experiment(c->store, &e->id, text);
    free(text);
    say_those_over(c, newest_training(c, e), NULL);
    if (is_kept(c, "end", status))
        forget_oldest(c);
    log_line(state->outcome == ROUND_COMPLETED ? LOG_INFO : LOG_WARN, "experiment.ended",
             "experiment=%s status=%s reason=%s rounds=%u model=%s took_ms=%llu", e->id.text,
             round_outcome_name(state->outcome), state->reason, state->completed,
             log_quote(state->model_topic), (unsigned long long)state->duration_ms);
    experiments_end(c->experiments, e, state);
}

/* ---- what is remembered ---- */

static void keep_memory(struct coordinator *c, struct experiment_entry *e)
{
    char *text = experiment_memory_encode(experiment_memory(e->experiment));
    struct digest digest = digest_of(view_text(text == NULL ? "" : text));
    if (text == NULL)
        (void)is_kept(c, "experiment", ST_NOMEM);
    else if (!digest_equal(&digest, &e->kept) &&
             is_kept(c, "experiment", store_set_memory(c->store, &e->id, text)))
        e->kept = digest;
    free(text);
}

/* ---- its rounds ---- */

/* With whoever is there, its rule of aggregation cannot be. */
static void log_rule(const struct round_start *start)
{
    struct rule_settings rule;
    struct why why = {0};
    if (rule_read(start, &rule, &why) != ST_OK)
        log_line(LOG_WARN, "round.refused", "round=%s code=invalid reason=%s", start->round_id.text,
                 log_quote(why.text));
}

/* Not of a round that nobody begins with: it counts those that it carries.
 * takes: text */
static void publish_start(struct coordinator *c, const struct round_start *start, char *text)
{
    if (start->participant_count == 0) {
        free(text);
        return;
    }
    send_text(c, FL_ROUND_START, text);
}

/* The very start that anyone could have published: it is kept and published as one text,
 * so that we know it again when it comes back to us. fails: as open_round(); ST_CORRUPT
 * (as check_bases(): choose again whom it carries) */
static enum status open_its_round(struct coordinator *c, const struct experiment_entry *x,
                                  const struct round_start *start, uint64_t now_ms,
                                  struct entry **ret)
{
    if (rounds_find(c->rounds, &start->round_id) != NULL)
        return ST_EXISTS;
    enum status status = check_bases(c, &start->asynchronous);
    if (status != ST_OK)
        return status;
    char *text = round_start_encode(start);
    if (text == NULL)
        return ST_NOMEM;
    struct digest digest = digest_of(view_text(text));
    const struct entry *before = newest_training(c, x);
    status = open_round(c, start, view_text(text), &digest, now_ms, ret);
    if (status == ST_INVALID)
        log_rule(start);
    if (status != ST_OK) {
        free(text);
        return status;
    }
    if (start->asynchronous.is_on) /* whoever is asked anew is stopped first */
        say_those_over(c, before, *ret);
    publish_start(c, start, text);
    return ST_OK;
}

static void cancel_its_round(struct coordinator *c, const struct id *round_id, uint64_t now_ms)
{
    struct entry *round = rounds_find(c->rounds, round_id);
    assert(round != NULL && round_state(round->round) != ROUND_ENDED);
    struct round_actions actions;
    round_cancel(round->round, ROUND_CANCELLED, REASON_CANCELLED, now_ms, &actions);
    carry_out(c, round, &actions, now_ms);
}

/* ---- actions ---- */

/* What cannot be done within the loop over the actions, as it leads to further events. */
struct afterwards {
    struct entry *begin;
    enum status refused;
    bool cancel;
    struct id round;
    bool end;
    struct experiment_state state;
};

static void carry_out_one(struct coordinator *c, const struct experiment_entry *x,
                          struct experiment_action *a, uint64_t now_ms, struct afterwards *then)
{
    switch (a->kind) {
    case EXPERIMENT_ASK_ROSTER:
        ask_roster(c, now_ms);
        break;
    case EXPERIMENT_START_ROUND:
        then->refused = open_its_round(c, x, a->start, now_ms, &then->begin);
        break;
    case EXPERIMENT_CANCEL_ROUND:
        then->cancel = true;
        then->round = a->round_id;
        break;
    case EXPERIMENT_SAY_ROW:
        say_row(c, &a->row);
        break;
    case EXPERIMENT_SAY_STATE:
        set_time(&a->state);
        say_experiment(c, &a->state);
        then->end = a->state.phase == EXPERIMENT_DONE;
        if (then->end)
            then->state = a->state;
        break;
    }
}

static void refuse_its_round(struct coordinator *c, struct experiment_entry *e, enum status why,
                             uint64_t now_ms)
{
    struct experiment_actions actions;
    bool for_now = why == ST_LIMIT || why == ST_NOMEM || why == ST_CORRUPT;
    log_line(LOG_WARN, "experiment.refused_round", "experiment=%s reason=%s", e->id.text,
             status_name(why));
    experiment_round_refused(e->experiment, for_now, now_ms, &actions);
    drive(c, e, &actions, now_ms);
}

void drive(struct coordinator *c, struct experiment_entry *e, struct experiment_actions *actions,
           uint64_t now_ms)
{
    struct afterwards then = {.refused = ST_OK};
    for (size_t i = 0; i < actions->count; i++)
        carry_out_one(c, e, &actions->items[i], now_ms, &then);
    if (then.end) {
        end_experiment(c, e, &then.state);
        release_held(c, now_ms);
        return;
    }
    keep_memory(c, e);
    if (is_closed(c)) /* all of it is undone */
        return;
    if (then.refused != ST_OK)
        refuse_its_round(c, e, then.refused, now_ms);
    else if (then.cancel)
        cancel_its_round(c, &then.round, now_ms);
    else if (then.begin != NULL) {
        begin_round(c, then.begin, now_ms);
        release_held(c, now_ms);
    }
}

/* ---- events ---- */

static enum status tell_one_roster(struct coordinator *c, const struct experiment_entry *e,
                                   const struct id *alive, size_t count, uint64_t now_ms,
                                   struct experiment_actions *actions)
{
    struct asynchronous carries = {0};
    enum status status = ST_OK;
    if (experiment_start_of(e->experiment)->asynchronous.is_on)
        status = carry_on(c, e, now_ms, &carries);
    if (status == ST_OK)
        status = experiment_roster(e->experiment, alive, count, &carries, now_ms, actions);
    asynchronous_done(&carries);
    return status;
}

void tell_roster(struct coordinator *c, const struct id *alive, size_t count, uint64_t now_ms)
{
    for (size_t i = experiments_open_count(c->experiments); i > 0; i--) {
        struct experiment_entry *e = experiments_open_at(c->experiments, i - 1);
        struct experiment_actions actions;
        enum status status = tell_one_roster(c, e, alive, count, now_ms, &actions);
        if (status == ST_OK)
            drive(c, e, &actions, now_ms);
        else
            log_line(LOG_ERROR, "experiment.postponed", "experiment=%s reason=%s", e->id.text,
                     status_name(status));
    }
}

void tell_round_ended(struct coordinator *c, const struct complete *complete, uint64_t now_ms)
{
    struct experiment_entry *e = experiments_find_round(c->experiments, &complete->round_id);
    if (e == NULL)
        return;
    struct experiment_actions actions;
    experiment_round_ended(e->experiment, complete, now_ms, &actions);
    drive(c, e, &actions, now_ms);
}

void tell_time(struct coordinator *c, uint64_t now_ms)
{
    for (size_t i = experiments_open_count(c->experiments); i > 0; i--) {
        struct experiment_entry *e = experiments_open_at(c->experiments, i - 1);
        struct experiment_actions actions;
        experiment_tick(e->experiment, now_ms, &actions);
        if (actions.count > 0)
            drive(c, e, &actions, now_ms);
    }
}

void cancel_experiment(struct coordinator *c, struct experiment_entry *e, const char *reason,
                       uint64_t now_ms)
{
    struct experiment_actions actions;
    experiment_cancel(e->experiment, reason, now_ms, &actions);
    drive(c, e, &actions, now_ms);
}

/* ---- after a restart ---- */

/* The end of a round and what its experiment remembers of it are one transaction; so
 * this finds the round open. It is here for a store of which somebody took a part. */
static void find_its_round(struct coordinator *c, struct experiment_entry *e, uint64_t now_ms)
{
    struct id id;
    enum experiment_stage stage = experiment_memory(e->experiment)->stage;
    if ((stage != EXPERIMENT_TRAINING && stage != EXPERIMENT_EVALUATING) ||
        !experiment_round_now(e->experiment, &id))
        return;
    const struct entry *round = rounds_find(c->rounds, &id);
    if (round != NULL && round_state(round->round) != ROUND_ENDED)
        return;
    struct complete forgotten = {
        .round_id = id,
        .outcome = ROUND_FAILED,
        .mode = stage == EXPERIMENT_TRAINING ? ROUND_TRAIN : ROUND_EVALUATE,
    };
    (void)snprintf(forgotten.reason, sizeof forgotten.reason, REASON_FORGOTTEN);
    tell_round_ended(c, round == NULL ? &forgotten : &round->complete, now_ms);
}

void resume_experiments(struct coordinator *c, uint64_t now_ms)
{
    for (size_t i = experiments_open_count(c->experiments); i > 0; i--) {
        struct experiment_entry *e = experiments_open_at(c->experiments, i - 1);
        log_line(LOG_INFO, "experiment.resumed", "experiment=%s round=%u", e->id.text,
                 experiment_memory(e->experiment)->state.round);
        find_its_round(c, e, now_ms);
    }
}
