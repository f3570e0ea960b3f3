#include "proplet/inside.h"

#include <stdlib.h>

#include "service/log.h"

static enum status send_results(void *owner, const char *text)
{
    struct proplet *p = owner;
    struct topic topic;
    topic_make(&p->settings.space, &topic, "control", "proplet", "results", NULL);
    enum status status = p->out.publish(p->out.owner, topic.text, view_text(text));
    if (status != ST_OK)
        log_line(LOG_ERROR, "results.not_sent", "reason=%s", status_name(status));
    /* With much under way a limit is that of the queue, which passes. */
    return status == ST_LIMIT && !p->out.quiet(p->out.owner) ? ST_NOMEM : status;
}

/* Takes text, the results; NULL: no memory. */
static bool keep_and_send(struct proplet *p, const struct id *task, char *text)
{
    if (text == NULL) {
        log_line(LOG_ERROR, "results.not_sent", "task=%s reason=no_memory", task->text);
        return false;
    }
    enum status status = history_add(p->history, task, text);
    if (status != ST_OK)
        log_line(LOG_WARN, "results.not_kept", "task=%s reason=%s", task->text,
                 status_name(status));
    if (!p->opening && p->out.connected(p->out.owner))
        history_send(p->history, send_results, p);
    return status == ST_OK;
}

static void log_ended(const struct id *task, const struct outcome *o)
{
    bool failed = outcome_failed(o);
    log_line(failed ? LOG_WARN : LOG_INFO, "task.ended",
             "task=%s reason=%s detail=%s wall_ms=%llu cpu_ms=%llu peak_rss_kb=%llu", task->text,
             o->reason, log_quote(failed ? o->detail : ""), (unsigned long long)o->wall_ms,
             (unsigned long long)o->cpu_ms, (unsigned long long)o->peak_rss_kb);
}

bool report(struct proplet *p, const struct id *task, const struct outcome *o)
{
    log_ended(task, o);
    return keep_and_send(p, task, outcome_text(o, task, &p->settings.id));
}

void report_failure(struct proplet *p, const struct id *task, const char *reason,
                    const char *detail)
{
    (void)report(p, task, &(struct outcome){.reason = reason, .detail = detail});
}

/* results: where the update went */
static struct outcome outcome_of(const struct kept_update *u, json_t *results)
{
    return (struct outcome){
        .reason = "completed",
        .detail = "",
        .results = results,
        .wall_ms = u->wall_ms,
        .cpu_ms = u->cpu_ms,
        .peak_rss_kb = u->peak_rss_kb,
    };
}

char *update_results_text(const struct proplet *p, const struct kept_update *u)
{
    json_t *results = outcome_update(u->topic, &u->digest, u->size);
    if (results == NULL)
        return NULL;
    struct outcome o = outcome_of(u, results);
    char *text = outcome_text(&o, &u->task, &p->settings.id);
    json_decref(results);
    return text;
}

bool report_update(struct proplet *p, const struct kept_update *u)
{
    struct outcome o = outcome_of(u, NULL);
    log_ended(&u->task, &o);
    return keep_and_send(p, &u->task, update_results_text(p, u));
}

bool report_again(struct proplet *p, const struct id *task)
{
    const char *text = history_find(p->history, task);
    if (text == NULL)
        return false;
    log_line(LOG_INFO, "task.answered_again", "task=%s", task->text);
    (void)!send_results(p, text);
    return true;
}

void report_waiting(struct proplet *p)
{
    uint64_t now_ms = proplet_now_ms(p);
    if (p->out.quiet(p->out.owner))
        history_acknowledged(p->history);
    if (p->out.connected(p->out.owner))
        history_send(p->history, send_results, p);
    if (now_ms < p->save_ms)
        return;
    (void)history_save(p->history);
    p->save_ms = now_ms + (uint64_t)p->settings.resend_s * 1000;
}
