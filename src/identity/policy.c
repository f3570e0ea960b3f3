#include "identity/policy.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "identity/signed_image.h"

struct policy policy_default(void)
{
    return (struct policy){
        .protection = POLICY_ANY,
        .cohort_min = 10,
        .threshold_min = 0.667,
        .clip_max = (double)INFINITY,
        .noise_min = 0,
        .epsilon_max = (double)INFINITY,
        .delta_max = 1,
        .rounds_max = UINT64_MAX,
        .train = true,
        .evaluate = true,
    };
}

static enum status wrong(const char *field, const char *expected, struct why *why)
{
    why_set(why, "%s is not %s", field, expected);
    return ST_INVALID;
}

static enum status no_memory(struct why *why)
{
    why_set(why, "no memory");
    return ST_NOMEM;
}

/* ---- one field each ---- */

/* Each reads its field of the object, if it is there. */
typedef enum status read_fn(const json_t *object, struct policy *p, struct why *why);

static enum status read_version(const json_t *object, struct policy *p, struct why *why)
{
    (void)p;
    uint64_t version;
    return jsn_uint(object, "version", JSN_REQUIRED, 1, 1, &version, why);
}

static enum status read_key(const json_t *value, const char *field, struct key_public *ret,
                            struct why *why)
{
    if (!json_is_string(value) || key_public_parse(json_string_value(value), ret) != ST_OK)
        return wrong(field, "a public key of 64 lower-case hexadecimal digits", why);
    return ST_OK;
}

static enum status read_fleet_key(const json_t *object, struct policy *p, struct why *why)
{
    const json_t *value = json_object_get(object, "fleet_key");
    p->has_fleet_key = value != NULL;
    return value == NULL ? ST_OK : read_key(value, "fleet_key", &p->fleet_key, why);
}

static enum status read_protection(const json_t *object, struct policy *p, struct why *why)
{
    static const char *const names[] = {
        [POLICY_ANY] = "any",
        [POLICY_SECURE_AGGREGATION] = "secure_aggregation",
        [POLICY_DIFFERENTIAL_PRIVACY] = "differential_privacy",
        [POLICY_BOTH] = "both",
    };
    const char *text = names[POLICY_ANY];
    enum status status = jsn_str(object, "protection", JSN_OPTIONAL, 64, &text, why);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            p->protection = (enum policy_protection)i;
            return ST_OK;
        }
    return wrong("protection", "any, secure_aggregation, differential_privacy or both", why);
}

static enum status read_cohort(const json_t *object, struct policy *p, struct why *why)
{
    uint64_t count = p->cohort_min;
    enum status status = jsn_uint(object, "cohort_min", JSN_OPTIONAL, POLICY_COHORT_MIN,
                                  ROUND_PARTICIPANTS_MAX, &count, why);
    p->cohort_min = (uint32_t)count;
    return status;
}

static enum status read_threshold(const json_t *object, struct policy *p, struct why *why)
{
    enum status status = jsn_real(object, "threshold_min", JSN_OPTIONAL, &p->threshold_min, why);
    if (status == ST_OK && !(p->threshold_min >= POLICY_THRESHOLD_MIN && p->threshold_min <= 1))
        return wrong("threshold_min", "a share from 0.5 to 1", why);
    return status;
}

/* An array that, if it is there, has at least one entry: an empty one would allow nothing, and
 * whoever wrote it may have meant everything. gives: *ret, borrowed; NULL: not there */
static enum status find_list(const json_t *object, const char *field, size_t count_max,
                             json_t **ret, struct why *why)
{
    *ret = NULL;
    enum status status = jsn_array(object, field, JSN_OPTIONAL, count_max, ret, why);
    if (status == ST_OK && *ret != NULL && json_array_size(*ret) == 0)
        return wrong(field, "a list of at least one: name it, or leave the field out", why);
    return status;
}

static enum status read_publishers(const json_t *object, struct policy *p, struct why *why)
{
    json_t *list;
    enum status status = find_list(object, "publishers", POLICY_PUBLISHERS_MAX, &list, why);
    if (status != ST_OK || list == NULL)
        return status;
    p->publisher_count = json_array_size(list);
    p->publishers = calloc(p->publisher_count, sizeof p->publishers[0]);
    if (p->publishers == NULL)
        return no_memory(why);
    for (size_t i = 0; i < p->publisher_count && status == ST_OK; i++)
        status =
            read_key(json_array_get(list, i), "an entry of publishers", &p->publishers[i], why);
    return status;
}

static enum status read_images(const json_t *object, struct policy *p, struct why *why)
{
    json_t *list;
    enum status status = find_list(object, "images", POLICY_IMAGES_MAX, &list, why);
    if (status != ST_OK || list == NULL)
        return status;
    p->image_count = json_array_size(list);
    p->images = calloc(p->image_count, sizeof p->images[0]);
    if (p->images == NULL)
        return no_memory(why);
    for (size_t i = 0; i < p->image_count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || digest_parse(text, &p->images[i]) != ST_OK)
            return wrong("an entry of images", "sha256: and 64 hexadecimal digits", why);
    }
    return ST_OK;
}

static enum status read_clip(const json_t *object, struct policy *p, struct why *why)
{
    enum status status = jsn_real(object, "clip_max", JSN_OPTIONAL, &p->clip_max, why);
    return status == ST_OK && !(p->clip_max > 0) ? wrong("clip_max", "above 0", why) : status;
}

