#include "round/round.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "round/bases.h"
#include "round/combine.h"
#include "round/ledger.h"
#include "protect/masked.h"
#include "round/optimiser_read.h"
#include "round/protected.h"
#include "round/rule_read.h"
#include "round/split.h"
#include "aggregate/update_source.h"

#define ROUND_MAGIC 0x726f756eu /* "roun" */

struct round {
    uint32_t magic;
    enum round_state state;
    struct round_start start;
    struct id *ids;        /* (round_start_count(),): participants and carried ones */
    struct ledger *ledger; /* borrows ids */
    struct bases *bases;   /* asynchronous, until counting is over: of the carried ones */
    uint64_t started_ms;
    uint64_t base_ms;   /* OPENING: when it was last heard of the base model */
    uint64_t closes_ms; /* counting ends: the timeout, or sooner by the grace */
    uint64_t store_ms;  /* STORING: when to hand the version out again */
    uint32_t store_tries;
    struct model *model; /* OPEN: the base; STORING: the aggregate, in the same memory */
    struct rule_settings rule;
    struct hands hands;
    bool has_optimiser;
    struct optimiser optimiser;
    struct protection protection; /* from OPEN on, if start.privacy.is_on */
    bool has_noise;
    struct ftrl noise;
    struct metrics protected_metrics; /* known of the sum only */
    struct model *state_tensors;      /* OPEN: the optimiser's, if there is one */
    bool keep_due;                    /* round_keep() must come next, for ... */
    struct id keep_who;
    bool settled; /* counting is over: facts.metrics holds, no update is needed */
    struct complete facts;
};

static struct round_action *append(struct round_actions *actions, enum round_action_kind kind)
{
    assert(actions->count < ROUND_ACTIONS_MAX);
    struct round_action *a = &actions->items[actions->count++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}

/* ---- the beginning ---- */

static enum status copy_start(const struct round_start *from, struct round_start *to)
{
    *to = *from;
    to->participants = calloc(from->participant_count + 1, sizeof from->participants[0]);
    to->hyperparams = json_object();
    to->asynchronous = (struct asynchronous){0};
    to->aggregation = NULL; /* it is read, see round.rule */
    if (to->participants == NULL || to->hyperparams == NULL)
        return ST_NOMEM; /* round_free() ends the half that is there */
    if (from->participant_count > 0)
        memcpy(to->participants, from->participants,
               from->participant_count * sizeof from->participants[0]);
    return asynchronous_copy(&from->asynchronous, &to->asynchronous);
}

/* Whose updates are counted, and from what they were trained. */
static enum status list_participants(struct round *r)
{
    enum status status = round_start_ids(&r->start, &r->ids);
    if (status == ST_OK)
        status = ledger_new(r->ids, round_start_count(&r->start), &r->ledger);
    if (status == ST_OK && r->start.asynchronous.is_on)
        status = bases_new(&r->start.asynchronous, &r->bases);
    return status;
}

static void first_facts(struct round *r)
{
    r->facts.round_id = r->start.round_id;
    r->facts.mode = r->start.mode;
    r->facts.participants = round_start_count(&r->start);
    if (r->start.privacy.is_on)
        privacy_text(&r->start.privacy, r->facts.privacy);
    memcpy(r->facts.model_uri, r->start.model_uri, sizeof r->facts.model_uri);
}

enum status round_new(const struct round_start *start, uint64_t now_ms, struct round **ret)
{
    assert(start != NULL && ret != NULL);
    size_t count = round_start_count(start);
    if (count < 1 || count > ROUND_PARTICIPANTS_MAX || start->k_of_n < 1 || start->k_of_n > count)
        return ST_INVALID;

