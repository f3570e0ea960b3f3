#include "wire/registry_msg.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define OCI_SCHEME "oci://"

/* A level of a name, or a tag: letters up to its end, none of them a first '.'. */
static bool is_level(struct view level)
{
    if (level.size == 0 || level.data[0] == '.')
        return false;
    for (size_t i = 0; i < level.size; i++)
        if (level.data[i] == '\0' || strchr(LETTERS, level.data[i]) == NULL)
            return false;
    return true;
}

static bool is_name(struct view name)
{
    while (true) {
        const uint8_t *slash = memchr(name.data, '/', name.size);
        size_t size = slash == NULL ? name.size : (size_t)(slash - name.data);
        if (!is_level(view_of(name.data, size)))
            return false;
        if (slash == NULL)
            return true;
        name = view_of(slash + 1, name.size - size - 1);
    }
}

/* Puts NAME[:TAG] together as NAME:TAG. */
static enum status parse_name(const char *text, struct image_ref *ref, struct why *why)
{
    size_t name_size = strcspn(text, ":");
    const char *tag = text[name_size] == ':' ? text + name_size + 1 : "latest";
    struct view name = view_of(text, name_size);
    /* A name "sha256" would read back as a digest, not as a name. */
    if (!is_name(name) || !is_level(view_text(tag)) || view_equal(name, view_text("sha256"))) {
        why_set(why, "an image is NAME[:TAG] of letters, digits, '.', '_', '-' and '/', or "
                     "sha256: and 64 hexadecimal digits");
        return ST_INVALID;
    }
    if (name_size + 1 + strlen(tag) > IMAGE_NAME_MAX) {
        why_set(why, "an image's name and tag are longer than %zu bytes", IMAGE_NAME_MAX);
        return ST_INVALID;
    }
    (void)snprintf(ref->name, sizeof ref->name, "%.*s:%s", (int)name_size, text, tag);
    return ST_OK;
}

enum status image_ref_parse(const char *text, struct image_ref *ret_ref, struct why *why)
{
    assert(text != NULL && ret_ref != NULL);
    /* The longest reference; beyond it nothing needs a look. */
    size_t size_max = sizeof OCI_SCHEME - 1 + IMAGE_NAME_MAX;
    if (strnlen(text, size_max + 1) > size_max) {
        why_set(why, "an image's name and tag are longer than %zu bytes", IMAGE_NAME_MAX);
        return ST_INVALID;
    }
    struct image_ref ref = {0};
    enum status status = ST_OK;
    if (strncmp(text, "sha256:", 7) == 0) {
        ref.by_digest = true;
        status = digest_parse(text, &ref.digest);
        if (status != ST_OK)
            why_set(why, "an image's digest is not sha256: and 64 hexadecimal digits");
    } else {
        bool oci = strncmp(text, OCI_SCHEME, sizeof OCI_SCHEME - 1) == 0;
        status = parse_name(oci ? text + sizeof OCI_SCHEME - 1 : text, &ref, why);
    }
    if (status == ST_OK)
        *ret_ref = ref;
    return status;
}

/* ---- pushed ---- */

/* Why the image was refused: a code, and a sentence that is cut to fit. */
static enum status read_refusal(const json_t *object, struct pushed_msg *msg, struct why *why)
{
    const char *code = "", *reason = "";
    enum status status = jsn_str(object, "code", JSN_REQUIRED, sizeof msg->code - 1, &code, why);
    if (status != ST_OK)
        return status;
    status = jsn_str(object, "reason", JSN_OPTIONAL, SIZE_MAX, &reason, why);
    if (status != ST_OK)
        return status;
    memcpy(msg->code, code, strlen(code) + 1);
    (void)snprintf(msg->reason, sizeof msg->reason, "%s", reason);
    text_trim(msg->reason);
    return ST_OK;
}

static enum status read_pushed(const json_t *object, struct pushed_msg *msg, struct why *why)
{
    const char *name = "", *outcome = "";
    enum status status = jsn_str(object, "name", JSN_REQUIRED, IMAGE_NAME_MAX, &name, why);
    if (status != ST_OK)
        return status;
    memcpy(msg->name, name, strlen(name) + 1);
    status = jsn_str(object, "status", JSN_REQUIRED, ID_SIZE_MAX, &outcome, why);
    if (status != ST_OK)
        return status;
    if (strcmp(outcome, "stored") == 0) {
        msg->stored = true;
        return jsn_digest(object, "digest", JSN_REQUIRED, &msg->digest, why);
    }
    if (strcmp(outcome, "refused") == 0)
        return read_refusal(object, msg, why);
    why_set(why, "status is neither \"stored\" nor \"refused\"");
    return ST_INVALID;
}

enum status pushed_msg_decode(struct view payload, struct pushed_msg *ret_msg, struct why *why)
{
    assert(ret_msg != NULL);
    json_t *object;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct pushed_msg msg = {0};
    status = read_pushed(object, &msg, why);
    if (status == ST_OK)
        *ret_msg = msg;
    json_decref(object);
    return status;
}

char *pushed_msg_encode(const struct pushed_msg *msg)
{
    assert(msg != NULL);
    json_t *name = jsn_string(view_text(msg->name));
    if (msg->stored) {
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&msg->digest, digest);
        return jsn_text_and_release(
            json_pack("{s:o, s:s, s:s}", "name", name, "status", "stored", "digest", digest));
    }
    return jsn_text_and_release(json_pack("{s:o, s:s, s:o, s:o}", "name", name, "status", "refused",
                                          "code", jsn_string(view_text(msg->code)), "reason",
                                          jsn_string(view_text(msg->reason))));
}
