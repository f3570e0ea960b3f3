#include "experiment/experiment.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/progress.h"
#include "experiment/selection.h"

#define EXPERIMENT_MAGIC 0x65787065u /* "expe" */
#define BYTES_MAX        (UINT64_C(1) << 53)

struct experiment {
    uint32_t magic;
    struct experiment_start start;
    struct experiment_memory m;
    struct round_start next; /* of the last EXPERIMENT_START_ROUND */

    /* Not remembered: a restart asks, and says, once more. */
    bool asked;          /* the roster, since the stage began */
    uint64_t ask_ms;     /* when it is asked for (again) */
    uint64_t give_up_ms; /* if asked: when nobody is waited for any more */
    bool cancel_again;
};

static struct experiment_action *append(struct experiment_actions *actions,
                                        enum experiment_action_kind kind)
{
    assert(actions->count < EXPERIMENT_ACTIONS_MAX);
    struct experiment_action *a = &actions->items[actions->count++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}

static bool is_choosing(const struct experiment *x)
{
    return x->m.stage == EXPERIMENT_CHOOSING_TRAIN || x->m.stage == EXPERIMENT_CHOOSING_EVALUATE;
}

static bool is_running(const struct experiment *x)
{
    return x->m.stage == EXPERIMENT_TRAINING || x->m.stage == EXPERIMENT_EVALUATING;
}

static bool is_cancelling(const struct experiment *x)
{
    return x->m.cancelling[0] != '\0';
}

static uint64_t wait_is_over_ms(const struct experiment *x)
{
    return x->m.stage_ms + (uint64_t)x->start.wait_s * 1000;
}

/* ---- what is said ---- */

void experiment_state_now(const struct experiment *x, uint64_t now_ms, struct experiment_state *ret)
{
    *ret = x->m.state;
    if (x->m.stage != EXPERIMENT_ENDED)
        ret->duration_ms = now_ms > x->m.started_ms ? now_ms - x->m.started_ms : 0;
}

static void say_state(const struct experiment *x, uint64_t now_ms,
                      struct experiment_actions *actions)
{
    experiment_state_now(x, now_ms, &append(actions, EXPERIMENT_SAY_STATE)->state);
}

static void ask(struct experiment *x, uint64_t now_ms, struct experiment_actions *actions)
{
    append(actions, EXPERIMENT_ASK_ROSTER);
    x->ask_ms = now_ms + EXPERIMENT_ROSTER_WAIT_MS;
    if (x->asked)
        return;
    x->asked = true;
    /* At least one answer is awaited, also when the wait passed during a restart. */
    uint64_t over_ms = wait_is_over_ms(x);
    x->give_up_ms = over_ms > x->ask_ms ? over_ms : x->ask_ms;
}

/* ---- from stage to stage ---- */

static void begin_stage(struct experiment *x, enum experiment_stage stage, uint64_t now_ms)
{
    x->m.stage = stage;
    x->m.stage_ms = now_ms;
    x->asked = false;
    x->ask_ms = now_ms;
    x->cancel_again = false;
}

static void begin_round(struct experiment *x, uint32_t round, uint64_t now_ms,
                        struct experiment_actions *actions)
{
    struct experiment_row *row = &x->m.row;
    *row = (struct experiment_row){.experiment_id = x->start.experiment_id, .round = round};
    memcpy(row->model_topic, x->m.state.model_topic, sizeof row->model_topic);
    x->m.state.round = round;
    begin_stage(x, EXPERIMENT_CHOOSING_TRAIN, now_ms);
    say_state(x, now_ms, actions);
    ask(x, now_ms, actions);
}

static void end(struct experiment *x, enum round_outcome outcome, const char *reason,
                uint64_t now_ms, struct experiment_actions *actions)
{
    struct experiment_state *s = &x->m.state;
    experiment_state_now(x, now_ms, s);
    s->phase = EXPERIMENT_DONE;
    s->outcome = outcome;
    (void)snprintf(s->reason, sizeof s->reason, "%s", reason);
    begin_stage(x, EXPERIMENT_ENDED, now_ms);
    x->m.cancelling[0] = '\0';
    say_state(x, now_ms, actions);
}

/* The value that the stop rule looks at, if this round measured it. */
static bool measured(const struct experiment *x, double *ret)
{
    const struct experiment_row *row = &x->m.row;
    bool evaluates = x->start.evaluation.every > 0;
    bool has = evaluates ? row->has_evaluate : row->has_train;
    const struct complete *c = evaluates ? &row->evaluate : &row->train;
    if (!x->start.has_stop || !has || c->outcome != ROUND_COMPLETED)
        return false;
    const struct metric *metric = metrics_find(&c->metrics, x->start.stop.metric);
    if (metric != NULL)
        *ret = metric->value;
    return metric != NULL;
}

static struct progress progress_of(const struct experiment *x)
{
    return (struct progress){x->m.state.has_best, x->m.state.best, x->m.since_best};
}

static void count_measurement(struct experiment *x, double value)
{
    struct experiment_state *s = &x->m.state;
    struct progress p = progress_of(x);
    if (progress_add(&p, &x->start.stop, value)) {
        s->has_best = true;
        s->best = value;
        s->best_round = x->m.row.round;
        memcpy(s->best_model_topic, s->model_topic, sizeof s->best_model_topic);
    }
    x->m.since_best = p.since_best;
}

/* The round under way has its row: what comes now? In the order of experiment.h. */
static void finish_round(struct experiment *x, uint64_t now_ms, struct experiment_actions *actions)
{
    const struct experiment_state *s = &x->m.state;
    double value = 0;
    bool has_value = measured(x, &value);
    if (has_value)
        count_measurement(x, value);
    struct progress p = progress_of(x);
    append(actions, EXPERIMENT_SAY_ROW)->row = x->m.row;

    if (is_cancelling(x))
        end(x, ROUND_CANCELLED, x->m.cancelling, now_ms, actions);
    else if (has_value && progress_reached(&x->start.stop, value))
        end(x, ROUND_COMPLETED, EXPERIMENT_REASON_TARGET, now_ms, actions);
    else if (x->m.failures >= x->start.max_failures)
        end(x, ROUND_FAILED, EXPERIMENT_REASON_FAILURES, now_ms, actions);
    else if (x->m.row.round >= x->start.rounds && s->completed > 0)
        end(x, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS, now_ms, actions);
    else if (x->m.row.round >= x->start.rounds)
        end(x, ROUND_FAILED, EXPERIMENT_REASON_FAILURES, now_ms, actions);
    else if (x->start.has_stop && progress_exhausted(&p, &x->start.stop))
        end(x, ROUND_COMPLETED, EXPERIMENT_REASON_PATIENCE, now_ms, actions);
    else
        begin_round(x, x->m.row.round + 1, now_ms, actions);
}

/* After every m-th version, and after the last round if the newest was not measured. */
static bool evaluation_is_due(const struct experiment *x, bool completed)
{
    uint32_t every = x->start.evaluation.every;
    if (every == 0 || is_cancelling(x) || x->m.failures >= x->start.max_failures)
        return false;
    bool is_last = x->m.row.round >= x->start.rounds;
    bool at_its_turn = x->m.state.completed % every == 0;
    return completed ? at_its_turn || is_last : !at_its_turn && is_last;
}

static void finish_training(struct experiment *x, bool completed, uint64_t now_ms,
                            struct experiment_actions *actions)
{
    x->m.failures = completed ? 0 : x->m.failures + 1;
    if (!evaluation_is_due(x, completed)) {
        finish_round(x, now_ms, actions);
        return;
    }
    begin_stage(x, EXPERIMENT_CHOOSING_EVALUATE, now_ms);
    say_state(x, now_ms, actions);
    ask(x, now_ms, actions);
}

/* The first reason of a row stays. */
static void set_row_reason(struct experiment *x, const char *reason)
{
    struct experiment_row *row = &x->m.row;
    if (row->reason[0] == '\0')
        (void)snprintf(row->reason, sizeof row->reason, "%s", reason);
}

static void give_up(struct experiment *x, uint64_t now_ms, struct experiment_actions *actions)
{
    if (x->m.stage == EXPERIMENT_CHOOSING_TRAIN) {
        set_row_reason(x, EXPERIMENT_ROW_TOO_FEW);
        finish_training(x, false, now_ms, actions);
    } else {
        set_row_reason(x, EXPERIMENT_ROW_NO_EVALUATOR);
        finish_round(x, now_ms, actions);
    }
}

/* ---- the beginning ---- */

enum status experiment_new(struct experiment_start *start, uint64_t now_ms, struct experiment **ret,
                           struct experiment_actions *actions)
{
    assert(start != NULL && ret != NULL && actions != NULL);
    struct experiment *x = calloc(1, sizeof *x);
    if (x == NULL)
        return ST_NOMEM;
    x->magic = EXPERIMENT_MAGIC;
    x->start = *start;
    *start = (struct experiment_start){0};

