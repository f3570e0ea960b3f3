/* Dying, the disk, and what is said only when it is on the disk.
 *
 * A world has one of two kinds of disk. Either each write is durable by itself, in
 * the order of the writes; or all writes of a while are one transaction, with the
 * messages that follow from them, and those are sent after its commit. */
#include "sim.h"

#include <assert.h>
#include <string.h>

#define DOWN_MS_MAX 3000
#define LONG_MS_MAX 20000

bool commits_in_common(const struct world *w)
{
    return w->odds.commit_ms > 0;
}

/* ---- dying, and a disk that refuses ---- */

static void forget(struct world *w, int i)
{
    struct coordinator *c = &w->coordinator;
    c->rounds[i] = round_free(c->rounds[i]);
    c->handed_out[i] = NULL;
    if (w->mutant == MUTANT_NUMBER_FORGOTTEN)
        w->disk[i].number = 0;
}

static void roll_back(struct world *w)
{
    struct commits *t = &w->commits;
    for (int i = 0; i < w->round_count; i++)
        if ((t->written & 1u << i) != 0)
            w->disk[i] = t->kept[i];
    t->written = 0;
    w->disk_experiment = t->kept_experiment;
    t->experiment_written = false;
    t->said_count = t->said_kept;
}

void coordinator_crashes(struct world *w)
{
    struct coordinator *c = &w->coordinator;
    if (!c->up || w->crashes >= CRASHES_MAX)
        return;
    w->crashes++;
    w->tally->crashes++;
    trace(w, "coordinator dies");
    for (int i = 0; i < w->round_count; i++)
        if (w->disk[i].has_start)
            forget(w, i);
    c->experiment = experiment_free(c->experiment);
    if (commits_in_common(w)) {
        w->commits.written |= w->touched;
        roll_back(w);
        w->commits.said_sent = 0;
    }
    c->up = false;
    c->wakes_ms = UINT64_MAX;
    after(w, between(w, 1, below(w, 10) == 0 ? LONG_MS_MAX : DOWN_MS_MAX),
          (struct event){.kind = EV_COORDINATOR_RETURNS});
}

bool goes_on(struct world *w)
{
    if (chance(w, w->odds.crash))
        coordinator_crashes(w);
    return w->coordinator.up;
}

bool disk_takes(struct world *w)
{
    if (commits_in_common(w) || !chance(w, w->odds.disk_full))
        return true;
    w->tally->disk_full++;
    trace(w, "the disk refuses");
    return false;
}

void set_aside(struct world *w, int i)
{
    forget(w, i);
    after(w, between(w, 500, 2000), (struct event){.kind = EV_ROUND_REBUILT, .round = i});
}

/* ---- what is said ---- */

static void transmit(struct world *w, const struct event *e)
{
    if (e->kind == EV_LAUNCH) {
        launch(w, e->round);
        return;
    }
    if (e->kind == EV_RECEIPT) {
        check_receipt(w, e->update, e->verdict);
    } else if (e->kind == EV_PUBLISH) {
        check_published(w, e->version);
    } else {
        check_complete(w, e->round, e->text);
        for (int d = 0; d < w->device_count; d++)
            if (w->rounds[e->round].takes_part[d])
                network_send(w, (struct event){
                                    .kind = EV_COMPLETE_AT_DEVICE, .round = e->round, .device = d});
    }
    network_send(w, *e);
}

static bool waits_for_commit(const struct world *w, const struct event *e)
{
    bool first = (w->mutant == MUTANT_RECEIPT_FIRST && e->kind == EV_RECEIPT) ||
                 (w->mutant == MUTANT_COMPLETE_FIRST && e->kind == EV_COMPLETE_AT_USER);
    return commits_in_common(w) && !first;
}

void say(struct world *w, struct event e)
{
    if (!waits_for_commit(w, &e)) {
        transmit(w, &e);
        return;
    }
    assert(w->commits.said_count < SAID_MAX);
    w->commits.said[w->commits.said_count++] = e;
}

/* ---- the common commit ---- */

static void forget_sent(struct commits *t)
{
    t->said_count -= t->said_sent;
    memmove(t->said, t->said + t->said_sent, t->said_count * sizeof t->said[0]);
    t->said_sent = 0;
}

static bool commit(struct world *w)
{
    struct commits *t = &w->commits;
    if (chance(w, w->odds.disk_full)) {
        w->tally->disk_full++;
        trace(w, "the disk refuses the commit");
        return false;
    }
    forget_sent(t);
    for (int i = 0; i < w->round_count; i++)
        if ((t->written & 1u << i) != 0)
            t->kept[i] = w->disk[i];
    t->written = 0;
    t->kept_experiment = w->disk_experiment;
    t->experiment_written = false;
    t->said_kept = t->said_count;
    return true;
}

/* Nothing of the batch happened: its rounds are made again from what was committed. */
static void undo_batch(struct world *w)
{
    uint32_t rounds = w->commits.written;
    for (int i = 0; i < w->round_count; i++)
        if ((rounds & 1u << i) != 0)
            set_aside(w, i);
    if (w->commits.experiment_written)
        experiment_set_aside(w);
    roll_back(w);
}

void coordinator_commits(struct world *w)
{
    struct commits *t = &w->commits;
    t->due = false;
    if (!goes_on(w))
        return;
    if (!commit(w) && w->mutant != MUTANT_DISK_FULL_IGNORED) {
        undo_batch(w);
        return;
    }
    while (t->said_sent < t->said_count && goes_on(w)) {
        struct event e = t->said[t->said_sent++];
        transmit(w, &e);
    }
}

void coordinator_stepped(struct world *w)
{
    struct commits *t = &w->commits;
    if (!commits_in_common(w) || !w->coordinator.up)
        return;
    t->written |= w->touched;
    bool waiting = t->written != 0 || t->experiment_written || t->said_sent < t->said_count;
    if (waiting && t->said_count - t->said_sent > SAID_MAX / 2)
        coordinator_commits(w);
    else if (waiting && !t->due) {
        t->due = true;
        after(w, between(w, 1, w->odds.commit_ms), (struct event){.kind = EV_COMMIT});
    }
}
