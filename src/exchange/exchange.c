#include "exchange/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange/fetch.h"
#include "exchange/file_manifest.h"
#include "exchange/offers.h"
#include "exchange/topics.h"

#define EXCHANGE_MAGIC  0x65786368u        /* "exch" */
#define CHECK_BYTES_MAX ((int64_t)8 << 20) /* in one step */

struct exchange {
    uint32_t magic;
    struct id me;
    struct exchange_out out;
    struct offers *offers;
    struct fetch **fetches;
    size_t fetch_count, fetch_capacity;
    size_t turn;        /* the fetch that may ask first */
    uint32_t part_size; /* of what we describe */
    const char *url_base;
    struct exchange_web web;
    uint64_t now_ms; /* when it was last told */
};

static void check(const struct exchange *x)
{
    assert(x != NULL && x->magic == EXCHANGE_MAGIC);
}

enum status exchange_new(const struct id *me, const struct exchange_out *out, struct exchange **ret)
{
    assert(me != NULL && out != NULL && ret != NULL);
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return ST_NOMEM;
    enum status status = offers_new(&x->offers);
    if (status != ST_OK) {
        free(x);
        return status;
    }
    x->magic = EXCHANGE_MAGIC;
    x->me = *me;
    x->out = *out;
    x->part_size = EXCHANGE_PART_SIZE;
    *ret = x;
    return ST_OK;
}

/* Beside a part, a packet has its topic and a few lengths. */
#define PACKET_OVERHEAD ((size_t)EXCHANGE_TOPIC_SIZE + 64)

void exchange_set_packet_max(struct exchange *x, size_t packet_max)
{
    check(x);
    x->part_size = EXCHANGE_PART_SIZE;
    while (x->part_size > EXCHANGE_PART_SIZE_MIN && x->part_size + PACKET_OVERHEAD > packet_max)
        x->part_size /= 2;
}

uint32_t exchange_part_size(const struct exchange *x)
{
    check(x);
    return x->part_size;
}

bool exchange_filter(const struct exchange *x, size_t index, char ret[TOPIC_SIZE_MAX])
{
    check(x);
    switch (index) {
    case 0:
        exchange_topic_get(&x->me, ret);
        return true;
    case 1:
        exchange_topic_refused(&x->me, ret);
        return true;
    case 2:
        exchange_topic_parts(&x->me, ret);
        return true;
    default:
        return false;
    }
}

/* ---- to give ---- */

enum status exchange_offer(struct exchange *x, const struct manifest *m, const char *path)
{
    check(x);
    return offers_add(x->offers, m, path);
}

void exchange_withdraw(struct exchange *x, const struct digest *d)
{
    check(x);
    offers_remove(x->offers, d);
}

void exchange_set_url_base(struct exchange *x, const char *base)
{
    check(x);
    x->url_base = base;
}

enum status exchange_refer(const struct exchange *x, const struct digest *d, char **ret)
{
    check(x);
    const struct manifest *m = offers_find(x->offers, d);
    if (m == NULL)
        return ST_NOT_FOUND;
    char url[URL_SIZE_MAX + 1];
    struct reference r = {.manifest = *m, .holder = x->me};
    if (x->url_base != NULL && manifest_url_below(x->url_base, d, url))
        r.manifest.url = url;
    char *text = reference_encode(&r);
    if (text == NULL)
        return ST_NOMEM;
    *ret = text;
    return ST_OK;
}

enum status exchange_offer_file(struct exchange *x, const struct digest *d, const char *path,
                                uint64_t size_max, char **ret)
{
    struct manifest m;
    enum status status = exchange_refer(x, d, ret);
    if (status != ST_NOT_FOUND)
        return status;
    status = file_manifest(path, x->part_size, size_max, &m);
    if (status != ST_OK)
        return status;
    status = digest_equal(&m.digest, d) ? exchange_offer(x, &m, path) : ST_CORRUPT;
    manifest_done(&m);
    return status == ST_OK ? exchange_refer(x, d, ret) : status;
}

static void send_text(struct exchange *x, const char *topic, char *text)
{
    /* A request or a refusal that is lost is asked for again. */
    enum status status = ST_NOMEM;
    if (text != NULL)
        status = x->out.publish(x->out.owner,
                                &(struct mqtt_message){.topic = topic, .payload = view_text(text)});
    (void)status;
    free(text);
}

static void refuse(struct exchange *x, const struct id *client, const struct digest *d,
                   const char *code, const char *reason)
{
    char topic[EXCHANGE_TOPIC_SIZE], digest[DIGEST_TEXT_SIZE];
    exchange_topic_refused(client, topic);
    digest_text(d, digest);
    send_text(x, topic,
              jsn_text_and_release(json_pack("{s:s, s:s, s:s, s:s}", "holder", x->me.text, "digest",
                                             digest, "code", code, "reason", reason)));
}

uint64_t exchange_asked_ms(const struct exchange *x, const struct digest *d)
{
    check(x);
    return offers_asked_ms(x->offers, d);
}

