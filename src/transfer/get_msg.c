#include "transfer/get_msg.h"

#include <assert.h>
#include <stdlib.h>

static enum status read_get(const json_t *object, struct get_msg *msg, struct why *why)
{
    enum status status = jsn_id(object, "client_id", JSN_REQUIRED, &msg->client_id, why);
    if (status != ST_OK)
        return status;
    status = jsn_digest(object, "digest", JSN_REQUIRED, &msg->digest, why);
    if (status != ST_OK)
        return status;
    uint64_t part = UINT64_MAX;
    status = jsn_uint(object, "part", JSN_OPTIONAL, 0, PARTS_MAX - 1, &part, why);
    if (status != ST_OK || part == UINT64_MAX)
        return status;
    msg->wants_part = true;
    msg->part = (uint32_t)part;
    return ST_OK;
}

enum status get_msg_decode(struct view payload, struct get_msg *ret_msg, struct why *why)
{
    assert(ret_msg != NULL);
    json_t *object;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct get_msg msg = {0};
    status = read_get(object, &msg, why);
    if (status == ST_OK)
        *ret_msg = msg;
    json_decref(object);
    return status;
}

char *get_msg_encode(const struct get_msg *msg)
{
    assert(msg != NULL);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&msg->digest, digest);
    json_t *part = msg->wants_part ? json_integer(msg->part) : NULL;
    if (msg->wants_part && part == NULL)
        return NULL;
    return jsn_text_and_release(json_pack("{s:s, s:s, s:o*}", "client_id", msg->client_id.text,
                                          "digest", digest, "part", part));
}
