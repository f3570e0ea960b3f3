/* Secure aggregation of one round: between its devices, whose messages come to
 * fl/rounds/{round}/secagg/{proplet} (PROTOCOL 2.11), and secagg/server.h.
 *
 * Every message that is accepted, and the end of every phase, is in the store before
 * anybody is told of it, and happens again after a restart. What devices are told follows
 * from that: nothing of it is stored, and whoever repeats its last message is told again. */
#include "coordinator/state.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "protect/configuration.h"
#include "protect/masked.h"
#include "secagg/server.h"
#include "service/log.h"

#define TELL_AGAIN_MS 2000u /* those who have to answer before a version can be made */

struct secure {
    struct secagg_server *server;
    uint64_t phase_ends_ms; /* 0: once the round goes on after a restart */
    uint64_t tell_ms;       /* when to tell those again who have not answered */
    bool tell_due;          /* a phase began, and is not durable yet */
};

static const struct id *round_id_of(const struct entry *e)
{
    return &round_start_of(e->round)->round_id;
}

/* ---- beginning ---- */

enum status secure_check(const struct coordinator *c, const struct round_start *start,
                         struct why *why)
{
    if (!start->privacy.is_masked || c->settings.fleet != NULL)
        return ST_OK;
    why_set(why, "this coordinator does not know whose devices to trust: start it with "
                 "--fleet-key FILE (fml fleet init)");
    return ST_INVALID;
}

static enum status configuration_of(const struct entry *e, struct digest *ret)
{
    const struct round_start *start = round_start_of(e->round);
    struct configuration configuration = {.round_id = start->round_id,
                                          .model_uri = start->model_uri,
                                          .model = e->base,
                                          .hyperparams = e->hyperparams,
                                          .k_of_n = start->k_of_n,
                                          .privacy = start->privacy};
    enum status status = digest_parse(start->image, &configuration.image);
    assert(status == ST_OK); /* protection_check() */
    return configuration_digest(&configuration, ret);
}

static void begin_phase(struct secure *s, const struct entry *e, uint64_t now_ms)
{
    s->phase_ends_ms = now_ms + (uint64_t)round_start_of(e->round)->privacy.phase_s * 1000;
    s->tell_ms = now_ms + TELL_AGAIN_MS;
    s->tell_due = true;
}

enum status secure_begin(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    const struct round_start *start = round_start_of(e->round);
    struct digest configuration;
    if (!start->privacy.is_masked || e->secure != NULL)
        return ST_OK;
    struct secure *s = calloc(1, sizeof *s);
    enum status status = s == NULL ? ST_NOMEM : configuration_of(e, &configuration);
    if (status == ST_OK && c->settings.fleet == NULL)
        status = ST_INVALID; /* it was there when the round began */
    if (status == ST_OK)
        status =
            secagg_server_new(&round_protection(e->round)->rules, &configuration, c->settings.fleet,
                              start->participants, start->participant_count, &s->server);
    if (status != ST_OK) {
        secure_free(s);
        return status;
    }
    e->secure = s;
    begin_phase(s, e, now_ms);
    return ST_OK;
}

struct secure *secure_free(struct secure *s)
{
    if (s != NULL)
        secagg_server_free(s->server);
    free(s);
    return NULL;
}

/* ---- telling ---- */

static void tell(struct coordinator *c, const struct entry *e, const struct id *device)
{
    struct bytes message = {0};
    char topic[FL_TOPIC_SIZE];
    if (secagg_server_message(e->secure->server, device, &message) == ST_OK) {
        fl_topic_secagg_told(round_id_of(e), device, topic);
        send_message(c, &(struct mqtt_message){.topic = topic, .payload = bytes_view(&message)});
    }
    bytes_done(&message);
}

static void tell_all(struct coordinator *c, const struct entry *e)
{
    const struct round_start *start = round_start_of(e->round);
    for (size_t i = 0; i < start->participant_count; i++)
        if (secagg_server_awaits(e->secure->server, &start->participants[i]))
            tell(c, e, &start->participants[i]);
}

void secure_tell(struct coordinator *c)
{
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++) {
        const struct entry *e = rounds_open_at(c->rounds, i);
        if (e->secure == NULL || !e->secure->tell_due)
            continue;
        e->secure->tell_due = false;
        tell_all(c, e);
    }
}

/* ---- phases ---- */

static void log_phase(const struct entry *e)
{
    struct secagg_counts n = secagg_server_counts(e->secure->server);
    log_line(LOG_INFO, "secagg.phase",
             "round=%s phase=%s advertised=%u shared=%u masked=%u confirmed=%u unmasked=%u",
             round_id_of(e)->text, secagg_phase_name(secagg_server_phase(e->secure->server)),
             n.advertised, n.shared, n.masked, n.confirmed, n.unmasked);
}

