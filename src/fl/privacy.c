#include "fl/privacy.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/fields.h"

#define FIELD "privacy"
#define MASKS "secure_aggregation"
#define NOISE "noise"

static const char *const noise_names[] = {"none", "central", "distributed", "tree"};

const char *privacy_noise_name(enum privacy_noise noise)
{
    return noise_names[noise];
}

static enum status check_fields(const json_t *object, const char *where, const char *const *known,
                                struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] != NULL)
            continue;
        why_set(why, "%s has no field %.32s", where, key);
        return ST_INVALID;
    }
    return ST_OK;
}

/* As every text of ours says it: a number that went through other programs is the same
 * number, or devices and coordinator would not speak of the same round. */
static double rounded(double value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.9g", value);
    return strtod(text, NULL);
}

/* A finite number within [low, high]. */
static enum status read_real(const json_t *object, const char *key, enum jsn_need need, double low,
                             double high, double *ret, struct why *why)
{
    double value = *ret;
    enum status status = jsn_real(object, key, need, &value, why);
    if (status != ST_OK || !field_is_there(object, key))
        return status;
    if (!(value >= low && value <= high)) {
        why_set(why, FIELD ": %s is not %g to %g", key, low, high);
        return ST_INVALID;
    }
    *ret = rounded(value);
    return ST_OK;
}

/* One of the names before the NULL. */
static enum status read_choice(const json_t *object, const char *key, const char *const *names,
                               size_t *ret, struct why *why)
{
    const char *text = names[*ret];
    enum status status = jsn_str(object, key, JSN_OPTIONAL, ID_SIZE_MAX, &text, why);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0) {
            *ret = i;
            return ST_OK;
        }
    why_set(why, FIELD ": %s cannot be %.32s", key, text);
    return ST_INVALID;
}

/* ---- secure_aggregation ---- */

static enum status read_masks(const json_t *masks, struct privacy *p, struct why *why)
{
    static const char *const known[] = {"server", "neighbours", "bits", "phase_s", NULL};
    static const char *const servers[] = {"malicious", "curious", NULL};
    size_t server = 0;
    p->is_masked = true;
    enum status status = check_fields(masks, FIELD "." MASKS, known, why);
    if (status == ST_OK)
        status = read_choice(masks, "server", servers, &server, why);
    if (status == ST_OK)
        status = field_u32(masks, "neighbours", JSN_OPTIONAL, 0, ROUND_PARTICIPANTS_MAX,
                           &p->neighbours, why);
    if (status == ST_OK)
        status = field_u32(masks, "bits", JSN_OPTIONAL, 32, 64, &p->bits, why);
    if (status == ST_OK)
        status =
            field_u32(masks, "phase_s", JSN_OPTIONAL, 1, PRIVACY_PHASE_S_MAX, &p->phase_s, why);
    if (status == ST_OK && p->bits != 32 && p->bits != 64) {
        why_set(why, FIELD ": bits is neither 32 nor 64");
        status = ST_INVALID;
    }
    p->is_curious = server == 1;
    return status;
}

/* ---- noise ---- */

static enum status read_noise(const json_t *noise, struct privacy *p, struct why *why)
{
    static const char *const known[] = {"mechanism", "multiplier", "delta",
                                        "epsilon",   "releases",   NULL};
    static const char *const mechanisms[] = {"none", "central", "distributed", "tree", NULL};
    size_t mechanism = p->is_masked ? PRIVACY_DISTRIBUTED : PRIVACY_CENTRAL;
    enum status status = check_fields(noise, FIELD "." NOISE, known, why);
    if (status == ST_OK)
        status = read_choice(noise, "mechanism", mechanisms, &mechanism, why);
    if (status == ST_OK)
        status = read_real(noise, "multiplier", JSN_REQUIRED, 0.05, 1e6, &p->multiplier, why);
    if (status == ST_OK)
        status = read_real(noise, "delta", JSN_OPTIONAL, 1e-15, 0.1, &p->delta, why);
    if (status == ST_OK)
        status = read_real(noise, "epsilon", JSN_OPTIONAL, 0.01, 1e6, &p->epsilon, why);
    if (status == ST_OK)
        status =
            field_u32(noise, "releases", JSN_OPTIONAL, 1, PRIVACY_RELEASES_MAX, &p->releases, why);
    if (status == ST_OK && mechanism == PRIVACY_NO_NOISE) {
        why_set(why, FIELD ": noise without a mechanism is none; leave it out");
        status = ST_INVALID;
    }
    if (status == ST_OK && (mechanism == PRIVACY_TREE) != (p->releases > 0)) {
        why_set(why, FIELD ": releases, the rounds of the run, belongs to mechanism tree");
        status = ST_INVALID;
    }
    p->noise = (enum privacy_noise)mechanism;
    return status;
}

