#include "secagg/inside.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[] = {
    [SECAGG_ADVERTISING] = "advertising", [SECAGG_SHARING] = "sharing",
    [SECAGG_MASKING] = "masking",         [SECAGG_CONFIRMING] = "confirming",
    [SECAGG_UNMASKING] = "unmasking",     [SECAGG_DONE] = "done",
    [SECAGG_FAILED] = "failed",
};

const char *secagg_phase_name(enum secagg_phase phase)
{
    return phase_names[phase];
}

static const char *const verdict_names[SECAGG_VERDICT_COUNT] = {
    [SECAGG_ACCEPTED] = "accepted",
    [SECAGG_REPEATED] = "repeated",
    [SECAGG_V_NO_MEMORY] = "out_of_memory",
    [SECAGG_V_MALFORMED] = "malformed",
    [SECAGG_V_NOT_PARTICIPANT] = "not_participant",
    [SECAGG_V_OTHER_CONFIG] = "other_configuration",
    [SECAGG_V_OUT_OF_TURN] = "out_of_turn",
    [SECAGG_V_CONFLICT] = "conflict",
    [SECAGG_V_BAD_CERTIFICATE] = "bad_certificate",
    [SECAGG_V_BAD_SIGNATURE] = "bad_signature",
    [SECAGG_V_SAME_KEY] = "same_key",
    [SECAGG_V_WRONG_SETS] = "wrong_sets",
};

const char *secagg_verdict_name(enum secagg_verdict verdict)
{
    return verdict_names[verdict];
}

/* ---- beginning and end ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->id.text, ((const struct member *)b)->id.text);
}

enum status secagg_server_new(const struct secagg_rules *rules, const struct digest *config,
                              const struct key_public *fleet, const struct id *participants,
                              size_t count, struct secagg_server **ret)
{
    assert(secagg_rules_check(rules, count, NULL) == ST_OK);
    struct secagg_server *s = calloc(1, sizeof *s);
    struct member *members = calloc(count, sizeof *members);
    if (s == NULL || members == NULL || sodium_init() < 0) {
        free(s);
        free(members);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        members[i].id = participants[i];
    qsort(members, count, sizeof *members, by_id);
    *s = (struct secagg_server){.rules = *rules,
                                .context.config = *config,
                                .fleet = *fleet,
                                .members = members,
                                .count = (uint32_t)count};
    *ret = s;
    return ST_OK;
}

static void member_done(struct member *m)
{
    bytes_done(&m->advertise);
    bytes_done(&m->shares);
    bytes_done(&m->confirm);
    if (m->unmask.data != NULL)
        sodium_memzero(m->unmask.data, m->unmask.size);
    bytes_done(&m->unmask);
}

struct secagg_server *secagg_server_free(struct secagg_server *s)
{
    if (s == NULL)
        return NULL;
    for (uint32_t i = 0; i < s->count; i++)
        member_done(&s->members[i]);
    free(s->members);
    free(s->lines);
    free(s);
    return NULL;
}

/* ---- members ---- */

static struct member *find(const struct secagg_server *s, const struct id *id)
{
    struct member key = {.id = *id};
    return bsearch(&key, s->members, s->count, sizeof key, by_id);
}

static uint32_t rank_of(const struct secagg_server *s, const struct member *m)
{
    return (uint32_t)(m - s->members);
}

struct view member_entry_bytes(const struct member *m)
{
    const size_t before = 5 + 32; /* head and configuration */
    return view_of(m->advertise.data + before, m->advertise.size - before);
}

struct secagg_entry member_entry(const struct member *m)
{
    struct secagg_advertise advertise;
    enum status status = secagg_advertise_decode(bytes_view(&m->advertise), &advertise);
    assert(status == ST_OK);
    return advertise.entry;
}

/* ---- judging messages ---- */

static bool is_signed(const struct key_public *key, enum secagg_kind kind, struct view what,
                      const struct key_signature *signature)
{
    return key_verify(key, secagg_domain(kind), what, signature);
}

static bool is_ours(const struct secagg_server *s, const struct secagg_context *context)
{
    return digest_equal(&context->config, &s->context.config) &&
           digest_equal(&context->roster, &s->context.roster);
}

static bool is_taken_key(const struct secagg_server *s, const struct member *sender,
                         const struct key_public *key, const struct secagg_public *public)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct member *m = &s->members[i];
        if (m == sender || m->advertise.size == 0)
            continue;
        struct secagg_entry entry = member_entry(m);
        if (key_public_equal(&m->key, key) ||
            memcmp(entry.public.box, public->box, SECAGG_PUBLIC_SIZE) == 0 ||
            memcmp(entry.public.mask, public->mask, SECAGG_PUBLIC_SIZE) == 0)
            return true;
    }
    return false;
}

