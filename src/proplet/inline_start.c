#include "proplet/inline_start.h"

#include <string.h>

#include <sodium.h>

#include "base/jsn.h"

bool inline_start_is_for(struct view payload, const struct id *proplet)
{
    json_t *object = NULL;
    struct id named = {0};
    if (jsn_parse(payload, CONTROL_SIZE_MAX, &object, NULL) != ST_OK)
        return false;
    bool read = jsn_id(object, "proplet_id", JSN_REQUIRED, &named, NULL) == ST_OK;
    json_decref(object);
    return read && id_equal(&named, proplet);
}

static enum status decode(const char *text, struct bytes *ret, struct why *why)
{
    struct bytes module = {0};
    size_t size = strlen(text), decoded = 0;
    enum status status = bytes_resize(&module, size / 4 * 3 + 3);
    if (status != ST_OK)
        return status;
    if (sodium_base642bin(module.data, module.size, text, size, NULL, &decoded, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        why_set(why, "file is not standard base64");
        bytes_done(&module);
        return ST_INVALID;
    }
    module.size = decoded;
    bytes_done(ret);
    *ret = module;
    return ST_OK;
}

enum status inline_start_module(struct view payload, struct bytes *ret_module, struct why *why)
{
    json_t *object = NULL;
    const char *text = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = jsn_str(object, "file", JSN_OPTIONAL, CONTROL_SIZE_MAX, &text, why);
    if (status == ST_OK && text != NULL)
        status = decode(text, ret_module, why);
    json_decref(object);
    return status;
}
