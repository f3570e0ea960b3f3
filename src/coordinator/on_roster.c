/* Who is alive? The manager is asked (PROTOCOL 1.5), and its answer goes to all
 * experiments that choose participants: one question at a time serves them all. */
#include "coordinator/state.h"

#include "service/log.h"
#include "wire/roster_msg.h"

void ask_roster(struct coordinator *c, uint64_t now_ms)
{
    struct roster_question *q = &c->roster;
    if (q->pending && now_ms - q->asked_ms < EXPERIMENT_ROSTER_WAIT_MS)
        return;
    /* Another life of this process asked with lower numbers, at lower times. */
    q->number = q->number < now_ms ? now_ms : q->number + 1;
    q->pending = true;
    q->asked_ms = now_ms;
    struct topic topic;
    topic_make(&c->settings.space, &topic, "control", "manager", "query", NULL);
    send_message(c, &(struct mqtt_message){.topic = topic.text,
                                           .payload = view_text(ROSTER_QUESTION),
                                           .response_topic = COORDINATOR_ANSWERS,
                                           .correlation = view_of(&q->number, sizeof q->number)});
}

static enum status read_answer(struct view payload, struct roster *ret, struct why *why)
{
    json_t *answer = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &answer, why);
    if (status == ST_OK)
        status = roster_read(answer, ret, why);
    json_decref(answer);
    return status;
}

void on_roster(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    struct roster_question *q = &c->roster;
    if (!q->pending || !view_equal(m->correlation, view_of(&q->number, sizeof q->number))) {
        log_line(LOG_DEBUG, "roster.unasked", "bytes=%zu, ignoring", m->payload.size);
        return;
    }
    if (is_closed(c)) /* it is asked again */
        return;
    q->pending = false;
    struct roster roster;
    struct why why = {0};
    enum status status = read_answer(m->payload, &roster, &why);
    if (status != ST_OK) {
        log_line(LOG_WARN, "roster.refused", "code=%s reason=%s, ignoring", status_name(status),
                 log_quote(why.text));
        return;
    }
    tell_roster(c, roster.alive, roster.count, now_ms);
    roster_done(&roster);
}