    struct round *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    r->magic = ROUND_MAGIC;
    enum status status = copy_start(start, &r->start);
    if (status == ST_OK)
        status = rule_read(start, &r->rule, NULL);
    if (status == ST_OK)
        status = optimiser_read(start, &r->has_optimiser, &r->optimiser, NULL);
    if (status == ST_OK)
        status = protection_check(start, NULL);
    if (status == ST_OK)
        status = list_participants(r);
    if (status != ST_OK) {
        round_free(r);
        return status;
    }
    first_facts(r);
    r->started_ms = r->base_ms = now_ms;
    r->closes_ms = now_ms + (uint64_t)start->timeout_s * 1000;
    *ret = r;
    return ST_OK;
}

void round_carry(struct round *r, size_t index, struct view bytes)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    if (r->bases != NULL)
        bases_set(r->bases, index, bytes);
}

void round_lend(struct round *r, const struct hands *hands)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && hands != NULL);
    r->hands = *hands;
}

/* ---- the ways out of each state ---- */

/* Counting is over: what was counted is summed up, and the updates are let go. */
static void settle(struct round *r)
{
    if (r->settled)
        return;
    r->settled = true;
    r->keep_due = false;
    ledger_metrics(r->ledger, &r->facts.metrics);
    ledger_forget_bytes(r->ledger);
    r->bases = bases_free(r->bases);
}

static void end(struct round *r, enum round_outcome outcome, const char *reason, uint64_t now_ms,
                struct round_actions *actions)
{
    settle(r);
    r->state = ROUND_ENDED;
    r->model = model_free(r->model);
    r->state_tensors = model_free(r->state_tensors);
    r->facts.outcome = outcome;
    r->facts.duration_ms = now_ms - r->started_ms;
    (void)snprintf(r->facts.reason, sizeof r->facts.reason, "%s", reason);
    append(actions, ROUND_SEND_COMPLETE)->complete = r->facts;
}

static void hand_out(struct round *r, uint64_t now_ms, struct round_actions *actions)
{
    r->store_tries++;
    r->store_ms = now_ms + ROUND_STORE_WAIT_MS;
    append(actions, ROUND_PUBLISH_MODEL)->model = r->model;
}

/* What is left on the sum of a masked round's updates; zeroed: nothing. */
struct left_on {
    const struct mask *masks;
    size_t count;
};

/* What the devices reported is known of all of them together. */
static void take_tail(struct round *r, const struct sum_tail *tail)
{
    size_t size = strlen(r->facts.privacy);
    r->facts.total_samples = tail->samples;
    r->protected_metrics = tail->metrics;
    if (r->protection.tail_count > 0)
        (void)snprintf(r->facts.privacy + size, sizeof r->facts.privacy - size,
                       ", %u of %zu clipped", tail->clipped, ledger_counted(r->ledger));
}

static enum status combine_protected(struct round *r, const struct counted *updates, size_t count,
                                     const struct combine_step *by, const struct left_on *left,
                                     struct why *why)
{
    struct sum_tail tail;
    const struct protected_sum sum = {.protection = &r->protection,
                                      .masks = left->masks,
                                      .mask_count = left->count,
                                      .noise = r->has_noise ? &r->noise : NULL};
    enum status status =
        protected_combine(&sum, updates, count, by, &r->hands, r->model, &tail, why);
    if (status == ST_OK)
        take_tail(r, &tail);
    return status;
}

static enum status combine(struct round *r, const struct counted *updates, size_t count,
                           const struct combine_step *by, const struct left_on *left,
                           struct why *why)
{
    if (r->start.privacy.is_on)
        return combine_protected(r, updates, count, by, left, why);
    return combine_updates(&r->rule, updates, count, by, &r->hands, r->model, why);
}

/* The aggregate is the direction; the state goes on with the version. */
static enum status step(struct round *r, const struct counted *updates, size_t count,
                        const struct left_on *left, struct why *why)
{
    struct combine_step by = {.optimiser = &r->optimiser};
    enum status status = optimiser_state_of(&r->optimiser, r->state_tensors,
                                            model_param_count(r->model), &by.state, why);
    if (status == ST_OK)
        status = combine(r, updates, count, &by, left, why);
    if (status != ST_OK)
        return status;
    optimiser_state_set_steps(r->state_tensors, by.state.steps + 1);
    status = join_state(&r->model, r->state_tensors);
    r->state_tensors = model_free(r->state_tensors);
    return status;
}