static enum secagg_verdict judge_advertise(struct secagg_server *s, struct member *sender,
                                           struct view message, uint64_t now_s,
                                           const struct revocations *revoked)
{
    struct secagg_advertise m;
    struct certificate certificate;
    struct bytes what = {0};
    if (secagg_advertise_decode(message, &m) != ST_OK)
        return SECAGG_V_MALFORMED;
    if (!digest_equal(&m.config, &s->context.config))
        return SECAGG_V_OTHER_CONFIG;
    if (certificate_check(m.entry.certificate, &s->fleet, now_s, revoked, &certificate) !=
            CERTIFICATE_FINE ||
        !id_equal(&certificate.id, &sender->id))
        return SECAGG_V_BAD_CERTIFICATE;
    if (secagg_entry_signed(&m.config, &m.entry.public, &what) != ST_OK)
        return SECAGG_V_NO_MEMORY;
    bool good =
        is_signed(&certificate.key, SECAGG_ADVERTISE, bytes_view(&what), &m.entry.signature);
    bytes_done(&what);
    if (!good)
        return SECAGG_V_BAD_SIGNATURE;
    if (is_taken_key(s, sender, &certificate.key, &m.entry.public))
        return SECAGG_V_SAME_KEY;
    sender->key = certificate.key;
    return SECAGG_ACCEPTED;
}

