/* fml/updates (PROTOCOL 2.2): the manager forwarded an update. */
#include "coordinator/state.h"

#include <assert.h>
#include <stdlib.h>

#include "fl/update.h"
#include "service/log.h"

static struct early **last_or_same(struct entry *e, const struct id *sender)
{
    struct early **at = &e->early;
    while (*at != NULL && !id_equal(&(*at)->sender, sender))
        at = &(*at)->next;
    return at;
}

/* No round judges it, and nothing of it is kept. */
static void answer_at_once(struct coordinator *c, const struct id *round_id,
                           const struct id *sender, struct view bytes, enum verdict verdict)
{
    struct receipt receipt = {
        .round_id = *round_id,
        .proplet_id = *sender,
        .verdict = verdict,
        .update_digest = digest_of(bytes),
    };
    send_receipt(c, &receipt, false);
}

/* The sender must send it again. */
static void postpone(struct coordinator *c, const struct id *round_id, const struct id *sender,
                     struct view bytes)
{
    answer_at_once(c, round_id, sender, bytes, VERDICT_NOT_STORED);
}

bool hold_early(struct coordinator *c, struct entry *e, const struct id *sender, struct view bytes)
{
    struct early **at = last_or_same(e, sender);
    assert(*at == NULL);
    struct early *early = calloc(1, sizeof *early);
    if (bytes.size > EARLY_UPDATES_BYTES_MAX - c->early_bytes || early == NULL ||
        bytes_copy(&early->bytes, bytes) != ST_OK) {
        free(early);
        return false;
    }
    early->sender = *sender;
    c->early_bytes += bytes.size;
    *at = early;
    return true;
}

/* One for each participant, the first: another one is judged when the sender repeats
 * it. */
static void keep_early(struct coordinator *c, struct entry *e, const struct id *sender,
                       struct view bytes)
{
    const struct early *known = *last_or_same(e, sender);
    if (known != NULL && view_equal(bytes_view(&known->bytes), bytes))
        return;
    if (known != NULL || !hold_early(c, e, sender, bytes)) {
        postpone(c, round_task(e->round, sender), sender, bytes);
        return;
    }
    bool small = bytes.size <= EARLY_WITH_ROW_MAX;
    const struct store_update update = {.participant = *sender,
                                        .digest = digest_of(bytes),
                                        .bytes = small ? bytes : view_of(NULL, 0)};
    if (small || keep_bytes(c, e, bytes))
        (void)is_kept(c, "early",
                      store_add_early(c->store, &round_start_of(e->round)->round_id, &update));
}

/* The form in which an update is kept: where its values lie as float32, so that they can
 * be aggregated there. JSON is brought to it; ret is empty if bytes are in it already.
 * fails: ST_NOMEM, ST_LIMIT */
static enum status to_kept_form(struct view bytes, struct bytes *ret)
{
    struct update u;
    if (model_form_of(bytes) == MODEL_SAFETENSORS)
        return ST_OK;
    if (update_decode(bytes, &u, NULL) != UPDATE_FINE) /* it was accepted: only memory fails */
        return ST_NOMEM;
    enum status status = update_encode(&u, MODEL_SAFETENSORS, ret);
    update_done(&u);
    return status;
}

/* A file that came in parts is not copied. */
static enum status put_into_spool(const struct entry *e, struct view form,
                                  struct spooled *ret_place, struct view *ret_bytes)
{
    if (e->judged_path != NULL && form.data == e->judged.data)
        return spool_add_file(e->spool, e->judged_path, ret_place, ret_bytes);
    return spool_add(e->spool, form, ret_place, ret_bytes);
}

/* Its bytes and its row, in the transaction that is under way. */
static bool keep_update(struct coordinator *c, struct entry *e, const struct receipt *receipt,
                        struct view bytes, uint64_t samples, uint64_t now_ms)
{
    struct bytes made = {0};
    struct view there = {0};
    struct store_update update = {.participant = receipt->proplet_id,
                                  .digest = receipt->update_digest,
                                  .num_samples = samples,
                                  .received_ms = now_ms,
                                  .size = bytes.size};
    bool kept = is_kept(c, "form", to_kept_form(bytes, &made));
    struct view form = made.size > 0 ? bytes_view(&made) : bytes;
    update.kept = made.size > 0 ? digest_of(form) : update.digest;
    kept = kept && is_kept(c, "bytes", put_into_spool(e, form, &update.place, &there)) &&
           is_kept(c, "update",
                   store_add_update(c->store, &round_start_of(e->round)->round_id, &update));
    bytes_done(&made);
    if (kept)
        round_keep(e->round, there, &update.kept);
    return kept;
}

/* What the verdict says is durable before the receipt is. An ended round's account is
 * closed: it was sent. before: counted updates and their samples */
