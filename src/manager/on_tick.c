/* What happens because time passes: silent proplets, tasks without a result. */
#include "manager/internal.h"

#include "service/log.h"

static void check_proplets(struct manager *m, uint64_t now_ms)
{
    for (size_t i = 0; i < proplets_count(m->proplets); i++) {
        if (!proplets_check(m->proplets, i, now_ms))
            continue;
        const struct proplet *p = proplets_at(m->proplets, i);
        log_line(LOG_WARN, p->state == PROPLET_LOST ? "proplet.lost" : "proplet.offline",
                 "proplet=%s silent_ms=%llu", p->id.text,
                 (unsigned long long)(now_ms - p->last_seen_ms));
    }
}

static bool is_lost(const struct manager *m, const struct id *proplet_id)
{
    /* One that is no longer in the table was lost before it made room there. */
    const struct proplet *p = proplets_find(m->proplets, proplet_id);
    return p == NULL || p->state == PROPLET_LOST;
}

static void check_task(struct manager *m, const struct task *task, uint64_t now_ms)
{
    if (task_ended(task))
        return;
    struct id id = task->id;
    enum status status = ST_OK;
    if (is_lost(m, &task->proplet_id)) {
        status = change_task(m, &id, TASK_FAILED, "proplet_lost",
                             "its proplet went offline and did not return in time", now_ms);
    } else if (task_due(task, now_ms)) {
        /* It may still be running there, for nobody. */
        send_stop(m, task);
        status = change_task(m, &id, TASK_FAILED, task->closing ? "launch_closed" : "no_result",
                             "no result came before the deadline", now_ms);
    }
    (void)status; /* ended meanwhile: just as well */
}

void on_tick(struct manager *m, uint64_t now_ms)
{
    check_proplets(m, now_ms);
    size_t cursor = 0;
    const struct task *task;
    while ((task = tasks_next(m->tasks, &cursor)) != NULL)
        check_task(m, task, now_ms);
    registry_tick(m, now_ms);
}
