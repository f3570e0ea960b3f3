/* fl/rounds/start (PROTOCOL 2.1): a new round, the same one again, or a refusal. */
#include "coordinator/state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "protect/configuration.h"
#include "protect/protection.h"
#include "round/rule_read.h"
#include "service/log.h"

#define EXISTS "this round id was used for another round"

void send_refused(struct coordinator *c, const struct id *round_id, const char *code,
                  const char *reason)
{
    json_t *object = json_pack("{s:s, s:s}", "code", code, "reason", reason);
    if (object != NULL && round_id->text[0] != '\0')
        (void)json_object_set_new(object, "round_id", json_string(round_id->text));
    send_text(c, FL_ROUND_REFUSED, object == NULL ? NULL : jsn_text(object));
    json_decref(object);
    log_line(LOG_WARN, "round.refused", "round=%s code=%s reason=%s", log_quote(round_id->text),
             code, log_quote(reason));
}

/* Every start has an end: who waits for this round learns that there is none. A
 * round that is known keeps its own end. start: NULL if it could not be read */
static void send_failed(struct coordinator *c, const struct id *round_id,
                        const struct round_start *start, const char *code)
{
    if (round_id->text[0] == '\0' || !c->loaded || rounds_find(c->rounds, round_id) != NULL)
        return;
    struct complete complete = {.round_id = *round_id, .outcome = ROUND_FAILED};
    (void)snprintf(complete.reason, sizeof complete.reason, "%s", code);
    if (start != NULL) {
        complete.mode = start->mode;
        complete.participants = round_start_count(start);
        (void)snprintf(complete.model_uri, sizeof complete.model_uri, "%s", start->model_uri);
    }
    send_complete(c, &complete);
}

static void refuse(struct coordinator *c, const struct id *round_id,
                   const struct round_start *start, const char *code, const char *reason)
{
    send_refused(c, round_id, code, reason);
    send_failed(c, round_id, start, code);
}

static void refuse_unstored(struct coordinator *c, const struct round_start *start)
{
    refuse(c, &start->round_id, start, "not_stored",
           "the coordinator's folder cannot be written; start it again when it can be, under a "
           "new id");
}

/* fails: ST_EXISTS (kept, though not in memory any more); ST_IO (is_kept() said so) */
static enum status keep_round(struct coordinator *c, struct entry *e, struct view payload,
                              uint64_t now_ms)
{
    char folder[PATH_MAX];
    const struct id *round_id = &round_start_of(e->round)->round_id;
    enum status status = round_folder(c, round_id, folder, sizeof folder);
    if (status == ST_OK)
        status = blobs_open(folder, &e->blobs);
    if (status == ST_OK)
        status = spool_open(folder, &e->spool);
    if (!is_kept(c, "folder", status))
        return ST_IO;
    lend_hands(c, e);
    if (!is_kept(c, "bases", carry_bases(c, e)))
        return ST_IO;
    status = store_add_round(c->store, round_id, payload, now_ms);
    if (status == ST_EXISTS)
        return status;
    return is_kept(c, "round", status) ? ST_OK : ST_IO;
}

enum status open_round(struct coordinator *c, const struct round_start *start, struct view payload,
                       const struct digest *digest, uint64_t now_ms, struct entry **ret)
{
    struct round *round = NULL;
    struct entry *e = NULL;
    enum status status = round_new(start, now_ms, &round);
    if (status != ST_OK)
        return status;
    status = rounds_open(c->rounds, round, &e);
    if (status != ST_OK) {
        round_free(round);
        return status;
    }
    e->opened_ms = now_ms;
    e->start = *digest;
    if (configuration_hyperparams(start->hyperparams, &e->hyperparams) != ST_OK) {
        rounds_drop(c->rounds, e);
        return ST_NOMEM;
    }
    status = keep_round(c, e, payload, now_ms);
    if (status == ST_EXISTS)
        rounds_drop(c->rounds, e);
    if (status == ST_OK) {
        say_state(c, e, now_ms);
        *ret = e;
    }
    return status;
}

void begin_round(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    const struct round_start *start = round_start_of(e->round);
    log_line(LOG_INFO, "round.opened",
             "round=%s model=%s participants=%zu k_of_n=%u timeout_s=%u mode=%s",
             start->round_id.text, log_quote(start->model_uri), round_start_count(start),
             start->k_of_n, start->timeout_s, round_mode_name(start->mode));
    want_base(c, e, now_ms);
}

/* A start stands alone: whoever sent it learns at once that it cannot be kept. */
static void open_and_begin(struct coordinator *c, const struct round_start *start,
                           struct view payload, const struct digest *digest, uint64_t now_ms)
{
    struct entry *e = NULL;
    enum status status = open_round(c, start, payload, digest, now_ms, &e);
    if (status == ST_LIMIT)
        refuse(c, &start->round_id, start, "too_many_rounds",
               "as many rounds are open as are allowed; start it again when one has ended, "
               "under a new id");
    else if (status == ST_EXISTS) /* it has had its end, so no `complete` */
        send_refused(c, &start->round_id, "round_exists", EXISTS);
    else if (status == ST_NOMEM || status == ST_INVALID)
        refuse(c, &start->round_id, start, "invalid", status_name(status));
    else {
        flush(c, now_ms);
        if (c->closed) /* and e is gone */
            refuse_unstored(c, start);
        else
            begin_round(c, e, now_ms);
    }
}

enum status digest_of_start(const struct round_start *start, struct digest *ret)
{
    char *text = round_start_encode(start);
    if (text == NULL)
        return ST_NOMEM;
    *ret = digest_of(view_text(text));
    free(text);
    return ST_OK;
}

static void start_round(struct coordinator *c, const struct round_start *start, struct view payload,
                        uint64_t now_ms)
{
    struct digest digest;
    if (digest_of_start(start, &digest) != ST_OK) {
        refuse(c, &start->round_id, start, "invalid", status_name(ST_NOMEM));
        return;
    }
    const struct entry *known = rounds_find(c->rounds, &start->round_id);
    if (known == NULL && c->closed)
        refuse_unstored(c, start);
    else if (known == NULL && start->asynchronous.is_on)
        refuse(
            c, &start->round_id, start, "invalid",
            "asynchronous rounds belong to an experiment, which says what they carry: start one");
    else if (known == NULL)
        open_and_begin(c, start, payload, &digest, now_ms);
    else if (digest_equal(&known->start, &digest))
        log_line(LOG_INFO, "round.repeated", "round=%s, ignoring", start->round_id.text);
    else
        refuse(c, &start->round_id, start, "round_exists", EXISTS);
}

void on_round_start(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    struct round_start start;
    struct id round_id;
    struct why why = {0};
    flush(c, now_ms);
    if (c->undone) /* what came before it must come again, and so must this */
        return;
    struct rule_settings rule;
    enum status status = round_start_decode(m->payload, &start, &round_id, &why);
    if (status != ST_OK) {
        refuse(c, &round_id, NULL, status == ST_MALFORMED ? "malformed" : "invalid",
               why.text[0] != '\0' ? why.text : status_name(status));
        return;
    }
    if (rule_read(&start, &rule, &why) != ST_OK || protection_check(&start, &why) != ST_OK ||
        secure_check(c, &start, &why) != ST_OK)
        refuse(c, &round_id, &start, "invalid", why.text);
    else if (!c->closed && privacy_check(c, &start, 1, &why) != ST_OK)
        refuse(c, &round_id, &start, "budget_spent", why.text);
    else
        start_round(c, &start, m->payload, now_ms);
    round_start_done(&start);
}