static bool keep_verdict(struct coordinator *c, struct entry *e, const struct receipt *receipt,
                         struct view bytes, const uint64_t before[2], uint64_t now_ms)
{
    if (round_counted(e->round) > before[0])
        return keep_update(c, e, receipt, bytes, round_samples(e->round) - before[1], now_ms);
    if (receipt->verdict == VERDICT_ACCEPTED || round_state(e->round) == ROUND_ENDED)
        return true;
    return is_kept(
        c, "refusal",
        store_count_rejected(c->store, &round_start_of(e->round)->round_id, receipt->verdict));
}

/* What a masked update is bound to is looked at here, the rest by the round. What is known by
 * its digest keeps its answer. fails: as round_update() */
static enum status judge(const struct entry *e, const struct id *sender, struct view bytes,
                         uint64_t now_ms, struct round_actions *ret_actions)
{
    struct why why = {""};
    struct digest digest = digest_of(bytes);
    if (e->secure == NULL)
        return round_update(e->round, sender, bytes, now_ms, ret_actions);
    enum status status = round_update_known(e->round, sender, &digest, now_ms, ret_actions);
    if (status != ST_NOT_FOUND)
        return status;
    enum verdict verdict = secure_judge(e, sender, bytes, &why);
    if (verdict == VERDICT_ACCEPTED)
        return round_update(e->round, sender, bytes, now_ms, ret_actions);
    round_refuse(e->round, sender, &digest, verdict, why.text[0] == '\0' ? NULL : why.text,
                 ret_actions);
    return ST_OK;
}

void judge_update(struct coordinator *c, struct entry *e, const struct id *sender,
                  struct view bytes, uint64_t now_ms)
{
    struct round_actions actions;
    const uint64_t before[2] = {round_counted(e->round), round_samples(e->round)};
    enum status status = judge(e, sender, bytes, now_ms, &actions);
    if (status == ST_OK) {
        bool kept = keep_verdict(c, e, &actions.items[0].receipt, bytes, before, now_ms);
        if (kept && round_counted(e->round) > before[0])
            secure_counted(e, sender);
        if (kept)
            carry_out(c, e, &actions, now_ms);
    } else if (status == ST_NOT_FOUND)
        keep_early(c, e, sender, bytes);
    else
        postpone(c, round_task(e->round, sender), sender, bytes);
}

/* What no round would take does not wait for one. */
static void hold(struct coordinator *c, const struct id *asked, const struct id *sender,
                 struct view payload)
{
    if (payload.size == 0)
        answer_at_once(c, asked, sender, payload, VERDICT_MALFORMED);
    else if (held_add(&c->held, asked, sender, payload))
        log_line(LOG_DEBUG, "update.held", "round=%s proplet=%s", asked->text, sender->text);
    else
        postpone(c, asked, sender, payload);
}

void take_update(struct coordinator *c, struct entry *e, const struct id *sender,
                 struct view payload, uint64_t now_ms)
{
    struct entry *counts = counting_round(c, e, sender, now_ms);
    if (counts == NULL)
        hold(c, &round_start_of(e->round)->round_id, sender, payload);
    else if (reference_looks_like(payload))
        fetch_update(c, counts, sender, payload, now_ms);
    else
        judge_update(c, counts, sender, payload, now_ms);
}

void feed_early(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    assert(round_state(e->round) != ROUND_OPENING);
    if (e->early != NULL)
        (void)is_kept(c, "early", store_drop_early(c->store, &round_start_of(e->round)->round_id));
    /* Once something was not kept, the rest waits for the store, which has them. */
    while (e->early != NULL && !is_closed(c)) {
        struct early *early = e->early;
        e->early = early->next;
        c->early_bytes -= early->bytes.size;
        struct entry *asked = rounds_find(c->rounds, round_task(e->round, &early->sender));
        if (asked != NULL) /* else its sender repeats it */
            take_update(c, asked, &early->sender, bytes_view(&early->bytes), now_ms);
        bytes_done(&early->bytes);
        free(early);
    }
}

static bool id_property(const struct mqtt_message *m, const char *key, struct id *ret)
{
    const char *value = mqtt_message_property(m, key);
    return value != NULL && id_from(value, ret) == ST_OK;
}

void on_update(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    struct id round_id, sender;
    if (!id_property(m, "round", &round_id) || !id_property(m, "sender", &sender)) {
        log_line(LOG_WARN, "update.nameless", "bytes=%zu, ignoring", m->payload.size);
        return;
    }
    if (c->closed) {
        postpone(c, &round_id, &sender, m->payload);
        return;
    }
    if (is_closed(c)) /* the flush behind it fails, and it comes again */
        return;
    struct entry *e = rounds_find(c->rounds, &round_id);
    if (e == NULL)
        answer_at_once(c, &round_id, &sender, m->payload, VERDICT_UNKNOWN_ROUND);
    else
        take_update(c, e, &sender, m->payload, now_ms);
}
