/* What must always hold, whatever the network, the devices and the crashes do.
 *
 * A round's model is judged from its bytes alone. Besides "w" each update has the
 * tensor "who", with one element for each device: its own is `mark`, 1 for its
 * first variant, 17 for its second, 33 for its third; all others are 0. Samples are
 * 1 to 8. So mean * total_samples gives samples * mark back for each device, and
 * from that number alone which variant was counted, and whether once: no product
 * of one variant is one of another, or twice its own, or a sum of two. */
#include "sim.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counting is over by the timeout, then the version is handed out this often. */
#define STORING_MS_MAX (ROUND_STORE_WAIT_MS * ROUND_STORE_TRIES_MAX)
#define ASIDE_MS_MAX   2000 /* a round that was set aside */

void violation(struct world *w, const char *name, const char *format, ...)
{
    if (w->violated)
        return;
    w->violated = true;
    int used = snprintf(w->violation, sizeof w->violation, "%s: ", name);
    va_list list;
    va_start(list, format);
    (void)vsnprintf(w->violation + used, sizeof w->violation - (size_t)used, format, list);
    va_end(list);
}

/* ---- what is on the disk: what was counted ---- */

const struct disk_round *disk_kept(const struct world *w, int round)
{
    return w->odds.commit_ms > 0 ? &w->commits.kept[round] : &w->disk[round];
}

static const struct sim_update *logged_of(const struct disk_round *disk, int device)
{
    for (size_t n = 0; n < disk->logged; n++)
        if (disk->log[n].update->device == device)
            return disk->log[n].update;
    return NULL;
}

struct sums {
    uint64_t updates, samples, bytes;
    double loss; /* the mean by samples */
};

static struct sums sums_of_log(const struct disk_round *disk)
{
    struct sums s = {0};
    for (size_t n = 0; n < disk->logged; n++) {
        const struct sim_update *u = disk->log[n].update;
        s.updates++;
        s.samples += (uint64_t)u->samples;
        s.bytes += u->size;
        s.loss += (double)(u->samples * u->loss);
    }
    s.loss = s.samples == 0 ? 0 : s.loss / (double)s.samples;
    return s;
}

static void check_each_once(struct world *w, int i)
{
    int times[DEVICES_MAX] = {0};
    const struct disk_round *disk = &w->disk[i];
    for (size_t n = 0; n < disk->logged; n++)
        if (++times[disk->log[n].update->device] > 1)
            violation(w, "counted_twice", "d-%d in r-%d", disk->log[n].update->device, i);
}

static void check_promises(struct world *w, int i)
{
    for (int d = 0; d < w->device_count; d++) {
        const struct sim_update *promised = w->rounds[i].promised[d];
        if (promised == NULL)
            continue;
        const struct sim_update *counted = logged_of(disk_kept(w, i), d);
        if (counted == NULL || !digest_equal(&counted->digest, &promised->digest))
            violation(w, "promise_broken",
                      "d-%d has a receipt for an update that r-%d does not count", d, i);
    }
}

static void check_sums(struct world *w, int i, const struct complete *facts)
{
    struct sums s = sums_of_log(&w->disk[i]);
    if (facts->num_updates != s.updates || facts->total_samples != s.samples ||
        facts->update_bytes != s.bytes)
        violation(w, "facts_do_not_add_up",
                  "r-%d says %llu updates, %llu samples, %llu bytes instead of %llu, %llu, %llu", i,
                  (unsigned long long)facts->num_updates, (unsigned long long)facts->total_samples,
                  (unsigned long long)facts->update_bytes, (unsigned long long)s.updates,
                  (unsigned long long)s.samples, (unsigned long long)s.bytes);
}

/* When counting ends at the latest, worked out without the round's help. */
static uint64_t closes_ms(const struct world *w, int i)
{
    const struct disk_round *disk = &w->disk[i];
    const struct round_start *start = &w->rounds[i].start;
    uint64_t timeout_ms = disk->started_ms + (uint64_t)start->timeout_s * SECOND;
    if (disk->logged < start->k_of_n)
        return timeout_ms;
    uint64_t grace_ms = disk->log[start->k_of_n - 1].at_ms + (uint64_t)start->grace_s * SECOND;
    return grace_ms < timeout_ms ? grace_ms : timeout_ms;
}