static enum status read_noise(const json_t *object, struct policy *p, struct why *why)
{
    enum status status = jsn_real(object, "noise_min", JSN_OPTIONAL, &p->noise_min, why);
    return status == ST_OK && !(p->noise_min >= 0) ? wrong("noise_min", "0 or more", why) : status;
}

static enum status read_epsilon(const json_t *object, struct policy *p, struct why *why)
{
    enum status status = jsn_real(object, "epsilon_max", JSN_OPTIONAL, &p->epsilon_max, why);
    return status == ST_OK && !(p->epsilon_max > 0) ? wrong("epsilon_max", "above 0", why) : status;
}

static enum status read_delta(const json_t *object, struct policy *p, struct why *why)
{
    double delta = 0.5;
    enum status status = jsn_real(object, "delta_max", JSN_OPTIONAL, &delta, why);
    if (status == ST_OK && !(delta > 0 && delta < 1))
        return wrong("delta_max", "above 0 and below 1", why);
    if (status == ST_OK && json_object_get(object, "delta_max") != NULL)
        p->delta_max = delta;
    return status;
}

static enum status read_rounds(const json_t *object, struct policy *p, struct why *why)
{
    return jsn_uint(object, "rounds_max", JSN_OPTIONAL, 0, INT64_MAX, &p->rounds_max, why);
}

static enum status read_modes(const json_t *object, struct policy *p, struct why *why)
{
    json_t *list;
    enum status status = find_list(object, "modes", 2, &list, why);
    if (status != ST_OK || list == NULL)
        return status;
    p->train = p->evaluate = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text != NULL && strcmp(text, "train") == 0)
            p->train = true;
        else if (text != NULL && strcmp(text, "evaluate") == 0)
            p->evaluate = true;
        else
            return wrong("an entry of modes", "train or evaluate", why);
    }
    return ST_OK;
}

static const struct {
    const char *name;
    read_fn *read;
} fields[] = {
    {"version", read_version},
    {"fleet_key", read_fleet_key},
    {"protection", read_protection},
    {"cohort_min", read_cohort},
    {"threshold_min", read_threshold},
    {"publishers", read_publishers},
    {"images", read_images},
    {"clip_max", read_clip},
    {"noise_min", read_noise},
    {"epsilon_max", read_epsilon},
    {"delta_max", read_delta},
    {"rounds_max", read_rounds},
    {"modes", read_modes},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

/* ---- the whole ---- */

static bool is_field(const char *name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(name, fields[i].name) == 0)
            return true;
    return false;
}

static enum status check_names(json_t *object, struct why *why)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!is_field(name)) {
            why_set(why, "a policy has no such field: %s", name);
            return ST_INVALID;
        }
        if (json_is_null(value)) {
            why_set(why, "%s is null: give it a value, or leave it out", name);
            return ST_INVALID;
        }
    }
    return ST_OK;
}

/* What one field alone does not say. */
static enum status check_together(const struct policy *p, struct why *why)
{
    if (policy_wants_secure_aggregation(p) && !p->has_fleet_key) {
        why_set(why, "protection asks for secure aggregation: fleet_key is missing");
        return ST_INVALID;
    }
    return ST_OK;
}

enum status policy_decode(struct view text, struct policy *ret, struct why *why)
{
    assert(ret != NULL);
    json_t *object = NULL;
    enum status status = jsn_parse(text, POLICY_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct policy p = policy_default();
    status = check_names(object, why);
    for (size_t i = 0; i < FIELD_COUNT && status == ST_OK; i++)
        status = fields[i].read(object, &p, why);
    if (status == ST_OK)
        status = check_together(&p, why);
    json_decref(object);
    if (status == ST_OK)
        *ret = p;
    else
        policy_done(&p);
    return status;
}

bool policy_wants_secure_aggregation(const struct policy *p)
{
    return p->protection == POLICY_SECURE_AGGREGATION || p->protection == POLICY_BOTH;
}

bool policy_wants_differential_privacy(const struct policy *p)
{
    return p->protection == POLICY_DIFFERENTIAL_PRIVACY || p->protection == POLICY_BOTH;
}

static bool is_listed(const struct policy *p, const struct digest *digest)
{
    for (size_t i = 0; i < p->image_count; i++)
        if (digest_equal(&p->images[i], digest))
            return true;
    return false;
}

bool policy_allows_digest(const struct policy *p, const struct digest *digest, struct why *why)
{
    assert(p != NULL && digest != NULL);
    if (p->images == NULL || is_listed(p, digest))
        return true;
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    why_set(why, "this device's policy does not list the image %s", text);
    return false;
}

bool policy_allows_image(const struct policy *p, const struct digest *digest, struct view module,
                         struct why *why)
{
    if (!policy_allows_digest(p, digest, why))
        return false;
    if (p->publishers == NULL)
        return true;
    enum signed_image_verdict verdict =
        signed_image_check(module, p->publishers, p->publisher_count, NULL);
    if (verdict == SIGNED_IMAGE_FINE)
        return true;
    why_set(why, "this device's policy wants images of its publishers, and this one is %s",
            signed_image_verdict_name(verdict));
    return false;
}

void policy_done(struct policy *p)
{
    if (p == NULL)
        return;
    free(p->publishers);
    free(p->images);
    *p = (struct policy){0};
}
