#include "proplet/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/log.h"
#include "wire/task_msg.h"

static void send_results(struct proplet *p, const char *text)
{
    struct topic topic;
    topic_make(&p->settings.space, &topic, "control", "proplet", "results", NULL);
    enum status status = p->out.publish(p->out.owner, topic.text, view_text(text));
    if (status != ST_OK)
        log_line(LOG_ERROR, "results.not_sent", "reason=%s", status_name(status));
}

static char *encode(const struct proplet *p, const struct id *task, const struct outcome *o)
{
    struct results_msg msg = {
        .task_id = *task,
        .proplet_id = p->settings.id,
        .results = o->results,
        .failed = strcmp(o->reason, "completed") != 0,
        .wall_ms = o->wall_ms,
        .cpu_ms = o->cpu_ms,
        .peak_rss_kb = o->peak_rss_kb,
    };
    (void)snprintf(msg.reason, sizeof msg.reason, "%s", o->reason);
    if (msg.failed)
        (void)snprintf(msg.error, sizeof msg.error, "%s", o->detail);
    return results_msg_encode(&msg);
}

void report(struct proplet *p, const struct id *task, const struct outcome *o)
{
    bool failed = strcmp(o->reason, "completed") != 0;
    log_line(failed ? LOG_WARN : LOG_INFO, "task.ended",
             "task=%s reason=%s detail=%s wall_ms=%llu cpu_ms=%llu peak_rss_kb=%llu", task->text,
             o->reason, log_quote(failed ? o->detail : ""), (unsigned long long)o->wall_ms,
             (unsigned long long)o->cpu_ms, (unsigned long long)o->peak_rss_kb);
    char *text = encode(p, task, o);
    if (text == NULL) {
        log_line(LOG_ERROR, "results.not_sent", "task=%s reason=no_memory", task->text);
        return;
    }
    send_results(p, text);
    history_add(p->history, task, text);
}

void report_failure(struct proplet *p, const struct id *task, const char *reason,
                    const char *detail)
{
    report(p, task, &(struct outcome){.reason = reason, .detail = detail});
}

bool report_again(struct proplet *p, const struct id *task)
{
    const char *text = history_find(p->history, task);
    if (text == NULL)
        return false;
    log_line(LOG_INFO, "task.answered_again", "task=%s", task->text);
    send_results(p, text);
    return true;
}
