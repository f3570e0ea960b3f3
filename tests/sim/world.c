/* One fleet from its seed to its last event. */
#include "sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS   4000
#define TIMEOUT_S_MAX  30
#define GRACE_S_MAX    10
#define STEPS_MAX      500000
#define DAMAGE_MS_MAX  60000 /* crashes and absences by the clock are before this */
#define SERVER_AWAY_MS 120000

/* ---- small things ---- */

void *must(void *memory)
{
    if (memory == NULL) {
        (void)fputs("sim: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

uint64_t below(struct world *w, uint64_t bound)
{
    return bound == 0 ? 0 : rand_below(&w->rand, bound);
}

bool chance(struct world *w, uint32_t of_a_thousand)
{
    return of_a_thousand > 0 && rand_below(&w->rand, 1000) < of_a_thousand;
}

uint64_t between(struct world *w, uint64_t from, uint64_t to)
{
    return to <= from ? from : from + rand_below(&w->rand, to - from + 1);
}

struct id round_name(int round)
{
    struct id id;
    (void)snprintf(id.text, sizeof id.text, "r-%d", round);
    return id;
}

struct id device_name(int device)
{
    struct id id;
    (void)snprintf(id.text, sizeof id.text, "d-%d", device);
    return id;
}

void trace(struct world *w, const char *format, ...)
{
    if (!w->tracing)
        return;
    char *line = w->trace[w->traced++ % TRACE_LINES];
    int used =
        snprintf(line, sizeof w->trace[0], "step %llu at %llu ms: ", (unsigned long long)w->step,
                 (unsigned long long)w->now_ms);
    va_list list;
    va_start(list, format);
    (void)vsnprintf(line + used, sizeof w->trace[0] - (size_t)used, format, list);
    va_end(list);
}

/* ---- what kind of world ---- */

static uint32_t one_of(struct world *w, const uint32_t *choices, size_t count)
{
    return choices[below(w, count)];
}
#define ONE_OF(w, ...)                                                                             \
    one_of(w, (const uint32_t[]){__VA_ARGS__},                                                     \
           sizeof(const uint32_t[]){__VA_ARGS__} / sizeof(uint32_t))

static void draw_odds(struct world *w)
{
    w->odds = (struct odds){
        .drop = ONE_OF(w, 0, 20, 100, 250),
        .duplicate = ONE_OF(w, 0, 50, 200),
        .slow = ONE_OF(w, 0, 50, 300),
        .crash = ONE_OF(w, 0, 5, 20, 60),
        .disk_full = ONE_OF(w, 0, 0, 10, 50),
        .device_dies = ONE_OF(w, 0, 50, 200),
        .hostile = ONE_OF(w, 0, 100, 300, 900),
        .wake_late_ms = ONE_OF(w, 0, 20, 500),
        .commit_ms = ONE_OF(w, 0, 0, 1, 20, 200),
        .asked_ms = ONE_OF(w, 500, 10000, 40000),
        .grid_ms = ONE_OF(w, 1, 1, 250, 1000),
    };
}

static void draw_participants(struct world *w, struct sim_round *sr)
{
    size_t n = 0;
    while (n == 0) {
        for (int d = 0; d < w->device_count; d++) {
            sr->takes_part[d] = below(w, 4) != 0;
            if (sr->takes_part[d])
                sr->participants[n++] = device_name(d);
        }
    }
    sr->start.participants = sr->participants;
    sr->start.participant_count = n;
    sr->start.k_of_n = (uint32_t)between(w, 1, below(w, 2) == 0 ? n : (n + 1) / 2);
}

static void draw_round(struct world *w, int i)
{
    struct sim_round *sr = &w->rounds[i];
    sr->start.round_id = round_name(i);
    sr->start.model.name = (struct id){"m"};
    sr->start.timeout_s = (uint32_t)between(w, 1, TIMEOUT_S_MAX);
    sr->start.grace_s = below(w, 2) == 0 ? 0 : (uint32_t)between(w, 1, GRACE_S_MAX);
    sr->start.mode = below(w, 5) == 0 ? ROUND_EVALUATE : ROUND_TRAIN;
    fl_topic_model(&sr->start.model, sr->start.model_uri);
    draw_participants(w, sr);
    after(w, below(w, w->odds.asked_ms), (struct event){.kind = EV_ASK_ROUND, .round = i});
    if (below(w, 40) == 0)
        after(w, below(w, w->odds.asked_ms), (struct event){.kind = EV_CANCEL, .round = i});
}

static void draw_damage(struct world *w)
{
    if (w->odds.crash > 0)
        for (uint64_t n = below(w, 4); n > 0; n--)
            after(w, below(w, DAMAGE_MS_MAX), (struct event){.kind = EV_COORDINATOR_CRASHES});
    if (below(w, 4) == 0)
        after(w, below(w, DAMAGE_MS_MAX), (struct event){.kind = EV_SERVER_STOPS});
    for (int d = 0; d < w->device_count; d++)
        if (chance(w, w->odds.device_dies))
            after(w, below(w, DAMAGE_MS_MAX), (struct event){.kind = EV_DEVICE_DIES, .device = d});
}

/* Bugs of rounds are looked for in rounds that nobody else drives. */
static bool is_for_experiments(enum mutant mutant)
{
    return mutant == MUTANT_NONE || mutant == MUTANT_START_FIRST || mutant == MUTANT_END_UNTOLD;
}

static void draw_world(struct world *w)
{
    draw_odds(w);
    w->form = below(w, 2) == 0 ? MODEL_JSON : MODEL_SAFETENSORS;
    w->device_count = (int)between(w, 2, DEVICES_MAX);
    bool has_experiment = is_for_experiments(w->mutant) && below(w, 3) == 0;
    w->round_count = has_experiment ? (int)below(w, 3) : (int)between(w, 1, ROUNDS_MAX);
    for (int d = 0; d < w->device_count; d++)
        w->devices[d].alive = true;
    for (int i = 0; i < w->round_count; i++)
        draw_round(w, i);
    if (has_experiment)
        experiment_draw(w);
    draw_damage(w);
    w->server.up = true;
    w->server.versions[0] = version_zero(w);
    w->coordinator.up = true;
    w->coordinator.wakes_ms = UINT64_MAX;
}

/* ---- the user, and the manager that launches ---- */

/* Any version that is there by now; now and then none that is, or other bytes. */
static void draw_base(struct world *w, struct sim_round *sr)
{
    uint64_t number = 0;
    if (below(w, 2) == 0)
        number = below(w, w->disk_next_number + 1);
    if (w->server.versions[number] == NULL)
        number = 0;
    sr->start.has_model_digest = below(w, 2) == 0;
    sr->start.model_digest = w->server.versions[number]->digest;
    if (below(w, 50) == 0)
        sr->start.model_digest.bytes[0] ^= 1;
    if (below(w, 50) == 0)
        number = VERSIONS_MAX + 1;
    sr->start.model.version = number;
    fl_topic_model(&sr->start.model, sr->start.model_uri);
}

void launch(struct world *w, int i)
{
    for (int d = 0; d < w->device_count; d++) {
        if (w->rounds[i].takes_part[d])
            network_send(w, (struct event){.kind = EV_START_AT_DEVICE, .round = i, .device = d});
        else if (chance(w, w->odds.hostile))
            device_intrudes(w, d, i);
    }
}

/* After complete he learns the end from what is retained, so he need not ask. */
static void ask_round(struct world *w, int i)
{
    struct sim_round *sr = &w->rounds[i];
    if (disk_kept(w, i)->complete != NULL)
        return;
    if (sr->asked_ms == 0) {
        sr->asked_ms = w->now_ms + 1;
        draw_base(w, sr);
        launch(w, i);
    }
    network_send(w, (struct event){.kind = EV_START_AT_COORDINATOR, .round = i});
    after(w, ASK_AGAIN_MS, (struct event){.kind = EV_ASK_ROUND, .round = i});
}

static void server_stops(struct world *w)
{
    trace(w, "server stops");
    w->server.up = false;
    after(w, between(w, 100, SERVER_AWAY_MS), (struct event){.kind = EV_SERVER_RETURNS});
}

static void user_sees(struct world *w, const struct event *e)
{
    if (strcmp(e->text, w->rounds[e->round].complete) != 0)
        violation(w, "two_ends", "the user sees another end of r-%d", e->round);
}

/* ---- one step ---- */

static void happen(struct world *w, const struct event *e)
{
    switch (e->kind) {
    case EV_ASK_ROUND:
        ask_round(w, e->round);
        break;
    case EV_CANCEL:
        coordinator_cancel(w, e);
        break;
    case EV_START_AT_COORDINATOR:
        coordinator_start(w, e);
        break;
    case EV_START_AT_DEVICE:
        device_start(w, e);
        break;
    case EV_TRAINED:
        device_trained(w, e);
        break;
    case EV_SEND_AGAIN:
        device_sends_again(w, e);
        break;
    case EV_UPDATE:
        coordinator_update(w, e);
        break;
    case EV_RECEIPT:
        device_receipt(w, e);
        break;
    case EV_COMPLETE_AT_DEVICE:
        device_complete(w, e);
        break;
    case EV_COMPLETE_AT_USER:
        user_sees(w, e);
        break;
    case EV_PUBLISH:
        server_publish(w, e);
        break;
    case EV_STORED:
        coordinator_stored(w, e);
        break;
    case EV_BASE_ASKED:
        server_asked(w, e);
        break;
    case EV_BASE:
        coordinator_base(w, e);
        break;
    case EV_COORDINATOR_WAKES:
        coordinator_wakes(w);
        break;
    case EV_COORDINATOR_CRASHES:
        coordinator_crashes(w);
        break;
    case EV_COORDINATOR_RETURNS:
        coordinator_returns(w);
        break;
    case EV_COMMIT:
        coordinator_commits(w);
        break;
    case EV_ROUND_REBUILT:
        coordinator_rebuilds(w, e->round);
        break;
    case EV_ASK_EXPERIMENT:
        experiment_asked(w);
        break;
    case EV_EXPERIMENT_AT_COORDINATOR:
        experiment_begins(w);
        break;
    case EV_CANCEL_EXPERIMENT:
        experiment_cancelled(w);
        break;
    case EV_ROSTER_ASKED:
        experiment_roster_asked(w);
        break;
    case EV_ROSTER:
        experiment_roster_comes(w, e);
        break;
    case EV_EXPERIMENT_REBUILT:
        experiment_returns(w);
        break;
    case EV_DEVICE_DIES:
        device_dies(w, e);
        break;
    case EV_DEVICE_RETURNS:
        device_returns(w, e);
        break;
    case EV_SERVER_STOPS:
        server_stops(w);
        break;
    case EV_SERVER_RETURNS:
        w->server.up = true;
        break;
    case EV_LAUNCH: /* is said, not sent */
    case EV_COUNT:
        assert(false);
    }
}

/* A timer for the earliest thing that any round has to do. */
static void set_timer(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    if (c->wakes_ms <= w->now_ms)
        c->wakes_ms = UINT64_MAX;
    uint64_t due_ms = c->experiment == NULL ? UINT64_MAX : experiment_deadline_ms(c->experiment);
    for (int i = 0; i < w->round_count; i++) {
        uint64_t round_ms = c->rounds[i] == NULL ? UINT64_MAX : round_deadline_ms(c->rounds[i]);
        due_ms = round_ms < due_ms ? round_ms : due_ms;
    }
    if (!c->up || due_ms == UINT64_MAX || due_ms >= c->wakes_ms)
        return;
    uint64_t in_ms = due_ms > w->now_ms ? due_ms - w->now_ms : 1;
    in_ms += between(w, 0, w->odds.wake_late_ms);
    if (w->now_ms + in_ms >= c->wakes_ms)
        return;
    c->wakes_ms = w->now_ms + in_ms;
    after(w, in_ms, (struct event){.kind = EV_COORDINATOR_WAKES});
}

static void tally_outcomes(struct world *w)
{
    struct tally *t = w->tally;
    t->steps += w->step;
    t->rounds += (uint64_t)w->round_count;
    t->experiments += w->experiment.is_there;
    t->rows += w->disk_experiment.row_count;
    for (int i = 0; i < w->round_count; i++) {
        if (w->disk[i].complete == NULL)
            continue;
        uint64_t *by_outcome[] = {&t->completed, &t->expired, &t->failed, &t->cancelled};
        enum round_outcome outcome = w->disk[i].facts.outcome;
        (*by_outcome[outcome])++;
        if (outcome != ROUND_COMPLETED && w->rounds[i].stored != NULL)
            t->unannounced++;
    }
}

bool world_run(struct world *w, uint64_t seed, enum mutant mutant, bool tracing,
               struct tally *tally)
{
    *w = (struct world){
        .seed = seed, .rand = {seed}, .mutant = mutant, .tracing = tracing, .tally = tally};
    draw_world(w);
    struct event e;
    while (!w->violated && queue_take(&w->queue, &e)) {
        if (++w->step > STEPS_MAX)
            violation(w, "never_ends", "still busy after %d steps", STEPS_MAX);
        w->now_ms = e.at_ms;
        w->touched = 0;
        happen(w, &e);
        coordinator_stepped(w);
        set_timer(w);
        check_step(w);
    }
    if (!w->violated)
        check_end(w);
    tally_outcomes(w);
    return !w->violated;
}

void world_done(struct world *w)
{
    coordinator_done(w);
    queue_done(&w->queue);
    while (w->updates != NULL) {
        struct sim_update *next = w->updates->next;
        free(w->updates);
        w->updates = next;
    }
    while (w->versions != NULL) {
        struct version *next = w->versions->next;
        bytes_done(&w->versions->bytes);
        free(w->versions);
        w->versions = next;
    }
    while (w->texts != NULL) {
        struct text *next = w->texts->next;
        free(w->texts->text);
        free(w->texts);
        w->texts = next;
    }
}
