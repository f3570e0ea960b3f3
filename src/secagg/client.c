#include "secagg/client.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "secagg/message.h"

enum client_state { NEW, SHARED, MASKING, CONFIRMED, UNMASKED, REFUSED };

/* Someone of the neighbourhood, with this device. */
struct peer {
    uint32_t rank;
    struct id id;
    struct key_public key;
    struct secagg_public public;
    bool shared;                  /* in U2, and its shares are here */
    struct secagg_shares *shares; /* (1,) of its secrets, in the client's locked memory */
};

struct secagg_client {
    struct secagg_self self;
    struct secagg_rules rules;
    struct secagg_context context;
    enum client_state state;
    enum secagg_refusal refusal;
    struct id culprit;

    struct secagg_keys *keys;
    uint32_t rank, cohort, threshold;
    struct peer *peers; /* (peer_count,), ranks ascending */
    uint32_t peer_count;
    struct secagg_shares *shares; /* (peer_count,), locked: what the peers gave us */
    struct members sharers, survivors;
    struct mask *masks; /* (mask_count,), locked */
    size_t mask_count;

    struct bytes said[SECAGG_KIND_COUNT];   /* by kind of the answer; advertise too */
    struct digest heard[SECAGG_KIND_COUNT]; /* by kind of what was answered */
    bool has_heard[SECAGG_KIND_COUNT];
};

static const char *const refusal_names[SECAGG_REFUSAL_COUNT] = {
    [SECAGG_FINE] = "fine",
    [SECAGG_NO_MEMORY] = "out_of_memory",
    [SECAGG_MALFORMED] = "malformed",
    [SECAGG_OTHER_CONFIG] = "other_configuration",
    [SECAGG_OUT_OF_TURN] = "out_of_turn",
    [SECAGG_SECOND_ANSWER] = "second_answer",
    [SECAGG_NOT_LISTED] = "not_listed",
    [SECAGG_SMALL_COHORT] = "small_cohort",
    [SECAGG_LOW_THRESHOLD] = "low_threshold",
    [SECAGG_TOO_FEW] = "too_few",
    [SECAGG_WRONG_GRAPH] = "wrong_graph",
    [SECAGG_BAD_CERTIFICATE] = "bad_certificate",
    [SECAGG_BAD_SIGNATURE] = "bad_signature",
    [SECAGG_SAME_KEY] = "same_key",
    [SECAGG_BAD_BOX] = "bad_box",
    [SECAGG_WRONG_SETS] = "wrong_sets",
    [SECAGG_UNCONFIRMED] = "unconfirmed",
};

const char *secagg_refusal_name(enum secagg_refusal refusal)
{
    return refusal_names[refusal];
}

/* A peer's fault is blamed on it. */
static enum secagg_refusal blame(struct secagg_client *c, const struct peer *peer,
                                 enum secagg_refusal refusal)
{
    if (refusal != SECAGG_FINE && refusal != SECAGG_NO_MEMORY)
        c->culprit = peer->id;
    return refusal;
}

static enum secagg_refusal of_status(enum status status, enum secagg_refusal otherwise)
{
    return status == ST_OK ? SECAGG_FINE : status == ST_NOMEM ? SECAGG_NO_MEMORY : otherwise;
}

/* ---- advertise ---- */

static enum status make_entry(const struct secagg_client *c, struct secagg_entry *ret)
{
    struct bytes what = {0};
    ret->certificate = c->self.certificate;
    ret->public = *secagg_keys_public(c->keys);
    enum status status = secagg_entry_signed(&c->context.config, &ret->public, &what);
    if (status == ST_OK)
        status = key_sign(c->self.key, secagg_domain(SECAGG_ADVERTISE), bytes_view(&what),
                          &ret->signature);
    bytes_done(&what);
    return status;
}

static enum status make_advertise(struct secagg_client *c)
{
    struct secagg_advertise m = {.config = c->context.config};
    enum status status = make_entry(c, &m.entry);
    return status == ST_OK ? secagg_advertise_encode(&m, &c->said[SECAGG_ADVERTISE]) : status;
}

enum status secagg_client_new(const struct secagg_self *self, const struct secagg_rules *rules,
                              const struct digest *config, struct secagg_client **ret)
{
    assert(self->cohort_min >= SECAGG_COHORT_MIN);
    struct secagg_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ST_NOMEM;
    c->self = *self;
    c->rules = *rules;
    c->context.config = *config;
    enum status status = secagg_keys_new(&c->keys);
    if (status == ST_OK)
        status = make_advertise(c);
    if (status != ST_OK) {
        secagg_client_free(c);
        return status;
    }
    *ret = c;
    return ST_OK;
}