static enum status aggregate(struct round *r, const struct left_on *left, struct why *why)
{
    size_t count = ledger_counted(r->ledger);
    struct counted *updates = calloc(count, sizeof *updates);
    if (updates == NULL)
        return ST_NOMEM;
    ledger_list(r->ledger, updates);
    enum status status = ST_OK;
    if (r->bases != NULL)
        status = bases_give(r->bases, r->model, updates, count, why);
    if (status == ST_OK && r->has_optimiser)
        status = step(r, updates, count, left, why);
    else if (status == ST_OK)
        status = combine(r, updates, count, NULL, left, why);
    free(updates);
    return status;
}

static const char *reason_of(enum status status)
{
    switch (status) {
    case ST_NOMEM:
        return ROUND_REASON_NO_MEMORY;
    case ST_CORRUPT:
        return ROUND_REASON_CORRUPT;
    default:
        return ROUND_REASON_NOT_AGGREGATED;
    }
}

/* All that is summed is here, and what is left on it is known. */
static void make_version(struct round *r, const struct left_on *left, uint64_t now_ms,
                         struct round_actions *actions)
{
    struct why why = {0};
    enum status status = aggregate(r, left, &why);
    if (status != ST_OK) {
        bool corrupt_sum = status == ST_CORRUPT && r->start.privacy.is_on;
        end(r, ROUND_FAILED, corrupt_sum ? ROUND_REASON_CORRUPT_SUM : reason_of(status), now_ms,
            actions);
        return;
    }
    settle(r);
    if (r->start.privacy.is_on)
        r->facts.metrics = r->protected_metrics;
    r->state = ROUND_STORING;
    hand_out(r, now_ms, actions);
}

/* Counting is over, and enough was counted. */
static void close_counting(struct round *r, const char *reason, uint64_t now_ms,
                           struct round_actions *actions)
{
    const struct left_on nothing = {0};
    if (r->start.mode == ROUND_EVALUATE) {
        end(r, ROUND_COMPLETED, reason, now_ms, actions);
        return;
    }
    (void)snprintf(r->facts.reason, sizeof r->facts.reason, "%s", reason);
    if (!r->start.privacy.is_masked) {
        make_version(r, &nothing, now_ms, actions);
        return;
    }
    r->state = ROUND_UNMASKING;
    append(actions, ROUND_UNMASK);
}

void round_unmask(struct round *r, const struct mask *masks, size_t count, uint64_t now_ms,
                  struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && ret_actions != NULL);
    const struct left_on left = {masks, count};
    ret_actions->count = 0;
    if (r->state == ROUND_UNMASKING)
        make_version(r, &left, now_ms, ret_actions);
}

void round_add_noise(struct round *r, const struct ftrl *noise)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && noise != NULL);
    r->noise = *noise;
    r->has_noise = true;
}

const struct protection *round_protection(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->start.privacy.is_on && r->state >= ROUND_OPEN && r->model != NULL ? &r->protection
                                                                                : NULL;
}

static bool has_enough(const struct round *r)
{
    return ledger_counted(r->ledger) >= r->start.k_of_n;
}

static void close_if_counted(struct round *r, uint64_t now_ms, struct round_actions *actions)
{
    if (r->state != ROUND_OPEN)
        return;
    if (ledger_counted(r->ledger) == ledger_participants(r->ledger))
        close_counting(r, ROUND_REASON_ALL_COUNTED, now_ms, actions);
    else if (has_enough(r) && r->start.grace_s == 0)
        close_counting(r, ROUND_REASON_K_OF_N, now_ms, actions);
}

/* ---- the base model ---- */

/* What the optimiser goes on from: the base's state, or that before the first step. A
 * round without an optimiser lets the state go. */
