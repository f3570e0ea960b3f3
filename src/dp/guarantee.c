#include "dp/guarantee.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNIT      "device"
#define ADJACENCY "zero-out"

static const char *const NAMES[GUARANTEE_MECHANISMS] = {"gauss", "distributed", "tree"};

const char *guarantee_mechanism_name(enum guarantee_mechanism mechanism)
{
    assert((unsigned)mechanism < GUARANTEE_MECHANISMS);
    return NAMES[mechanism];
}

static enum status check(const char *name, double value, bool within, struct why *why)
{
    if (within)
        return ST_OK;
    why_set(why, "a privacy guarantee with %s %g is none", name, value);
    return ST_INVALID;
}

enum status guarantee_check(const struct guarantee *g, struct why *why)
{
    enum status status = check("z", g->z, g->z >= RDP_Z_MIN && g->z <= RDP_Z_MAX, why);
    if (status == ST_OK)
        status = check("clip", g->clip, g->clip > 0 && isfinite(g->clip), why);
    if (status == ST_OK)
        status = check("q", g->q, g->q > 0 && g->q <= 1, why);
    if (status == ST_OK)
        status = check("releases", g->releases, g->releases <= RDP_RELEASES_MAX, why);
    if (status == ST_OK)
        status = check("epsilon", g->epsilon, g->epsilon >= 0 && isfinite(g->epsilon), why);
    if (status == ST_OK)
        status = check("delta", g->delta, g->delta >= RDP_DELTA_MIN && g->delta < 1, why);
    if (status == ST_OK)
        status = check("accountant", g->accountant, g->accountant >= 1, why);
    return status;
}

void guarantee_text(const struct guarantee *g, char ret_text[GUARANTEE_TEXT_SIZE])
{
    char sampled[64] = "not sampled";
    if (g->q < 1)
        (void)snprintf(sampled, sizeof sampled, "sampled with probability %g", g->q);
    (void)snprintf(ret_text, GUARANTEE_TEXT_SIZE,
                   "epsilon %.10g at delta %g for each device with all of its data (its updates or "
                   "zeros in their place), after %u release%s with %s noise %g and clip %g, %s; "
                   "accountant %u",
                   ceil(g->epsilon * 1000) / 1000, g->delta, g->releases,
                   g->releases == 1 ? "" : "s", guarantee_mechanism_name(g->mechanism), g->z,
                   g->clip, sampled, g->accountant);
}

json_t *guarantee_encode(const struct guarantee *g)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:I, s:f, s:f, s:I}", "mechanism",
                     guarantee_mechanism_name(g->mechanism), "unit", UNIT, "adjacency", ADJACENCY,
                     "z", g->z, "clip", g->clip, "q", g->q, "releases", (json_int_t)g->releases,
                     "epsilon", g->epsilon, "delta", g->delta, "accountant",
                     (json_int_t)g->accountant);
}

/* A field that has to be one of a few texts. ret_index: which */
static enum status read_text(const json_t *object, const char *key, const char *const *texts,
                             size_t count, size_t *ret_index, struct why *why)
{
    const char *text = NULL;
    enum status status = jsn_str(object, key, JSN_REQUIRED, ID_SIZE_MAX, &text, why);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, texts[i]) == 0) {
            *ret_index = i;
            return ST_OK;
        }
    why_set(why, "%s of a privacy guarantee is \"%.64s\", which is not known", key, text);
    return ST_INVALID;
}

static enum status read_kind(const json_t *object, enum guarantee_mechanism *ret, struct why *why)
{
    size_t mechanism = 0, only = 0;
    enum status status =
        read_text(object, "mechanism", NAMES, GUARANTEE_MECHANISMS, &mechanism, why);
    if (status == ST_OK)
        status = read_text(object, "unit", &(const char *){UNIT}, 1, &only, why);
    if (status == ST_OK)
        status = read_text(object, "adjacency", &(const char *){ADJACENCY}, 1, &only, why);
    if (status == ST_OK)
        *ret = (enum guarantee_mechanism)mechanism;
    return status;
}

static enum status read_numbers(const json_t *object, struct guarantee *g, struct why *why)
{
    const struct {
        const char *key;
        double *to;
    } reals[] = {
        {"z", &g->z},         {"clip", &g->clip}, {"q", &g->q}, {"epsilon", &g->epsilon},
        {"delta", &g->delta},
    };
    enum status status = ST_OK;
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && status == ST_OK; i++)
        status = jsn_real(object, reals[i].key, JSN_REQUIRED, reals[i].to, why);
    uint64_t releases = 0, accountant = 0;
    if (status == ST_OK)
        status = jsn_uint(object, "releases", JSN_REQUIRED, 0, RDP_RELEASES_MAX, &releases, why);
    if (status == ST_OK)
        status = jsn_uint(object, "accountant", JSN_REQUIRED, 1, UINT32_MAX, &accountant, why);
    g->releases = (uint32_t)releases;
    g->accountant = (uint32_t)accountant;
    return status;
}

enum status guarantee_decode(const json_t *object, struct guarantee *ret, struct why *why)
{
    assert(ret != NULL);
    struct guarantee g = {0};
    enum status status = read_kind(object, &g.mechanism, why);
    if (status == ST_OK)
        status = read_numbers(object, &g, why);
    if (status == ST_OK)
        status = guarantee_check(&g, why);
    if (status == ST_OK)
        *ret = g;
    return status;
}
