#include "cli/refusal.h"

#include <stdio.h>

#include "base/jsn.h"

bool refusal_read(struct view payload, const char *key, const struct id *id, struct refusal *ret)
{
    json_t *object = NULL;
    if (jsn_parse(payload, CONTROL_SIZE_MAX, &object, NULL) != ST_OK)
        return false;
    struct id named = {0};
    const char *code = "", *reason = "";
    bool ours = jsn_id(object, key, JSN_REQUIRED, &named, NULL) == ST_OK && id_equal(&named, id) &&
                jsn_str(object, "code", JSN_REQUIRED, sizeof ret->code - 1, &code, NULL) == ST_OK &&
                jsn_str(object, "reason", JSN_OPTIONAL, CONTROL_SIZE_MAX, &reason, NULL) == ST_OK;
    if (ours) {
        (void)snprintf(ret->code, sizeof ret->code, "%s", code);
        (void)snprintf(ret->reason, sizeof ret->reason, "%s", reason);
    }
    json_decref(object);
    return ours;
}
