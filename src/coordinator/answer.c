/* Answers to queries: to their response topics, with their correlation data. */
#include "coordinator/state.h"

#include <stdlib.h>

#include "service/log.h"

void answer(struct coordinator *c, const struct mqtt_message *m, json_t *object)
{
    char *text = jsn_text_and_release(object);
    if (text == NULL)
        log_line(LOG_ERROR, "query.unanswered", "reason=%s", status_name(ST_NOMEM));
    else
        send_message(c, &(struct mqtt_message){.topic = m->response_topic,
                                               .payload = view_text(text),
                                               .correlation = m->correlation});
    free(text);
}

json_t *query_error(enum status status, const struct why *why)
{
    return json_pack("{s:s, s:s}", "error", status_name(status), "reason", why->text);
}

static json_t *read_and_answer(struct coordinator *c, struct view payload,
                               query_answer_fn *answer_to, uint64_t now_ms)
{
    json_t *request = NULL;
    struct why why = {0};
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &request, &why);
    if (status != ST_OK)
        return query_error(status, &why);
    json_t *object = answer_to(c, request, now_ms);
    json_decref(request);
    return object;
}

void answer_query(struct coordinator *c, const struct mqtt_message *m, query_answer_fn *answer_to,
                  uint64_t now_ms)
{
    if (m->response_topic == NULL) {
        log_line(LOG_WARN, "query.unanswerable", "no response topic, ignoring");
        return;
    }
    flush(c, now_ms); /* what may still not happen is not told */
    if (c->undone)
        return; /* it comes again */
    answer(c, m, read_and_answer(c, m->payload, answer_to, now_ms));
}