struct view secagg_client_advertise(const struct secagg_client *c)
{
    return bytes_view(&c->said[SECAGG_ADVERTISE]);
}

/* ---- roster ---- */

static const struct secagg_roster_line *find_self(const struct secagg_client *c,
                                                  const struct secagg_roster *r, uint32_t *ret)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (!id_equal(&r->all[i].id, &c->self.id))
            continue;
        *ret = i;
        return &r->all[i];
    }
    return NULL;
}

/* The digest of our own entry, as it left here: it stands in the advertise message behind
 * its head and the configuration. */
static struct digest own_entry(const struct secagg_client *c)
{
    struct view said = secagg_client_advertise(c);
    const size_t before = 5 + 32;
    return digest_of(view_of(said.data + before, said.size - before));
}

static enum secagg_refusal check_listed(struct secagg_client *c, const struct secagg_roster *r)
{
    struct digest own = own_entry(c);
    const struct secagg_roster_line *line = find_self(c, r, &c->rank);
    if (line == NULL || !digest_equal(&line->entry, &own))
        return SECAGG_NOT_LISTED;
    if (r->count < c->self.cohort_min)
        return SECAGG_SMALL_COHORT;
    if (c->rules.k_of_n < secagg_threshold(&c->rules, r->count))
        return SECAGG_LOW_THRESHOLD;
    c->cohort = r->count;
    return SECAGG_FINE;
}

static enum secagg_refusal check_graph(struct secagg_client *c, const struct secagg_roster *r)
{
    struct graph g;
    uint16_t expected[GRAPH_NODES_MAX];
    struct digest seed = secagg_graph_seed(&c->context.roster);
    graph_init(&g, r->count, c->rules.neighbours, &seed);
    size_t count = graph_neighbourhood(&g, c->rank, expected);
    if (count != r->neighbour_count)
        return SECAGG_WRONG_GRAPH;
    for (size_t i = 0; i < count; i++)
        if (r->neighbours[i].rank != expected[i])
            return SECAGG_WRONG_GRAPH;
    return SECAGG_FINE;
}

/* A neighbour is who the roster says: certified under this id, and the keys are its own. */
static enum secagg_refusal check_neighbour(const struct secagg_client *c,
                                           const struct secagg_neighbour *n,
                                           const struct secagg_roster_line *line, uint64_t now_s,
                                           struct peer *ret)
{
    struct digest entry = digest_of(n->entry_bytes);
    struct certificate certificate;
    struct bytes what = {0};
    ret->rank = n->rank;
    ret->id = line->id;
    if (!digest_equal(&entry, &line->entry))
        return SECAGG_BAD_SIGNATURE;
    if (certificate_check(n->entry.certificate, &c->self.fleet, now_s, c->self.revoked,
                          &certificate) != CERTIFICATE_FINE ||
        !id_equal(&certificate.id, &line->id))
        return SECAGG_BAD_CERTIFICATE;
    if (secagg_entry_signed(&c->context.config, &n->entry.public, &what) != ST_OK)
        return SECAGG_NO_MEMORY;
    bool is_signed = key_verify(&certificate.key, secagg_domain(SECAGG_ADVERTISE),
                                bytes_view(&what), &n->entry.signature);
    bytes_done(&what);
    ret->key = certificate.key;
    ret->public = n->entry.public;
    return is_signed ? SECAGG_FINE : SECAGG_BAD_SIGNATURE;
}

static bool shares_a_key(const struct peer *a, const struct peer *b)
{
    return key_public_equal(&a->key, &b->key) ||
           memcmp(a->public.box, b->public.box, SECAGG_PUBLIC_SIZE) == 0 ||
           memcmp(a->public.mask, b->public.mask, SECAGG_PUBLIC_SIZE) == 0;
}

