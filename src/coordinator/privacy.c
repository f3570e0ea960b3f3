/* Noise of the coordinator's, and the account of what a model's rounds have spent.
 *
 * The key of a round's noise is kept before anything is counted, so that the same noise comes
 * out after a restart: who saw two different ones could take their mean. A release is taken
 * from the account in the transaction that gives the version its number, before anybody sees
 * it: a crash may waste budget, and never gives any back. Nor does a rollback. */
#include "coordinator/state.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp/ftrl.h"
#include "dp/rdp.h"
#include "protect/protection.h"
#include "service/log.h"

#define REASON_SPENT "budget_spent"
#define REASON_RUN_OTHER                                                                           \
    "noise_run_differs"                    /* another clip, scale, noise or model than its run's */
#define REASON_RUN_MOVED "noise_run_moved" /* another round of the run was released meanwhile */

static const struct privacy *privacy_of(const struct entry *e)
{
    return &round_start_of(e->round)->privacy;
}

static const struct id *model_of(const struct entry *e)
{
    return &round_start_of(e->round)->model.name;
}

/* ---- the account ---- */

struct account {
    uint64_t releases;
    struct rdp spent;
};

/* Nothing, if there is none. fails: ST_CORRUPT, as the store does */
static enum status read_account(const struct coordinator *c, const struct id *model,
                                struct account *ret)
{
    struct store_spent stored;
    struct bytes bytes = {0};
    *ret = (struct account){0};
    enum status status = store_spent(c->store, model, &stored, &bytes);
    if (status == ST_OK &&
        (stored.accountant != RDP_VERSION || stored.spent.size != sizeof ret->spent))
        status = ST_CORRUPT;
    if (status == ST_OK) {
        ret->releases = stored.releases;
        memcpy(&ret->spent, stored.spent.data, sizeof ret->spent);
        status = rdp_check(&ret->spent) == ST_OK ? ST_OK : ST_CORRUPT;
    }
    bytes_done(&bytes);
    return status == ST_NOT_FOUND ? ST_OK : status;
}

static enum status write_account(struct coordinator *c, const struct id *model,
                                 const struct account *a)
{
    const struct store_spent stored = {.releases = a->releases,
                                       .accountant = RDP_VERSION,
                                       .spent = view_of(&a->spent, sizeof a->spent)};
    return store_set_spent(c->store, model, &stored);
}

/* Whether what is spent is within what the round allows. epsilon 0: only counted. */
static bool is_within(const struct privacy *p, const struct rdp *spent, double *ret_epsilon)
{
    if (rdp_epsilon(spent, p->delta, ret_epsilon) != ST_OK)
        return false;
    return p->epsilon == 0 || *ret_epsilon <= p->epsilon;
}

static void refuse(const struct privacy *p, const struct account *a, double epsilon,
                   struct why *why)
{
    why_set(why,
            "privacy: %llu releases of this model and this one spend epsilon %.4g at delta %g, and "
            "epsilon is limited to %g; take more noise, or another model",
            (unsigned long long)a->releases, epsilon, p->delta, p->epsilon);
}

/* ---- runs of correlated noise ---- */

static bool has_run(const struct privacy *p)
{
    return p->noise == PRIVACY_TREE;
}

/* Done with, or none: the next round begins a new one. */
static enum status read_run(const struct coordinator *c, const struct id *model, bool *ret_is,
                            struct ftrl *ret)
{
    struct bytes bytes = {0};
    enum status status = store_run(c->store, model, &bytes);
    *ret_is = false;
    if (status == ST_OK)
        status = ftrl_decode(bytes_view(&bytes), ret);
    if (status == ST_OK)
        *ret_is = ret->done < ret->rounds;
    if (bytes.data != NULL)
        sodium_memzero(bytes.data, bytes.size);
    bytes_done(&bytes);
    return status == ST_NOT_FOUND ? ST_OK : status == ST_OK ? ST_OK : ST_CORRUPT;
}

/* A run is paid for as a whole when it begins. */
static enum status spends(const struct coordinator *c, const struct id *model,
                          const struct protection *p, struct rdp *ret)
{
    struct ftrl run = {0};
    bool goes_on = false;
    enum status status = ST_OK;
    if (has_run(&p->privacy))
        status = read_run(c, model, &goes_on, &run);
    ftrl_done(&run);
    return status == ST_OK && !goes_on ? protection_spends(p, ret) : status;
}

