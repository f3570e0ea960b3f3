/* What leaves the manager: answers at once, task events and stops by the outbox. */
#include "manager/internal.h"

#include <assert.h>
#include <stdlib.h>

#include "service/log.h"
#include "wire/task_msg.h"

static enum status publish(struct manager *m, const struct topic *topic, char *text)
{
    enum status status = ST_NOMEM;
    if (text != NULL)
        status =
            transmit(m, &(struct mqtt_message){.topic = topic->text, .payload = view_text(text)});
    free(text);
    if (status != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s status=%s", log_quote(topic->text),
                 status_name(status));
    return status;
}

enum status send_text_to(struct manager *m, const char *rest, const struct id *id, char *text)
{
    struct topic topic;
    topic_make(&m->settings.space, &topic, rest, id->text, NULL);
    return publish(m, &topic, text);
}

enum status send_later(struct manager *m, enum outgoing_kind kind, const struct id *task_id,
                       const char *rest, const struct id *id, char *text)
{
    struct topic topic;
    topic_make(&m->settings.space, &topic, rest, id == NULL ? NULL : id->text, NULL);
    enum status status = outbox_add(m->outbox, kind, task_id, topic.text, text);
    if (status != ST_OK)
        log_line(LOG_ERROR, "outbox.failed", "topic=%s task=%s status=%s", log_quote(topic.text),
                 task_id->text, status_name(status));
    return status;
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
    status = send_later(m, OUTGOING_EVENT, task_id, "control/manager/tasks", NULL,
                        event == NULL ? NULL : jsn_text(event));
    (void)status; /* logged; the change stands without it */
    json_decref(event);
    return ST_OK;
}

void send_stop(struct manager *m, const struct task *task)
{
    const struct stop_msg msg = {.task_id = task->id, .proplet_id = task->proplet_id};
    const struct proplet *proplet = proplets_find(m->proplets, &task->proplet_id);
    bool own = proplet == NULL || proplet->start_topic == START_OWN;
    enum status status = send_later(m, OUTGOING_STOP, &msg.task_id, "control/manager/stop",
                                    own ? &msg.proplet_id : NULL, stop_msg_encode(&msg));
    (void)status; /* logged; the task ends by its deadline */
}
