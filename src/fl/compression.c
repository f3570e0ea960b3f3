#include "fl/compression.h"

#include <assert.h>
#include <string.h>

#define FIELD "compression"

static const char *const names[DTYPE_VALUES] = {"float32", "float16", "bfloat16", "int8"};

bool compression_is_none(const struct compression *c)
{
    return c->dtype == DTYPE_F32 && c->top_k == 0;
}

static enum status read_dtype(const json_t *object, enum dtype *ret, struct why *why)
{
    const char *name = names[DTYPE_F32];
    enum status status = jsn_str(object, "dtype", JSN_OPTIONAL, ID_SIZE_MAX, &name, why);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < DTYPE_VALUES; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum dtype)i;
            return ST_OK;
        }
    why_set(why, FIELD ": dtype is none of float32, float16, bfloat16 and int8");
    return ST_INVALID;
}

/* A misspelt field would be an update that nobody compressed. */
static enum status check_fields(const json_t *object, struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (strcmp(key, "dtype") == 0 || strcmp(key, "top_k") == 0)
            continue;
        why_set(why, FIELD " has dtype and top_k, but no %.32s", key);
        return ST_INVALID;
    }
    return ST_OK;
}

enum status compression_read(const json_t *object, struct compression *ret, struct why *why)
{
    assert(ret != NULL);
    struct compression c = {0};
    double top_k = 1;
    json_t *field = NULL;
    enum status status = jsn_object(object, FIELD, JSN_OPTIONAL, &field, why);
    if (status == ST_OK && field != NULL)
        status = check_fields(field, why);
    if (status == ST_OK && field != NULL)
        status = read_dtype(field, &c.dtype, why);
    if (status == ST_OK && field != NULL)
        status = jsn_real(field, "top_k", JSN_OPTIONAL, &top_k, why);
    if (status == ST_OK && !(top_k > 0 && top_k <= 1)) {
        why_set(why, FIELD ": top_k is not above 0 and at most 1");
        status = ST_INVALID;
    }
    if (status != ST_OK)
        return status;
    c.top_k = top_k == 1 ? 0 : top_k;
    *ret = c;
    return ST_OK;
}

int compression_set(json_t *object, const struct compression *c)
{
    if (compression_is_none(c))
        return 0;
    double top_k = c->top_k == 0 ? 1 : c->top_k;
    return json_object_set_new(object, FIELD,
                               json_pack("{s:s, s:f}", "dtype", names[c->dtype], "top_k", top_k));
}
