#include "simulate/inside.h"

#include <stdlib.h>

#include "service/log.h"

static void send_results(struct simulator *s, const char *text)
{
    struct topic topic;
    topic_make(&s->settings.space, &topic, "control", "proplet", "results", NULL);
    enum status status = s->out.publish(s->out.owner, topic.text, view_text(text));
    if (status != ST_OK)
        log_line(LOG_ERROR, "results.not_sent", "reason=%s", status_name(status));
}

void report(struct simulator *s, uint32_t device, const struct id *task, const struct outcome *o)
{
    bool failed = outcome_failed(o);
    struct answered *last = &s->answered[device - 1];
    struct id name;
    devices_name(&s->settings.devices, device, &name);
    log_line(failed ? LOG_WARN : LOG_DEBUG, "task.ended", "device=%s task=%s reason=%s detail=%s",
             name.text, task->text, o->reason, log_quote(failed ? o->detail : ""));
    *(failed ? &s->counters.failed : &s->counters.completed) += 1;
    free(last->results);
    last->task = *task;
    last->results = outcome_text(o, task, &name);
    if (last->results != NULL)
        send_results(s, last->results);
    else
        log_line(LOG_ERROR, "results.not_sent", "task=%s reason=no_memory", task->text);
}

bool report_again(struct simulator *s, uint32_t device, const struct id *task)
{
    const struct answered *last = &s->answered[device - 1];
    if (last->results == NULL || !id_equal(&last->task, task))
        return false;
    send_results(s, last->results);
    return true;
}
