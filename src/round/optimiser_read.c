#include "round/optimiser_read.h"

#include <assert.h>

#include "base/jsn.h"

static enum status read_kind(const json_t *object, enum optimiser_kind *ret, struct why *why)
{
    const char *name = NULL;
    enum status status = jsn_str(object, "kind", JSN_REQUIRED, ID_SIZE_MAX, &name, why);
    return status == ST_OK ? optimiser_named(name, ret, why) : status;
}

static enum status read_values(const json_t *object, struct optimiser *o, struct why *why)
{
    enum status status = jsn_real(object, "rate", JSN_OPTIONAL, &o->rate, why);
    if (status == ST_OK)
        status = jsn_real(object, "beta1", JSN_OPTIONAL, &o->beta1, why);
    if (status == ST_OK)
        status = jsn_real(object, "beta2", JSN_OPTIONAL, &o->beta2, why);
    if (status == ST_OK)
        status = jsn_real(object, "tau", JSN_OPTIONAL, &o->tau, why);
    return status == ST_OK ? optimiser_check(o, why) : status;
}

enum status optimiser_read(const struct round_start *start, bool *ret_has, struct optimiser *ret,
                           struct why *why)
{
    assert(start != NULL && ret_has != NULL && ret != NULL);
    const json_t *object = json_object_get(start->aggregation, "optimiser");
    if (object == NULL) {
        *ret_has = false;
        return ST_OK;
    }
    if (!json_is_object(object)) {
        why_set(why, "\"optimiser\" is not an object");
        return ST_INVALID;
    }
    enum optimiser_kind kind;
    if (read_kind(object, &kind, why) != ST_OK)
        return ST_INVALID;
    struct optimiser o = optimiser_defaults(kind);
    if (read_values(object, &o, why) != ST_OK)
        return ST_INVALID;
    *ret_has = true;
    *ret = o;
    return ST_OK;
}
