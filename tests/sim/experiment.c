/* The owner of an experiment: the coordinator starts its rounds from one.
 *
 * What an experiment has to remember, its rows and the round that it starts are one
 * write. The end of a round is a write of its own before that, so a crash may come
 * in between: after each return the experiment is told again how its round ended. */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS 4000
#define CANCEL_MS    30000
#define REFUSED      50 /* of a thousand: there are too many rounds just now */

/* ---- what is asked for ---- */

static const char *draw_count(struct world *w, unsigned min, char ret[16])
{
    uint64_t kind = below(w, 3);
    if (kind == 0)
        return "\"all\"";
    if (kind == 1)
        return "0.6";
    (void)snprintf(ret, 16, "%u", (unsigned)between(w, min, (uint64_t)w->device_count));
    return ret;
}

static void draw_evaluation(struct world *w, char ret[128])
{
    ret[0] = '\0';
    if (below(w, 2) == 0 || w->device_count < 4)
        return;
    (void)snprintf(ret, 128,
                   ",\"evaluation\":{\"every\":%u,\"participants\":[\"d-0\",\"d-1\"],"
                   "\"timeout_s\":%u}",
                   (unsigned)between(w, 1, 3), (unsigned)between(w, 1, 20));
}

static void draw_stop(struct world *w, char ret[128])
{
    ret[0] = '\0';
    if (below(w, 3) > 0)
        return;
    (void)snprintf(ret, 128,
                   ",\"stop\":{\"metric\":\"loss\",\"goal\":\"%s\",\"target\":%d,\"patience\":%u}",
                   below(w, 2) == 0 ? "min" : "max", (int)below(w, 20) - 10, (unsigned)below(w, 4));
}

void experiment_draw(struct world *w)
{
    struct sim_experiment *se = &w->experiment;
    char count[16], evaluation[128], stop[128];
    unsigned min = (unsigned)between(w, 1, 2);
    draw_evaluation(w, evaluation);
    draw_stop(w, stop);
    se->is_there = true;
    se->first_round = w->round_count;
    unsigned most = (unsigned)(ROUNDS_MAX - se->first_round) / (evaluation[0] != '\0' ? 2 : 1);
    (void)snprintf(se->start, sizeof se->start,
                   "{\"experiment_id\":\"e\",\"model_uri\":\"" SIM_BASE "\","
                   "\"task_wasm_image\":\"i\",\"rounds\":%u,\"k_of_n\":0.%u,\"timeout_s\":%u,"
                   "\"grace_s\":%u,\"wait_s\":%u,\"max_failures\":%u,"
                   "\"selection\":{\"count\":%s,\"min\":%u,\"seed\":%u}%s%s}",
                   (unsigned)between(w, 2, most), (unsigned)between(w, 1, 9),
                   (unsigned)between(w, 5, 30), (unsigned)below(w, 5), (unsigned)between(w, 1, 20),
                   (unsigned)between(w, 1, 5), draw_count(w, min, count), min,
                   (unsigned)below(w, 1000), evaluation, stop);
    after(w, below(w, w->odds.asked_ms), (struct event){.kind = EV_ASK_EXPERIMENT});
    if (below(w, 15) == 0)
        after(w, below(w, CANCEL_MS), (struct event){.kind = EV_CANCEL_EXPERIMENT});
}

/* The user asks until the experiment is known to have begun. */
void experiment_asked(struct world *w)
{
    if (experiment_kept(w)->memory != NULL)
        return;
    network_send(w, (struct event){.kind = EV_EXPERIMENT_AT_COORDINATOR});
    after(w, ASK_AGAIN_MS, (struct event){.kind = EV_ASK_EXPERIMENT});
}

static struct experiment_start read_start(const struct world *w)
{
    struct experiment_start start;
    struct id id;
    enum status status = experiment_start_decode(view_text(w->experiment.start), &start, &id, NULL);
    assert(status == ST_OK);
    return start;
}

/* ---- the disk ---- */

const struct disk_experiment *experiment_kept(const struct world *w)
{
    return commits_in_common(w) ? &w->commits.kept_experiment : &w->disk_experiment;
}