static enum secagg_refusal take_peers(struct secagg_client *c, const struct secagg_roster *r,
                                      uint64_t now_s)
{
    c->peers = calloc(r->neighbour_count, sizeof c->peers[0]);
    c->shares = sodium_allocarray(r->neighbour_count, sizeof c->shares[0]);
    if (c->peers == NULL || c->shares == NULL)
        return SECAGG_NO_MEMORY;
    c->peer_count = r->neighbour_count;
    for (uint32_t i = 0; i < c->peer_count; i++) {
        struct peer *peer = &c->peers[i];
        const struct secagg_neighbour *n = &r->neighbours[i];
        enum secagg_refusal refusal = check_neighbour(c, n, &r->all[n->rank], now_s, peer);
        for (uint32_t j = 0; refusal == SECAGG_FINE && j < i; j++)
            if (shares_a_key(peer, &c->peers[j]))
                refusal = SECAGG_SAME_KEY;
        if (refusal != SECAGG_FINE)
            return blame(c, peer, refusal);
        peer->shares = &c->shares[i];
    }
    return SECAGG_FINE;
}

/* One box for each peer but ourselves, whose shares are put by. */
static enum secagg_refusal make_boxes(struct secagg_client *c, const struct secagg_shares *dealt,
                                      uint8_t (*boxes)[SECAGG_BOX_SIZE], struct secagg_box *lines)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->peer_count; i++) {
        struct peer *peer = &c->peers[i];
        if (peer->rank == c->rank) {
            *peer->shares = dealt[i];
            continue;
        }
        enum status status = secagg_box_close(c->keys, &c->context, c->rank, peer->rank,
                                              &peer->public, &dealt[i], boxes[count]);
        if (status != ST_OK)
            return blame(c, peer, of_status(status, SECAGG_BAD_SIGNATURE));
        lines[count] = (struct secagg_box){peer->rank, boxes[count]};
        count++;
    }
    return SECAGG_FINE;
}

/* Signs what was encoded, and appends the signature. */
static enum status sign_message(const struct secagg_client *c, enum secagg_kind kind,
                                struct bytes *message)
{
    struct key_signature signature;
    enum status status =
        key_sign(c->self.key, secagg_domain(kind), bytes_view(message), &signature);
    return status == ST_OK ? secagg_append_signature(&signature, message) : status;
}

static enum secagg_refusal say_shares(struct secagg_client *c, const struct secagg_box *lines)
{
    struct digest commitment;
    struct bytes *said = &c->said[SECAGG_SHARES];
    secagg_keys_commitment(c->keys, &c->context, c->rank, &commitment);
    enum status status =
        secagg_shares_encode(&c->context, &commitment, lines, c->peer_count - 1, said);
    if (status == ST_OK)
        status = sign_message(c, SECAGG_SHARES, said);
    return of_status(status, SECAGG_NO_MEMORY);
}

static enum secagg_refusal deal(struct secagg_client *c)
{
    enum secagg_refusal refusal = SECAGG_NO_MEMORY;
    struct secagg_shares *dealt = sodium_allocarray(c->peer_count, sizeof dealt[0]);
    uint8_t(*boxes)[SECAGG_BOX_SIZE] = calloc(c->peer_count, sizeof boxes[0]);
    struct secagg_box *lines = calloc(c->peer_count, sizeof lines[0]);
    if (dealt != NULL && boxes != NULL && lines != NULL) {
        secagg_keys_share(c->keys, c->threshold, c->peer_count, dealt);
        refusal = make_boxes(c, dealt, boxes, lines);
    }
    if (refusal == SECAGG_FINE)
        refusal = say_shares(c, lines);
    sodium_free(dealt);
    free(boxes);
    free(lines);
    return refusal;
}

static enum secagg_refusal accept_roster(struct secagg_client *c, const struct secagg_roster *r,
                                         uint64_t now_s)
{
    enum secagg_refusal refusal = check_listed(c, r);
    if (refusal != SECAGG_FINE)
        return refusal;
    c->context.roster = secagg_roster_digest(&c->context.config, r->all, r->count);
    refusal = check_graph(c, r);
    if (refusal == SECAGG_FINE && r->count < c->rules.k_of_n)
        refusal = SECAGG_TOO_FEW;
    if (refusal == SECAGG_FINE)
        refusal = take_peers(c, r, now_s);
    if (refusal != SECAGG_FINE)
        return refusal;
    c->threshold = secagg_threshold(&c->rules, c->peer_count);
    c->state = SHARED;
    return deal(c);
}

static enum secagg_refusal on_roster(struct secagg_client *c, struct view message, uint64_t now_s)
{
    struct secagg_roster r;
    enum status status = secagg_roster_decode(message, &r);
    if (status != ST_OK)
        return of_status(status, SECAGG_MALFORMED);
    enum secagg_refusal refusal = digest_equal(&r.config, &c->context.config)
                                      ? accept_roster(c, &r, now_s)
                                      : SECAGG_OTHER_CONFIG;
    secagg_roster_done(&r);
    return refusal;
}