/* A box for each neighbour, and no other line. */
static bool has_its_boxes(const struct secagg_server *s, uint32_t rank,
                          const struct secagg_shares_msg *m)
{
    uint16_t near[GRAPH_NODES_MAX];
    size_t count = graph_neighbourhood(&s->graph, rank, near);
    uint32_t line = 0;
    if (m->count != count - 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (near[i] != rank && secagg_box_at(m->boxes, line++).rank != near[i])
            return false;
    return true;
}

static enum secagg_verdict judge_shares(const struct secagg_server *s, const struct member *sender,
                                        struct view message)
{
    struct secagg_shares_msg m;
    if (secagg_shares_decode(message, &m) != ST_OK)
        return SECAGG_V_MALFORMED;
    if (!is_ours(s, &m.context))
        return SECAGG_V_OTHER_CONFIG;
    if (!is_signed(&sender->key, SECAGG_SHARES, m.signed_part, &m.signature))
        return SECAGG_V_BAD_SIGNATURE;
    return has_its_boxes(s, rank_of(s, sender), &m) ? SECAGG_ACCEPTED : SECAGG_V_WRONG_SETS;
}

static enum secagg_verdict judge_confirm(const struct secagg_server *s, const struct member *sender,
                                         struct view message)
{
    struct secagg_confirm m;
    struct bytes what = {0};
    if (secagg_confirm_decode(message, &m) != ST_OK)
        return SECAGG_V_MALFORMED;
    if (!is_ours(s, &m.context))
        return SECAGG_V_OTHER_CONFIG;
    if (!sender->masked)
        return SECAGG_V_OUT_OF_TURN;
    if (secagg_confirm_signed(&s->context, &s->sharers, &s->survivors, &what) != ST_OK)
        return SECAGG_V_NO_MEMORY;
    bool good = is_signed(&sender->key, SECAGG_CONFIRM, bytes_view(&what), &m.signature);
    bytes_done(&what);
    return good ? SECAGG_ACCEPTED : SECAGG_V_BAD_SIGNATURE;
}

/* A share of each of its neighbourhood that shared, itself included, and no other. */
static bool has_its_shares(const struct secagg_server *s, uint32_t rank,
                           const struct secagg_unmask *m)
{
    uint16_t near[GRAPH_NODES_MAX];
    size_t count = graph_neighbourhood(&s->graph, rank, near);
    uint32_t line = 0;
    for (size_t i = 0; i < count; i++) {
        if (!members_has(&s->sharers, near[i]))
            continue;
        if (line == m->count || secagg_unmask_rank(m, line++) != near[i])
            return false;
    }
    return line == m->count;
}

static enum secagg_verdict judge_unmask(const struct secagg_server *s, const struct member *sender,
                                        struct view message)
{
    struct secagg_unmask m;
    if (secagg_unmask_decode(message, &m) != ST_OK)
        return SECAGG_V_MALFORMED;
    if (!is_ours(s, &m.context))
        return SECAGG_V_OTHER_CONFIG;
    if (!sender->masked)
        return SECAGG_V_OUT_OF_TURN;
    if (!is_signed(&sender->key, SECAGG_UNMASK, m.signed_part, &m.signature))
        return SECAGG_V_BAD_SIGNATURE;
    return has_its_shares(s, rank_of(s, sender), &m) ? SECAGG_ACCEPTED : SECAGG_V_WRONG_SETS;
}

/* ---- taking them ---- */

static struct bytes *place_of(struct member *m, enum secagg_kind kind)
{
    switch (kind) {
    case SECAGG_ADVERTISE:
        return &m->advertise;
    case SECAGG_SHARES:
        return &m->shares;
    case SECAGG_CONFIRM:
        return &m->confirm;
    case SECAGG_UNMASK:
        return &m->unmask;
    default:
        return NULL;
    }
}

/* The phase in which this kind counts. Confirmations still do while shares come: whoever
 * was slow to confirm can still unmask. */
static bool is_turn(const struct secagg_server *s, enum secagg_kind kind)
{
    switch (kind) {
    case SECAGG_ADVERTISE:
        return s->phase == SECAGG_ADVERTISING;
    case SECAGG_SHARES:
        return s->phase == SECAGG_SHARING;
    case SECAGG_CONFIRM:
        return s->phase == SECAGG_CONFIRMING || s->phase == SECAGG_UNMASKING;
    default:
        return s->phase == SECAGG_UNMASKING;
    }
}

static enum secagg_verdict judge(struct secagg_server *s, struct member *sender,
                                 enum secagg_kind kind, struct view message, uint64_t now_s,
                                 const struct revocations *revoked)
{
    switch (kind) {
    case SECAGG_ADVERTISE:
        return judge_advertise(s, sender, message, now_s, revoked);
    case SECAGG_SHARES:
        return judge_shares(s, sender, message);
    case SECAGG_CONFIRM:
        return judge_confirm(s, sender, message);
    default:
        return judge_unmask(s, sender, message);
    }
}

/* So that nobody counts neighbours of neighbours for each message. */
static void note_near(struct secagg_server *s, struct member *m, enum secagg_kind kind)
{
    uint16_t near[GRAPH_NODES_MAX];
    if (kind != SECAGG_CONFIRM && kind != SECAGG_UNMASK)
        return;
    size_t count = graph_neighbourhood(&s->graph, rank_of(s, m), near);
    for (size_t i = 0; i < count; i++) {
        s->members[near[i]].confirms_near += kind == SECAGG_CONFIRM;
        s->members[near[i]].unmasks_near += kind == SECAGG_UNMASK;
    }
    if (kind == SECAGG_CONFIRM)
        m->confirmed_in_time = s->phase == SECAGG_CONFIRMING;
}

enum secagg_verdict secagg_server_take(struct secagg_server *s, const struct id *sender,
                                       struct view message, uint64_t now_s,
                                       const struct revocations *revoked)
{
    enum secagg_kind kind;
    struct member *m = find(s, sender);
    if (m == NULL)
        return SECAGG_V_NOT_PARTICIPANT;
    if (message.size > SECAGG_MESSAGE_SIZE_MAX || secagg_kind_of(message, &kind) != ST_OK ||
        place_of(m, kind) == NULL)
        return SECAGG_V_MALFORMED;
    struct bytes *place = place_of(m, kind);
    if (place->size > 0)
        return view_equal(bytes_view(place), message) ? SECAGG_REPEATED : SECAGG_V_CONFLICT;
    if (!is_turn(s, kind))
        return SECAGG_V_OUT_OF_TURN;
    enum secagg_verdict verdict = judge(s, m, kind, message, now_s, revoked);
    if (verdict == SECAGG_ACCEPTED && bytes_copy(place, message) != ST_OK)
        verdict = SECAGG_V_NO_MEMORY;
    if (verdict == SECAGG_ACCEPTED)
        note_near(s, m, kind);
    return verdict;
}

/* ---- masked updates ---- */

bool secagg_server_expects(const struct secagg_server *s, const struct id *sender)
{
    const struct member *m = find(s, sender);
    return s->phase == SECAGG_MASKING && m != NULL && members_has(&s->sharers, rank_of(s, m));
}

enum secagg_verdict secagg_server_judge(const struct secagg_server *s, const struct id *sender,
                                        const struct secagg_context *context,
                                        const struct digest *masked,
                                        const struct key_signature *signature)
{
    struct bytes what = {0};
    const struct member *m = find(s, sender);
    if (m == NULL)
        return SECAGG_V_NOT_PARTICIPANT;
    if (!is_ours(s, context))
        return SECAGG_V_OTHER_CONFIG;
    if (!secagg_server_expects(s, sender))
        return SECAGG_V_OUT_OF_TURN;
    if (secagg_masked_signed(context, masked, &what) != ST_OK)
        return SECAGG_V_NO_MEMORY;
    bool good = key_verify(&m->key, SECAGG_MASKED_DOMAIN, bytes_view(&what), signature);
    bytes_done(&what);
    return good ? SECAGG_ACCEPTED : SECAGG_V_BAD_SIGNATURE;
}

void secagg_server_count(struct secagg_server *s, const struct id *sender)
{
    assert(secagg_server_expects(s, sender));
    find(s, sender)->masked = true;
}

/* ---- phases ---- */

static uint32_t count_with(const struct secagg_server *s, enum secagg_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        count += place_of(&s->members[i], kind)->size > 0;
    return count;
}

static uint32_t count_masked(const struct secagg_server *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        count += s->members[i].masked;
    return count;
}

struct secagg_counts secagg_server_counts(const struct secagg_server *s)
{
    return (struct secagg_counts){
        .advertised = count_with(s, SECAGG_ADVERTISE),
        .shared = count_with(s, SECAGG_SHARES),
        .masked = count_masked(s),
        .confirmed = count_with(s, SECAGG_CONFIRM),
        .unmasked = count_with(s, SECAGG_UNMASK),
    };
}

static uint32_t near(const struct member *m, enum secagg_kind kind)
{
    return kind == SECAGG_CONFIRM ? m->confirms_near : m->unmasks_near;
}

/* Whether the neighbourhood of each of these has enough messages of this kind. */
static bool has_enough(const struct secagg_server *s, const struct members *of,
                       enum secagg_kind kind)
{
    uint32_t threshold = secagg_threshold(&s->rules, s->graph.degree + 1);
    for (uint32_t i = 0; i < s->count; i++)
        if (members_has(of, i) && near(&s->members[i], kind) < threshold)
            return false;
    return true;
}

bool secagg_server_is_settled(const struct secagg_server *s)
{
    switch (s->phase) {
    case SECAGG_ADVERTISING:
        return count_with(s, SECAGG_ADVERTISE) == s->count;
    case SECAGG_SHARING:
        return count_with(s, SECAGG_SHARES) == s->count;
    case SECAGG_MASKING:
        return count_masked(s) == members_count(&s->sharers);
    case SECAGG_CONFIRMING:
        return has_enough(s, &s->survivors, SECAGG_CONFIRM);
    case SECAGG_UNMASKING:
        return has_enough(s, &s->sharers, SECAGG_UNMASK);
    default:
        return false;
    }
}

/* Those who did not advertise are not in this any more; the others get their ranks. */
static void keep_advertised(struct secagg_server *s)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->members[i].advertise.size > 0)
            s->members[kept++] = s->members[i];
        else
            member_done(&s->members[i]);
    }
    s->count = kept;
}