enum status privacy_check(struct coordinator *c, const struct round_start *start,
                          size_t param_count, struct why *why)
{
    const struct privacy *p = &start->privacy;
    struct protection protection;
    struct account account;
    struct rdp more = {{0}};
    double epsilon = 0;
    if (p->noise == PRIVACY_NO_NOISE)
        return ST_OK;
    enum status status = protection_of(p, start->k_of_n, param_count, &protection, why);
    if (status == ST_OK)
        status = read_account(c, &start->model.name, &account);
    if (status == ST_OK)
        status = spends(c, &start->model.name, &protection, &more);
    if (status != ST_OK) {
        if (why->text[0] == '\0')
            why_set(why, "the privacy account cannot be read: %s", status_name(status));
        return status;
    }
    rdp_add(&account.spent, &more);
    if (is_within(p, &account.spent, &epsilon))
        return ST_OK;
    refuse(p, &account, epsilon, why);
    return ST_LIMIT;
}

/* ---- the noise of a round ---- */

static enum status draw(const struct protection *p, struct ftrl *ret)
{
    struct random_stream *stream = NULL;
    struct gauss gauss;
    enum status status = gauss_of_sigma(p->sigma, &gauss);
    if (status == ST_OK)
        status = random_stream_new(&stream);
    if (status != ST_OK)
        return status;
    struct dp_random random = random_stream_source(stream);
    uint32_t rounds = has_run(&p->privacy) ? p->privacy.releases : 1;
    status = ftrl_init(&gauss, p->param_count, rounds, &random, ret);
    random_stream_free(stream);
    return status;
}

static bool is_of_run(const struct ftrl *run, const struct protection *p)
{
    struct gauss gauss;
    return gauss_of_sigma(p->sigma, &gauss) == ST_OK && gauss.num == run->noise.num &&
           gauss.den == run->noise.den && run->count == p->param_count &&
           run->rounds == p->privacy.releases;
}

/* The next step of its run, or a run of its own. */
static enum status make_noise(const struct coordinator *c, const struct entry *e, struct ftrl *ret,
                              const char **ret_reason)
{
    const struct protection *p = round_protection(e->round);
    bool goes_on = false;
    enum status status = ST_OK;
    if (has_run(&p->privacy))
        status = read_run(c, model_of(e), &goes_on, ret);
    if (status == ST_OK && goes_on && !is_of_run(ret, p))
        *ret_reason = REASON_RUN_OTHER;
    if (status == ST_OK && !goes_on)
        status = draw(p, ret);
    return status;
}

static enum status keep_noise(struct coordinator *c, const struct entry *e, const struct ftrl *f)
{
    uint8_t bytes[FTRL_STATE_SIZE];
    ftrl_encode(f, bytes);
    enum status status = store_set_noise(c->store, &round_start_of(e->round)->round_id,
                                         view_of(bytes, sizeof bytes));
    sodium_memzero(bytes, sizeof bytes);
    return status;
}

static bool is_ours(const struct privacy *p)
{
    return p->noise == PRIVACY_CENTRAL || p->noise == PRIVACY_TREE;
}

enum status privacy_begin(struct coordinator *c, struct entry *e, const char **ret_reason)
{
    struct ftrl noise = {0};
    struct why why = {""};
    *ret_reason = NULL;
    if (privacy_of(e)->noise == PRIVACY_NO_NOISE)
        return ST_OK;
    enum status status =
        privacy_check(c, round_start_of(e->round), round_param_count(e->round), &why);
    if (status == ST_LIMIT) {
        *ret_reason = REASON_SPENT;
        return ST_OK;
    }
    if (status != ST_OK || !is_ours(privacy_of(e)))
        return status;
    status = make_noise(c, e, &noise, ret_reason);
    if (status == ST_OK && *ret_reason == NULL)
        status = keep_noise(c, e, &noise);
    if (status == ST_OK && *ret_reason == NULL)
        round_add_noise(e->round, &noise);
    ftrl_done(&noise);
    return status;
}

static enum status read_noise(const struct coordinator *c, const struct entry *e, struct ftrl *ret)
{
    struct bytes bytes = {0};
    enum status status = store_noise(c->store, &round_start_of(e->round)->round_id, &bytes);
    if (status == ST_OK)
        status = ftrl_decode(bytes_view(&bytes), ret) == ST_OK ? ST_OK : ST_CORRUPT;
    if (bytes.data != NULL)
        sodium_memzero(bytes.data, bytes.size);
    bytes_done(&bytes);
    return status;
}