/* ---- boxes ---- */

static bool is_ours(const struct secagg_client *c, const struct secagg_context *context)
{
    return digest_equal(&context->config, &c->context.config) &&
           digest_equal(&context->roster, &c->context.roster);
}

static bool within_cohort(const struct secagg_client *c, const struct members *m)
{
    for (uint32_t i = c->cohort; i < MEMBERS_MAX; i++)
        if (members_has(m, i))
            return false;
    return true;
}

static enum secagg_refusal check_sharers(const struct secagg_client *c, const struct members *m)
{
    uint32_t near = 0;
    if (!within_cohort(c, m) || !members_has(m, c->rank))
        return SECAGG_WRONG_SETS;
    for (uint32_t i = 0; i < c->peer_count; i++)
        near += members_has(m, c->peers[i].rank);
    uint32_t count = members_count(m);
    if (count < c->self.cohort_min)
        return SECAGG_SMALL_COHORT;
    return count < c->rules.k_of_n || near < c->threshold ? SECAGG_TOO_FEW : SECAGG_FINE;
}

/* The peers' boxes, exactly one of each that shared; lines ascend, as the peers do. */
static enum secagg_refusal open_boxes(struct secagg_client *c, const struct secagg_boxes_msg *m)
{
    uint32_t line = 0;
    for (uint32_t i = 0; i < c->peer_count; i++) {
        struct peer *peer = &c->peers[i];
        peer->shared = members_has(&m->sharers, peer->rank);
        if (!peer->shared || peer->rank == c->rank)
            continue;
        if (line == m->count)
            return SECAGG_WRONG_SETS;
        struct secagg_box box = secagg_box_at(m->boxes, line++);
        if (box.rank != peer->rank)
            return SECAGG_WRONG_SETS;
        enum status status = secagg_box_open(c->keys, &c->context, c->rank, peer->rank,
                                             &peer->public, box.bytes, peer->shares);
        if (status != ST_OK)
            return blame(c, peer, of_status(status, SECAGG_BAD_BOX));
    }
    return line == m->count ? SECAGG_FINE : SECAGG_WRONG_SETS;
}

static enum secagg_refusal make_masks(struct secagg_client *c)
{
    c->masks = sodium_allocarray(c->peer_count, sizeof c->masks[0]);
    if (c->masks == NULL)
        return SECAGG_NO_MEMORY;
    for (uint32_t i = 0; i < c->peer_count; i++) {
        const struct peer *peer = &c->peers[i];
        struct mask *mask = &c->masks[c->mask_count];
        if (!peer->shared)
            continue;
        enum status status =
            peer->rank == c->rank
                ? secagg_keys_self_mask(c->keys, &c->context, c->rank, mask)
                : secagg_pair_mask(c->keys, &c->context, c->rank, peer->rank, &peer->public, mask);
        if (status != ST_OK)
            return blame(c, peer, of_status(status, SECAGG_BAD_SIGNATURE));
        c->mask_count++;
    }
    return SECAGG_FINE;
}

static enum secagg_refusal on_boxes(struct secagg_client *c, struct view message)
{
    struct secagg_boxes_msg m;
    if (secagg_boxes_decode(message, &m) != ST_OK)
        return SECAGG_MALFORMED;
    if (!is_ours(c, &m.context))
        return SECAGG_OTHER_CONFIG;
    enum secagg_refusal refusal = check_sharers(c, &m.sharers);
    if (refusal == SECAGG_FINE)
        refusal = open_boxes(c, &m);
    if (refusal == SECAGG_FINE)
        refusal = make_masks(c);
    if (refusal == SECAGG_FINE) {
        c->sharers = m.sharers;
        c->state = MASKING;
    }
    return refusal;
}

bool secagg_client_can_mask(const struct secagg_client *c)
{
    return c->state >= MASKING && c->state != REFUSED;
}

enum status secagg_client_mask(const struct secagg_client *c, enum mask_word word, uint64_t first,
                               void *words, size_t count)
{
    assert(secagg_client_can_mask(c) && word == c->rules.word);
    return masks_apply(c->masks, c->mask_count, word, first, words, count);
}

