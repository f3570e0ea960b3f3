#include "proplet/protecting.h"

#include <math.h>
#include <stdlib.h>

#include "proplet/secure.h"
#include "proplet/spent.h"

struct protecting {
    struct proplet *proplet;
    const struct learning *learning;
    struct secure_round *round; /* masked, until it is done */
    struct protect_file *file;
};

enum status protecting_new(struct proplet *p, const struct learning *l, const char *hyperparams,
                           const struct digest *image, uint64_t until_ms, struct protecting **ret,
                           struct why *why)
{
    struct protecting *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ST_NOMEM;
    t->proplet = p;
    t->learning = l;
    enum status status = ST_OK;
    if (l->privacy.is_masked)
        status = secure_join(p->secure, l, hyperparams, image, until_ms, &t->round, why);
    if (status == ST_OK)
        *ret = t;
    else
        protecting_free(t);
    return status;
}

struct protecting *protecting_free(struct protecting *t)
{
    if (t == NULL)
        return NULL;
    protect_file_free(t->file);
    if (t->round != NULL)
        secure_leave(t->proplet->secure, t->round);
    free(t);
    return NULL;
}

/* ---- what it spends ---- */

/* The owner's limit holds for all rounds together, whatever a coordinator counts. */
static enum status check_epsilon(const struct protecting *t, const struct rdp *more,
                                 struct why *why)
{
    const struct proplet *p = t->proplet;
    const struct policy *policy =
        p->settings.trust == NULL ? NULL : trust_policy(p->settings.trust);
    double epsilon = 0, delta = t->learning->privacy.delta;
    if (policy == NULL || !isfinite(policy->epsilon_max))
        return ST_OK;
    delta = policy->delta_max < delta ? policy->delta_max : delta;
    enum status status = spent_with(p->spent, more, delta, &epsilon);
    if (status != ST_OK || epsilon <= policy->epsilon_max)
        return status;
    why_set(why,
            "epsilon_max: with this round the device would have spent %.4g of its privacy, and "
            "its policy allows %.4g",
            epsilon, policy->epsilon_max);
    return ST_INVALID;
}

/* Before the update leaves: a crash may count one that never did. */
static enum status spend(const struct protecting *t, struct why *why)
{
    struct rdp more = {{0}};
    if (t->learning->privacy.noise == PRIVACY_NO_NOISE)
        return ST_OK;
    enum status status = protection_spends(protect_file_protection(t->file), &more);
    if (status == ST_OK)
        status = check_epsilon(t, &more, why);
    if (status == ST_OK)
        status = spent_add(t->proplet->spent, &more);
    if (status != ST_OK && why->text[0] == '\0')
        why_set(why, "what this round spends of the device's privacy cannot be kept: %s",
                status_name(status));
    return status;
}

/* ---- steps ---- */

/* True: the file can be made, or is being made. */
static bool can_begin(const struct protecting *t)
{
    return t->round == NULL || secure_client(t->round) != NULL;
}

static enum status begin(struct protecting *t, const struct protect_files *files, struct why *why)
{
    const struct learning *l = t->learning;
    uint32_t k_of_n = l->k_of_n == 0 ? 1 : l->k_of_n;
    return protect_file_new(files, &l->privacy, k_of_n,
                            t->round == NULL ? NULL : secure_client(t->round), &l->round,
                            l->model_topic, &t->file, why);
}

static void finish(struct protecting *t)
{
    t->file = protect_file_free(t->file);
    if (t->round != NULL)
        secure_masked(t->proplet->secure, t->round);
    t->round = NULL;
}

enum status protecting_step(struct protecting *t, const struct protect_files *files, bool *ret_done,
                            struct why *why)
{
    enum status status = ST_OK;
    bool made = false;
    *ret_done = false;
    if (t->round != NULL && secure_has_left(t->round, why))
        return ST_INVALID;
    if (t->file == NULL && !can_begin(t))
        return ST_OK;
    if (t->file == NULL)
        status = begin(t, files, why);
    if (status == ST_OK)
        status = protect_file_step(t->file, &made, why);
    if (status == ST_OK && made)
        status = spend(t, why);
    if (status == ST_OK && made) {
        finish(t);
        *ret_done = true;
    }
    return status;
}