static enum status ready_state(const struct round *r, size_t param_count, struct model **state,
                               const char **ret_unusable)
{
    if (!r->has_optimiser) {
        *state = model_free(*state);
        return ST_OK;
    }
    if (param_count == 0)
        return ST_OK; /* it is unusable anyway */
    if (*state == NULL) {
        enum status status = optimiser_state_new(&r->optimiser, param_count, state);
        if (status != ST_NOMEM && status != ST_OK)
            *ret_unusable = ROUND_REASON_BASE_STATE;
        return status == ST_NOMEM ? ST_NOMEM : ST_OK;
    }
    struct optimiser_state found;
    if (optimiser_state_of(&r->optimiser, *state, param_count, &found, NULL) != ST_OK ||
        found.steps == OPTIMISER_STEPS_MAX)
        *ret_unusable = ROUND_REASON_BASE_STATE;
    return ST_OK;
}

enum status round_base_model(struct round *r, struct model *base, const struct digest *digest,
                             uint64_t now_ms, struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    assert(base != NULL && digest != NULL && ret_actions != NULL);
    ret_actions->count = 0;
    const char *unusable = NULL;
    struct model *state = NULL;
    enum status status = ST_OK;

    if (r->state != ROUND_OPENING)
        goto done;
    status = split_state(&base, &state);
    if (status == ST_OK && r->start.mode == ROUND_TRAIN)
        status = ready_state(r, model_param_count(base), &state, &unusable);
    if (status != ST_OK)
        goto done;
    if (r->start.has_model_digest && !digest_equal(digest, &r->start.model_digest))
        unusable = ROUND_REASON_BASE_DIGEST;
    else if (r->start.mode == ROUND_TRAIN && model_param_count(base) == 0)
        unusable = ROUND_REASON_BASE_EMPTY;
    else if (r->start.privacy.is_on &&
             protection_of(&r->start.privacy, r->start.k_of_n, model_param_count(base),
                           &r->protection, NULL) != ST_OK)
        unusable = ROUND_REASON_NO_PROTECTION;
    if (unusable != NULL) {
        end(r, ROUND_FAILED, unusable, now_ms, ret_actions);
        goto done;
    }
    r->model = base;
    r->state_tensors = state;
    base = state = NULL;
    r->state = ROUND_OPEN;
done:
    model_free(base);
    model_free(state);
    return status;
}

void round_base_coming(struct round *r, uint64_t now_ms)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    if (r->state == ROUND_OPENING)
        r->base_ms = now_ms;
}

/* ---- one update ---- */

static bool counting_is_over(const struct round *r, uint64_t now_ms)
{
    return r->state == ROUND_UNMASKING || r->state == ROUND_STORING || r->state == ROUND_ENDED ||
           (r->state == ROUND_OPEN && now_ms >= r->closes_ms);
}

static enum verdict verdict_of_fault(enum update_fault fault)
{
    switch (fault) {
    case UPDATE_TOO_LARGE:
        return VERDICT_TOO_LARGE;
    case UPDATE_WRONG_SHAPE:
        return VERDICT_WRONG_SHAPE;
    case UPDATE_WRONG_DTYPE:
        return VERDICT_WRONG_DTYPE;
    case UPDATE_NON_FINITE:
        return VERDICT_NON_FINITE;
    case UPDATE_BAD_NUM_SAMPLES:
        return VERDICT_BAD_NUM_SAMPLES;
    case UPDATE_BAD_LOCAL_STEPS:
        return VERDICT_BAD_LOCAL_STEPS;
    case UPDATE_FINE:
    case UPDATE_MALFORMED:
    case UPDATE_NO_MEMORY:
        break;
    }
    return VERDICT_MALFORMED;
}

/* What the update of this one has to name: the round and the model that it was started with. */
static void task_of(const struct round *r, const struct id *participant,
                    const struct id **ret_round, const char **ret_model)
{
    const struct carried *k = asynchronous_find(&r->start.asynchronous, NULL, participant);
    *ret_round = k == NULL ? &r->start.round_id : &k->round_id;
    *ret_model = k == NULL ? r->start.model_uri : k->model_uri;
}