enum status secagg_client_sign(const struct secagg_client *c, const struct digest *masked,
                               struct key_signature *ret)
{
    struct bytes what = {0};
    enum status status = secagg_masked_signed(&c->context, masked, &what);
    if (status == ST_OK)
        status = key_sign(c->self.key, SECAGG_MASKED_DOMAIN, bytes_view(&what), ret);
    bytes_done(&what);
    return status;
}

/* ---- survivors ---- */

static enum secagg_refusal say_confirm(struct secagg_client *c)
{
    struct secagg_confirm m = {.context = c->context};
    struct bytes what = {0};
    enum status status = secagg_confirm_signed(&c->context, &c->sharers, &c->survivors, &what);
    if (status == ST_OK)
        status =
            key_sign(c->self.key, secagg_domain(SECAGG_CONFIRM), bytes_view(&what), &m.signature);
    bytes_done(&what);
    if (status == ST_OK)
        status = secagg_confirm_encode(&m, &c->said[SECAGG_CONFIRM]);
    return of_status(status, SECAGG_NO_MEMORY);
}

static enum secagg_refusal on_survivors(struct secagg_client *c, struct view message)
{
    struct secagg_survivors m;
    if (secagg_survivors_decode(message, &m) != ST_OK)
        return SECAGG_MALFORMED;
    if (!is_ours(c, &m.context))
        return SECAGG_OTHER_CONFIG;
    if (!members_within(&m.survivors, &c->sharers) || !members_has(&m.survivors, c->rank))
        return SECAGG_WRONG_SETS;
    uint32_t count = members_count(&m.survivors);
    if (count < c->self.cohort_min)
        return SECAGG_SMALL_COHORT;
    if (count < c->rules.k_of_n)
        return SECAGG_TOO_FEW;
    c->survivors = m.survivors;
    c->state = CONFIRMED;
    return say_confirm(c);
}

/* ---- confirmed ---- */

static const struct peer *find_peer(const struct secagg_client *c, uint32_t rank)
{
    for (uint32_t i = 0; i < c->peer_count; i++)
        if (c->peers[i].rank == rank)
            return &c->peers[i];
    return NULL;
}

/* Every line is a survivor's among the peers, over exactly our sets, and there are enough. */
static enum secagg_refusal check_confirmed(struct secagg_client *c,
                                           const struct secagg_confirmed *m)
{
    struct bytes what = {0};
    enum secagg_refusal refusal = SECAGG_FINE;
    if (secagg_confirm_signed(&c->context, &c->sharers, &c->survivors, &what) != ST_OK)
        refusal = SECAGG_NO_MEMORY;
    for (uint32_t i = 0; refusal == SECAGG_FINE && i < m->count; i++) {
        const struct peer *peer = find_peer(c, secagg_confirmed_rank(m, i));
        struct key_signature signature = secagg_confirmed_signature(m, i);
        if (peer == NULL || !members_has(&c->survivors, peer->rank))
            refusal = SECAGG_UNCONFIRMED;
        else if (!key_verify(&peer->key, secagg_domain(SECAGG_CONFIRM), bytes_view(&what),
                             &signature))
            refusal = blame(c, peer, SECAGG_UNCONFIRMED);
    }
    bytes_done(&what);
    return refusal == SECAGG_FINE && m->count < c->threshold ? SECAGG_UNCONFIRMED : refusal;
}

/* Of each peer that shared one share, never both: whether it survived says which. */
static enum secagg_refusal say_unmask(struct secagg_client *c)
{
    uint16_t ranks[MEMBERS_MAX];
    struct scalar shares[MEMBERS_MAX];
    uint32_t count = 0;
    struct bytes *said = &c->said[SECAGG_UNMASK];
    for (uint32_t i = 0; i < c->peer_count; i++) {
        const struct peer *peer = &c->peers[i];
        if (!peer->shared)
            continue;
        ranks[count] = (uint16_t)peer->rank;
        shares[count++] = members_has(&c->survivors, peer->rank) ? peer->shares->self_seed
                                                                 : peer->shares->mask_seed;
    }
    enum status status = secagg_unmask_encode(&c->context, ranks, shares, count, said);
    sodium_memzero(shares, count * sizeof shares[0]);
    if (status == ST_OK)
        status = sign_message(c, SECAGG_UNMASK, said);
    return of_status(status, SECAGG_NO_MEMORY);
}

