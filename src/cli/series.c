#include "cli/series.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/index.h"
#include "cli/roster.h"
#include "io/clock.h"

/* Without participants a round cannot even be asked for; they may come back. */
#define WAIT_FOR_PARTICIPANTS_MS 10000u

/* ---- decisions ---- */

uint32_t series_k(double k, size_t participants)
{
    assert(k > 0 && participants >= 1);
    /* 0.8 * 10 is 8.000000000000000444: what rounding left over is no update. */
    double wanted = k < 1 ? ceil(k * (double)participants - 1e-9) : k;
    if (wanted < 1)
        return 1;
    return wanted > (double)participants ? (uint32_t)participants : (uint32_t)wanted;
}

enum status series_k_parse(const char *text, double *ret, struct why *why)
{
    char *end = NULL;
    double k = strtod(text, &end);
    bool number = end != text && *end == '\0' && isfinite(k);
    bool fraction = number && k > 0 && k < 1;
    bool whole = number && k >= 1 && k <= ROUND_PARTICIPANTS_MAX && k == floor(k);
    if (!fraction && !whole) {
        why_set(why, "--k is a fraction such as 0.8 or a number of updates from 1 to %d",
                ROUND_PARTICIPANTS_MAX);
        return ST_INVALID;
    }
    *ret = k;
    return ST_OK;
}