static struct secagg_roster_line *make_lines(const struct secagg_server *s)
{
    struct secagg_roster_line *lines = calloc(s->count, sizeof *lines);
    for (uint32_t i = 0; lines != NULL && i < s->count; i++) {
        lines[i].id = s->members[i].id;
        lines[i].entry = digest_of(member_entry_bytes(&s->members[i]));
    }
    return lines;
}

static enum secagg_phase begin_sharing(struct secagg_server *s)
{
    keep_advertised(s);
    if (s->count < s->rules.k_of_n)
        return SECAGG_FAILED;
    s->lines = make_lines(s);
    if (s->lines == NULL)
        return SECAGG_FAILED;
    s->context.roster = secagg_roster_digest(&s->context.config, s->lines, s->count);
    struct digest seed = secagg_graph_seed(&s->context.roster);
    graph_init(&s->graph, s->count, s->rules.neighbours, &seed);
    return SECAGG_SHARING;
}

static enum secagg_phase begin_masking(struct secagg_server *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->members[i].shares.size > 0)
            members_add(&s->sharers, i);
    return members_count(&s->sharers) < s->rules.k_of_n ? SECAGG_FAILED : SECAGG_MASKING;
}

static enum secagg_phase begin_confirming(struct secagg_server *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->members[i].masked)
            members_add(&s->survivors, i);
    return members_count(&s->survivors) < s->rules.k_of_n ? SECAGG_FAILED : SECAGG_CONFIRMING;
}

static enum secagg_phase next_phase(struct secagg_server *s)
{
    switch (s->phase) {
    case SECAGG_ADVERTISING:
        return begin_sharing(s);
    case SECAGG_SHARING:
        return begin_masking(s);
    case SECAGG_MASKING:
        return begin_confirming(s);
    case SECAGG_CONFIRMING: /* with too few now, shares cannot be given */
        return secagg_server_is_settled(s) ? SECAGG_UNMASKING : SECAGG_FAILED;
    default:
        return secagg_server_is_settled(s) ? SECAGG_DONE : SECAGG_FAILED;
    }
}

enum secagg_phase secagg_server_phase(const struct secagg_server *s)
{
    return s->phase;
}

void secagg_server_close(struct secagg_server *s)
{
    assert(s->phase < SECAGG_DONE);
    s->phase = next_phase(s);
}

const struct secagg_context *secagg_server_context(const struct secagg_server *s)
{
    return &s->context;
}