/* Does it belong to this round? (The second half of the list in the header.) */
static enum verdict belongs(const struct round *r, const struct id *sender, const struct update *u,
                            struct why *why)
{
    const struct id *round;
    const char *model;
    task_of(r, sender, &round, &model);
    if (u->proplet_id.text[0] != '\0' && !id_equal(&u->proplet_id, sender))
        return VERDICT_WRONG_SENDER;
    if (!id_equal(&u->round_id, round))
        return VERDICT_WRONG_ROUND;
    if (strcmp(u->base_model_uri, model) != 0)
        return VERDICT_WRONG_BASE_MODEL;
    if (r->start.mode == ROUND_TRAIN && r->rule.weighting == WEIGHTING_FEDNOVA &&
        u->local_steps == 0) {
        why_set(why, "it does not say local_steps, by which fednova weighs");
        return VERDICT_BAD_LOCAL_STEPS;
    }
    if (r->start.mode == ROUND_TRAIN)
        return VERDICT_ACCEPTED;
    if (u->layout.count != 0 || (u->params != NULL && model_tensor_count(u->params) != 0)) {
        why_set(why, "an evaluation reports metrics and no tensors");
        return VERDICT_WRONG_SHAPE;
    }
    if (u->metrics.count == 0) {
        why_set(why, "an evaluation without metrics");
        return VERDICT_MALFORMED;
    }
    return VERDICT_ACCEPTED;
}

/* A protected update is whole numbers, of the kind that the round asked for. Of masked ones
 * nothing can be known; the others keep to the clip. */
static enum verdict look_at_words(const struct round *r, const struct update *u, struct why *why)
{
    struct masked m;
    enum status status = masked_of(u, r->start.privacy.is_masked, r->protection.word_count,
                                   r->protection.word, &m, why);
    if (status != ST_OK)
        return status == ST_INVALID     ? VERDICT_UNPROTECTED
               : status == ST_MALFORMED ? VERDICT_MALFORMED
                                        : VERDICT_WRONG_SHAPE;
    if (m.is_masked || sum_is_within(&r->protection, m.words))
        return VERDICT_ACCEPTED;
    why_set(why, "it is longer than the clip %g of the round", r->start.privacy.clip);
    return VERDICT_NORM_EXCEEDED;
}

/* Its values, looked at once and where they lie. takes: u's params
 * fails: ST_NOMEM */
static enum status look_at_values(const struct round *r, const struct id *sender, struct update *u,
                                  enum verdict *ret_verdict, struct why *why)
{
    struct update_source values = {0};
    double squares;
    if (r->start.privacy.is_on) {
        *ret_verdict = look_at_words(r, u, why);
        return ST_OK;
    }
    enum status status = update_source_of(r->model, r->rule.partial, u, &values, why);
    if (status == ST_OK) {
        struct source source = update_source_as(&values, sender, 1);
        status = source_measure(&source, NULL, &squares, why);
    }
    update_source_done(&values);
    if (status == ST_NOMEM)
        return status;
    *ret_verdict = status == ST_OK           ? VERDICT_ACCEPTED
                   : status == ST_SHAPE      ? VERDICT_WRONG_SHAPE
                   : status == ST_NOT_FINITE ? VERDICT_NON_FINITE
                                             : VERDICT_MALFORMED;
    return ST_OK;
}

/* Until round_keep() comes, the bytes are those of the call: the last update may be
 * aggregated before it ends. */
static enum status count(struct round *r, const struct id *sender, const struct round_kept *kept,
                         const struct update *u, uint64_t now_ms)
{
    enum status status =
        ledger_count(r->ledger, sender, &kept->update, u->num_samples, &u->metrics);
    if (status != ST_OK)
        return status;
    if (r->start.mode == ROUND_TRAIN)
        ledger_keep(r->ledger, sender, kept->bytes, &kept->digest);
    r->facts.num_updates++;
    r->facts.total_samples += u->num_samples;
    r->facts.update_bytes += kept->size;

    if (ledger_counted(r->ledger) == r->start.k_of_n) {
        uint64_t grace_ends_ms = now_ms + (uint64_t)r->start.grace_s * 1000;
        if (grace_ends_ms < r->closes_ms)
            r->closes_ms = grace_ends_ms;
    }
    return ST_OK;
}

