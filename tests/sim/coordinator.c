/* The owner of the rounds, as a durable one would be: what must not be lost is on
 * the disk first, and only then somebody is told. It may die between any two of
 * these; what was in memory is gone then, and each round is made again from its
 * start, its base model and the log of the updates that were counted.
 *
 * goes_on() stands wherever it may die. When it says no, all rounds are freed, so
 * whoever calls it touches nothing more and returns. */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- carrying out ---- */

static void send_receipt(struct world *w, const struct sim_update *u, enum verdict verdict)
{
    trace(w, "receipt for d-%d r-%d: %s", u->device, u->round, verdict_code(verdict));
    say(w, (struct event){.kind = EV_RECEIPT,
                          .round = u->round,
                          .device = u->device,
                          .update = u,
                          .verdict = verdict});
}

/* Its number is on the disk before anybody sees it: one round, one version. */
static const struct version *make_version(struct world *w, int i, struct model *model)
{
    struct disk_round *disk = &w->disk[i];
    if (disk->number == 0) {
        if (!disk_takes(w))
            return NULL;
        disk->number = ++w->disk_next_number;
    }
    char number[24];
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)disk->number);
    struct bytes bytes = {0};
    enum status status = model_set_meta(model, "version", number);
    if (status == ST_OK)
        status = model_encode(model, w->form, &bytes);
    assert(status == ST_OK);
    return version_new(w, disk->number, i, &bytes);
}

static void publish(struct world *w, int i, struct model *model)
{
    struct coordinator *c = &w->coordinator;
    if (c->handed_out[i] == NULL)
        c->handed_out[i] = make_version(w, i, model);
    if (c->handed_out[i] == NULL)
        return; /* the round hands it out again */
    const struct version *v = c->handed_out[i];
    trace(w, "r-%d publishes v%llu", i, (unsigned long long)v->number);
    check_made(w, i, v);
    if (goes_on(w))
        say(w, (struct event){.kind = EV_PUBLISH, .round = i, .version = v});
}

const char *keep_text(struct world *w, char *text)
{
    struct text *kept = must(malloc(sizeof *kept));
    kept->next = w->texts;
    kept->text = must(text);
    w->texts = kept;
    return kept->text;
}

static void send_complete(struct world *w, int i, const char *text)
{
    trace(w, "complete of r-%d is sent", i);
    say(w, (struct event){.kind = EV_COMPLETE_AT_USER, .round = i, .text = text});
    if (goes_on(w) && !commits_in_common(w) && disk_takes(w))
        w->disk[i].complete_sent = true;
}

/* MUTANT_NO_DEDUP has each participant twice, and does not say so. */
static void speak_of_once(const struct world *w, int i, struct complete *facts)
{
    facts->participants = w->rounds[i].start.participant_count;
    if (facts->outcome == ROUND_COMPLETED && facts->num_updates == facts->participants)
        (void)snprintf(facts->reason, sizeof facts->reason, "%s", ROUND_REASON_ALL_COUNTED);
}

static const char *write_complete(struct world *w, int i, const struct complete *complete)
{
    struct disk_round *disk = &w->disk[i];
    struct complete facts = *complete;
    if (w->mutant == MUTANT_NO_DEDUP)
        speak_of_once(w, i, &facts);
    if (facts.outcome == ROUND_COMPLETED && facts.mode == ROUND_TRAIN) {
        const struct version *v = w->coordinator.handed_out[i];
        struct model_ref ref = {w->rounds[i].start.model.name, v->number};
        facts.has_version = true;
        fl_topic_model(&ref, facts.model_topic);
        facts.model_version = v->number;
        facts.model_digest = v->digest;
    }
    (void)snprintf(facts.completed_at, sizeof facts.completed_at, "at %llu ms",
                   (unsigned long long)w->now_ms);
    trace(w, "r-%d ends: %s, %s", i, round_outcome_name(facts.outcome), facts.reason);
    check_ended(w, i, &facts);
    disk->facts = facts;
    return keep_text(w, complete_encode(&facts));
}

static void end(struct world *w, int i, const struct complete *complete)
{
    const char *text = write_complete(w, i, complete);
    if (w->mutant == MUTANT_COMPLETE_FIRST)
        send_complete(w, i, text);
    if (!goes_on(w))
        return;
    if (!disk_takes(w)) {
        set_aside(w, i);
        return;
    }
    w->disk[i].complete = text;
    if (goes_on(w) && w->mutant != MUTANT_COMPLETE_FIRST)
        send_complete(w, i, text);
    experiment_hears(w);
}