    struct experiment_state *s = &x->m.state;
    s->experiment_id = x->start.experiment_id;
    s->rounds = x->start.rounds;
    memcpy(s->model_topic, x->start.model_uri, sizeof s->model_topic);
    s->has_model_digest = x->start.has_model_digest;
    s->model_digest = x->start.model_digest;
    x->m.started_ms = now_ms;
    actions->count = 0;
    begin_round(x, 1, now_ms, actions);
    *ret = x;
    return ST_OK;
}

/* ---- who takes part ---- */

static json_t *hyperparams_of(const struct experiment *x)
{
    json_t *hyperparams = json_copy(x->start.hyperparams);
    if (json_object_set_new(hyperparams, "round", json_integer(x->m.row.round)) == 0)
        return hyperparams;
    json_decref(hyperparams);
    return NULL;
}

/* What is the same for a round of either mode.
 * takes: ids (count,), on success */
static enum status make_start(const struct experiment *x, enum round_mode mode, struct id *ids,
                              size_t count, struct round_start *ret)
{
    json_t *hyperparams = hyperparams_of(x);
    if (hyperparams == NULL)
        return ST_NOMEM;
    const struct experiment_state *s = &x->m.state;
    struct round_start r = {
        .mode = mode,
        .participants = ids,
        .participant_count = count,
        .hyperparams = hyperparams,
        .has_model_digest = s->has_model_digest,
        .model_digest = s->model_digest,
    };
    experiment_round_id(&x->start.experiment_id, mode, x->m.row.round, &r.round_id);
    memcpy(r.model_uri, s->model_topic, sizeof r.model_uri);
    memcpy(r.image, x->start.image, sizeof r.image);
    if (mode == ROUND_TRAIN) {
        r.aggregation = json_incref(x->start.aggregation);
        r.compression = x->start.compression;
        r.privacy = x->start.privacy;
    }
    enum status status = fl_model_ref_parse(r.model_uri, &r.model);
    assert(status == ST_OK); /* checked when it was taken */
    *ret = r;
    return ST_OK;
}

/* What a training round goes on with. fails: ST_NOMEM */
static enum status set_carried(const struct experiment *x, const struct asynchronous *carries,
                               struct round_start *r)
{
    if (r->mode != ROUND_TRAIN || !x->start.asynchronous.is_on)
        return ST_OK;
    enum status status = asynchronous_copy(carries, &r->asynchronous);
    r->asynchronous.is_on = true;
    r->asynchronous.staleness_max = x->start.asynchronous.staleness_max;
    return status;
}

/* busy: of those that it carries */
static void set_times(const struct experiment *x, size_t busy, struct round_start *r)
{
    if (r->mode == ROUND_TRAIN) {
        size_t there = r->participant_count + busy;
        r->k_of_n = share_of(&x->start.k, there > 0 ? there : round_start_count(r));
        r->timeout_s = x->start.timeout_s;
        r->grace_s = x->start.grace_s;
        return;
    }
    /* One measures the model; the more, the better, as long as there is time. */
    r->k_of_n = 1;
    r->timeout_s = x->start.evaluation.timeout_s;
    r->grace_s = r->timeout_s < ROUND_GRACE_S_MAX ? r->timeout_s : ROUND_GRACE_S_MAX;
}

static enum status start_round(struct experiment *x, struct id *ids, size_t count,
                               const struct asynchronous *carries, size_t busy, uint64_t now_ms,
                               struct experiment_actions *actions)
{
    bool trains = x->m.stage == EXPERIMENT_CHOOSING_TRAIN;
    struct round_start next;
    enum status status = make_start(x, trains ? ROUND_TRAIN : ROUND_EVALUATE, ids, count, &next);
    if (status != ST_OK) {
        free(ids);
        return status;
    }
    status = set_carried(x, carries, &next);
    if (status != ST_OK) {
        round_start_done(&next);
        return status;
    }
    set_times(x, busy, &next);
    round_start_done(&x->next);
    x->next = next;
    begin_stage(x, trains ? EXPERIMENT_TRAINING : EXPERIMENT_EVALUATING, now_ms);
    struct experiment_action *a = append(actions, EXPERIMENT_START_ROUND);
    a->start = &x->next;
    a->round_id = x->next.round_id;
    return ST_OK;
}

static enum status choose(const struct experiment *x, const struct id *alive, size_t count,
                          const struct asynchronous *carries, struct id **ret, size_t *ret_count)
{
    return x->m.stage == EXPERIMENT_CHOOSING_TRAIN
               ? selection_train(&x->start, x->m.row.round, alive, count, carries, ret, ret_count)
               : selection_evaluate(&x->start, alive, count, ret, ret_count);
}

/* Those who train already can be enough for a round that nobody begins with. */
static bool is_enough(const struct experiment *x, const struct asynchronous *carries)
{
    return x->m.stage == EXPERIMENT_CHOOSING_TRAIN && carries->carried_count > 0 &&
           asynchronous_count(carries) >= x->start.selection.min;
}

enum status experiment_roster(struct experiment *x, const struct id *alive, size_t count,
                              const struct asynchronous *carries, uint64_t now_ms,
                              struct experiment_actions *ret_actions)
{
    static const struct asynchronous nobody = {0};
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    assert(carries == NULL || carries->carried_count == 0 || x->start.asynchronous.is_on);
    ret_actions->count = 0;
    if (!is_choosing(x))
        return ST_OK;
    if (carries == NULL)
        carries = &nobody;
    struct id *ids = NULL;
    size_t ids_count = 0, busy = 0;
    enum status status = selection_busy(alive, count, carries, &busy);
    if (status == ST_OK)
        status = choose(x, alive, count, carries, &ids, &ids_count);
    if (status != ST_OK)
        return status;
    if (ids_count > 0 || is_enough(x, carries))
        return start_round(x, ids, ids_count, carries, busy, now_ms, ret_actions);
    if (now_ms >= wait_is_over_ms(x))
        give_up(x, now_ms, ret_actions);
    else
        x->ask_ms = now_ms + EXPERIMENT_ROSTER_AGAIN_MS;
    return ST_OK;
}

/* ---- how rounds end ---- */

bool experiment_round_now(const struct experiment *x, struct id *ret)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    if (!is_running(x))
        return false;
    enum round_mode mode = x->m.stage == EXPERIMENT_TRAINING ? ROUND_TRAIN : ROUND_EVALUATE;
    experiment_round_id(&x->start.experiment_id, mode, x->m.row.round, ret);
    return true;
}