/* An update that may count, if its content is right. */
static enum status look_into(struct round *r, const struct id *sender,
                             const struct round_kept *kept, uint64_t now_ms,
                             enum verdict *ret_verdict, struct why *why)
{
    struct update u;
    enum update_fault fault = update_read(kept->bytes, &u, why);
    if (fault == UPDATE_NO_MEMORY)
        return ST_NOMEM;
    if (fault != UPDATE_FINE) {
        *ret_verdict = verdict_of_fault(fault);
        return ST_OK;
    }
    enum status status = ST_OK;
    enum verdict verdict = belongs(r, sender, &u, why);
    if (verdict == VERDICT_ACCEPTED && r->start.mode == ROUND_TRAIN)
        status = look_at_values(r, sender, &u, &verdict, why);
    if (r->hands.let_go != NULL)
        r->hands.let_go(r->hands.owner, kept->bytes);
    if (status == ST_OK && verdict == VERDICT_ACCEPTED)
        status = count(r, sender, kept, &u, now_ms);
    update_done(&u);
    if (status == ST_OK)
        *ret_verdict = verdict;
    return status;
}

/* The first part of the list in the header: what the digest alone decides. */
static bool is_decided(const struct round *r, const struct id *sender, const struct digest *digest,
                       uint64_t now_ms, enum verdict *ret_verdict)
{
    enum ledger_entry known = ledger_look(r->ledger, sender, digest);
    if (known == LEDGER_STRANGER)
        *ret_verdict = VERDICT_NOT_PARTICIPANT;
    else if (known == LEDGER_SAME)
        *ret_verdict = VERDICT_ACCEPTED;
    else if (counting_is_over(r, now_ms)) /* and no later round counts it, or that is asked */
        *ret_verdict = r->start.asynchronous.is_on ? VERDICT_STALE : VERDICT_LATE;
    else if (known == LEDGER_OTHER)
        *ret_verdict = VERDICT_CONFLICT;
    else
        return false;
    return true;
}

static enum status judge(struct round *r, const struct id *sender, const struct round_kept *kept,
                         uint64_t now_ms, enum verdict *ret_verdict, struct why *why)
{
    if (is_decided(r, sender, &kept->update, now_ms, ret_verdict))
        return ST_OK;
    if (r->state == ROUND_OPENING)
        return ST_NOT_FOUND;
    return look_into(r, sender, kept, now_ms, ret_verdict, why);
}

static void answer(struct round *r, const struct id *sender, const struct digest *digest,
                   enum verdict verdict, const struct why *why, struct round_actions *actions)
{
    if (verdict != VERDICT_ACCEPTED)
        r->facts.rejected[verdict]++;
    struct receipt *receipt = &append(actions, ROUND_SEND_RECEIPT)->receipt;
    receipt->round_id = *round_task(r, sender);
    receipt->proplet_id = *sender;
    receipt->verdict = verdict;
    receipt->update_digest = *digest;
    if (verdict != VERDICT_ACCEPTED)
        (void)snprintf(receipt->reason, sizeof receipt->reason, "%s", why->text);
}

void round_refuse(struct round *r, const struct id *sender, const struct digest *digest,
                  enum verdict verdict, const char *reason, struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && verdict != VERDICT_ACCEPTED);
    struct why why = {""};
    if (reason != NULL)
        why_set(&why, "%s", reason);
    ret_actions->count = 0;
    answer(r, sender, digest, verdict, &why, ret_actions);
}

enum status round_update_known(struct round *r, const struct id *sender,
                               const struct digest *digest, uint64_t now_ms,
                               struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    assert(sender != NULL && digest != NULL && ret_actions != NULL && !r->keep_due);
    ret_actions->count = 0;
    static const struct why none = {""};
    enum verdict verdict;
    if (!is_decided(r, sender, digest, now_ms, &verdict))
        return ST_NOT_FOUND;
    answer(r, sender, digest, verdict, &none, ret_actions);
    return ST_OK;
}