/* Counting is over when all have answered, or k_of_n and the grace has passed. */
static void check_state(struct world *w, int i, enum round_state state)
{
    const struct round_start *start = &w->rounds[i].start;
    size_t counted = w->disk[i].logged;
    bool at_once =
        counted == start->participant_count || (counted >= start->k_of_n && start->grace_s == 0);
    bool may = at_once || (counted >= start->k_of_n && w->now_ms >= closes_ms(w, i));
    if (state == ROUND_OPEN && at_once)
        violation(w, "closes_too_late", "r-%d counts on after %zu updates", i, counted);
    if (state == ROUND_STORING && !may)
        violation(w, "closes_too_early", "r-%d after %zu updates", i, counted);
    if (state == ROUND_OPEN && round_deadline_ms(w->coordinator.rounds[i]) != closes_ms(w, i))
        violation(w, "wrong_deadline", "r-%d closes at %llu ms instead of %llu ms", i,
                  (unsigned long long)round_deadline_ms(w->coordinator.rounds[i]),
                  (unsigned long long)closes_ms(w, i));
}

/* ---- answers ---- */

enum verdict check_expects(const struct world *w, int round, const struct sim_update *u)
{
    const struct round *r = w->coordinator.rounds[round];
    if (!w->rounds[round].takes_part[u->device])
        return VERDICT_NOT_PARTICIPANT;
    const struct sim_update *counted = logged_of(&w->disk[round], u->device);
    if (counted != NULL && digest_equal(&counted->digest, &u->digest))
        return VERDICT_ACCEPTED;
    enum round_state state = round_state(r);
    if (state == ROUND_STORING || state == ROUND_ENDED ||
        (state == ROUND_OPEN && w->now_ms >= closes_ms(w, round)))
        return VERDICT_LATE;
    if (counted != NULL)
        return VERDICT_CONFLICT;
    return state == ROUND_OPENING ? VERDICT_COUNT : u->deserves;
}

static const char *code(enum verdict verdict)
{
    return verdict == VERDICT_COUNT ? "no answer" : verdict_code(verdict);
}

void check_verdict(struct world *w, const struct sim_update *u, enum verdict expected,
                   enum verdict given)
{
    if (given != expected)
        violation(w, "wrong_answer", "d-%d in r-%d gets %s instead of %s", u->device, u->round,
                  code(given), code(expected));
}

void check_receipt(struct world *w, const struct sim_update *u, enum verdict verdict)
{
    if (verdict != VERDICT_ACCEPTED) {
        w->tally->refused++;
        return;
    }
    struct sim_round *sr = &w->rounds[u->round];
    if (u->deserves != VERDICT_ACCEPTED || !sr->takes_part[u->device])
        violation(w, "false_receipt", "d-%d in r-%d", u->device, u->round);
    const struct sim_update **promised = &sr->promised[u->device];
    if (*promised == NULL) {
        *promised = u;
        w->tally->accepted++;
    }
    if (!digest_equal(&(*promised)->digest, &u->digest))
        violation(w, "two_promises", "d-%d has receipts for two updates of r-%d", u->device,
                  u->round);
    const struct sim_update *in_model = sr->in_model[u->device];
    if (sr->handed_out != NULL &&
        (in_model == NULL || !digest_equal(&in_model->digest, &u->digest)))
        violation(w, "promise_after_model", "d-%d in r-%d, whose model lacks it", u->device,
                  u->round);
}

/* ---- the model ---- */

/* The update of which the mean holds exactly one, by its samples * mark. */
static const struct sim_update *update_behind(const struct world *w, int i, int device,
                                              int64_t product)
{
    for (const struct sim_update *u = w->updates; u != NULL; u = u->next)
        if (u->round == i && u->device == device && u->deserves == VERDICT_ACCEPTED &&
            u->samples * u->mark == product)
            return u;
    return NULL;
}

struct truth {
    int64_t updates, samples, w[WIDTH];
};