static void add_bytes(struct experiment_state *s, uint64_t bytes)
{
    s->update_bytes = bytes < BYTES_MAX - s->update_bytes ? s->update_bytes + bytes : BYTES_MAX;
}

static void keep_metrics(struct experiment *x, const struct complete *complete)
{
    if (complete->outcome == ROUND_COMPLETED && complete->metrics.count > 0)
        x->m.state.metrics = complete->metrics;
}

/* Takes the version that training made, if it made one. */
static bool take_version(struct experiment *x, const struct complete *complete)
{
    struct model_ref ref;
    if (complete->outcome != ROUND_COMPLETED || !complete->has_version ||
        fl_model_ref_parse(complete->model_topic, &ref) != ST_OK)
        return false;
    struct experiment_state *s = &x->m.state;
    s->completed++;
    s->has_model_digest = true;
    s->model_digest = complete->model_digest;
    memcpy(s->model_topic, complete->model_topic, sizeof s->model_topic);
    memcpy(x->m.row.model_topic, complete->model_topic, sizeof x->m.row.model_topic);
    return true;
}

void experiment_round_ended(struct experiment *x, const struct complete *complete, uint64_t now_ms,
                            struct experiment_actions *ret_actions)
{
    ret_actions->count = 0;
    struct id round;
    if (!experiment_round_now(x, &round) || !id_equal(&round, &complete->round_id))
        return;
    struct experiment_row *row = &x->m.row;
    add_bytes(&x->m.state, complete->update_bytes);
    if (x->m.stage == EXPERIMENT_TRAINING) {
        x->m.trained = row->round;
        row->has_train = true;
        row->train = *complete;
        if (x->start.evaluation.every == 0)
            keep_metrics(x, complete);
        finish_training(x, take_version(x, complete), now_ms, ret_actions);
    } else {
        row->has_evaluate = true;
        row->evaluate = *complete;
        keep_metrics(x, complete);
        finish_round(x, now_ms, ret_actions);
    }
}

