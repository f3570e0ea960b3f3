/* What an earlier life left on the disk (ended by a crash, a kill or a power loss):
 * its tasks' folders, updates and results. Every task gets one answer, and no guest
 * runs a second time. A task whose guest had not run yet goes on from its start.
 *
 * A task ends in this order, so a crash between any two steps leaves what is needed
 * to go on: its update is on the disk; it is sent; its results are on the disk; they
 * are sent; its folder goes. */
#include "proplet/inside.h"

#include <stdio.h>
#include <string.h>

#include "proplet/left_out.h"
#include "proplet/task_folder.h"
#include "service/log.h"

static void note_lost(void *owner, const struct id *task)
{
    struct proplet *p = owner;
    if (p->lost_count < OUTBOX_UPDATES_MAX)
        p->lost[p->lost_count++] = *task;
}

/* The record of its results is damaged, but that it ended is known. */
static char *results_anew(void *owner, const struct id *task)
{
    struct proplet *p = owner;
    const struct kept_update *u = outbox_find(p->outbox, task);
    if (u != NULL)
        return update_results_text(p, u);
    const struct outcome o = {.reason = "interrupted",
                              .detail = "the record of its results was damaged on the disk"};
    return outcome_text(&o, task, &p->settings.id);
}

/* Each has its update here, or is lost, or was interrupted. True: this is on the disk. */
static bool answer_for(struct proplet *p, const struct id *task, const char *detail)
{
    if (history_find(p->history, task) != NULL)
        return history_save(p->history) == 0;
    const struct kept_update *u = outbox_find(p->outbox, task);
    if (u != NULL)
        return report_update(p, u);
    return report(p, task, &(struct outcome){.reason = "interrupted", .detail = detail});
}

/* Its guest never ran, so nothing is there that a second time could be. */
static bool goes_on(struct proplet *p, const struct id *task, struct view start)
{
    if (start.size == 0 || p->again_count == PROPLET_TASKS_MAX ||
        history_find(p->history, task) != NULL || outbox_find(p->outbox, task) != NULL)
        return false;
    struct bytes *copy = &p->again[p->again_count];
    *copy = (struct bytes){0};
    if (bytes_copy(copy, start) != ST_OK)
        return false;
    p->again_count++;
    return true;
}

static bool answer_for_folder(void *owner, const struct id *task, struct view start)
{
    struct proplet *p = owner;
    if (goes_on(p, task, start))
        return false; /* the folder stays: it is the task's again in a moment */
    return answer_for(p, task, "the device agent ended while the task was here");
}

void recover_tasks(struct proplet *p)
{
    for (size_t i = 0; i < p->again_count; i++) {
        on_start(p, bytes_view(&p->again[i]), false);
        bytes_done(&p->again[i]);
    }
    if (p->again_count == 0)
        return;
    log_line(LOG_INFO, "tasks.resumed", "count=%zu", p->again_count);
    p->again_count = 0;
    proplet_step(p);
}

static const char *settings_boot(const struct proplet *p)
{
    return p->settings.boot_id == NULL ? "" : p->settings.boot_id;
}

static void note_settled(void *owner, const struct id *task, bool accepted)
{
    struct proplet *p = owner;
    left_out_settle(p->state_dir, task, accepted);
}

static bool has_update(void *owner, const struct id *task)
{
    struct proplet *p = owner;
    return outbox_find(p->outbox, task) != NULL;
}

static void answer_for_all(struct proplet *p)
{
    for (size_t i = 0; i < p->lost_count; i++)
        (void)answer_for(p, &p->lost[i], "its update was damaged on the disk");
    for (size_t i = 0; i < outbox_count(p->outbox); i++)
        (void)answer_for(p, &outbox_at(p->outbox, i)->task, "");
    task_folder_each_left(p->state_dir, settings_boot(p), answer_for_folder, p);
}

enum status recover(struct proplet *p)
{
    char folder[PROPLET_PATH_SIZE + 16];
    (void)snprintf(folder, sizeof folder, "%s/updates", p->state_dir);
    struct outbox_settings settings = {
        .out = &p->out,
        .exchange = p->exchange,
        .me = p->settings.id,
        .resend_ms = p->settings.resend_s * 1000,
        .folder = folder,
        .boot_id = settings_boot(p),
        .on_lost = note_lost,
        .on_settled = note_settled,
        .owner = p,
    };
    enum status status = outbox_open(&settings, proplet_now_ms(p), &p->outbox);
    if (status != ST_OK)
        return status;
    left_out_sweep(p->state_dir, has_update, p);
    (void)snprintf(folder, sizeof folder, "%s/results", p->state_dir);
    status = history_open(folder, results_anew, p, &p->history);
    if (status == ST_OK)
        answer_for_all(p);
    return status;
}
