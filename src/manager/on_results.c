/* The outcome of a task (PROTOCOL 1.3). Only the proplet that was given the task
 * can end it, and only once. */
#include "manager/internal.h"

#include "service/log.h"
#include "wire/task_msg.h"

static void refuse(struct manager *m, const char *task, const char *reason)
{
    m->counters.results_refused++;
    log_line(LOG_WARN, "results.refused", "task=%s reason=%s, ignoring", log_quote(task),
             log_quote(reason));
}

static void apply(struct manager *m, const struct results_msg *msg, uint64_t now_ms)
{
    const struct task *task = tasks_find(m->tasks, &msg->task_id);
    if (task == NULL) {
        refuse(m, msg->task_id.text, "unknown task");
    } else if (!id_equal(&msg->proplet_id, &task->proplet_id)) {
        refuse(m, msg->task_id.text, "not sent by the task's proplet");
    } else if (task_ended(task)) {
        m->counters.results_late++;
        log_line(LOG_DEBUG, "results.late", "task=%s state=%s reason=%s, ignoring", task->id.text,
                 task_state_name(task->state), log_quote(task->reason));
    } else {
        m->counters.results++;
        log_line(LOG_DEBUG, "results", "task=%s wall_ms=%llu cpu_ms=%llu peak_rss_kb=%llu",
                 task->id.text, (unsigned long long)msg->wall_ms, (unsigned long long)msg->cpu_ms,
                 (unsigned long long)msg->peak_rss_kb);
        enum status status = change_task(
            m, &msg->task_id, msg->failed ? TASK_FAILED : TASK_COMPLETED,
            msg->failed ? msg->reason : "completed", msg->failed ? msg->error : "", now_ms);
        (void)status; /* it was there and had not ended */
    }
}

void on_results(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    struct results_msg msg;
    struct why why;
    if (results_msg_decode(message->payload, &msg, &why) != ST_OK) {
        refuse(m, "", why.text);
        return;
    }
    apply(m, &msg, now_ms);
    results_msg_done(&msg);
}
