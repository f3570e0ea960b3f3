/* fl/experiments/start and cancel (PROTOCOL 2.8). */
#include "coordinator/state.h"

#include <stdlib.h>
#include <string.h>

#include "protect/protection.h"
#include "round/rule_read.h"
#include "service/log.h"

#define EXPERIMENT_UPDATES_ASSUMED ((size_t)1000) /* of whoever will be alive */

#define UNSTORED "the coordinator's folder cannot be written; try again when it can be"

static void refuse(struct coordinator *c, const struct id *id, const char *code, const char *reason)
{
    json_t *object = json_pack("{s:s, s:s}", "code", code, "reason", reason);
    if (object != NULL && id->text[0] != '\0')
        (void)json_object_set_new(object, "experiment_id", json_string(id->text));
    send_text(c, FL_EXPERIMENT_REFUSED, jsn_text_and_release(object));
    log_line(LOG_WARN, "experiment.refused", "experiment=%s code=%s reason=%s", log_quote(id->text),
             code, log_quote(reason));
}

static const char *code_of(enum status status)
{
    return status == ST_MALFORMED ? "malformed" : "invalid";
}

static const char *sentence_of(enum status status, const struct why *why)
{
    return why->text[0] != '\0' ? why->text : status_name(status);
}

/* ---- start ---- */

/* Begins it, as one transaction with what it wants first.
 * takes: *start (zeroed), on success. text: the start in its canonical form
 * fails: ST_NOMEM, ST_LIMIT; ST_EXISTS (kept, though not in memory); ST_IO (is_kept()
 *        said so) */
static enum status begin(struct coordinator *c, struct experiment_start *start, const char *text,
                         uint64_t now_ms)
{
    struct experiment *experiment = NULL;
    struct experiment_entry *e = NULL;
    struct experiment_actions actions;
    struct digest digest = digest_of(view_text(text));
    const struct id id = start->experiment_id;
    enum status status = experiment_new(start, now_ms, &experiment, &actions);
    if (status != ST_OK)
        return status;
    char *memory = experiment_memory_encode(experiment_memory(experiment));
    status = memory == NULL ? ST_NOMEM : store_add_experiment(c->store, &id, text, memory);
    if (status == ST_OK)
        status = experiments_add(c->experiments, &digest, experiment, &e);
    if (status != ST_OK) {
        free(memory);
        experiment_free(experiment);
        return status == ST_EXISTS || is_kept(c, "experiment", status) ? status : ST_IO;
    }
    e->kept = digest_of(view_text(memory));
    free(memory);
    drive(c, e, &actions, now_ms);
    return ST_OK;
}

/* A start stands alone: whoever sent it learns at once that it cannot be kept. */
static void start_new(struct coordinator *c, struct experiment_start *start, const char *text,
                      uint64_t now_ms)
{
    const struct id id = start->experiment_id;
    uint32_t rounds = start->rounds;
    if (c->closed) {
        refuse(c, &id, "not_stored", UNSTORED);
        return;
    }
    if (experiments_are_full(c->experiments)) {
        refuse(c, &id, "too_many_experiments",
               "as many experiments run as are allowed; start it again when one has ended");
        return;
    }
    enum status status = begin(c, start, text, now_ms);
    if (status == ST_EXISTS) {
        refuse(c, &id, "experiment_exists", "this experiment id was used before");
        return;
    }
    flush(c, now_ms);
    if (c->closed)
        refuse(c, &id, "not_stored", UNSTORED);
    else
        log_line(LOG_INFO, "experiment.started", "experiment=%s rounds=%u", id.text, rounds);
}

/* The same of its protection. round: one of its rounds, whose participants may be assumed */
static enum status check_privacy(const struct coordinator *c, const struct experiment_start *start,
                                 const struct round_start *round, struct why *why)
{
    struct round_start one = *round;
    if (start->alive && one.participant_count > MEMBERS_MAX) {
        one.participant_count = MEMBERS_MAX;
        one.k_of_n = share_of(&start->k, MEMBERS_MAX);
    }
    one.compression = start->compression;
    memcpy(one.image, start->image, sizeof one.image);
    enum status status = protection_check(&one, why);
    return status == ST_OK ? secure_check(c, &one, why) : status;
}

/* How its rounds are to be aggregated, as far as it can be known before anybody is
 * chosen: a rule that is none, or that can never have enough updates, is named now. */
static enum status check_aggregation(const struct coordinator *c,
                                     const struct experiment_start *start, struct why *why)
{
    struct rule_settings rule;
    size_t eligible = start->alive ? EXPERIMENT_UPDATES_ASSUMED : start->participant_count;
    size_t asked = share_of(&start->selection.count, eligible);
    if (asked < start->selection.min)
        asked = start->selection.min;
    const struct round_start round = {.participant_count = asked,
                                      .k_of_n = share_of(&start->k, asked),
                                      .aggregation = start->aggregation,
                                      .asynchronous = start->asynchronous,
                                      .privacy = start->privacy,
                                      .mode = ROUND_TRAIN};
    enum status status = rule_read(&round, &rule, why);
    return status == ST_OK ? check_privacy(c, start, &round, why) : status;
}

