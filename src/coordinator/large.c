/* Bytes beyond one message (PROTOCOL 2.9): base models and updates that come as references
 * are fetched into the round's folder; a large version is offered from there.
 *
 * What is under way is not remembered over a restart: whoever waits for an answer says
 * its reference again, the base's is retained, and the parts that are here are found. */
#include "coordinator/state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/map.h"
#include "service/log.h"

#define CHECKS_MAX       8     /* steps of checking in one turn */
#define STORING_QUIET_MS 2000u /* whoever takes a version asks more often than that */

struct coming {
    struct coming *next;
    struct id round;  /* that the base is of, or that the sender was asked in */
    struct id sender; /* of an update; empty: it is the base model */
    struct fetch *fetch;
    char path[PATH_MAX];
    uint64_t bytes; /* that were there when it was last looked at */
};

static bool is_base(const struct coming *k)
{
    return k->sender.text[0] == '\0';
}

static struct coming *find(const struct coordinator *c, const struct id *round,
                           const struct id *sender)
{
    struct coming *k = c->coming;
    while (k != NULL && !(id_equal(&k->round, round) && id_equal(&k->sender, sender)))
        k = k->next;
    return k;
}

/* A base is a blob of its round. An update has a file of its own, whatever digest its
 * sender says: nobody else's file may be touched for it. */
static enum status path_for(const struct coordinator *c, const struct entry *e,
                            const struct id *sender, const struct digest *d, char ret[PATH_MAX])
{
    char folder[PATH_MAX];
    if (sender->text[0] == '\0')
        return blobs_path(e->blobs, d, ret, PATH_MAX);
    enum status status = round_folder(c, round_task(e->round, sender), folder, sizeof folder);
    if (status != ST_OK)
        return status;
    int size = snprintf(ret, PATH_MAX, "%s/coming-%s", folder, sender->text);
    return size > 0 && size < PATH_MAX ? ST_OK : ST_LIMIT;
}

static enum status begin(struct coordinator *c, const struct entry *e, const struct id *sender,
                         const struct reference *r)
{
    struct coming *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ST_NOMEM;
    k->round = sender->text[0] == '\0' ? round_start_of(e->round)->round_id
                                       : *round_task(e->round, sender);
    k->sender = *sender;
    enum status status = path_for(c, e, sender, &r->manifest.digest, k->path);
    if (status == ST_OK)
        status = exchange_fetch(c->exchange, r, k->path, &k->fetch);
    if (status != ST_OK) {
        free(k);
        return status;
    }
    k->next = c->coming;
    c->coming = k;
    log_line(LOG_INFO, "bytes.fetching", "round=%s what=%s bytes=%llu from=%s", k->round.text,
             is_base(k) ? "base" : "update", (unsigned long long)r->manifest.size, r->holder.text);
    return ST_OK;
}

/* ---- a base model ---- */

void fetch_base(struct coordinator *c, struct entry *e, struct view payload)
{
    static const struct id nobody = {""};
    struct reference r;
    struct why why = {0};
    if (find(c, &round_start_of(e->round)->round_id, &nobody) != NULL)
        return;
    enum status status = reference_decode(payload, MODEL_BYTES_MAX, &r, &why);
    if (status == ST_OK) {
        status = begin(c, e, &nobody, &r);
        reference_done(&r);
    }
    if (status != ST_OK)
        log_line(LOG_ERROR, "bytes.unfetched", "round=%s what=base reason=%s",
                 round_start_of(e->round)->round_id.text,
                 log_quote(why.text[0] == '\0' ? status_name(status) : why.text));
}

/* ---- an update ---- */

static void tell(struct coordinator *c, const struct id *round, const struct id *sender,
                 enum verdict verdict, const struct digest *digest, const char *reason)
{
    struct receipt receipt = {
        .round_id = *round, .proplet_id = *sender, .verdict = verdict, .update_digest = *digest};
    (void)snprintf(receipt.reason, sizeof receipt.reason, "%s", reason);
    send_receipt(c, &receipt, false);
}

/* An update is hardly larger than the base that it was made from. */
static uint64_t update_max(const struct entry *e)
{
    return (uint64_t)round_param_count(e->round) * sizeof(float) + MODEL_OVERHEAD_MAX;
}

void fetch_update(struct coordinator *c, struct entry *e, const struct id *sender,
                  struct view payload, uint64_t now_ms)
{
    struct reference r;
    struct why why = {0};
    struct round_actions actions;
    const struct id round = *round_task(e->round, sender);
    if (reference_decode(payload, MODEL_BYTES_MAX, &r, &why) != ST_OK) {
        struct digest digest = digest_of(payload);
        tell(c, &round, sender, VERDICT_MALFORMED, &digest, why.text);
        return;
    }
    enum status status = ST_OK;
    if (round_update_known(e->round, sender, &r.manifest.digest, now_ms, &actions) == ST_OK)
        carry_out(c, e, &actions, now_ms);
    else if (round_state(e->round) == ROUND_OPENING || find(c, &round, sender) != NULL)
        log_line(LOG_DEBUG, "update.awaited", "round=%s proplet=%s", round.text, sender->text);
    else if (r.manifest.size > update_max(e))
        tell(c, &round, sender, VERDICT_TOO_LARGE, &r.manifest.digest,
             "it is larger than an update of this model can be");
    else
        status = begin(c, e, sender, &r);
    if (status != ST_OK)
        tell(c, &round, sender, VERDICT_NOT_STORED, &r.manifest.digest, status_name(status));
    reference_done(&r);
}