static void on_get(struct exchange *x, struct view payload, uint64_t now_ms)
{
    struct get_msg get;
    if (get_msg_decode(payload, &get, NULL) != ST_OK)
        return; /* there is nobody to answer */
    switch (offers_ask(x->offers, &get, now_ms)) {
    case ST_NOT_FOUND:
        refuse(x, &get.client_id, &get.digest, "unknown", "it is not here, or not any more");
        break;
    case ST_INVALID:
        refuse(x, &get.client_id, &get.digest, "no_such_part", "it does not have so many parts");
        break;
    default:
        break; /* it waits, or is asked for again */
    }
}

/* The broker may not have taken all that was sent: then the rest waits here, where it
 * is a few bytes, and not there. */
static void give(struct exchange *x, uint64_t now_ms)
{
    char topic[EXCHANGE_TOPIC_SIZE];
    struct offered_part part;
    bool unread;
    while (x->out.unacknowledged(x->out.owner) < EXCHANGE_SENDING_MAX) {
        if (!offers_next(x->offers, now_ms, &part, &unread)) {
            if (!unread)
                return;
            refuse(x, &part.client, &part.digest, "unreadable", "the holder cannot read its file");
            continue;
        }
        exchange_topic_part(&part.client, &part.digest, part.part, topic);
        enum status status = x->out.publish(
            x->out.owner, &(struct mqtt_message){.topic = topic, .payload = part.bytes});
        if (status == ST_NOMEM || status == ST_LIMIT)
            return;
        offers_sent(x->offers);
        if (status == ST_TOO_LARGE)
            refuse(x, &part.client, &part.digest, "too_large",
                   "the broker does not take parts of this size");
    }
}

/* ---- to get ---- */

static enum status make_room(struct exchange *x)
{
    if (x->fetch_count == EXCHANGE_FETCHES_MAX)
        return ST_LIMIT;
    if (x->fetch_count < x->fetch_capacity)
        return ST_OK;
    size_t capacity = x->fetch_capacity == 0 ? 8 : 2 * x->fetch_capacity;
    struct fetch **fetches = realloc(x->fetches, capacity * sizeof(struct fetch *));
    if (fetches == NULL)
        return ST_NOMEM;
    x->fetches = fetches;
    x->fetch_capacity = capacity;
    return ST_OK;
}

/* ---- to get, by HTTP ---- */

static bool on_web_part(void *owner, uint32_t part, struct view bytes)
{
    struct fetch *f = owner;
    return fetch_part(f, part, bytes, f->exchange->now_ms);
}

static void ask(struct exchange *x, uint64_t now_ms);

static void on_web_settled(void *owner, const char *reason)
{
    struct fetch *f = owner;
    struct exchange *x = f->exchange;
    if (reason != NULL) {
        fetch_leave_web(f);
        x->web.gave_up(x->web.owner, fetch_digest(f), reason);
    }
    ask(x, x->now_ms);
    x->web.came(x->web.owner); /* it may release f */
}

/* Without it, it comes from the holder. */
static void begin_by_web(const struct exchange *x, struct fetch *f)
{
    struct why why = {""};
    const struct by_web_owner owner = {on_web_part, on_web_settled, f};
    if (x->web.web != NULL &&
        by_web_new(x->web.web, &f->reference.manifest, &owner, &f->by_web, &why) == ST_INVALID)
        x->web.gave_up(x->web.owner, fetch_digest(f), why.text);
}

void exchange_set_web(struct exchange *x, const struct exchange_web *web)
{
    check(x);
    for (size_t i = 0; i < x->fetch_count; i++)
        if (x->fetches[i]->by_web != NULL)
            fetch_leave_web(x->fetches[i]);
    x->web = web == NULL ? (struct exchange_web){0} : *web;
}

enum status exchange_fetch(struct exchange *x, const struct reference *ref, const char *path,
                           struct fetch **ret)
{
    check(x);
    struct fetch *f;
    enum status status = make_room(x);
    if (status == ST_OK)
        status = fetch_open(ref, path, &f);
    if (status != ST_OK)
        return status;
    f->exchange = x;
    x->fetches[x->fetch_count++] = f;
    begin_by_web(x, f);
    *ret = f;
    return ST_OK;
}

struct fetch *fetch_release(struct fetch *f, bool forget)
{
    if (f == NULL)
        return NULL;
    struct exchange *x = f->exchange;
    for (size_t i = 0; i < x->fetch_count; i++)
        if (x->fetches[i] == f) {
            x->fetch_count--;
            memmove(&x->fetches[i], &x->fetches[i + 1],
                    (x->fetch_count - i) * sizeof(struct fetch *));
            break;
        }
    fetch_close(f, forget);
    return NULL;
}

static void on_part(struct exchange *x, const struct digest *d, uint32_t part, struct view bytes,
                    uint64_t now_ms)
{
    for (size_t i = 0; i < x->fetch_count; i++)
        if (digest_equal(fetch_digest(x->fetches[i]), d))
            (void)fetch_part(x->fetches[i], part, bytes, now_ms); /* asked for again, if wrong */
}