void on_experiment_start(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    struct experiment_start start = {0};
    struct id id = {0};
    struct why why = {0};
    flush(c, now_ms);
    if (c->undone) /* what came before it must come again, and so must this */
        return;
    enum status status = experiment_start_decode(m->payload, &start, &id, &why);
    if (status != ST_OK) {
        refuse(c, &id, code_of(status), sentence_of(status, &why));
        return;
    }
    char *text = experiment_start_encode(&start);
    const struct experiment_entry *known = experiments_find(c->experiments, &id);
    struct digest digest = digest_of(view_text(text == NULL ? "" : text));
    if (text == NULL)
        refuse(c, &id, "invalid", status_name(ST_NOMEM));
    else if (check_aggregation(c, &start, &why) != ST_OK)
        refuse(c, &id, "invalid", why.text);
    else if (known == NULL)
        start_new(c, &start, text, now_ms);
    else if (digest_equal(&known->start, &digest))
        log_line(LOG_INFO, "experiment.repeated", "experiment=%s, ignoring", id.text);
    else
        refuse(c, &id, "experiment_exists", "this experiment id was used for another experiment");
    free(text);
    experiment_start_done(&start);
}

/* ---- cancel ---- */

struct request {
    struct id id;
    const char *reason; /* for the log; borrowed from the JSON it was read from */
};

static enum status read_request(const json_t *object, struct request *ret, struct why *why)
{
    *ret = (struct request){.reason = ""};
    enum status status = jsn_id(object, "experiment_id", JSN_REQUIRED, &ret->id, why);
    if (status == ST_OK)
        status = jsn_str(object, "reason", JSN_OPTIONAL, CANCEL_REASON_MAX, &ret->reason, why);
    return status;
}

/* To whoever asked; to everybody, if no answer is asked for. */
static void refuse_cancel(struct coordinator *c, const struct mqtt_message *m, const struct id *id,
                          const char *code, const char *reason)
{
    if (m->response_topic == NULL)
        refuse(c, id, code, reason);
    else {
        log_line(LOG_WARN, "cancel.refused", "experiment=%s code=%s reason=%s", log_quote(id->text),
                 code, log_quote(reason));
        answer(c, m, json_pack("{s:s, s:s}", "error", code, "reason", reason));
    }
}

static void answer_cancelled(struct coordinator *c, const struct mqtt_message *m,
                             const struct id *id)
{
    if (m->response_topic != NULL)
        answer(c, m, json_pack("{s:b, s:s}", "ok", 1, "experiment_id", id->text));
}

/* Whoever asked learns at once if the end cannot be kept. */
static void cancel(struct coordinator *c, const struct mqtt_message *m, struct experiment_entry *e,
                   const struct request *request, uint64_t now_ms)
{
    log_line(LOG_INFO, "experiment.cancelled", "experiment=%s reason=%s", request->id.text,
             log_quote(request->reason));
    cancel_experiment(c, e, EXPERIMENT_REASON_REQUEST, now_ms);
    flush(c, now_ms);
    if (c->closed) /* and it goes on */
        refuse_cancel(c, m, &request->id, "not_stored", UNSTORED);
    else
        answer_cancelled(c, m, &request->id);
}

static void judge(struct coordinator *c, const struct mqtt_message *m,
                  const struct request *request, uint64_t now_ms)
{
    struct experiment_entry *e = experiments_find(c->experiments, &request->id);
    if (c->closed)
        refuse_cancel(c, m, &request->id, "not_stored", UNSTORED);
    else if (e == NULL)
        refuse_cancel(c, m, &request->id, "unknown_experiment",
                      "there is no such experiment, or it ended long ago");
    else if (e->experiment != NULL)
        cancel(c, m, e, request, now_ms);
    else if (e->state.outcome == ROUND_CANCELLED) /* it came twice, or somebody was faster */
        answer_cancelled(c, m, &request->id);
    else
        refuse_cancel(c, m, &request->id, "ended", "this experiment has had its end");
}

void on_experiment_cancel(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    json_t *object = NULL;
    struct request request = {.reason = ""};
    struct why why = {0};
    flush(c, now_ms);
    if (c->undone)
        return;
    enum status status = jsn_parse(m->payload, CONTROL_SIZE_MAX, &object, &why);
    if (status == ST_OK)
        status = read_request(object, &request, &why);
    if (status == ST_OK)
        judge(c, m, &request, now_ms);
    else
        refuse_cancel(c, m, &request.id, code_of(status), sentence_of(status, &why));
    json_decref(object);
}