void experiment_round_refused(struct experiment *x, bool for_now, uint64_t now_ms,
                              struct experiment_actions *ret_actions)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    ret_actions->count = 0;
    if (!is_running(x))
        return;
    bool trains = x->m.stage == EXPERIMENT_TRAINING;
    if (for_now && !is_cancelling(x)) {
        begin_stage(x, trains ? EXPERIMENT_CHOOSING_TRAIN : EXPERIMENT_CHOOSING_EVALUATE, now_ms);
        x->ask_ms = now_ms + EXPERIMENT_ROSTER_AGAIN_MS;
        return;
    }
    set_row_reason(x, EXPERIMENT_REASON_REFUSED);
    if (is_cancelling(x)) {
        finish_round(x, now_ms, ret_actions);
        return;
    }
    append(ret_actions, EXPERIMENT_SAY_ROW)->row = x->m.row;
    end(x, ROUND_FAILED, EXPERIMENT_REASON_REFUSED, now_ms, ret_actions);
}

/* ---- from outside ---- */

void experiment_cancel(struct experiment *x, const char *reason, uint64_t now_ms,
                       struct experiment_actions *ret_actions)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC && reason != NULL && reason[0] != '\0');
    ret_actions->count = 0;
    if (x->m.stage == EXPERIMENT_ENDED || is_cancelling(x))
        return;
    (void)snprintf(x->m.cancelling, sizeof x->m.cancelling, "%s", reason);
    if (x->m.stage == EXPERIMENT_CHOOSING_TRAIN) {
        x->m.state.round--; /* this one gets no row */
        end(x, ROUND_CANCELLED, x->m.cancelling, now_ms, ret_actions);
    } else if (x->m.stage == EXPERIMENT_CHOOSING_EVALUATE) {
        finish_round(x, now_ms, ret_actions);
    } else {
        (void)experiment_round_now(x, &append(ret_actions, EXPERIMENT_CANCEL_ROUND)->round_id);
    }
}