static void on_refused(struct exchange *x, struct view payload)
{
    json_t *object;
    struct id holder;
    struct digest digest;
    const char *code = "unknown", *reason = "";
    if (jsn_parse(payload, CONTROL_SIZE_MAX, &object, NULL) != ST_OK)
        return;
    if (jsn_id(object, "holder", JSN_REQUIRED, &holder, NULL) == ST_OK &&
        jsn_digest(object, "digest", JSN_REQUIRED, &digest, NULL) == ST_OK &&
        jsn_str(object, "code", JSN_OPTIONAL, ID_SIZE_MAX, &code, NULL) == ST_OK &&
        jsn_str(object, "reason", JSN_OPTIONAL, 128, &reason, NULL) == ST_OK)
        for (size_t i = 0; i < x->fetch_count; i++)
            if (digest_equal(fetch_digest(x->fetches[i]), &digest) &&
                id_equal(&x->fetches[i]->reference.holder, &holder))
                fetch_refuse(x->fetches[i], code, reason);
    json_decref(object);
}

static void send_get(struct exchange *x, const struct fetch *f, uint32_t part)
{
    char topic[EXCHANGE_TOPIC_SIZE];
    exchange_topic_get(&f->reference.holder, topic);
    send_text(x, topic,
              get_msg_encode(&(struct get_msg){.client_id = x->me,
                                               .digest = f->reference.manifest.digest,
                                               .wants_part = true,
                                               .part = part}));
}

/* Parts under way of all fetches whose holders answer. */
static uint32_t under_way(const struct exchange *x, uint64_t now_ms)
{
    uint32_t count = 0;
    for (size_t i = 0; i < x->fetch_count; i++)
        if (x->fetches[i]->by_web == NULL && fetch_wants(x->fetches[i]) &&
            !fetch_is_silent(x->fetches[i], now_ms))
            count += plan_under_way(partial_plan(x->fetches[i]->partial), now_ms);
    return count;
}

/* One more part of this fetch. A holder that has not answered yet, or not for long, is
 * asked for one part only, and takes nothing from the others. */
static bool ask_one(struct exchange *x, struct fetch *f, uint64_t now_ms)
{
    if (!fetch_wants(f))
        return false;
    struct plan *plan = partial_plan(f->partial);
    if (f->by_web != NULL)
        return by_web_ask(f->by_web, plan, now_ms);
    bool may = fetch_is_silent(f, now_ms) ? plan_under_way(plan, now_ms) == 0
                                          : under_way(x, now_ms) < EXCHANGE_WINDOW;
    uint32_t part;
    if (!may || !plan_next(plan, now_ms, &part))
        return false;
    send_get(x, f, part);
    return true;
}

/* In turns, so that a large blob does not keep a small one waiting. */
static void ask(struct exchange *x, uint64_t now_ms)
{
    for (size_t idle = 0; idle < x->fetch_count; x->turn++) {
        x->turn %= x->fetch_count;
        idle = ask_one(x, x->fetches[x->turn], now_ms) ? 0 : idle + 1;
    }
}

/* ---- both ---- */

bool exchange_message(struct exchange *x, const struct mqtt_message *m, uint64_t now_ms)
{
    check(x);
    struct digest digest;
    uint32_t part;
    enum exchange_topic topic = exchange_topic_read(m->topic, &x->me, &digest, &part);
    if (topic == EXCHANGE_NONE)
        return false;
    x->now_ms = now_ms;
    if (m->retain) /* nothing of ours is: it would come again with each connect */
        return true;
    if (topic == EXCHANGE_GET)
        on_get(x, m->payload, now_ms);
    else if (topic == EXCHANGE_PART)
        on_part(x, &digest, part, m->payload, now_ms);
    else if (topic == EXCHANGE_REFUSED)
        on_refused(x, m->payload);
    return true;
}

bool exchange_step(struct exchange *x, uint64_t now_ms)
{
    check(x);
    x->now_ms = now_ms;
    bool more = false;
    int64_t budget = CHECK_BYTES_MAX;
    for (size_t i = 0; i < x->fetch_count; i++)
        more |= fetch_check(x->fetches[(x->turn + i) % x->fetch_count], &budget);
    ask(x, now_ms);
    give(x, now_ms);
    return more;
}

void exchange_reconnected(struct exchange *x)
{
    check(x);
    for (size_t i = 0; i < x->fetch_count; i++)
        if (x->fetches[i]->partial != NULL)
            plan_forget_asked(partial_plan(x->fetches[i]->partial));
}

struct exchange *exchange_free(struct exchange *x)
{
    if (x == NULL)
        return NULL;
    check(x);
    assert(x->fetch_count == 0);
    free(x->fetches);
    offers_free(x->offers);
    *(volatile uint32_t *)&x->magic = 0;
    free(x);
    return NULL;
}