/* All but receipts, which only answers have. */
static void carry_out(struct world *w, int i, const struct round_actions *actions)
{
    for (size_t n = 0; n < actions->count && goes_on(w); n++) {
        const struct round_action *a = &actions->items[n];
        if (a->kind == ROUND_PUBLISH_MODEL)
            publish(w, i, a->model);
        else if (a->kind == ROUND_SEND_COMPLETE)
            end(w, i, &a->complete);
    }
}

/* ---- making a round, for the first time or again ---- */

static struct id second_name(int device)
{
    struct id id;
    (void)snprintf(id.text, sizeof id.text, "d-%d.again", device);
    return id;
}

/* What the coordinator takes r-i for: what was asked, unless it is a mutant.
 * twice: room that *ret may borrow */
static void read_start(const struct world *w, int i, struct id twice[2 * DEVICES_MAX],
                       struct round_start *ret)
{
    struct round_start start = w->rounds[i].start;
    if (w->mutant == MUTANT_K_MINUS_ONE && start.k_of_n > 1)
        start.k_of_n--;
    if (w->mutant == MUTANT_NO_DEDUP) {
        size_t n = 0;
        for (int d = 0; d < w->device_count; d++) {
            if (!w->rounds[i].takes_part[d])
                continue;
            twice[n++] = device_name(d);
            twice[n++] = second_name(d);
        }
        start.participants = twice;
        start.participant_count = n;
    }
    *ret = start;
}

static struct round *make_round(const struct world *w, int i)
{
    struct id twice[2 * DEVICES_MAX];
    struct round_start start;
    struct round *r = NULL;
    read_start(w, i, twice, &start);
    enum status status = round_new(&start, w->disk[i].started_ms, &r);
    assert(status == ST_OK);
    return r;
}

/* An ended one, as it is on the disk: it still answers. */
static struct round *make_ended(const struct world *w, int i)
{
    const struct disk_round *disk = &w->disk[i];
    struct id twice[2 * DEVICES_MAX];
    struct round_start start;
    struct round *r = NULL;
    struct complete facts = disk->facts;
    memcpy(facts.rejected, disk->rejected, sizeof facts.rejected); /* it went on refusing */
    read_start(w, i, twice, &start);
    enum status status = round_restore_ended(&start, &facts, &r);
    for (size_t n = 0; n < disk->logged && status == ST_OK; n++) {
        const struct sim_update *u = disk->log[n].update;
        struct id sender = disk->log[n].again ? second_name(u->device) : device_name(u->device);
        status = round_restore_counted(r, &sender, &u->digest);
    }
    assert(status == ST_OK);
    return r;
}

/* The broker is asked, and it is patient: a topic that is retained. */
static void ask_base(struct world *w, int i)
{
    for (uint64_t delay_ms = 1; delay_ms < ROUND_MODEL_WAIT_MS; delay_ms = 3 * delay_ms + 500)
        after(w, delay_ms,
              (struct event){
                  .kind = EV_BASE_ASKED, .round = i, .number = w->rounds[i].start.model.version});
}

static void give_base(struct world *w, int i, const struct version *v, uint64_t at_ms,
                      struct round_actions *ret)
{
    struct model *base = NULL;
    enum status status = model_decode(bytes_view(&v->bytes), &base, NULL, NULL);
    assert(status == ST_OK);
    status = round_base_model(w->coordinator.rounds[i], base, &v->digest, at_ms, ret);
    assert(status == ST_OK);
}

static enum status give_update(struct world *w, int i, const struct sim_update *u, bool again,
                               uint64_t at_ms, struct round_actions *ret)
{
    struct round *r = w->coordinator.rounds[i];
    struct id sender = again ? second_name(u->device) : device_name(u->device);
    struct view bytes = view_of(u->data, u->size); /* they stay as long as the world */
    enum status status = round_update(r, &sender, bytes, at_ms, ret);
    if (status == ST_OK && round_wants_keep(r))
        round_keep(r, bytes, &u->digest);
    return status;
}