enum status round_update(struct round *r, const struct id *sender, struct view bytes,
                         uint64_t now_ms, struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    assert(sender != NULL && ret_actions != NULL && !r->keep_due);
    ret_actions->count = 0;
    struct digest digest = digest_of(bytes);
    const struct round_kept kept = {digest, bytes.size, bytes, digest};
    uint64_t counted = r->facts.num_updates;
    enum verdict verdict;
    struct why why = {0};
    enum status status = judge(r, sender, &kept, now_ms, &verdict, &why);
    if (status != ST_OK)
        return status;

    answer(r, sender, &digest, verdict, &why, ret_actions);
    close_if_counted(r, now_ms, ret_actions);
    r->keep_due = r->facts.num_updates > counted && r->start.mode == ROUND_TRAIN &&
                  (r->state == ROUND_OPEN || r->state == ROUND_UNMASKING);
    r->keep_who = *sender;
    return ST_OK;
}

bool round_wants_keep(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->keep_due;
}

void round_keep(struct round *r, struct view bytes, const struct digest *digest)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    if (r->keep_due)
        ledger_keep(r->ledger, &r->keep_who, bytes, digest);
    r->keep_due = false;
}

/* ---- the other events ---- */

void round_being_stored(struct round *r, uint64_t now_ms)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    if (r->state != ROUND_STORING)
        return;
    r->store_tries = 1;
    r->store_ms = now_ms + ROUND_STORE_WAIT_MS;
}

void round_stored(struct round *r, uint64_t now_ms, struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && ret_actions != NULL);
    ret_actions->count = 0;
    if (r->state != ROUND_STORING)
        return;
    char reason[sizeof r->facts.reason]; /* end() writes to where it lies */
    memcpy(reason, r->facts.reason, sizeof reason);
    end(r, ROUND_COMPLETED, reason, now_ms, ret_actions);
}

void round_cancel(struct round *r, enum round_outcome outcome, const char *reason, uint64_t now_ms,
                  struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    assert(reason != NULL && ret_actions != NULL);
    ret_actions->count = 0;
    if (r->state != ROUND_ENDED)
        end(r, outcome, reason, now_ms, ret_actions);
}

/* An asynchronous round lets nothing go that was counted. */
static void counting_time_is_up(struct round *r, uint64_t now_ms, struct round_actions *actions)
{
    bool some = r->start.asynchronous.is_on && ledger_counted(r->ledger) > 0;
    if (some && !has_enough(r))
        close_counting(r, ROUND_REASON_TIME, now_ms, actions);
    else if (has_enough(r))
        close_counting(r, ROUND_REASON_K_OF_N, now_ms, actions);
    else
        end(r, ROUND_EXPIRED, ROUND_REASON_TOO_FEW, now_ms, actions);
}

void round_tick(struct round *r, uint64_t now_ms, struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && ret_actions != NULL && !r->keep_due);
    ret_actions->count = 0;
    if (now_ms < round_deadline_ms(r))
        return;
    switch (r->state) {
    case ROUND_OPENING:
        end(r, ROUND_FAILED, ROUND_REASON_BASE_MISSING, now_ms, ret_actions);
        break;
    case ROUND_OPEN:
        counting_time_is_up(r, now_ms, ret_actions);
        break;
    case ROUND_UNMASKING: /* the owner ends it, with round_unmask() or round_cancel() */
        break;
    case ROUND_STORING:
        if (r->store_tries < ROUND_STORE_TRIES_MAX)
            hand_out(r, now_ms, ret_actions);
        else
            end(r, ROUND_FAILED, ROUND_REASON_MODEL_NOT_STORED, now_ms, ret_actions);
        break;
    case ROUND_ENDED:
        break;
    }
}

uint64_t round_deadline_ms(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    switch (r->state) {
    case ROUND_OPENING: {
        uint64_t model_ms = r->base_ms + ROUND_MODEL_WAIT_MS;
        return model_ms < r->closes_ms ? model_ms : r->closes_ms;
    }
    case ROUND_OPEN:
        return r->closes_ms;
    case ROUND_UNMASKING:
        break;
    case ROUND_STORING:
        return r->store_ms;
    case ROUND_ENDED:
        break;
    }
    return UINT64_MAX;
}