static struct truth find_contributors(struct world *w, int i, const struct tensor *who,
                                      uint64_t samples)
{
    struct sim_round *sr = &w->rounds[i];
    struct truth t = {0};
    for (int d = 0; d < w->device_count; d++) {
        int64_t product = llround((double)who->data[d] * (double)samples);
        sr->in_model[d] = product == 0 ? NULL : update_behind(w, i, d, product);
        if (product != 0 && sr->in_model[d] == NULL)
            violation(w, "counted_twice", "r-%d has %lld of d-%d, who never sent that once", i,
                      (long long)product, d);
        if (sr->in_model[d] == NULL)
            continue;
        t.updates++;
        t.samples += sr->in_model[d]->samples;
        for (int n = 0; n < WIDTH; n++)
            t.w[n] += sr->in_model[d]->samples * sr->in_model[d]->w[n];
    }
    return t;
}

static bool is_mean(float given, int64_t sum, int64_t samples)
{
    return given == (float)((double)sum / (double)samples);
}

static void check_numbers(struct world *w, int i, const struct model *m,
                          const struct complete *facts)
{
    const struct tensor *values = model_find(m, "w");
    const struct tensor *who = model_find(m, "who");
    if (values == NULL || who == NULL || model_tensor_count(m) != 2) {
        violation(w, "wrong_model", "r-%d's has other tensors than its base", i);
        return;
    }
    struct truth t = find_contributors(w, i, who, facts->total_samples);
    if ((uint64_t)t.updates != facts->num_updates || (uint64_t)t.samples != facts->total_samples)
        violation(w, "wrong_model",
                  "r-%d's is of %lld updates with %lld samples, its facts say %llu, %llu", i,
                  (long long)t.updates, (long long)t.samples,
                  (unsigned long long)facts->num_updates, (unsigned long long)facts->total_samples);
    if (t.updates < (int64_t)w->rounds[i].start.k_of_n)
        violation(w, "fewer_than_k", "r-%d's model is of %lld updates, not %u", i,
                  (long long)t.updates, w->rounds[i].start.k_of_n);
    for (int n = 0; n < WIDTH && !w->violated; n++)
        if (!is_mean(values->data[n], t.w[n], t.samples))
            violation(w, "wrong_sum", "w[%d] of r-%d is %.9g, the sum is %lld of %lld samples", n,
                      i, (double)values->data[n], (long long)t.w[n], (long long)t.samples);
    for (int d = 0; d < w->device_count && !w->violated; d++) {
        const struct sim_update *u = w->rounds[i].in_model[d];
        if (!is_mean(who->data[d], u == NULL ? 0 : u->samples * u->mark, t.samples))
            violation(w, "wrong_sum", "who[%d] of r-%d is %.9g", d, i, (double)who->data[d]);
    }
}

void check_made(struct world *w, int i, const struct version *v)
{
    if (w->rounds[i].start.mode != ROUND_TRAIN || w->rounds[i].complete != NULL)
        violation(w, "model_of_ended", "r-%d has none to give", i);
    struct model *m = NULL;
    if (model_decode(bytes_view(&v->bytes), &m, NULL, NULL) != ST_OK) {
        violation(w, "wrong_model", "r-%d's cannot be read", i);
        return;
    }
    struct complete facts;
    round_facts(w->coordinator.rounds[i], w->now_ms, &facts);
    check_numbers(w, i, m, &facts);
    model_free(m);
}

void check_published(struct world *w, const struct version *v)
{
    int i = v->round;
    struct sim_round *sr = &w->rounds[i];
    if (sr->handed_out == NULL)
        sr->handed_out = v;
    if (v->number != sr->handed_out->number)
        violation(w, "two_versions", "r-%d makes v%llu and v%llu", i,
                  (unsigned long long)sr->handed_out->number, (unsigned long long)v->number);
    if (!digest_equal(&v->digest, &sr->handed_out->digest))
        violation(w, "model_changed", "r-%d makes another one than before", i);
    for (int d = 0; d < w->device_count; d++) {
        const struct sim_update *promised = sr->promised[d];
        if (promised != NULL &&
            (sr->in_model[d] == NULL || !digest_equal(&sr->in_model[d]->digest, &promised->digest)))
            violation(w, "promise_broken", "d-%d has a receipt, r-%d's model lacks its update", d,
                      i);
    }
}

