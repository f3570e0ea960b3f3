#include "protect/protection.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "dp/distributed.h"
#include "dp/fixed.h"
#include "dp/tree.h"

/* ---- what goes with what ---- */

static enum status check_rule(const struct round_start *start, struct why *why)
{
    const char *rule = "mean", *weighting = NULL;
    bool partial = false;
    enum status status = ST_OK;
    if (start->aggregation == NULL)
        return ST_OK;
    status = jsn_str(start->aggregation, "rule", JSN_OPTIONAL, ID_SIZE_MAX, &rule, why);
    if (status == ST_OK)
        status =
            jsn_str(start->aggregation, "weighting", JSN_OPTIONAL, ID_SIZE_MAX, &weighting, why);
    if (status == ST_OK)
        status = jsn_bool(start->aggregation, "partial", JSN_OPTIONAL, &partial, why);
    if (status != ST_OK)
        return status;
    if (strcmp(rule, "mean") != 0)
        why_set(why,
                "rule %.32s looks at each update by itself, and privacy hides them: only the "
                "mean can be had of a sum",
                rule);
    else if (partial)
        why_set(why, "partial updates do not go with privacy: which tensors a device has would "
                     "be known");
    else if (weighting != NULL)
        why_set(why, "weighting of a protected round stands in privacy");
    else
        return ST_OK;
    return ST_INVALID;
}

/* What a protected update cannot be, whatever the rule. */
static enum status check_start(const struct round_start *start, struct why *why)
{
    if (start->mode == ROUND_EVALUATE)
        why_set(why, "privacy is of updates: mode evaluate has none");
    else if (start->asynchronous.is_on)
        why_set(why, "privacy does not go with asynchronous: a sum has one base model");
    else if (!compression_is_none(&start->compression))
        why_set(why, "compression does not go with privacy: the places of top_k and the scales "
                     "of int8 would tell what the sum hides; take fewer bits by scale instead");
    else
        return ST_OK;
    return ST_INVALID;
}

static enum status check_noise(const struct privacy *p, struct why *why)
{
    if (p->noise == PRIVACY_NO_NOISE)
        return ST_OK;
    if (p->samples_max > 0)
        why_set(why, "weighting by samples does not go with noise: how many a device has is "
                     "private, and the divisor would tell");
    else if (p->metric_count > 0)
        why_set(why, "metrics do not go with noise: measure by evaluation");
    else if (p->noise == PRIVACY_DISTRIBUTED && !p->is_masked)
        why_set(why, "distributed noise needs secure_aggregation: a device's share alone hides "
                     "little; take mechanism central");
    else if (p->noise != PRIVACY_DISTRIBUTED && p->is_masked)
        why_set(why, "under secure_aggregation the noise is the devices': the coordinator and the "
                     "broker would see the sum without it; take mechanism distributed");
    else
        return ST_OK;
    return ST_INVALID;
}

struct secagg_rules protection_rules(const struct privacy *p, uint32_t k_of_n)
{
    return (struct secagg_rules){.server = p->is_curious ? SECAGG_SERVER_CURIOUS
                                                         : SECAGG_SERVER_MALICIOUS,
                                 .k_of_n = k_of_n,
                                 .neighbours = p->neighbours,
                                 .word = p->bits == 64 ? MASK_WORD_64 : MASK_WORD_32};
}

/* Devices know the image by its digest, so the coordinator has to, too. */
static enum status check_masks(const struct round_start *start, struct why *why)
{
    struct digest digest;
    const struct secagg_rules rules = protection_rules(&start->privacy, start->k_of_n);
    if (!start->privacy.is_masked)
        return ST_OK;
    if (strncmp(start->image, "sha256:", 7) != 0 || digest_parse(start->image, &digest) != ST_OK) {
        why_set(why, "with secure_aggregation task_wasm_image must be a sha256: digest, so that "
                     "nobody can give devices different code under one name");
        return ST_INVALID;
    }
    return secagg_rules_check(&rules, start->participant_count, why);
}

enum status protection_check(const struct round_start *start, struct why *why)
{
    struct protection p;
    if (!start->privacy.is_on)
        return ST_OK;
    enum status status = check_start(start, why);
    if (status == ST_OK)
        status = check_rule(start, why);
    if (status == ST_OK)
        status = check_noise(&start->privacy, why);
    if (status == ST_OK)
        status = check_masks(start, why);
    /* The smallest model: what has no room for it has none for any. */
    if (status == ST_OK)
        status = protection_of(&start->privacy, start->k_of_n, 1, &p, why);
    return status == ST_OK ? protection_fits(&p, (uint32_t)start->participant_count, why) : status;
}