/* ---- what others may know ---- */

enum round_state round_state(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->state;
}

const char *round_state_name(enum round_state state)
{
    static const char *const names[] = {"opening", "open", "unmasking", "storing", "ended"};
    assert((size_t)state < sizeof names / sizeof names[0]);
    return names[state];
}

const struct round_start *round_start_of(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return &r->start;
}

void round_facts(const struct round *r, uint64_t now_ms, struct complete *ret)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && ret != NULL);
    *ret = r->facts;
    if (!r->settled)
        ledger_metrics(r->ledger, &ret->metrics);
    if (r->state != ROUND_ENDED)
        ret->duration_ms = now_ms - r->started_ms;
}

const struct id *round_task(const struct round *r, const struct id *participant)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && participant != NULL);
    const struct id *round;
    const char *model;
    task_of(r, participant, &round, &model);
    return round;
}

bool round_counts(const struct round *r, uint64_t now_ms)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return !counting_is_over(r, now_ms);
}

bool round_takes_part(const struct round *r, const struct id *participant)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return ledger_takes_part(r->ledger, participant);
}

size_t round_awaited(const struct round *r, const struct id *ids, size_t count, struct id *ret)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && (count == 0 || (ids != NULL && ret != NULL)));
    size_t awaited = 0;
    for (size_t i = 0; i < count; i++)
        if (!ledger_has_counted(r->ledger, &ids[i]))
            ret[awaited++] = ids[i];
    return awaited;
}

bool round_has_optimiser(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->has_optimiser;
}

size_t round_param_count(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->model == NULL ? 0 : model_param_count(r->model);
}

uint64_t round_counted(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->facts.num_updates;
}

uint64_t round_samples(const struct round *r)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    return r->facts.total_samples;
}

/* ---- after a restart ---- */

void round_restore_rejected(struct round *r, enum verdict verdict, uint64_t count)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    assert((size_t)verdict < VERDICT_COUNT && verdict != VERDICT_ACCEPTED);
    r->facts.rejected[verdict] += count;
}

enum status round_restore_update(struct round *r, const struct id *participant,
                                 const struct round_kept *update, uint64_t now_ms,
                                 struct round_actions *ret_actions)
{
    assert(r != NULL && r->magic == ROUND_MAGIC);
    assert(participant != NULL && update != NULL && ret_actions != NULL);
    ret_actions->count = 0;
    uint64_t counted = r->facts.num_updates;
    enum verdict verdict;
    enum status status = judge(r, participant, update, now_ms, &verdict, NULL);
    if (status != ST_OK)
        return status == ST_NOMEM ? ST_NOMEM : ST_CORRUPT;
    if (r->facts.num_updates == counted)
        return ST_CORRUPT;
    close_if_counted(r, now_ms, ret_actions);
    return ST_OK;
}

enum status round_restore_ended(const struct round_start *start, const struct complete *complete,
                                struct round **ret)
{
    assert(complete != NULL);
    enum status status = round_new(start, 0, ret);
    if (status != ST_OK)
        return status;
    (*ret)->state = ROUND_ENDED;
    (*ret)->settled = true;
    (*ret)->facts = *complete;
    return ST_OK;
}

enum status round_restore_counted(struct round *r, const struct id *participant,
                                  const struct digest *update)
{
    assert(r != NULL && r->magic == ROUND_MAGIC && r->state == ROUND_ENDED);
    if (ledger_look(r->ledger, participant, update) != LEDGER_AWAITED)
        return ST_INVALID;
    return ledger_count(r->ledger, participant, update, 0, NULL);
}

struct round *round_free(struct round *r)
{
    if (r == NULL)
        return NULL;
    ledger_free(r->ledger);
    bases_free(r->bases);
    free(r->ids);
    model_free(r->model);
    model_free(r->state_tensors);
    ftrl_done(&r->noise);
    round_start_done(&r->start);
    *(volatile uint32_t *)&r->magic = 0;
    free(r);
    return NULL;
}
