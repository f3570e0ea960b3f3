#include "wire/proplet_msg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE_SIZE_MAX ((size_t)256) /* Kubernetes allows 63 */

/* Reads all fields of an object into msg; metadata is only borrowed. */
static enum status read_fields(const json_t *object, struct proplet_msg *msg, struct why *why)
{
    enum status status = jsn_id(object, "proplet_id", JSN_REQUIRED, &msg->proplet_id, why);
    if (status != ST_OK)
        return status;

    const char *alive = "", *namespace = "", *start_topic = NULL;
    status = jsn_str(object, "status", JSN_OPTIONAL, ID_SIZE_MAX, &alive, why);
    if (status != ST_OK)
        return status;
    status = jsn_str(object, "namespace", JSN_OPTIONAL, NAMESPACE_SIZE_MAX, &namespace, why);
    if (status != ST_OK)
        return status;
    status = jsn_str(object, "start_topic", JSN_OPTIONAL, ID_SIZE_MAX, &start_topic, why);
    if (status != ST_OK)
        return status;
    if (start_topic != NULL && strcmp(start_topic, "own") != 0) {
        why_set(why, "start_topic is not \"own\"");
        return ST_INVALID;
    }
    msg->offline = strcmp(alive, "offline") == 0;
    msg->start_topic = start_topic == NULL ? START_SHARED : START_OWN;
    return jsn_object(object, "metadata", JSN_OPTIONAL, &msg->metadata, why);
}

enum status proplet_msg_decode(struct view payload, struct proplet_msg *ret_msg, struct why *why)
{
    assert(ret_msg != NULL);
    json_t *object;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct proplet_msg msg = {0};
    status = read_fields(object, &msg, why);
    if (status == ST_OK) {
        json_incref(msg.metadata);
        *ret_msg = msg;
    }
    json_decref(object);
    return status;
}

char *proplet_create_encode(const struct id *proplet_id, const json_t *metadata)
{
    assert(proplet_id != NULL);
    /* json_pack counts references, so it cannot take a const one. */
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:O*}", "proplet_id", proplet_id->text, "namespace", "default",
                  "start_topic", "own", "metadata", (json_t *)(uintptr_t)metadata);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

char *proplet_alive_encode(const struct id *proplet_id, bool offline)
{
    assert(proplet_id != NULL);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "proplet_id", proplet_id->text, "status",
                  offline ? "offline" : "alive", "namespace", "default", "start_topic", "own");
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

void proplet_msg_done(struct proplet_msg *msg)
{
    if (msg == NULL)
        return;
    json_decref(msg->metadata);
    *msg = (struct proplet_msg){0};
}