static void replay(struct world *w, int i, struct round_actions *ret_open)
{
    const struct disk_round *disk = &w->disk[i];
    ret_open->count = 0;
    for (int v = VERDICT_ACCEPTED + 1; v < VERDICT_COUNT && w->mutant != MUTANT_REFUSALS_FORGOTTEN;
         v++)
        round_restore_rejected(w->coordinator.rounds[i], (enum verdict)v, disk->rejected[v]);
    if (disk->base != NULL)
        give_base(w, i, disk->base, disk->base_ms, ret_open);
    for (size_t n = 0; n < disk->logged; n++) {
        uint64_t at_ms = disk->log[n].at_ms;
        if (w->mutant == MUTANT_REPLAYED_NOW)
            at_ms = w->now_ms;
        enum status status =
            give_update(w, i, disk->log[n].update, disk->log[n].again, at_ms, ret_open);
        assert(status == ST_OK);
    }
}

/* What the round wants done once more is done: publishing and ending are the same
 * the second time. Receipts are not: who waits for one sends again. */
static void rebuild(struct world *w, int i)
{
    const struct disk_round *disk = &w->disk[i];
    struct round_actions actions;
    w->touched |= 1u << i;
    if (disk->complete != NULL) {
        w->coordinator.rounds[i] = make_ended(w, i);
        if (!disk->complete_sent && !commits_in_common(w))
            send_complete(w, i, disk->complete);
        return;
    }
    w->coordinator.rounds[i] = make_round(w, i);
    replay(w, i, &actions);
    trace(w, "r-%d is %s again, with %zu updates", i,
          round_state_name(round_state(w->coordinator.rounds[i])), disk->logged);
    if (round_state(w->coordinator.rounds[i]) == ROUND_OPENING)
        ask_base(w, i);
    carry_out(w, i, &actions);
}

void coordinator_rebuilds(struct world *w, int round)
{
    struct coordinator *c = &w->coordinator;
    if (!c->up || c->rounds[round] != NULL || !w->disk[round].has_start)
        return; /* died since, was made again since, or never was */
    c->returned_ms = w->now_ms;
    rebuild(w, round);
}

void coordinator_returns(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    assert(!c->up);
    trace(w, "coordinator returns");
    c->up = true;
    c->returned_ms = w->now_ms;
    for (int i = 0; i < w->round_count && goes_on(w); i++)
        if (w->disk[i].has_start)
            rebuild(w, i);
    experiment_returns(w);
}

/* ---- events ---- */

void coordinator_opens(struct world *w, int round)
{
    w->coordinator.rounds[round] = make_round(w, round);
    if (goes_on(w))
        ask_base(w, round);
}

void coordinator_start(struct world *w, const struct event *e)
{
    struct coordinator *c = &w->coordinator;
    struct disk_round *disk = &w->disk[e->round];
    if (!c->up || disk->has_start || !goes_on(w) || !disk_takes(w))
        return;
    trace(w, "r-%d opens", e->round);
    w->touched |= 1u << e->round;
    disk->has_start = true;
    disk->started_ms = w->now_ms;
    coordinator_opens(w, e->round);
}

void coordinator_base(struct world *w, const struct event *e)
{
    struct coordinator *c = &w->coordinator;
    struct round *r = c->rounds[e->round];
    if (!c->up || r == NULL || round_state(r) != ROUND_OPENING || !goes_on(w))
        return;
    trace(w, "r-%d gets its base", e->round);
    w->touched |= 1u << e->round;
    struct round_actions actions;
    give_base(w, e->round, e->version, w->now_ms, &actions);
    if (round_state(r) == ROUND_OPEN) {
        if (!disk_takes(w)) {
            set_aside(w, e->round);
            return;
        }
        w->disk[e->round].base = e->version;
        w->disk[e->round].base_ms = w->now_ms;
    }
    carry_out(w, e->round, &actions);
}

static size_t times_logged(const struct disk_round *disk, const struct sim_update *u)
{
    size_t times = 0;
    for (size_t n = 0; n < disk->logged; n++)
        if (disk->log[n].update->device == u->device &&
            digest_equal(&disk->log[n].update->digest, &u->digest))
            times++;
    return times;
}

/* False: this must not be answered now. */
static bool log_update(struct world *w, int i, const struct sim_update *u, bool again)
{
    struct disk_round *disk = &w->disk[i];
    if (!goes_on(w))
        return false;
    if (!disk_takes(w)) {
        if (w->mutant == MUTANT_DISK_FULL_IGNORED)
            return true;
        set_aside(w, i);
        return false;
    }
    assert(disk->logged < sizeof disk->log / sizeof disk->log[0]);
    disk->log[disk->logged].update = u;
    disk->log[disk->logged].at_ms = w->now_ms;
    disk->log[disk->logged].again = again;
    disk->logged++;
    return goes_on(w);
}