/* ---- metrics ---- */

static enum status read_metric(const char *name, const json_t *range, struct privacy_metric *ret,
                               struct why *why)
{
    const json_t *low = json_array_get(range, 0), *high = json_array_get(range, 1);
    if (strlen(name) < 1 || strlen(name) > METRIC_NAME_MAX || json_array_size(range) != 2 ||
        !json_is_number(low) || !json_is_number(high) ||
        !(json_number_value(low) < json_number_value(high)) ||
        !isfinite(json_number_value(high) - json_number_value(low))) {
        why_set(why, FIELD ": metrics is an object of names and [lowest, highest]");
        return ST_INVALID;
    }
    (void)snprintf(ret->name, sizeof ret->name, "%s", name);
    ret->low = rounded(json_number_value(low));
    ret->high = rounded(json_number_value(high));
    return ST_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct privacy_metric *)a)->name,
                  ((const struct privacy_metric *)b)->name);
}

static enum status read_metrics(const json_t *object, struct privacy *p, struct why *why)
{
    json_t *metrics = NULL;
    const char *name;
    json_t *range;
    enum status status = jsn_object(object, "metrics", JSN_OPTIONAL, &metrics, why);
    if (status != ST_OK || metrics == NULL)
        return status;
    if (json_object_size(metrics) > PRIVACY_METRICS_MAX) {
        why_set(why, FIELD ": more than %d metrics", PRIVACY_METRICS_MAX);
        return ST_INVALID;
    }
    json_object_foreach(metrics, name, range)
    {
        if (status == ST_OK)
            status = read_metric(name, range, &p->metrics[p->metric_count++], why);
    }
    qsort(p->metrics, p->metric_count, sizeof p->metrics[0], by_name);
    return status;
}

/* ---- all of it ---- */

static enum status read_device(const json_t *object, struct privacy *p, struct why *why)
{
    static const char *const weightings[] = {"equal", "samples", NULL};
    bool has_noise = field_is_there(object, NOISE);
    size_t weighting = 0;
    enum status status = read_real(object, "clip", has_noise ? JSN_REQUIRED : JSN_OPTIONAL,
                                   PRIVACY_CLIP_MIN, PRIVACY_CLIP_MAX, &p->clip, why);
    if (status == ST_OK)
        status = read_real(object, "scale", JSN_OPTIONAL, 0x1p-20, 0x1p40, &p->scale, why);
    if (status == ST_OK)
        status = read_choice(object, "weighting", weightings, &weighting, why);
    if (status == ST_OK)
        status = field_u32(object, "samples_max", weighting == 1 ? JSN_REQUIRED : JSN_OPTIONAL, 1,
                           PRIVACY_SAMPLES_MAX, &p->samples_max, why);
    if (status == ST_OK && weighting == 0 && p->samples_max > 0) {
        why_set(why, FIELD ": samples_max belongs to weighting samples");
        status = ST_INVALID;
    }
    return status == ST_OK ? read_metrics(object, p, why) : status;
}

static enum status read_all(const json_t *object, struct privacy *p, struct why *why)
{
    static const char *const known[] = {MASKS,         "clip",    "scale", "weighting",
                                        "samples_max", "metrics", NOISE,   NULL};
    json_t *masks = NULL, *noise = NULL;
    enum status status = check_fields(object, FIELD, known, why);
    if (status == ST_OK)
        status = jsn_object(object, MASKS, JSN_OPTIONAL, &masks, why);
    if (status == ST_OK)
        status = jsn_object(object, NOISE, JSN_OPTIONAL, &noise, why);
    if (status == ST_OK && masks == NULL && noise == NULL) {
        why_set(why, FIELD " has neither " MASKS " nor " NOISE ": it would protect nothing");
        status = ST_INVALID;
    }
    if (status == ST_OK && masks != NULL)
        status = read_masks(masks, p, why);
    if (status == ST_OK)
        status = read_device(object, p, why);
    if (status == ST_OK && noise != NULL)
        status = read_noise(noise, p, why);
    return status;
}

