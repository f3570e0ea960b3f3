/* Whoever asked for a launch needs it no longer: what still runs is stopped
 * (PROTOCOL 1.7). How it ended is for its result to say: a task whose work closed
 * the launch has completed, though its result comes after the close. */
#include "manager/internal.h"

#include "service/log.h"

void on_close(struct manager *m, const struct close_rule *rule, const struct mqtt_message *message,
              uint64_t now_ms)
{
    struct view level;
    struct id launch_id;
    if (topic_level(message->topic, rule->level, &level) != ST_OK ||
        id_of(level, &launch_id) != ST_OK) {
        m->counters.messages_refused++;
        log_line(LOG_WARN, "close.refused", "topic=%s, ignoring", log_quote(message->topic));
        return;
    }
    size_t stopped = 0;
    size_t cursor = 0;
    const struct task *task;
    while ((task = tasks_next(m->tasks, &cursor)) != NULL) {
        if (task_ended(task) || !id_equal(&task->launch_id, &launch_id))
            continue;
        uint64_t deadline_ms = now_ms + m->settings.result_margin_s * 1000;
        if (tasks_close(m->tasks, &task->id, deadline_ms) != ST_OK)
            continue; /* closed before: the stop was sent */
        send_stop(m, task);
        stopped++;
    }
    log_line(LOG_DEBUG, "launch.closed", "launch=%s stopped=%zu", launch_id.text, stopped);
}
