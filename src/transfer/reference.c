#include "transfer/reference.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Only references are small, and begin with one of their two keys in their first
 * bytes: json_dumps() sorts keys, and whoever writes one by hand is told so in
 * PROTOCOL 2.9. So a large payload is not parsed only to be told apart. */
bool reference_looks_like(struct view payload)
{
    static const char *const beginnings[] = {"{\"holder\":", "{\"manifest\":"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        size_t size = strlen(beginnings[i]);
        if (payload.size > size && payload.size <= CONTROL_SIZE_MAX &&
            memcmp(payload.data, beginnings[i], size) == 0)
            return true;
    }
    return false;
}

enum status reference_decode(struct view payload, uint64_t size_max, struct reference *ret,
                             struct why *why)
{
    assert(ret != NULL);
    json_t *object;
    json_t *manifest = NULL;
    struct reference r = {0};
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = jsn_id(object, "holder", JSN_REQUIRED, &r.holder, why);
    if (status == ST_OK)
        status = jsn_object(object, "manifest", JSN_REQUIRED, &manifest, why);
    if (status == ST_OK)
        status = manifest_decode(manifest, size_max, &r.manifest, why);
    if (status == ST_OK)
        *ret = r;
    json_decref(object);
    return status;
}

char *reference_encode(const struct reference *r)
{
    assert(r != NULL);
    return jsn_text_and_release(json_pack("{s:s, s:o}", "holder", r->holder.text, "manifest",
                                          manifest_encode(&r->manifest)));
}

void reference_done(struct reference *r)
{
    if (r == NULL)
        return;
    manifest_done(&r->manifest);
    *r = (struct reference){0};
}