void experiment_set_aside(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    c->experiment = experiment_free(c->experiment);
    after(w, between(w, 500, 2000), (struct event){.kind = EV_EXPERIMENT_REBUILT});
}

static void keep(struct world *w, const struct experiment_actions *actions)
{
    struct disk_experiment *disk = &w->disk_experiment;
    disk->memory =
        keep_text(w, experiment_memory_encode(experiment_memory(w->coordinator.experiment)));
    for (size_t n = 0; n < actions->count; n++) {
        if (actions->items[n].kind != EXPERIMENT_SAY_ROW)
            continue;
        assert(disk->row_count < EXPERIMENT_ROWS_MAX);
        disk->rows[disk->row_count++] = keep_text(w, experiment_row_encode(&actions->items[n].row));
    }
    w->commits.experiment_written = true;
}

static bool is_as_on_the_disk(const struct world *w)
{
    const char *there = w->disk_experiment.memory;
    char *text = must(experiment_memory_encode(experiment_memory(w->coordinator.experiment)));
    bool same = there != NULL && strcmp(there, text) == 0;
    free(text);
    return same;
}

/* ---- its rounds ---- */

int experiment_find(const struct world *w, const struct id *round)
{
    for (int i = w->experiment.first_round; i < w->round_count; i++)
        if (w->disk[i].has_start && id_equal(&w->rounds[i].start.round_id, round))
            return i;
    return NO_ROUND;
}

/* A round that was undone with its batch, of which nobody heard, leaves its place. */
static int free_place(struct world *w)
{
    for (int i = w->experiment.first_round; i < w->round_count; i++)
        if (!w->disk[i].has_start)
            return i;
    assert(w->round_count < ROUNDS_MAX);
    return w->round_count++;
}

static int write_round(struct world *w, const struct round_start *start)
{
    check_opens(w, start);
    if (w->violated)
        return NO_ROUND;
    int i = free_place(w);
    struct sim_round *sr = &w->rounds[i];
    *sr = (struct sim_round){.start = *start};
    sr->start.participants = sr->participants;
    sr->start.hyperparams = NULL;
    for (size_t n = 0; n < start->participant_count; n++) {
        sr->participants[n] = start->participants[n];
        sr->takes_part[strtol(start->participants[n].text + 2, NULL, 10)] = true; /* "d-%d" */
    }
    w->touched |= 1u << i;
    w->disk[i] = (struct disk_round){.has_start = true, .started_ms = w->now_ms};
    trace(w, "r-%d is %s", i, start->round_id.text);
    return i;
}

static void open_round(struct world *w, int i)
{
    if (i == NO_ROUND)
        return;
    coordinator_opens(w, i);
    if (goes_on(w))
        say(w, (struct event){.kind = EV_LAUNCH, .round = i});
}

/* ---- carrying out ---- */

static const struct round_start *round_to_start(const struct experiment_actions *actions)
{
    for (size_t n = 0; n < actions->count; n++)
        if (actions->items[n].kind == EXPERIMENT_START_ROUND)
            return actions->items[n].start;
    return NULL;
}

static void carry_out(struct world *w, const struct experiment_actions *actions)
{
    for (size_t n = 0; n < actions->count && goes_on(w); n++) {
        const struct experiment_action *a = &actions->items[n];
        if (a->kind == EXPERIMENT_ASK_ROSTER)
            network_send(w, (struct event){.kind = EV_ROSTER_ASKED});
        else if (a->kind == EXPERIMENT_CANCEL_ROUND)
            coordinator_cancel(
                w, &(struct event){.kind = EV_CANCEL, .round = experiment_find(w, &a->round_id)});
    }
}