void experiment_tick(struct experiment *x, uint64_t now_ms, struct experiment_actions *ret_actions)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    ret_actions->count = 0;
    if (is_choosing(x) && x->asked && now_ms >= x->give_up_ms) {
        give_up(x, now_ms, ret_actions);
    } else if (is_choosing(x) && now_ms >= x->ask_ms) {
        ask(x, now_ms, ret_actions);
    } else if (x->cancel_again) {
        x->cancel_again = false;
        (void)experiment_round_now(x, &append(ret_actions, EXPERIMENT_CANCEL_ROUND)->round_id);
    }
}

uint64_t experiment_deadline_ms(const struct experiment *x)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    if (x->cancel_again)
        return 0;
    if (!is_choosing(x))
        return UINT64_MAX;
    return x->asked && x->give_up_ms < x->ask_ms ? x->give_up_ms : x->ask_ms;
}

const struct experiment_start *experiment_start_of(const struct experiment *x)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    return &x->start;
}

/* ---- what has to be remembered ---- */

const struct experiment_memory *experiment_memory(const struct experiment *x)
{
    assert(x != NULL && x->magic == EXPERIMENT_MAGIC);
    return &x->m;
}

/* Could an experiment with this start remember this? */
static bool fits(const struct experiment_start *start, const struct experiment_memory *m)
{
    const struct experiment_state *s = &m->state;
    struct model_ref ref;
    bool evaluates = m->stage == EXPERIMENT_CHOOSING_EVALUATE || m->stage == EXPERIMENT_EVALUATING;
    bool runs = m->stage == EXPERIMENT_TRAINING || m->stage == EXPERIMENT_EVALUATING;
    bool is_over = m->stage == EXPERIMENT_ENDED;
    bool trains = m->stage == EXPERIMENT_CHOOSING_TRAIN || m->stage == EXPERIMENT_TRAINING;
    return id_equal(&s->experiment_id, &start->experiment_id) &&
           id_equal(&m->row.experiment_id, &start->experiment_id) && s->rounds == start->rounds &&
           m->row.round >= 1 && m->row.round <= start->rounds &&
           (s->round == m->row.round || (is_over && s->round == m->row.round - 1)) &&
           s->completed <= m->row.round && m->failures <= m->row.round &&
           m->since_best <= m->row.round && m->trained <= m->row.round - trains &&
           (s->phase == EXPERIMENT_DONE) == is_over &&
           (!evaluates || start->evaluation.every > 0) && (runs || m->cancelling[0] == '\0') &&
           (start->has_stop || !s->has_best) && fl_model_ref_parse(s->model_topic, &ref) == ST_OK;
}

enum status experiment_restore(struct experiment_start *start,
                               const struct experiment_memory *memory, struct experiment **ret)
{
    assert(start != NULL && memory != NULL && ret != NULL);
    if (!fits(start, memory))
        return ST_INVALID;
    struct experiment *x = calloc(1, sizeof *x);
    if (x == NULL)
        return ST_NOMEM;
    x->magic = EXPERIMENT_MAGIC;
    x->start = *start;
    x->m = *memory;
    x->cancel_again = is_cancelling(x);
    *start = (struct experiment_start){0};
    *ret = x;
    return ST_OK;
}

struct experiment *experiment_free(struct experiment *x)
{
    if (x == NULL)
        return NULL;
    assert(x->magic == EXPERIMENT_MAGIC);
    x->magic = 0;
    experiment_start_done(&x->start);
    round_start_done(&x->next);
    free(x);
    return NULL;
}