void check_stored(struct world *w, const struct version *v)
{
    struct sim_round *sr = &w->rounds[v->round];
    if (sr->stored != NULL)
        violation(w, "two_versions", "r-%d has v%llu and v%llu", v->round,
                  (unsigned long long)sr->stored->number, (unsigned long long)v->number);
    if (sr->handed_out == NULL || !digest_equal(&sr->handed_out->digest, &v->digest))
        violation(w, "model_changed", "r-%d's on the server is not what it handed out", v->round);
    sr->stored = v;
}

/* ---- the end of a round ---- */

static void check_completed(struct world *w, int i, const struct complete *facts)
{
    const struct sim_round *sr = &w->rounds[i];
    bool all = facts->num_updates == sr->start.participant_count;
    if (facts->num_updates < sr->start.k_of_n)
        violation(w, "fewer_than_k", "r-%d completed with %llu of %u", i,
                  (unsigned long long)facts->num_updates, sr->start.k_of_n);
    if (strcmp(facts->reason, all ? ROUND_REASON_ALL_COUNTED : ROUND_REASON_K_OF_N) != 0)
        violation(w, "wrong_reason", "r-%d completed: %s", i, facts->reason);
    if (!all && sr->start.grace_s > 0 && w->now_ms < closes_ms(w, i))
        violation(w, "closes_too_early", "r-%d before its grace was over", i);
    if (facts->has_version != (sr->start.mode == ROUND_TRAIN))
        violation(w, "wrong_version", "r-%d: a version or none", i);
    if (facts->has_version &&
        (sr->stored == NULL || w->server.versions[facts->model_version] != sr->stored ||
         !digest_equal(&facts->model_digest, &sr->stored->digest)))
        violation(w, "wrong_version", "r-%d names one that is not stored", i);
}

static void check_expired(struct world *w, int i, const struct complete *facts)
{
    const struct sim_round *sr = &w->rounds[i];
    if (facts->num_updates >= sr->start.k_of_n || sr->handed_out != NULL || facts->has_version)
        violation(w, "wrong_expiry", "r-%d had enough, or made a model", i);
    if (w->now_ms < w->disk[i].started_ms + (uint64_t)sr->start.timeout_s * SECOND)
        violation(w, "wrong_expiry", "r-%d before its time", i);
}

static void check_failed(struct world *w, int i, const struct complete *facts)
{
    bool unstored = strcmp(facts->reason, ROUND_REASON_MODEL_NOT_STORED) == 0;
    bool without_base = strcmp(facts->reason, ROUND_REASON_BASE_MISSING) == 0 ||
                        strcmp(facts->reason, ROUND_REASON_BASE_DIGEST) == 0;
    if (!unstored && !without_base)
        violation(w, "wrong_reason", "r-%d failed: %s", i, facts->reason);
    if (without_base && (w->disk[i].logged > 0 || w->rounds[i].handed_out != NULL))
        violation(w, "wrong_reason", "r-%d counted without a base", i);
    if (facts->has_version)
        violation(w, "wrong_version", "r-%d failed with one", i);
}

static void check_refused(struct world *w, int i, const struct complete *facts)
{
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (facts->rejected[v] != w->disk[i].rejected[v])
            violation(w, "facts_do_not_add_up", "r-%d says %llu were %s instead of %llu", i,
                      (unsigned long long)facts->rejected[v], verdict_code((enum verdict)v),
                      (unsigned long long)w->disk[i].rejected[v]);
}

void check_ended(struct world *w, int i, const struct complete *facts)
{
    const struct sim_round *sr = &w->rounds[i];
    if (!id_equal(&facts->round_id, &sr->start.round_id) || facts->mode != sr->start.mode ||
        facts->participants != sr->start.participant_count)
        violation(w, "facts_do_not_add_up", "r-%d is not what was asked for", i);
    check_sums(w, i, facts);
    check_refused(w, i, facts);
    const struct metric *loss = metrics_find(&facts->metrics, "loss");
    double truth = sums_of_log(&w->disk[i]).loss;
    if ((loss == NULL) != (facts->num_updates == 0) ||
        (loss != NULL && fabs(loss->value - truth) > 1e-9))
        violation(w, "facts_do_not_add_up", "r-%d's loss is not %g", i, truth);
    if (facts->outcome == ROUND_COMPLETED)
        check_completed(w, i, facts);
    else if (facts->outcome == ROUND_EXPIRED)
        check_expired(w, i, facts);
    else if (facts->outcome == ROUND_FAILED)
        check_failed(w, i, facts);
}