static void fail(struct coordinator *c, struct entry *e, const char *reason, uint64_t now_ms)
{
    struct round_actions actions;
    round_cancel(e->round, ROUND_FAILED, reason, now_ms, &actions);
    carry_out(c, e, &actions, now_ms);
}

/* What a round ends as if too few are left at the end of this phase. */
static const char *too_few(enum secagg_phase phase)
{
    static const char *const reasons[] = {
        [SECAGG_ADVERTISING] = "too_few_advertised", [SECAGG_SHARING] = "too_few_shared",
        [SECAGG_MASKING] = "too_few_updates",        [SECAGG_CONFIRMING] = "too_few_confirmed",
        [SECAGG_UNMASKING] = "too_few_unmasked",
    };
    return reasons[phase];
}

/* The masks that are left; the round makes its version, or ends. */
static enum status take_off(struct entry *e, uint64_t now_ms, struct round_actions *ret_actions)
{
    struct mask *masks = NULL;
    size_t count = 0;
    struct id culprit = {""};
    enum status status = secagg_server_masks(e->secure->server, &masks, &count, &culprit);
    if (status == ST_CORRUPT)
        log_line(LOG_ERROR, "secagg.bad_shares", "round=%s of=%s", round_id_of(e)->text,
                 culprit.text);
    if (status == ST_OK)
        round_unmask(e->round, masks, count, now_ms, ret_actions);
    sodium_free(masks);
    return status;
}

static void finish(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    struct round_actions actions;
    enum status status = take_off(e, now_ms, &actions);
    if (status == ST_OK)
        carry_out(c, e, &actions, now_ms);
    else
        fail(c, e, status == ST_CORRUPT ? "bad_shares" : ROUND_REASON_NO_MEMORY, now_ms);
}

static bool keep_close(struct coordinator *c, const struct entry *e)
{
    const struct store_secure event = {.message = view_text("")};
    return is_kept(c, "phase", store_add_secure(c->store, round_id_of(e), &event));
}

static void close_phase(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    struct secure *s = e->secure;
    enum secagg_phase before = secagg_server_phase(s->server);
    if (!keep_close(c, e))
        return;
    secagg_server_close(s->server);
    log_phase(e);
    begin_phase(s, e, now_ms);
    enum secagg_phase now = secagg_server_phase(s->server);
    if (now == SECAGG_FAILED)
        fail(c, e, too_few(before), now_ms);
    else if (now == SECAGG_DONE)
        finish(c, e, now_ms);
}

static bool is_over(const struct entry *e)
{
    return e->secure == NULL || secagg_server_phase(e->secure->server) >= SECAGG_DONE;
}

/* MASKING is over when the round says so: its updates are what is masked. */
static bool is_masking(const struct entry *e)
{
    return secagg_server_phase(e->secure->server) == SECAGG_MASKING;
}

void secure_unmask(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    assert(e->secure != NULL && is_masking(e));
    say_state(c, e, now_ms);
    close_phase(c, e, now_ms);
}

void secure_tick(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    if (is_over(e))
        return;
    struct secure *s = e->secure;
    if (s->phase_ends_ms == 0) /* it went on after a restart */
        begin_phase(s, e, now_ms);
    else if (!is_masking(e) && now_ms >= s->phase_ends_ms)
        close_phase(c, e, now_ms);
    else if (secagg_server_phase(s->server) > SECAGG_MASKING && now_ms >= s->tell_ms) {
        s->tell_ms = now_ms + TELL_AGAIN_MS;
        s->tell_due = true;
    }
}

/* ---- a device's message ---- */

static void log_refused(const struct entry *e, const struct id *sender, struct view message,
                        enum secagg_verdict verdict)
{
    enum secagg_kind kind = SECAGG_ADVERTISE;
    bool known = secagg_kind_of(message, &kind) == ST_OK;
    log_line(LOG_WARN, "secagg.refused", "round=%s proplet=%s message=%s code=%s",
             round_id_of(e)->text, sender->text, known ? secagg_kind_name(kind) : "unknown",
             secagg_verdict_name(verdict));
}

static void take(struct coordinator *c, struct entry *e, const struct id *sender,
                 struct view message, uint64_t now_ms)
{
    const struct store_secure event = {
        .sender = *sender, .message = message, .at_s = clock_unix_s()};
    enum secagg_verdict verdict =
        secagg_server_take(e->secure->server, sender, message, event.at_s, c->settings.revoked);
    if (verdict == SECAGG_REPEATED) {
        tell(c, e, sender);
        return;
    }
    if (verdict != SECAGG_ACCEPTED) {
        log_refused(e, sender, message, verdict);
        return;
    }
    if (is_kept(c, "secagg", store_add_secure(c->store, round_id_of(e), &event)) &&
        !is_masking(e) && secagg_server_is_settled(e->secure->server))
        close_phase(c, e, now_ms);
}

