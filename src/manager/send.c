/* What leaves the manager, beside answers: task events and stops. */
#include "manager/internal.h"

#include <assert.h>
#include <stdlib.h>

#include "service/log.h"
#include "wire/task_msg.h"

static enum status publish(struct manager *m, const struct topic *topic, char *text)
{
    enum status status = ST_NOMEM;
    if (text != NULL)
        status = m->out.publish(
            m->out.owner, &(struct mqtt_message){.topic = topic->text, .payload = view_text(text)});
    free(text);
    if (status != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s status=%s", log_quote(topic->text),
                 status_name(status));
    return status;
}

enum status send_text(struct manager *m, const char *rest, char *text)
{
    struct topic topic;
    topic_make(&m->settings.space, &topic, rest, NULL);
    return publish(m, &topic, text);
}

enum status send_text_to(struct manager *m, const char *rest, const struct id *id, char *text)
{
    struct topic topic;
    topic_make(&m->settings.space, &topic, rest, id->text, NULL);
    return publish(m, &topic, text);
}

json_t *task_event(const struct task *task)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "task_id", task->id.text, "launch_id",
                     task->launch_id.text, "proplet_id", task->proplet_id.text, "state",
                     task_state_name(task->state), "reason", task->reason, "detail", task->detail);
}

static void log_change(const struct task *task)
{
    log_line(task_ended(task) ? LOG_INFO : LOG_DEBUG, "task.changed",
             "task=%s launch=%s proplet=%s state=%s reason=%s detail=%s", task->id.text,
             task->launch_id.text, task->proplet_id.text, task_state_name(task->state),
             log_quote(task->reason), log_quote(task->detail));
}

enum status change_task(struct manager *m, const struct id *task_id, enum task_state state,
                        const char *reason, const char *detail, uint64_t now_ms)
{
    enum status status = tasks_change(m->tasks, task_id, state, reason, detail, now_ms);
    if (status != ST_OK)
        return status;
    const struct task *task = tasks_find(m->tasks, task_id);
    log_change(task);
    json_t *event = task_event(task);
    /* An event that cannot be sent was logged; the change stands without it. */
    (void)send_text(m, "control/manager/tasks", event == NULL ? NULL : jsn_text(event));
    json_decref(event);
    return ST_OK;
}

void send_stop(struct manager *m, const struct task *task)
{
    const struct stop_msg msg = {.task_id = task->id, .proplet_id = task->proplet_id};
    const struct proplet *proplet = proplets_find(m->proplets, &task->proplet_id);
    bool own = proplet == NULL || proplet->start_topic == START_OWN;
    char *text = stop_msg_encode(&msg);
    enum status status = own ? send_text_to(m, "control/manager/stop", &msg.proplet_id, text)
                             : send_text(m, "control/manager/stop", text);
    if (status == ST_OK)
        m->counters.stops++;
}