bool has_come(const struct coordinator *c, const struct id *round, const struct id *sender)
{
    const struct coming *k = find(c, round, sender);
    return k != NULL && fetch_state(k->fetch) == FETCH_COMPLETE;
}

/* ---- as the parts come ---- */

static void use(struct coordinator *c, struct entry *e, const struct coming *k, uint64_t now_ms)
{
    struct view bytes = {0};
    enum status status = map_open(k->path, MODEL_BYTES_MAX, &bytes);
    if (status != ST_OK)
        log_line(LOG_ERROR, "bytes.unread", "round=%s reason=%s", k->round.text,
                 status_name(status));
    else if (is_base(k))
        use_base(c, e, bytes, true, fetch_digest(k->fetch), now_ms);
    else {
        e->judged = bytes;
        e->judged_path = k->path;
        judge_update(c, e, &k->sender, bytes, now_ms);
        e->judged = view_of(NULL, 0);
        e->judged_path = NULL;
    }
    map_close(&bytes);
    if (!is_base(k)) /* what counts is the spool's now */
        (void)unlink(k->path);
}

/* The sender of an update is told what it can do about it; the base's round has its own
 * time to wait for another reference. */
static void give_up(struct coordinator *c, const struct coming *k)
{
    enum fetch_state state = fetch_state(k->fetch);
    log_line(LOG_WARN, "bytes.unfetched", "round=%s what=%s reason=%s", k->round.text,
             is_base(k) ? "base" : "update", log_quote(fetch_detail(k->fetch)));
    if (is_base(k) || state == FETCH_REFUSED)
        return;
    tell(c, &k->round, &k->sender, state == FETCH_CORRUPT ? VERDICT_MALFORMED : VERDICT_NOT_STORED,
         fetch_digest(k->fetch), fetch_detail(k->fetch));
}

/* Whether it is still of use to anybody. */
static bool is_wanted(const struct entry *e, const struct coming *k)
{
    if (e == NULL || e->blobs == NULL)
        return false;
    return round_state(e->round) == (is_base(k) ? ROUND_OPENING : ROUND_OPEN);
}

/* The round that it is for; of an update, that counts it. NULL: none is, any more
 * gives: *ret_waits, whether such a round is only about to be there */
static struct entry *round_of(struct coordinator *c, const struct coming *k, uint64_t now_ms,
                              bool *ret_waits)
{
    struct entry *e = rounds_find(c->rounds, &k->round);
    *ret_waits = false;
    if (e == NULL || is_base(k))
        return e;
    struct entry *counts = counting_round(c, e, &k->sender, now_ms);
    *ret_waits = counts == NULL || (counts != e && round_state(counts->round) == ROUND_OPENING);
    return counts;
}

static void look_at(struct coming *k, struct entry *e, uint64_t now_ms)
{
    uint64_t there = fetch_bytes_there(k->fetch);
    if (is_base(k) && there > k->bytes)
        round_base_coming(e->round, now_ms);
    k->bytes = there;
}

static void release(struct coming *k, bool forget)
{
    fetch_release(k->fetch, forget);
    free(k);
}

static void settle_all(struct coordinator *c, uint64_t now_ms)
{
    /* Once something was not kept, the rest waits until it can be. */
    for (struct coming **at = &c->coming; *at != NULL && !is_closed(c);) {
        struct coming *k = *at;
        bool waits, going = fetch_state(k->fetch) == FETCH_GOING;
        struct entry *e = round_of(c, k, now_ms, &waits);
        bool wanted = !waits && is_wanted(e, k);
        if (wanted)
            look_at(k, e, now_ms);
        if (waits || (wanted && going)) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        if (wanted && fetch_state(k->fetch) == FETCH_COMPLETE)
            use(c, e, k, now_ms);
        else if (wanted)
            give_up(c, k);
        release(k, true);
        at = &c->coming; /* what it led to may have changed the list */
    }
}

/* ---- a version ---- */

enum status offer_version(struct coordinator *c, const struct entry *e, char **ret_reference)
{
    char path[PATH_MAX];
    enum status status = blobs_path(e->blobs, &e->digest, path, sizeof path);
    if (status != ST_OK)
        return status;
    return exchange_offer_file(c->exchange, &e->digest, path, MODEL_BYTES_MAX, ret_reference);
}

/* A large version is taken part by part, which is longer than a message's way. */
static void be_patient(struct coordinator *c, uint64_t now_ms)
{
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++) {
        struct entry *e = rounds_open_at(c->rounds, i);
        uint64_t asked_ms = e->has_version ? exchange_asked_ms(c->exchange, &e->digest) : 0;
        if (asked_ms != 0 && now_ms - asked_ms < STORING_QUIET_MS)
            round_being_stored(e->round, now_ms);
    }
}

/* ---- all of it ---- */

bool large_message(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    return exchange_message(c->exchange, m, now_ms);
}

void large_step(struct coordinator *c, uint64_t now_ms)
{
    for (int i = 0; i < CHECKS_MAX && exchange_step(c->exchange, now_ms); i++)
        ;
    be_patient(c, now_ms);
    settle_all(c, now_ms);
}

void large_forget(struct coordinator *c)
{
    while (c->coming != NULL) {
        struct coming *k = c->coming;
        c->coming = k->next;
        release(k, false);
    }
}