enum status privacy_read(const json_t *object, struct privacy *ret, struct why *why)
{
    assert(ret != NULL);
    struct privacy p = {
        .bits = 32, .phase_s = PRIVACY_PHASE_S, .clip = PRIVACY_CLIP, .delta = PRIVACY_DELTA};
    json_t *field = NULL;
    enum status status = jsn_object(object, FIELD, JSN_OPTIONAL, &field, why);
    if (status == ST_OK && field == NULL) {
        *ret = (struct privacy){0};
        return ST_OK;
    }
    if (status == ST_OK)
        status = read_all(field, &p, why);
    if (status != ST_OK)
        return status;
    p.is_on = true;
    *ret = p;
    return ST_OK;
}

/* ---- writing ---- */

static int set_masks(json_t *o, const struct privacy *p)
{
    if (!p->is_masked)
        return 0;
    return json_object_set_new(o, MASKS,
                               json_pack("{s:s, s:i, s:i, s:i}", "server",
                                         p->is_curious ? "curious" : "malicious", "neighbours",
                                         (int)p->neighbours, "bits", (int)p->bits, "phase_s",
                                         (int)p->phase_s));
}

static int set_metrics(json_t *o, const struct privacy *p)
{
    json_t *metrics = json_object();
    int failed = metrics == NULL ? -1 : 0;
    for (size_t i = 0; i < p->metric_count; i++)
        failed |= json_object_set_new(metrics, p->metrics[i].name,
                                      json_pack("[f, f]", p->metrics[i].low, p->metrics[i].high));
    if (p->metric_count > 0)
        failed |= json_object_set(o, "metrics", metrics);
    json_decref(metrics);
    return failed;
}

static int set_noise(json_t *o, const struct privacy *p)
{
    if (p->noise == PRIVACY_NO_NOISE)
        return 0;
    json_t *noise = json_pack("{s:s, s:f, s:f}", "mechanism", privacy_noise_name(p->noise),
                              "multiplier", p->multiplier, "delta", p->delta);
    int failed = noise == NULL ? -1 : 0;
    if (p->epsilon > 0)
        failed |= json_object_set_new(noise, "epsilon", json_real(p->epsilon));
    if (p->releases > 0)
        failed |= json_object_set_new(noise, "releases", json_integer(p->releases));
    failed |= json_object_set(o, NOISE, noise);
    json_decref(noise);
    return failed;
}

int privacy_set(json_t *object, const struct privacy *p)
{
    if (!p->is_on)
        return 0;
    json_t *o = json_object();
    int failed = o == NULL ? -1 : json_object_set_new(o, "clip", json_real(p->clip));
    if (p->scale > 0)
        failed |= json_object_set_new(o, "scale", json_real(p->scale));
    if (p->samples_max > 0) {
        failed |= json_object_set_new(o, "weighting", json_string("samples"));
        failed |= json_object_set_new(o, "samples_max", json_integer(p->samples_max));
    }
    failed |= set_masks(o, p);
    failed |= set_metrics(o, p);
    failed |= set_noise(o, p);
    failed |= json_object_set(object, FIELD, o);
    json_decref(o);
    return failed;
}

void privacy_text(const struct privacy *p, char ret_text[PRIVACY_TEXT_SIZE])
{
    char masks[48] = "", noise[80] = "";
    if (!p->is_on) {
        (void)snprintf(ret_text, PRIVACY_TEXT_SIZE, "none");
        return;
    }
    if (p->is_masked)
        (void)snprintf(masks, sizeof masks, "secure aggregation (%s server), ",
                       p->is_curious ? "curious" : "malicious");
    if (p->noise != PRIVACY_NO_NOISE)
        (void)snprintf(noise, sizeof noise, "differential privacy (%s noise %.6g, delta %g), ",
                       privacy_noise_name(p->noise), p->multiplier, p->delta);
    (void)snprintf(ret_text, PRIVACY_TEXT_SIZE, "%s%sclip %g", masks, noise, p->clip);
}
