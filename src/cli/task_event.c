#include "cli/task_event.h"

#include <assert.h>
#include <stdio.h>

#include "base/jsn.h"

static enum status read_fields(const json_t *object, struct task_event *e, struct why *why)
{
    const char *state = NULL, *reason = "", *detail = "";
    enum status status = jsn_id(object, "task_id", JSN_REQUIRED, &e->task_id, why);
    if (status == ST_OK)
        status = jsn_id(object, "launch_id", JSN_OPTIONAL, &e->launch_id, why);
    if (status == ST_OK)
        status = jsn_id(object, "proplet_id", JSN_OPTIONAL, &e->proplet_id, why);
    if (status == ST_OK)
        status = jsn_str(object, "state", JSN_REQUIRED, sizeof e->state - 1, &state, why);
    if (status == ST_OK)
        status = jsn_str(object, "reason", JSN_OPTIONAL, sizeof e->reason - 1, &reason, why);
    if (status == ST_OK)
        status = jsn_str(object, "detail", JSN_OPTIONAL, CONTROL_SIZE_MAX, &detail, why);
    if (status != ST_OK)
        return status;
    (void)snprintf(e->state, sizeof e->state, "%s", state);
    (void)snprintf(e->reason, sizeof e->reason, "%s", reason);
    (void)snprintf(e->detail, sizeof e->detail, "%s", detail);
    return ST_OK;
}

enum status task_event_decode(struct view payload, struct task_event *ret, struct why *why)
{
    assert(ret != NULL);
    json_t *object = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct task_event e = {0};
    status = read_fields(object, &e, why);
    json_decref(object);
    if (status == ST_OK)
        *ret = e;
    return status;
}
