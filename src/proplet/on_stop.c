/* A stop: kills the task's child process; its results say "stopped". One for a
 * task that is not here is ignored: on the shared topic most are for others. */
#include "proplet/inside.h"

#include "proplet/task.h"
#include "service/log.h"

void on_stop(struct proplet *p, struct view payload)
{
    struct stop_msg stop;
    struct why why = {0};
    if (stop_msg_decode(payload, &stop, &why) != ST_OK) {
        log_line(LOG_WARN, "stop.unreadable", "reason=%s", log_quote(why.text));
        return;
    }
    if (stop.proplet_id.text[0] != '\0' && !id_equal(&stop.proplet_id, &p->settings.id))
        return;
    struct task *task = proplet_task(p, &stop.task_id);
    if (task == NULL)
        return;
    log_line(LOG_INFO, "task.stopping", "task=%s", stop.task_id.text);
    task_stop(task);
}