/* ---- the numbers ---- */

/* Of all that a word may hold but for the sign. */
static double room(const struct protection *p)
{
    return p->privacy.is_masked ? ldexp(1, (int)p->word * 8 - 1) : 0x1p62;
}

/* What a word of the sum can be: every device at its most, and the noise of them all. */
static double needed(const struct protection *p, uint32_t devices)
{
    double noise = p->share_sigma * sqrt(devices) * PROTECTION_SIGMAS;
    double updates = (double)devices * p->sensitivity;
    double tail = (double)devices * (double)PROTECTION_METRIC_UNIT;
    if (p->privacy.samples_max > PROTECTION_METRIC_UNIT)
        tail = (double)devices * p->privacy.samples_max;
    return (updates > tail ? updates : tail) + noise;
}

/* All that follows from a scale. */
static enum status with_scale(struct protection *p, float scale)
{
    uint64_t square_max;
    enum status status =
        fixed_square_max(scale, p->privacy.clip, p->param_count, FIXED_BETA, &square_max);
    if (status != ST_OK)
        return status;
    p->scale = scale;
    p->square_max = square_max;
    p->sensitivity = fixed_sensitivity(square_max);
    p->sigma = p->privacy.multiplier * p->sensitivity;
    p->share_sigma = 0;
    if (p->privacy.noise == PRIVACY_DISTRIBUTED)
        p->share_sigma = distributed_share(p->sigma, p->k_of_n);
    return ST_OK;
}

/* The finest power of two with room for as many devices as can be. Finer than float32 is of
 * no use. */
static enum status choose_scale(struct protection *p, struct why *why)
{
    for (int exponent = 40; exponent >= -20; exponent--) {
        float scale = ldexpf(1, exponent);
        if (ldexp(p->privacy.clip, exponent) > 0x1p30 || with_scale(p, scale) != ST_OK)
            continue;
        if (needed(p, MEMBERS_MAX) < room(p))
            return ST_OK;
    }
    why_set(why, "privacy: no scale gives a sum room in %u bits; take 64 bits or less noise",
            p->privacy.bits);
    return ST_INVALID;
}

enum status protection_of(const struct privacy *privacy, uint32_t k_of_n, size_t param_count,
                          struct protection *ret, struct why *why)
{
    assert(privacy->is_on && k_of_n >= 1);
    size_t tail = privacy->noise == PRIVACY_NO_NOISE ? 2 + 2 * privacy->metric_count : 0;
    struct protection p = {.privacy = *privacy,
                           .rules = protection_rules(privacy, k_of_n),
                           .k_of_n = k_of_n,
                           .param_count = param_count,
                           .tail_count = tail,
                           .word_count = param_count + tail,
                           .word = privacy->bits == 64 ? MASK_WORD_64 : MASK_WORD_32};
    enum status status = ST_OK;
    if (privacy->scale == 0)
        status = choose_scale(&p, why);
    else if (with_scale(&p, (float)privacy->scale) != ST_OK) {
        why_set(why,
                "privacy: at scale %g an update with clip %g is longer than can be counted; "
                "take a smaller scale",
                privacy->scale, privacy->clip);
        status = ST_INVALID;
    }
    if (status == ST_OK)
        *ret = p;
    return status;
}

enum status protection_fits(const struct protection *p, uint32_t devices, struct why *why)
{
    if (needed(p, devices) < room(p))
        return ST_OK;
    why_set(why,
            "privacy: the sum of %u devices can be %.4g, and a word of %u bits holds less than "
            "%.4g; take a smaller scale, fewer participants or 64 bits",
            devices, needed(p, devices), p->privacy.bits, room(p));
    return ST_INVALID;
}

enum status protection_spends(const struct protection *p, struct rdp *r)
{
    switch (p->privacy.noise) {
    case PRIVACY_CENTRAL:
        return rdp_add_gaussian(r, p->privacy.multiplier, 1, 1);
    case PRIVACY_DISTRIBUTED: {
        const struct distributed d = {.sigma = p->share_sigma,
                                      .sensitivity = p->sensitivity,
                                      .devices = p->k_of_n,
                                      .count = p->param_count};
        return distributed_add(r, &d, 1);
    }
    case PRIVACY_TREE: {
        const struct tree_participation all = {
            .rounds = p->privacy.releases, .most = p->privacy.releases, .gap = 1};
        return tree_add(r, &all, p->privacy.multiplier);
    }
    case PRIVACY_NO_NOISE:
        break;
    }
    return ST_OK;
}