void on_secagg(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    struct id round, sender;
    if (is_closed(c) || fl_secagg_parse(m->topic, false, &round, &sender) != ST_OK)
        return;
    struct entry *e = rounds_find(c->rounds, &round);
    if (e != NULL && !is_over(e)) /* else it is repeated, or there is nothing to say */
        take(c, e, &sender, m->payload, now_ms);
}

/* ---- masked updates ---- */

static enum verdict verdict_of(enum secagg_verdict verdict)
{
    switch (verdict) {
    case SECAGG_ACCEPTED:
        return VERDICT_ACCEPTED;
    case SECAGG_V_OTHER_CONFIG:
        return VERDICT_UNPROTECTED;
    case SECAGG_V_BAD_SIGNATURE:
        return VERDICT_BAD_SIGNATURE;
    default:
        return VERDICT_NOT_PARTICIPANT;
    }
}

enum verdict secure_judge(const struct entry *e, const struct id *sender, struct view bytes,
                          struct why *why)
{
    struct update u;
    struct masked m;
    const struct protection *p = round_protection(e->round);
    if (update_read(bytes, &u, why) != UPDATE_FINE)
        return VERDICT_ACCEPTED; /* the round says what is wrong */
    enum verdict verdict = VERDICT_ACCEPTED;
    if (masked_of(&u, true, p->word_count, p->word, &m, why) == ST_OK) {
        struct digest digest = digest_of(m.words);
        verdict = verdict_of(
            secagg_server_judge(e->secure->server, sender, &m.context, &digest, &m.signature));
        if (verdict == VERDICT_NOT_PARTICIPANT)
            why_set(why, "this device did not share its secrets in this round in time");
    }
    update_done(&u);
    return verdict;
}

void secure_counted(struct entry *e, const struct id *sender)
{
    if (e->secure != NULL)
        secagg_server_count(e->secure->server, sender);
}

/* ---- after a restart ---- */

struct replay {
    struct coordinator *c;
    struct entry *e;
    enum status (*feed)(void *arg);
    void *arg;
};

/* The round's updates, and then the end of its counting, whether they led to it or time. */
static enum status end_masking(struct replay *r)
{
    struct round_actions actions;
    enum status status = r->feed(r->arg);
    r->feed = NULL;
    if (status == ST_OK && r->e->lost == NULL && round_state(r->e->round) == ROUND_OPEN)
        round_tick(r->e->round, round_deadline_ms(r->e->round), &actions);
    return status;
}

static enum status replay_event(void *arg, const struct store_secure *event)
{
    struct replay *r = arg;
    struct secagg_server *server = r->e->secure->server;
    if (r->e->lost != NULL)
        return ST_OK;
    if (event->sender.text[0] != '\0') {
        enum secagg_verdict verdict =
            secagg_server_take(server, &event->sender, event->message, event->at_s, NULL);
        return verdict == SECAGG_ACCEPTED      ? ST_OK
               : verdict == SECAGG_V_NO_MEMORY ? ST_NOMEM
                                               : ST_CORRUPT;
    }
    enum status status = secagg_server_phase(server) == SECAGG_MASKING ? end_masking(r) : ST_OK;
    if (status == ST_OK && secagg_server_phase(server) < SECAGG_DONE)
        secagg_server_close(server);
    return status;
}

enum status secure_restore(struct coordinator *c, struct entry *e, enum status (*feed)(void *arg),
                           void *arg, struct model **ret_model)
{
    struct replay r = {.c = c, .e = e, .feed = feed, .arg = arg};
    struct round_actions actions = {0};
    enum status status = secure_begin(c, e, 0);
    if (status == ST_OK)
        status = store_each_secure(c->store, round_id_of(e), replay_event, &r);
    if (status == ST_OK && r.feed != NULL)
        status = r.feed(r.arg);
    if (status != ST_OK || e->lost != NULL)
        return status;
    e->secure->phase_ends_ms = 0;
    if (secagg_server_phase(e->secure->server) != SECAGG_DONE)
        return ST_OK;
    status = take_off(e, 0, &actions);
    for (size_t i = 0; status == ST_OK && i < actions.count; i++)
        if (actions.items[i].kind == ROUND_PUBLISH_MODEL)
            *ret_model = actions.items[i].model;
    return status;
}