json_t *series_hyperparams(const json_t *hyperparams, uint32_t round)
{
    json_t *copy = json_deep_copy(hyperparams);
    if (copy == NULL)
        return NULL;
    if (json_object_set_new(copy, "round", json_integer(round)) != 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

void series_round_id(const char *prefix, enum round_mode mode, uint32_t round, struct id *ret)
{
    assert(strlen(prefix) <= SERIES_PREFIX_MAX);
    memset(ret, 0, sizeof *ret);
    (void)snprintf(ret->text, sizeof ret->text, "%.*s-%c%04u", (int)SERIES_PREFIX_MAX, prefix,
                   mode == ROUND_TRAIN ? 'r' : 'e', round);
}

bool series_goes_on(enum round_outcome outcome, uint32_t max_failures, uint32_t *failures)
{
    *failures = outcome == ROUND_COMPLETED ? 0 : *failures + 1;
    return *failures < max_failures || *failures == 0;
}

static json_t *names_of(const struct ids *list)
{
    json_t *names = json_array();
    for (size_t i = 0; names != NULL && i < list->count; i++) {
        if (json_array_append_new(names, json_string(list->items[i].text)) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

json_t *series_start(const struct series_plan *plan, enum round_mode mode, uint32_t round,
                     const char *model_topic, const struct digest *model_digest,
                     const struct ids *participants)
{
    struct id round_id;
    series_round_id(plan->prefix, mode, round, &round_id);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(model_digest, digest);
    /* An evaluation waits for every evaluator: there are few, and no skew is wanted. */
    uint32_t k = mode == ROUND_TRAIN ? series_k(plan->k, participants->count)
                                     : (uint32_t)participants->count;
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:i, s:s}", "round_id",
                     round_id.text, "model_uri", model_topic, "model_digest", digest,
                     "task_wasm_image", plan->image, "participants", names_of(participants),
                     "hyperparams", series_hyperparams(plan->hyperparams, round), "k_of_n", (int)k,
                     "timeout_s", (int)plan->timeout_s, "grace_s",
                     mode == ROUND_TRAIN ? (int)plan->grace_s : 0, "mode", round_mode_name(mode));
}

static double metric_of(const struct complete *complete, const char *name)
{
    const struct metric *metric = metrics_find(&complete->metrics, name);
    return metric == NULL ? NAN : metric->value;
}

void series_row_fill(struct series_row *row, const struct complete *complete)
{
    row->round_id = complete->round_id;
    row->outcome = complete->outcome;
    /* How a round came to be completed is no news. */
    if (complete->outcome != ROUND_COMPLETED)
        (void)snprintf(row->reason, sizeof row->reason, "%s", complete->reason);
    row->counted = complete->num_updates;
    row->samples = complete->total_samples;
    row->update_bytes = complete->update_bytes;
    row->train_loss = metric_of(complete, "loss");
}

/* ---- the series ---- */

struct series {
    struct session *session;
    const struct series_plan *plan;
    const struct series_hooks *hooks;
    struct series_result *result; /* its model is the base of the next round */
    struct series_progress progress;
    uint64_t started_ms; /* the round that is under way */
};

static void tell_progress(struct series *s)
{
    s->progress.seconds = (double)(clock_now_ms() - s->started_ms) / 1000;
    if (s->hooks->on_progress != NULL)
        s->hooks->on_progress(s->hooks->owner, &s->progress);
}

static void on_wait(void *owner)
{
    tell_progress(owner);
}

static void on_receipt(void *owner, const struct receipt *r)
{
    struct series *s = owner;
    if (r->verdict != VERDICT_ACCEPTED)
        return;
    s->progress.accepted++;
    tell_progress(s);
}

static void on_task(void *owner, const struct task_event *e)
{
    struct series *s = owner;
    if (strcmp(e->state, "failed") != 0)
        return;
    s->progress.failed++;
    tell_progress(s);
}

static enum status play_one(struct series *s, enum round_mode mode, uint32_t round,
                            const struct ids *participants, struct complete *ret, double *ret_s,
                            struct why *why)
{
    json_t *start = series_start(s->plan, mode, round, s->result->model_topic,
                                 &s->result->model_digest, participants);
    if (start == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    const struct play_watch watch = {
        .on_task = on_task, .on_receipt = on_receipt, .on_wait = on_wait, .owner = s};
    s->progress =
        (struct series_progress){.round = round, .mode = mode, .asked = participants->count};
    s->started_ms = clock_now_ms();
    tell_progress(s);
    enum status status = play_round(s->session, start, &watch, ret, why);
    *ret_s = (double)(clock_now_ms() - s->started_ms) / 1000;
    json_decref(start);
    return status;
}

/* Who trains in the next round: the plan's list, or everyone who is alive and
 * does not evaluate. */
static enum status choose_participants(struct series *s, struct ids *ret, struct why *why)
{
    struct ids chosen = {0};
    enum status status = ST_OK;
    if (s->plan->participants == NULL)
        status = roster_fetch_alive(s->session, &chosen, why);
    for (size_t i = 0;
         s->plan->participants != NULL && status == ST_OK && i < s->plan->participants->count; i++)
        status = ids_add(&chosen, &s->plan->participants->items[i]);
    if (status == ST_OK) {
        ids_subtract(&chosen, s->plan->evaluators);
        if (chosen.count == 0)
            status = ST_NOT_FOUND;
    }
    if (status != ST_OK) {
        if (status == ST_NOT_FOUND)
            why_set(why, "no proplet is alive that could take part; start fml-proplet "
                         "(fml status shows who is there)");
        ids_done(&chosen);
        return status;
    }
    *ret = chosen;
    return ST_OK;
}

static enum status wait_for_participants(struct series *s, struct ids *ret, struct why *why)
{
    static const bool never = false;
    enum status status = ST_NOT_FOUND;
    uint64_t start_ms = clock_now_ms();
    while (status == ST_NOT_FOUND) {
        status = choose_participants(s, ret, why);
        if (status != ST_NOT_FOUND || clock_now_ms() - start_ms > WAIT_FOR_PARTICIPANTS_MS)
            return status;
        if (session_wait(s->session, &never, 500) == ST_CLOSED)
            return ST_CLOSED;
    }
    return status;
}

static enum status train_once(struct series *s, uint32_t round, struct series_row *row,
                              struct why *why)
{
    struct ids participants = {0};
    enum status status = wait_for_participants(s, &participants, why);
    if (status != ST_OK)
        return status;
    struct complete complete;
    row->asked = participants.count;
    status = play_one(s, ROUND_TRAIN, round, &participants, &complete, &row->seconds, why);
    ids_done(&participants);
    if (status != ST_OK)
        return status;
    series_row_fill(row, &complete);
    s->result->update_bytes += complete.update_bytes;
    if (complete.outcome == ROUND_COMPLETED && complete.has_version) {
        s->result->completed++;
        s->result->model_digest = complete.model_digest;
        (void)snprintf(s->result->model_topic, sizeof s->result->model_topic, "%s",
                       complete.model_topic);
    }
    (void)snprintf(row->model_topic, sizeof row->model_topic, "%s", s->result->model_topic);
    return ST_OK;
}

/* An evaluation that nobody is there for would only wait for its deadline. */
static enum status evaluators_alive(struct series *s, struct ids *ret, struct why *why)
{
    struct ids alive = {0};
    enum status status = roster_fetch_alive(s->session, &alive, why);
    for (size_t i = 0; status == ST_OK && i < s->plan->evaluators->count; i++)
        if (ids_have(&alive, &s->plan->evaluators->items[i]))
            status = ids_add(ret, &s->plan->evaluators->items[i]);
    ids_done(&alive);
    return status;
}

/* An evaluation that does not come to an end leaves the row without accuracy. */
static enum status evaluate_once(struct series *s, uint32_t round, struct series_row *row,
                                 struct why *why)
{
    struct complete complete;
    struct ids evaluators = {0};
    enum status status = evaluators_alive(s, &evaluators, why);
    if (status == ST_OK && evaluators.count > 0) {
        status =
            play_one(s, ROUND_EVALUATE, round, &evaluators, &complete, &row->evaluate_seconds, why);
    } else if (status == ST_OK) {
        (void)snprintf(row->reason, sizeof row->reason, "no evaluator is alive");
        return ST_OK;
    }
    ids_done(&evaluators);
    if (status != ST_OK || complete.outcome != ROUND_COMPLETED)
        return status;
    row->test_accuracy = metric_of(&complete, "accuracy");
    row->test_loss = metric_of(&complete, "loss");
    if (!isnan(row->test_accuracy))
        s->result->test_accuracy = row->test_accuracy;
    return ST_OK;
}

static enum status find_base(struct series *s, struct why *why)
{
    struct model_index index = {0};
    enum status status = index_fetch(s->session, &index, why);
    if (status != ST_OK)
        return status;
    const struct index_model *base = index_choose(&index, s->plan->model);
    if (base == NULL) {
        why_set(why, s->plan->model == NULL
                         ? "the model server has no model yet; make one with fml models init"
                         : "there is no such model; fml models list shows all");
        status = ST_NOT_FOUND;
    } else {
        (void)snprintf(s->result->model_topic, sizeof s->result->model_topic, "%s", base->topic);
        s->result->model_digest = base->digest;
    }
    index_done(&index);
    return status;
}

enum status series_run(struct session *session, const struct series_plan *plan,
                       const struct series_hooks *hooks, struct series_result *ret_result,
                       struct why *why)
{
    static const struct series_hooks nobody = {0};
    *ret_result = (struct series_result){.test_accuracy = NAN};
    struct series s = {.session = session,
                       .plan = plan,
                       .hooks = hooks == NULL ? &nobody : hooks,
                       .result = ret_result};
    enum status status = find_base(&s, why);
    uint32_t failures = 0;
    for (uint32_t round = 1; status == ST_OK && round <= plan->rounds; round++) {
        struct series_row row = {
            .round = round, .test_accuracy = NAN, .test_loss = NAN, .train_loss = NAN};
        status = train_once(&s, round, &row, why);
        if (status == ST_OK && row.outcome == ROUND_COMPLETED && plan->evaluators->count > 0)
            status = evaluate_once(&s, round, &row, why);
        if (row.asked == 0 || row.round_id.text[0] == '\0')
            break;
        if (s.hooks->on_row != NULL)
            s.hooks->on_row(s.hooks->owner, &row);
        if (status == ST_OK && !series_goes_on(row.outcome, plan->max_failures, &failures)) {
            why_set(why, "%u rounds in a row were not completed, the last one: %.160s", failures,
                    row.reason);
            status = ST_LIMIT;
        }
    }
    return status;
}