/* One event of the experiment led to this. */
static void take(struct world *w, struct experiment_actions *actions)
{
    const struct round_start *start = round_to_start(actions);
    if (start != NULL && chance(w, REFUSED)) {
        trace(w, "%s is refused for now", start->round_id.text);
        experiment_round_refused(w->coordinator.experiment, true, w->now_ms, actions);
        start = NULL;
    }
    if (!goes_on(w))
        return;
    if (start != NULL && w->mutant == MUTANT_START_FIRST) {
        open_round(w, write_round(w, start));
        start = NULL;
        if (!goes_on(w))
            return;
    }
    if (!is_as_on_the_disk(w)) {
        if (!disk_takes(w)) {
            experiment_set_aside(w);
            return;
        }
        keep(w, actions);
        if (start != NULL)
            open_round(w, write_round(w, start));
    }
    carry_out(w, actions);
}

/* ---- events ---- */

static bool is_up(struct world *w)
{
    return w->coordinator.up && w->coordinator.experiment != NULL && goes_on(w);
}

void experiment_begins(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    if (!c->up || c->experiment != NULL || w->disk_experiment.memory != NULL || !goes_on(w))
        return;
    trace(w, "the experiment begins");
    struct experiment_start start = read_start(w);
    struct experiment_actions actions;
    enum status status = experiment_new(&start, w->now_ms, &c->experiment, &actions);
    assert(status == ST_OK);
    take(w, &actions);
}

/* The manager, which is always there. */
void experiment_roster_asked(struct world *w)
{
    uint64_t alive = 0;
    for (int d = 0; d < w->device_count; d++)
        if (w->devices[d].alive)
            alive |= UINT64_C(1) << d;
    network_send(w, (struct event){.kind = EV_ROSTER, .number = alive});
}

void experiment_roster_comes(struct world *w, const struct event *e)
{
    if (!is_up(w))
        return;
    struct id alive[DEVICES_MAX];
    size_t count = 0;
    for (int d = 0; d < w->device_count; d++)
        if ((e->number & UINT64_C(1) << d) != 0)
            alive[count++] = device_name(d);
    struct experiment_actions actions;
    enum status status =
        experiment_roster(w->coordinator.experiment, alive, count, NULL, w->now_ms, &actions);
    assert(status == ST_OK);
    take(w, &actions);
}

void experiment_hears(struct world *w)
{
    struct id round;
    if (!is_up(w) || !experiment_round_now(w->coordinator.experiment, &round))
        return;
    int i = experiment_find(w, &round);
    if (i == NO_ROUND || w->disk[i].complete == NULL)
        return;
    trace(w, "the experiment hears that r-%d ended", i);
    struct experiment_actions actions;
    experiment_round_ended(w->coordinator.experiment, &w->disk[i].facts, w->now_ms, &actions);
    take(w, &actions);
}

void experiment_cancelled(struct world *w)
{
    if (!is_up(w))
        return;
    trace(w, "the experiment is cancelled");
    struct experiment_actions actions;
    experiment_cancel(w->coordinator.experiment, EXPERIMENT_REASON_REQUEST, w->now_ms, &actions);
    take(w, &actions);
}

void experiment_wakes(struct world *w)
{
    if (!is_up(w))
        return;
    struct experiment_actions actions;
    experiment_tick(w->coordinator.experiment, w->now_ms, &actions);
    take(w, &actions);
}

/* A round whose start may not have been sent before the crash; with an outbox it is. */
static void launch_again(struct world *w)
{
    struct id round;
    if (commits_in_common(w) || !experiment_round_now(w->coordinator.experiment, &round))
        return;
    int i = experiment_find(w, &round);
    if (i != NO_ROUND && w->disk[i].complete == NULL)
        launch(w, i);
}

void experiment_returns(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    if (!c->up || c->experiment != NULL || w->disk_experiment.memory == NULL || !goes_on(w))
        return;
    struct experiment_memory memory;
    enum status status =
        experiment_memory_decode(view_text(w->disk_experiment.memory), &memory, NULL);
    struct experiment_start start = read_start(w);
    if (status == ST_OK)
        status = experiment_restore(&start, &memory, &c->experiment);
    assert(status == ST_OK);
    trace(w, "the experiment is in round %u again", memory.state.round);
    launch_again(w);
    if (w->mutant != MUTANT_END_UNTOLD)
        experiment_hears(w);
}