static enum secagg_refusal on_confirmed(struct secagg_client *c, struct view message)
{
    struct secagg_confirmed m;
    if (secagg_confirmed_decode(message, &m) != ST_OK)
        return SECAGG_MALFORMED;
    if (!is_ours(c, &m.context))
        return SECAGG_OTHER_CONFIG;
    enum secagg_refusal refusal = check_confirmed(c, &m);
    if (refusal != SECAGG_FINE)
        return refusal;
    c->state = UNMASKED;
    return say_unmask(c);
}

/* ---- what is taken when ---- */

static enum secagg_refusal dispatch(struct secagg_client *c, enum secagg_kind kind,
                                    struct view message, uint64_t now_s)
{
    if (kind == SECAGG_ROSTER && c->state == NEW)
        return on_roster(c, message, now_s);
    if (kind == SECAGG_BOXES && c->state == SHARED)
        return on_boxes(c, message);
    if (kind == SECAGG_SURVIVORS && c->state == MASKING)
        return on_survivors(c, message);
    if (kind == SECAGG_CONFIRMED && c->state == CONFIRMED)
        return on_confirmed(c, message);
    return SECAGG_OUT_OF_TURN;
}

/* What a kind of message from the coordinator is answered with. */
static enum secagg_kind answer_to(enum secagg_kind kind)
{
    return kind == SECAGG_ROSTER      ? SECAGG_SHARES
           : kind == SECAGG_SURVIVORS ? SECAGG_CONFIRM
           : kind == SECAGG_CONFIRMED ? SECAGG_UNMASK
                                      : kind; /* boxes: never said */
}

static bool ends(enum secagg_refusal refusal)
{
    return refusal != SECAGG_FINE && refusal != SECAGG_MALFORMED &&
           refusal != SECAGG_OTHER_CONFIG && refusal != SECAGG_OUT_OF_TURN &&
           refusal != SECAGG_SECOND_ANSWER;
}

/* Secrets are not kept for a round that this device has left. */
static void wipe(struct secagg_client *c)
{
    c->keys = secagg_keys_free(c->keys);
    sodium_free(c->shares);
    sodium_free(c->masks);
    c->shares = NULL;
    c->masks = NULL;
    c->mask_count = 0;
}

static void wipe_said(struct secagg_client *c)
{
    for (int kind = 0; kind < SECAGG_KIND_COUNT; kind++) {
        if (c->said[kind].data != NULL)
            sodium_memzero(c->said[kind].data, c->said[kind].size);
        bytes_done(&c->said[kind]);
    }
}

static enum secagg_refusal settle(struct secagg_client *c, enum secagg_refusal refusal)
{
    if (!ends(refusal))
        return refusal;
    c->state = REFUSED;
    c->refusal = refusal;
    wipe_said(c);
    wipe(c);
    return refusal;
}

enum secagg_refusal secagg_client_take(struct secagg_client *c, struct view message, uint64_t now_s,
                                       struct view *ret_answer)
{
    enum secagg_kind kind;
    *ret_answer = view_of(NULL, 0);
    if (c->state == REFUSED)
        return c->refusal;
    if (message.size > SECAGG_MESSAGE_SIZE_MAX || secagg_kind_of(message, &kind) != ST_OK)
        return SECAGG_MALFORMED;
    struct digest digest = digest_of(message);
    if (c->has_heard[kind]) {
        if (!digest_equal(&digest, &c->heard[kind]))
            return SECAGG_SECOND_ANSWER;
        *ret_answer = bytes_view(&c->said[answer_to(kind)]);
        return SECAGG_FINE;
    }
    enum secagg_refusal refusal = settle(c, dispatch(c, kind, message, now_s));
    if (refusal == SECAGG_FINE) {
        c->has_heard[kind] = true;
        c->heard[kind] = digest;
        *ret_answer = bytes_view(&c->said[answer_to(kind)]);
    }
    return refusal;
}

enum secagg_refusal secagg_client_refusal(const struct secagg_client *c, struct id *ret_culprit)
{
    *ret_culprit = c->culprit;
    return c->refusal;
}

const struct secagg_context *secagg_client_context(const struct secagg_client *c)
{
    return &c->context;
}

uint32_t secagg_client_cohort(const struct secagg_client *c)
{
    return c->cohort;
}

struct secagg_client *secagg_client_free(struct secagg_client *c)
{
    if (c == NULL)
        return NULL;
    wipe(c);
    wipe_said(c);
    free(c->peers);
    free(c);
    return NULL;
}
