#include "proplet/permission.h"

#include <math.h>

#include "fl/update.h"

static const struct policy *policy_of(const struct trust *t)
{
    return t == NULL ? NULL : trust_policy(t);
}

/* ---- the start ---- */

/* The first rule that says on what terms something may leave the device; NULL: none does. */
static const char *first_term(const struct policy *p)
{
    if (!p->train || !p->evaluate)
        return "modes";
    if (p->protection != POLICY_ANY)
        return "protection";
    if (p->rounds_max != UINT64_MAX)
        return "rounds_max";
    if (isfinite(p->clip_max))
        return "clip_max";
    if (p->noise_min > 0)
        return "noise_min";
    if (isfinite(p->epsilon_max))
        return "epsilon_max";
    return p->delta_max < 1 ? "delta_max" : NULL;
}

static bool allows_plain(const struct policy *p, struct why *why)
{
    const char *rule = first_term(p);
    if (rule == NULL)
        return true;
    why_set(why, "%s: a task of no round could pass this rule of the device's policy by", rule);
    return false;
}

static bool has_rounds_left(const struct trust *t, struct why *why)
{
    uint64_t taken = trust_rounds_taken(t), max = trust_policy(t)->rounds_max;
    if (taken < max)
        return true;
    why_set(why,
            "rounds_max: this device has taken part in %llu training rounds, and its policy "
            "allows %llu",
            (unsigned long long)taken, (unsigned long long)max);
    return false;
}

/* Its noise, against the owner's least. */
static bool allows_noise(const struct policy *p, const struct privacy *privacy, struct why *why)
{
    bool asked = policy_wants_differential_privacy(p) || p->noise_min > 0 ||
                 isfinite(p->epsilon_max) || p->delta_max < 1;
    if (privacy->noise == PRIVACY_NO_NOISE) {
        if (asked)
            why_set(why, "protection: this device's policy asks for differential privacy, and the "
                         "round has none");
        return !asked;
    }
    if (privacy->multiplier < p->noise_min)
        why_set(why, "noise_min: the round's noise is %g, and this device's policy asks for %g",
                privacy->multiplier, p->noise_min);
    else if (privacy->delta > p->delta_max)
        why_set(why, "delta_max: the round's delta is %g, and this device's policy allows %g",
                privacy->delta, p->delta_max);
    else
        return true;
    return false;
}

static bool allows_masks(const struct policy *p, const struct privacy *privacy, struct why *why)
{
    if (!privacy->is_masked && policy_wants_secure_aggregation(p))
        why_set(why, "protection: this device's policy asks for secure aggregation, and the round "
                     "has none");
    else if (privacy->is_masked && privacy->is_curious && p->threshold_min > POLICY_THRESHOLD_MIN)
        why_set(why,
                "threshold_min: the round trusts its server to follow the protocol, with "
                "half of the devices, and this device's policy asks for %g",
                p->threshold_min);
    else
        return true;
    return false;
}

static bool allows_protection(const struct policy *p, const struct privacy *privacy,
                              struct why *why)
{
    bool clips = privacy->is_on && privacy->clip <= p->clip_max;
    if (!allows_masks(p, privacy, why) || !allows_noise(p, privacy, why))
        return false;
    if (clips || !isfinite(p->clip_max))
        return true;
    why_set(why, "clip_max: the round %s, and this device's policy allows %g",
            privacy->is_on ? "clips higher" : "does not clip", p->clip_max);
    return false;
}

static bool allows_round(const struct trust *t, const struct learning *l, struct why *why)
{
    const struct policy *p = trust_policy(t);
    if (l->evaluates ? p->evaluate : p->train)
        return l->evaluates || (has_rounds_left(t, why) && allows_protection(p, &l->privacy, why));
    why_set(why, "modes: this device's policy does not allow to %s",
            l->evaluates ? "evaluate" : "train");
    return false;
}

static bool names_rule(const char *rule, const struct why *detail, struct why *why)
{
    why_set(why, "%s: %s", rule, detail->text);
    return false;
}

bool permission_to_start(const struct trust *t, const struct start_msg *start, struct why *why)
{
    const struct policy *p = policy_of(t);
    struct learning l = {0};
    struct why detail = {""};
    bool learns = false;
    if (p == NULL || learning_read(start->env, start->spec, &learns, &l, NULL) != ST_OK)
        return true;
    if (learns ? !allows_round(t, &l, why) : !allows_plain(p, why))
        return false;
    if (start->has_digest && !policy_allows_digest(p, &start->image_digest, &detail))
        return names_rule("images", &detail, why);
    return true;
}

/* ---- the image ---- */

bool permission_limits_images(const struct trust *t)
{
    const struct policy *p = policy_of(t);
    return p != NULL && (p->images != NULL || p->publishers != NULL);
}

bool permission_of_image(const struct trust *t, const struct digest *digest, struct view module,
                         struct why *why)
{
    const struct policy *p = policy_of(t);
    struct why detail = {""};
    if (p == NULL)
        return true;
    if (!policy_allows_digest(p, digest, &detail))
        return names_rule("images", &detail, why);
    return policy_allows_image(p, digest, module, &detail) ||
           names_rule("publishers", &detail, why);
}

/* ---- the run ---- */

const char *permission_to_run(struct trust *t, const struct learning *l, struct why *why)
{
    if (policy_of(t) == NULL || l == NULL || l->evaluates)
        return NULL;
    if (!has_rounds_left(t, why))
        return "not_allowed";
    enum status status = trust_take_round(t);
    if (status == ST_OK)
        return NULL;
    why_set(why, "rounds_max: the round could not be counted: %s", status_name(status));
    return status == ST_FULL ? "disk_full" : "runner_failed";
}

/* ---- what it made ---- */

static bool has_parameters(const struct update *u)
{
    return u->layout.count > 0 || (u->params != NULL && model_tensor_count(u->params) > 0);
}

bool permission_to_send(const struct trust *t, const struct learning *l, struct view update,
                        struct why *why)
{
    struct update read;
    struct why detail = {""};
    if (policy_of(t) == NULL || !l->evaluates)
        return true;
    if (update_read(update, &read, &detail) != UPDATE_FINE) {
        why_set(why, "modes: what an evaluation sends must be readable: %s", detail.text);
        return false;
    }
    bool fine = !has_parameters(&read);
    update_done(&read);
    if (!fine)
        why_set(why, "modes: an evaluation must not send parameters");
    return fine;
}