void check_complete(struct world *w, int i, const char *text)
{
    struct sim_round *sr = &w->rounds[i];
    if (sr->complete != NULL && strcmp(sr->complete, text) != 0)
        violation(w, "two_ends", "r-%d: %s\n  and: %s", i, sr->complete, text);
    if (w->disk[i].complete_sent)
        violation(w, "two_ends", "r-%d's is sent again, and the disk knows that it was sent", i);
    sr->complete = text;
    struct complete back;
    struct why why = {0};
    if (complete_decode(view_text(text), &back, &why) != ST_OK)
        violation(w, "wrong_complete", "r-%d's cannot be read: %s", i, why.text);
}

/* ---- after every step ---- */

static uint64_t print_of(enum round_state state, const struct complete *facts)
{
    uint64_t print = state;
    print = print * 1000003 + facts->num_updates;
    print = print * 1000003 + facts->total_samples;
    print = print * 1000003 + facts->update_bytes;
    for (int v = 0; v < VERDICT_COUNT; v++)
        print = print * 1000003 + facts->rejected[v];
    return print;
}

static void check_deadline(struct world *w, int i)
{
    uint64_t over_ms = closes_ms(w, i);
    if (over_ms < w->coordinator.returned_ms)
        over_ms = w->coordinator.returned_ms;
    uint64_t late_ms =
        ASIDE_MS_MAX + (ROUND_STORE_TRIES_MAX + 1) *
                           (uint64_t)(w->odds.wake_late_ms + w->odds.commit_ms + w->odds.grid_ms);
    if (w->now_ms > over_ms + STORING_MS_MAX + late_ms)
        violation(w, "never_ends", "r-%d is open at %llu ms, its time was over at %llu ms", i,
                  (unsigned long long)w->now_ms, (unsigned long long)over_ms);
}

void check_step(struct world *w)
{
    if (!w->coordinator.up)
        return;
    for (int i = 0; i < w->round_count; i++) {
        const struct round *r = w->coordinator.rounds[i];
        if (r == NULL)
            continue;
        struct complete facts;
        round_facts(r, w->now_ms, &facts);
        uint64_t print = print_of(round_state(r), &facts);
        if (print != w->rounds[i].print && (w->touched & 1u << i) == 0)
            violation(w, "not_isolated", "r-%d changed by what was not its own", i);
        w->rounds[i].print = print;
        check_promises(w, i);
        check_each_once(w, i);
        check_sums(w, i, &facts);
        check_refused(w, i, &facts);
        if (w->mutant != MUTANT_K_MINUS_ONE) /* its model must give it away, or its end */
            check_state(w, i, round_state(r));
        if (w->disk[i].complete == NULL)
            check_deadline(w, i);
    }
}

/* ---- when nothing is left to happen ---- */

static void check_versions(struct world *w)
{
    for (int n = 0; n < VERSIONS_MAX; n++) {
        const struct version *v = w->server.versions[n];
        if (v == NULL)
            continue;
        struct digest digest = digest_of(bytes_view(&v->bytes));
        if (!digest_equal(&digest, &v->digest))
            violation(w, "version_changed", "v%d", n);
    }
}

void check_end(struct world *w)
{
    for (int i = 0; i < w->round_count; i++) {
        const struct sim_round *sr = &w->rounds[i];
        if (w->experiment.is_there && i >= w->experiment.first_round && !disk_kept(w, i)->has_start)
            continue; /* undone before anybody heard of it */
        if (disk_kept(w, i)->complete == NULL || sr->complete == NULL) {
            violation(w, "never_ends", "r-%d, and nothing is left to happen", i);
            continue;
        }
        check_promises(w, i);
        enum round_outcome outcome = w->disk[i].facts.outcome;
        if (outcome == ROUND_EXPIRED && (sr->stored != NULL || sr->handed_out != NULL))
            violation(w, "wrong_expiry", "r-%d has a version", i);
    }
    check_versions(w);
    if (w->experiment.is_there)
        check_experiment_end(w);
}