enum status privacy_restore(const struct coordinator *c, struct entry *e)
{
    struct ftrl noise = {0};
    if (!is_ours(privacy_of(e)))
        return ST_OK;
    enum status status = read_noise(c, e, &noise);
    if (status == ST_OK)
        round_add_noise(e->round, &noise);
    ftrl_done(&noise);
    return status;
}

/* ---- a release ---- */

/* The run takes its step with this version, if nobody took it before. */
static enum status advance_run(struct coordinator *c, const struct entry *e,
                               const char **ret_reason)
{
    struct ftrl own = {0}, run = {0};
    bool goes_on = false;
    uint8_t bytes[FTRL_STATE_SIZE];
    enum status status = read_noise(c, e, &own);
    if (status == ST_OK)
        status = read_run(c, model_of(e), &goes_on, &run);
    bool is_next = goes_on ? run.done == own.done && memcmp(run.key, own.key, sizeof run.key) == 0
                           : own.done == 0;
    if (status == ST_OK && !is_next)
        *ret_reason = REASON_RUN_MOVED;
    if (status == ST_OK && is_next)
        status = ftrl_advance(&own);
    if (status == ST_OK && is_next) {
        ftrl_encode(&own, bytes);
        status = store_set_run(c->store, model_of(e), view_of(bytes, sizeof bytes));
        sodium_memzero(bytes, sizeof bytes);
    }
    ftrl_done(&own);
    ftrl_done(&run);
    return status;
}

static void say_account(struct entry *e, const struct account *a, double epsilon)
{
    const struct privacy *p = privacy_of(e);
    int size =
        snprintf(e->account, sizeof e->account, "epsilon %.4g at delta %g after %llu releases",
                 epsilon, p->delta, (unsigned long long)a->releases);
    if (p->epsilon > 0)
        (void)snprintf(e->account + size, sizeof e->account - (size_t)size, ", of %g", p->epsilon);
}

enum status privacy_debit(struct coordinator *c, struct entry *e, const char **ret_reason)
{
    struct account account;
    struct rdp more = {{0}};
    double epsilon = 0;
    *ret_reason = NULL;
    if (e->debited || privacy_of(e)->noise == PRIVACY_NO_NOISE)
        return ST_OK;
    enum status status = read_account(c, model_of(e), &account);
    if (status == ST_OK)
        status = spends(c, model_of(e), round_protection(e->round), &more);
    if (status != ST_OK)
        return status;
    rdp_add(&account.spent, &more);
    account.releases++;
    if (!is_within(privacy_of(e), &account.spent, &epsilon)) {
        *ret_reason = REASON_SPENT;
        return ST_OK;
    }
    if (has_run(privacy_of(e)))
        status = advance_run(c, e, ret_reason);
    if (status == ST_OK && *ret_reason == NULL)
        status = write_account(c, model_of(e), &account);
    if (status == ST_OK && *ret_reason == NULL) {
        e->debited = true;
        say_account(e, &account, epsilon);
    }
    return status;
}

/* ---- what people may know ---- */

static json_t *account_json(const struct coordinator *c, const struct id *model, double delta)
{
    struct account account;
    double epsilon = 0;
    if (read_account(c, model, &account) != ST_OK ||
        rdp_epsilon(&account.spent, delta, &epsilon) != ST_OK)
        return NULL;
    return json_pack("{s:s, s:f, s:f, s:I}", "model", model->text, "epsilon", epsilon, "delta",
                     delta, "releases", (json_int_t)account.releases);
}

struct listing {
    const struct coordinator *c;
    double delta;
    json_t *accounts;
};

static enum status list_account(void *arg, const struct id *model)
{
    struct listing *l = arg;
    json_t *account = account_json(l->c, model, l->delta);
    return account != NULL && json_array_append_new(l->accounts, account) == 0 ? ST_OK : ST_NOMEM;
}

json_t *privacy_accounts(const struct coordinator *c, double delta)
{
    struct listing l = {.c = c, .delta = delta, .accounts = json_array()};
    if (store_each_spent(c->store, MODEL_NAMES_MAX, list_account, &l) == ST_OK)
        return json_pack("{s:o}", "accounts", l.accounts);
    json_decref(l.accounts);
    return NULL;
}
