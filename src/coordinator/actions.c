/* Carries out what rounds want done: receipts, new versions, completions. */
#include "coordinator/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "service/log.h"

enum status publish_now(struct coordinator *c, const struct mqtt_message *m)
{
    enum status status = c->out.publish(c->out.owner, m);
    if (status == ST_OK)
        c->published++;
    return status;
}

void send_message(struct coordinator *c, const struct mqtt_message *m)
{
    enum status status = publish_now(c, m);
    if (status != ST_OK)
        log_line(LOG_ERROR, "publish.failed", "topic=%s bytes=%zu reason=%s", log_quote(m->topic),
                 m->payload.size, status_name(status));
}

/* takes: text; NULL: no memory */
static void send_text_now(struct coordinator *c, const char *topic, char *text)
{
    if (text == NULL)
        log_line(LOG_ERROR, "publish.failed", "topic=%s reason=%s", log_quote(topic),
                 status_name(ST_NOMEM));
    else
        send_message(c, &(struct mqtt_message){.topic = topic, .payload = view_text(text)});
    free(text);
}

/* takes: text; NULL: no memory */
static void keep_text(struct coordinator *c, const char *topic, char *text, bool retain)
{
    enum status status =
        text == NULL ? ST_NOMEM : store_say(c->store, topic, view_text(text), retain);
    (void)is_kept(c, "message", status);
    free(text);
}

void send_text(struct coordinator *c, const char *topic, char *text)
{
    if (c->closed)
        send_text_now(c, topic, text);
    else
        keep_text(c, topic, text, false);
}

void retain_text(struct coordinator *c, const char *topic, char *text)
{
    if (c->closed)
        free(text);
    else
        keep_text(c, topic, text, true);
}

void send_receipt(struct coordinator *c, const struct receipt *receipt, bool durable)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_receipt(&receipt->round_id, &receipt->proplet_id, topic);
    if (durable)
        send_text(c, topic, receipt_encode(receipt));
    else
        send_text_now(c, topic, receipt_encode(receipt));

    if (receipt->verdict == VERDICT_ACCEPTED)
        log_line(LOG_INFO, "update.accepted", "round=%s proplet=%s", receipt->round_id.text,
                 receipt->proplet_id.text);
    else
        log_line(LOG_WARN,
                 receipt->verdict == VERDICT_NOT_STORED ? "update.postponed" : "update.rejected",
                 "round=%s proplet=%s code=%s reason=%s", receipt->round_id.text,
                 receipt->proplet_id.text, verdict_code(receipt->verdict),
                 log_quote(receipt->reason));
}

static uint64_t rejected_in_all(const struct complete *complete)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < VERDICT_COUNT; i++)
        sum += complete->rejected[i];
    return sum;
}

static void set_completed_at(struct complete *complete)
{
    char now[CLOCK_TEXT_SIZE];
    clock_text(now);
    static_assert(sizeof complete->completed_at == sizeof now, "one size of time");
    memcpy(complete->completed_at, now, sizeof now);
}

void say_complete(struct coordinator *c, const struct complete *complete)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_complete(&complete->round_id, topic);
    send_text(c, topic, complete_encode(complete));
}

static void keep_end(struct coordinator *c, const struct complete *complete)
{
    char *text = complete_encode(complete);
    (void)is_kept(c, "end",
                  text == NULL ? ST_NOMEM : store_end_round(c->store, &complete->round_id, text));
    free(text);
}

static void log_end(const struct complete *complete)
{
    log_line(complete->outcome == ROUND_COMPLETED ? LOG_INFO : LOG_WARN, "round.closed",
             "round=%s status=%s reason=%s updates=%llu rejected=%llu took_ms=%llu",
             complete->round_id.text, round_outcome_name(complete->outcome),
             log_quote(complete->reason), (unsigned long long)complete->num_updates,
             (unsigned long long)rejected_in_all(complete),
             (unsigned long long)complete->duration_ms);
}

void send_complete(struct coordinator *c, struct complete *complete)
{
    set_completed_at(complete);
    say_complete(c, complete);
    log_end(complete);
}

static void set_version_facts(const struct entry *e, struct complete *complete)
{
    complete->has_version = true;
    fl_topic_model(&e->version, complete->model_topic);
    complete->model_version = e->version.version;
    complete->model_digest = e->digest;
}

/* Which protection was in force, and what it has cost so far. */
static void add_account(struct entry *e)
{
    size_t size = strlen(e->complete.privacy);
    if (e->account[0] != '\0')
        (void)snprintf(e->complete.privacy + size, sizeof e->complete.privacy - size, "; %s",
                       e->account);
}

/* Of an ended round only the ledger stays, and what was said at its end. */
static void end_round(struct coordinator *c, struct entry *e, const struct complete *complete,
                      uint64_t now_ms)
{
    e->complete = *complete;
    if (complete->outcome == ROUND_COMPLETED && e->has_version) {
        set_version_facts(e, &e->complete);
        write_version(c, e);
    }
    add_account(e);
    set_completed_at(&e->complete);
    keep_end(c, &e->complete);
    if (!round_start_of(e->round)->asynchronous.is_on) /* else see say_those_over() */
        say_complete(c, &e->complete);
    log_end(&e->complete);
    struct id spared[SPARED_MAX];
    size_t spared_count = spared_rounds(c, spared);
    (void)is_kept(c, "forgetting",
                  store_forget_rounds(c->store, ROUNDS_KEPT_MAX, spared, spared_count));

    if (e->asked)
        c->out.ask_no_more(c->out.owner, e->complete.model_uri);
    e->asked = false;
    if (e->has_version)
        exchange_withdraw(c->exchange, &e->digest);
    if (e->secure != NULL && c->settings.keep_updates == 0)
        (void)is_kept(c, "secagg", store_drop_secure(c->store, &e->complete.round_id));
    e->secure = secure_free(e->secure);
    e->has_version = e->due = false;
    e->model = NULL;
    bytes_done(&e->bytes);
    rounds_end(c->rounds, e, spared, spared_count);
    say_ended_state(c, e, now_ms);
    feed_early(c, e, now_ms); /* whoever was early for a round that failed is told so */
    tell_round_ended(c, &e->complete, now_ms);
}

void carry_out(struct coordinator *c, struct entry *e, const struct round_actions *actions,
               uint64_t now_ms)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct round_action *a = &actions->items[i];
        switch (a->kind) {
        case ROUND_SEND_RECEIPT:
            send_receipt(c, &a->receipt, true);
            break;
        case ROUND_UNMASK:
            secure_unmask(c, e, now_ms);
            break;
        case ROUND_PUBLISH_MODEL:
            publish_version(c, e, a->model, now_ms);
            break;
        case ROUND_SEND_COMPLETE:
            end_round(c, e, &a->complete, now_ms);
            break;
        }
    }
}
