/* fl/rounds/cancel (PROTOCOL 2.1): somebody ends a round before its time. Who may is
 * the broker's to say. */
#include "coordinator/state.h"

#include <stdlib.h>
#include <string.h>

#include "service/log.h"

#define REASON_CANCELLED "cancelled_by_request"

struct request {
    struct id round_id;
    const char *reason; /* borrowed from the JSON it was read from */
};

static enum status read_request(const json_t *object, struct request *ret, struct why *why)
{
    *ret = (struct request){.reason = ""};
    enum status status = jsn_id(object, "round_id", JSN_REQUIRED, &ret->round_id, why);
    if (status == ST_OK)
        status = jsn_str(object, "reason", JSN_OPTIONAL, CANCEL_REASON_MAX, &ret->reason, why);
    return status;
}

/* To whoever asked; to everybody, if no answer is asked for. */
static void refuse_cancel(struct coordinator *c, const struct mqtt_message *m,
                          const struct id *round_id, const char *code, const char *reason)
{
    if (m->response_topic == NULL)
        send_refused(c, round_id, code, reason);
    else {
        log_line(LOG_WARN, "cancel.refused", "round=%s code=%s reason=%s",
                 log_quote(round_id->text), code, log_quote(reason));
        answer(c, m, json_pack("{s:s, s:s}", "error", code, "reason", reason));
    }
}

static void answer_cancelled(struct coordinator *c, const struct mqtt_message *m,
                             const struct id *round_id)
{
    if (m->response_topic != NULL)
        answer(c, m, json_pack("{s:b, s:s}", "ok", 1, "round_id", round_id->text));
}

/* Whoever asked learns at once if the end cannot be kept. */
static void cancel(struct coordinator *c, const struct mqtt_message *m, struct entry *e,
                   const struct request *request, uint64_t now_ms)
{
    struct round_actions actions;
    log_line(LOG_INFO, "round.cancelled", "round=%s reason=%s", request->round_id.text,
             log_quote(request->reason));
    round_cancel(e->round, ROUND_CANCELLED, REASON_CANCELLED, now_ms, &actions);
    carry_out(c, e, &actions, now_ms);
    flush(c, now_ms);
    if (c->closed) /* and the round is open again */
        refuse_cancel(c, m, &request->round_id, "not_stored",
                      "the coordinator's folder cannot be written; cancel it again when it can be");
    else
        answer_cancelled(c, m, &request->round_id);
}

static void judge(struct coordinator *c, const struct mqtt_message *m,
                  const struct request *request, uint64_t now_ms)
{
    struct entry *e = rounds_find(c->rounds, &request->round_id);
    if (c->closed)
        refuse_cancel(c, m, &request->round_id, "not_stored",
                      "the coordinator's folder cannot be written; cancel it again when it can be");
    else if (e == NULL)
        refuse_cancel(c, m, &request->round_id, "unknown_round",
                      "there is no such round, or it ended long ago");
    else if (round_state(e->round) != ROUND_ENDED)
        cancel(c, m, e, request, now_ms);
    else if (e->complete.outcome == ROUND_CANCELLED) /* it came twice, or somebody was faster */
        answer_cancelled(c, m, &request->round_id);
    else
        refuse_cancel(c, m, &request->round_id, "round_ended", "this round has had its end");
}

void on_round_cancel(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    json_t *object = NULL;
    struct request request = {.reason = ""};
    struct why why = {0};
    flush(c, now_ms);
    if (c->undone) /* what came before it must come again, and so must this */
        return;
    enum status status = jsn_parse(m->payload, CONTROL_SIZE_MAX, &object, &why);
    if (status == ST_OK)
        status = read_request(object, &request, &why);
    if (status == ST_OK)
        judge(c, m, &request, now_ms);
    else
        refuse_cancel(c, m, &request.round_id, status == ST_MALFORMED ? "malformed" : "invalid",
                      why.text[0] != '\0' ? why.text : status_name(status));
    json_decref(object);
}