/* The same for a refusal, which complete counts. */
static bool log_refusal(struct world *w, int i, enum verdict verdict)
{
    if (!goes_on(w))
        return false;
    if (!disk_takes(w)) {
        set_aside(w, i);
        return false;
    }
    w->disk[i].rejected[verdict]++;
    return goes_on(w);
}

/* What has to be on the disk before this answer is given. False: it is not given. */
static bool log_answer(struct world *w, int i, const struct sim_update *u, bool again,
                       enum verdict verdict)
{
    if (verdict != VERDICT_ACCEPTED)
        return log_refusal(w, i, verdict);
    bool counted = again || times_logged(&w->disk[i], u) == 0;
    return counted ? log_update(w, i, u, again) : goes_on(w);
}

static void answer(struct world *w, int i, const struct sim_update *u, bool again,
                   struct round_actions *actions)
{
    enum verdict verdict = actions->items[0].receipt.verdict;
    if (w->mutant == MUTANT_RECEIPT_FIRST)
        send_receipt(w, u, verdict);
    if (!log_answer(w, i, u, again, verdict))
        return;
    if (w->mutant != MUTANT_RECEIPT_FIRST)
        send_receipt(w, u, again ? VERDICT_ACCEPTED : verdict);
    carry_out(w, i, actions); /* skips the receipt */
}

static void judge(struct world *w, int i, const struct sim_update *u)
{
    w->touched |= 1u << i;
    /* Once more is enough to be found out. */
    bool again = w->mutant == MUTANT_NO_DEDUP && times_logged(&w->disk[i], u) == 1;
    enum verdict expected = check_expects(w, i, u);
    struct round_actions actions;
    enum status status = give_update(w, i, u, again, w->now_ms, &actions);
    enum verdict given = status == ST_OK ? actions.items[0].receipt.verdict : VERDICT_COUNT;
    check_verdict(w, u, again ? given : expected, given);
    if (status == ST_OK)
        answer(w, i, u, again, &actions);
}

void coordinator_update(struct world *w, const struct event *e)
{
    struct coordinator *c = &w->coordinator;
    int i = e->round;
    if (!c->up || !goes_on(w))
        return;
    if (i == NO_ROUND || !w->disk[i].has_start)
        send_receipt(w, e->update, VERDICT_UNKNOWN_ROUND);
    else if (c->rounds[i] != NULL)
        judge(w, i, e->update);
}

void coordinator_stored(struct world *w, const struct event *e)
{
    struct coordinator *c = &w->coordinator;
    const struct version *v = e->round == NO_ROUND ? NULL : c->handed_out[e->round];
    if (!c->up || v == NULL || v->number != e->number ||
        !digest_equal(&v->digest, &e->version->digest) || !goes_on(w))
        return;
    w->touched |= 1u << e->round;
    struct round_actions actions;
    round_stored(c->rounds[e->round], w->now_ms, &actions);
    carry_out(w, e->round, &actions);
}

void coordinator_cancel(struct world *w, const struct event *e)
{
    struct round *r = e->round == NO_ROUND ? NULL : w->coordinator.rounds[e->round];
    if (!w->coordinator.up || r == NULL || !goes_on(w))
        return;
    w->touched |= 1u << e->round;
    struct round_actions actions;
    round_cancel(r, ROUND_CANCELLED, "asked_to", w->now_ms, &actions);
    carry_out(w, e->round, &actions);
}

void coordinator_wakes(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    for (int i = 0; i < w->round_count && goes_on(w); i++) {
        if (c->rounds[i] == NULL)
            continue;
        if (w->now_ms >= round_deadline_ms(c->rounds[i])) /* for the others it must do nothing */
            w->touched |= 1u << i;
        struct round_actions actions;
        round_tick(c->rounds[i], w->now_ms, &actions);
        carry_out(w, i, &actions);
    }
    experiment_wakes(w);
}

void coordinator_done(struct world *w)
{
    w->coordinator.experiment = experiment_free(w->coordinator.experiment);
    for (int i = 0; i < ROUNDS_MAX; i++)
        w->coordinator.rounds[i] = round_free(w->coordinator.rounds[i]);
}
