/* Images come in and go out in verified parts (PROTOCOL 1.6). Who receives asks,
 * who holds answers: here we are the one for pushes and the other for proplets. */
#include "manager/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/log.h"
#include "transfer/get_msg.h"

/* ---- the outcome of a push ---- */

static void tell(struct manager *m, const struct id *client_id, const struct pushed_msg *msg)
{
    enum status status = send_text_to(m, "registry/pushed", client_id, pushed_msg_encode(msg));
    (void)status; /* logged; the tool asks again or gives up */
}

static void tell_stored(struct manager *m, const struct id *client_id, const char *name,
                        const struct digest *digest)
{
    struct pushed_msg msg = {.stored = true, .digest = *digest};
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    (void)snprintf(msg.name, sizeof msg.name, "%s", name);
    m->counters.pushes++;
    log_line(LOG_INFO, "image.stored", "name=%s digest=%s", log_quote(name), text);
    tell(m, client_id, &msg);
}

static void tell_refused(struct manager *m, const struct id *client_id, const char *name,
                         const char *code, const char *reason)
{
    struct pushed_msg msg = {.stored = false};
    (void)snprintf(msg.name, sizeof msg.name, "%s", name);
    text_trim(msg.name);
    (void)snprintf(msg.code, sizeof msg.code, "%s", code);
    (void)snprintf(msg.reason, sizeof msg.reason, "%s", reason);
    text_trim(msg.reason);
    m->counters.pushes_refused++;
    log_line(LOG_WARN, "push.refused", "client=%s name=%s code=%s reason=%s", client_id->text,
             log_quote(name), code, log_quote(reason));
    tell(m, client_id, &msg);
}

static void refuse_store(struct manager *m, const struct id *client_id, const char *name,
                         enum status status)
{
    switch (status) {
    case ST_MALFORMED:
        tell_refused(m, client_id, name, "not_wasm", "the file is not a WebAssembly module");
        break;
    case ST_CORRUPT:
        tell_refused(m, client_id, name, "corrupt", "the bytes are not what the digest says");
        break;
    case ST_LIMIT:
        tell_refused(m, client_id, name, "too_many_images", "no more names can be kept");
        break;
    default:
        tell_refused(m, client_id, name, status_name(status), "the image could not be stored");
        break;
    }
}

/* ---- push: asking for parts ---- */

static void ask(struct manager *m, struct push *push, uint64_t now_ms)
{
    struct get_msg get = {.client_id = m->settings.client_id,
                          .digest = receiver_manifest(push->receiver)->digest,
                          .wants_part = true};
    while (receiver_next(push->receiver, now_ms, &get.part)) {
        enum status status =
            send_text_to(m, "registry/get", &push->client_id, get_msg_encode(&get));
        (void)status; /* logged; it is asked for again */
    }
}

/* Name and manifest of a push. The name is as in references: with its tag. */
static enum status read_push(const json_t *object, struct image_ref *ret_ref,
                             struct manifest *ret_manifest, struct why *why)
{
    const char *name = NULL;
    json_t *manifest = NULL;
    enum status status = jsn_str(object, "name", JSN_REQUIRED, 255, &name, why);
    if (status == ST_OK)
        status = image_ref_parse(name, ret_ref, why);
    if (status == ST_OK && ret_ref->by_digest) {
        why_set(why, "name is a digest");
        status = ST_INVALID;
    }
    if (status == ST_OK)
        status = jsn_object(object, "manifest", JSN_REQUIRED, &manifest, why);
    if (status == ST_OK)
        status = manifest_decode(manifest, IMAGE_SIZE_MAX, ret_manifest, why);
    return status;
}

static void begin(struct manager *m, const struct id *client_id, const char *name,
                  struct manifest *manifest, uint64_t now_ms)
{
    struct digest digest = manifest->digest;
    /* Bytes that are here already need not travel. Damaged ones count as absent. */
    enum status status = images_name(m->images, name, &digest);
    if (status == ST_OK) {
        tell_stored(m, client_id, name, &digest);
        return;
    }
    if (status != ST_NOT_FOUND && status != ST_CORRUPT) {
        refuse_store(m, client_id, name, status);
        return;
    }
    status = pushes_add(m->pushes, client_id, name, manifest);
    if (status == ST_LIMIT)
        tell_refused(m, client_id, name, "busy", "too many images are being pushed; try again");
    else if (status == ST_NOMEM)
        refuse_store(m, client_id, name, status);
    for (size_t i = 0; i < PUSHES_MAX; i++)
        if (pushes_at(m->pushes, i) != NULL)
            ask(m, pushes_at(m->pushes, i), now_ms);
}

void on_registry_push(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    json_t *object = NULL;
    struct id client_id;
    struct image_ref ref = {0};
    struct manifest manifest = {0};
    struct why why;
    if (jsn_parse(message->payload, CONTROL_SIZE_MAX, &object, &why) != ST_OK ||
        jsn_id(object, "client_id", JSN_REQUIRED, &client_id, &why) != ST_OK) {
        /* Nobody to tell. */
        m->counters.messages_refused++;
        log_line(LOG_WARN, "push.refused", "reason=%s, ignoring", log_quote(why.text));
        goto done;
    }
    enum status status = read_push(object, &ref, &manifest, &why);
    if (status != ST_OK) {
        const char *name = json_string_value(json_object_get(object, "name"));
        tell_refused(m, &client_id, name == NULL ? "" : name,
                     status == ST_LIMIT ? "too_large" : "invalid", why.text);
        goto done;
    }
    begin(m, &client_id, ref.name, &manifest, now_ms);
done:
    manifest_done(&manifest);
    json_decref(object);
}

/* All parts are there. */
static void finish(struct manager *m, size_t index)
{
    struct push *push = pushes_at(m->pushes, index);
    struct bytes module = {0};
    struct digest digest;
    enum status status = receiver_take(push->receiver, &module);
    if (status == ST_OK)
        status = images_put(m->images, bytes_view(&module), &digest);
    if (status == ST_OK)
        status = images_name(m->images, push->name, &digest);
    if (status == ST_OK)
        tell_stored(m, &push->client_id, push->name, &digest);
    else
        refuse_store(m, &push->client_id, push->name, status);
    bytes_done(&module);
    pushes_end(m->pushes, index);
}

/* m/{domain}/c/{channel}/registry/part/{receiver}/{digest}/{n} */
static enum status read_part_topic(const char *topic, struct digest *ret_digest, uint32_t *ret_part)
{
    struct view hex, number;
    char text[DIGEST_HEX_SIZE] = "";
    if (topic_level(topic, 7, &hex) != ST_OK || topic_level(topic, 8, &number) != ST_OK ||
        hex.size != DIGEST_HEX_SIZE - 1 || number.size < 1 || number.size > 4)
        return ST_INVALID;
    uint32_t part = 0;
    for (size_t i = 0; i < number.size; i++) {
        if (number.data[i] < '0' || number.data[i] > '9')
            return ST_INVALID;
        part = part * 10 + (uint32_t)(number.data[i] - '0');
    }
    memcpy(text, hex.data, hex.size);
    *ret_part = part;
    return digest_parse(text, ret_digest);
}

/* A part is checked against the manifest, so it may come from anybody. */
void on_registry_part(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    struct digest digest;
    uint32_t part;
    bool wanted = false;
    if (read_part_topic(message->topic, &digest, &part) == ST_OK) {
        for (size_t i = 0; i < PUSHES_MAX; i++) {
            struct push *push = pushes_at(m->pushes, i);
            if (push == NULL || !digest_equal(&receiver_manifest(push->receiver)->digest, &digest))
                continue;
            wanted |= receiver_part(push->receiver, part, message->payload) == ST_OK;
            if (receiver_complete(push->receiver))
                finish(m, i);
            else
                ask(m, push, now_ms);
        }
    }
    if (!wanted) {
        m->counters.messages_refused++;
        log_line(LOG_DEBUG, "part.refused", "topic=%s, ignoring", log_quote(message->topic));
    }
}

/* We ask for no manifests (a push brings its own), so this is the holder's word
 * that he does not have what he wanted to push. */
void on_registry_manifest(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    (void)now_ms;
    json_t *object = NULL;
    const char *text = NULL;
    const char *code = NULL;
    struct digest digest;
    struct why why;
    if (jsn_parse(message->payload, CONTROL_SIZE_MAX, &object, &why) != ST_OK ||
        jsn_str(object, "digest", JSN_REQUIRED, DIGEST_TEXT_SIZE - 1, &text, &why) != ST_OK ||
        jsn_str(object, "error", JSN_REQUIRED, 64, &code, &why) != ST_OK ||
        digest_parse(text, &digest) != ST_OK) {
        m->counters.messages_refused++;
        log_line(LOG_DEBUG, "manifest.refused", "reason=\"not an error that we wait for\"");
        json_decref(object);
        return;
    }
    for (size_t i = 0; i < PUSHES_MAX; i++) {
        struct push *push = pushes_at(m->pushes, i);
        if (push == NULL || !digest_equal(&receiver_manifest(push->receiver)->digest, &digest))
            continue;
        tell_refused(m, &push->client_id, push->name, "source_failed",
                     "its holder says that it has no such bytes");
        pushes_end(m->pushes, i);
    }
    json_decref(object);
}

void registry_tick(struct manager *m, uint64_t now_ms)
{
    for (size_t i = 0; i < PUSHES_MAX; i++) {
        struct push *push = pushes_at(m->pushes, i);
        if (push == NULL)
            continue;
        if (receiver_given_up(push->receiver, now_ms)) {
            tell_refused(m, &push->client_id, push->name, "timeout",
                         "its parts were asked for and did not come");
            pushes_end(m->pushes, i);
        } else {
            ask(m, push, now_ms);
        }
    }
}

/* ---- get: answering ---- */

static void answer_error(struct manager *m, const struct get_msg *get, const char *code,
                         const char *reason)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&get->digest, digest);
    json_t *object =
        json_pack("{s:s, s:s, s:s}", "digest", digest, "error", code, "reason", reason);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    log_line(LOG_WARN, "image.unavailable", "client=%s digest=%s code=%s", get->client_id.text,
             digest, code);
    enum status status = send_text_to(m, "registry/manifest", &get->client_id, text);
    (void)status; /* logged; it is asked for again */
}

static void answer_manifest(struct manager *m, const struct get_msg *get,
                            const struct manifest *manifest)
{
    char url[URL_SIZE_MAX + 1];
    struct manifest said = *manifest;
    const char *base = m->settings.url_base;
    said.url = base != NULL && manifest_url_below(base, &get->digest, url) ? url : NULL;
    json_t *object = manifest_encode(&said);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    enum status status = send_text_to(m, "registry/manifest", &get->client_id, text);
    (void)status;
}

static void answer_part(struct manager *m, const struct get_msg *get,
                        const struct manifest *manifest, struct view module)
{
    char hex[DIGEST_HEX_SIZE];
    char number[16];
    struct topic topic;
    digest_hex(&get->digest, hex);
    (void)snprintf(number, sizeof number, "%u", get->part);
    topic_make(&m->settings.space, &topic, "registry/part", get->client_id.text, hex, number, NULL);
    enum status status =
        transmit(m, &(struct mqtt_message){.topic = topic.text,
                                           .payload = manifest_part(manifest, module, get->part)});
    if (status == ST_OK)
        m->counters.parts++;
    else
        log_line(LOG_WARN, "publish.failed", "topic=%s status=%s", topic.text, status_name(status));
}

static void answer(struct manager *m, const struct get_msg *get)
{
    struct view module;
    const struct manifest *manifest;
    if (m->out.pending(m->out.owner) >= ANSWERS_PENDING_MAX) {
        /* A part costs us its size until the broker has it. Who needs it asks again. */
        m->counters.parts_put_off++;
        return;
    }
    enum status status = images_load(m->images, &get->digest, &module, &manifest);
    if (status == ST_NOT_FOUND)
        answer_error(m, get, "not_found", "no image has this digest");
    else if (status != ST_OK)
        answer_error(m, get, status_name(status), "the image cannot be read");
    else if (!get->wants_part)
        answer_manifest(m, get, manifest);
    else if (get->part >= manifest->part_count)
        answer_error(m, get, "invalid", "the image has no such part");
    else
        answer_part(m, get, manifest, module);
}

void on_registry_get(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    (void)now_ms;
    struct get_msg get;
    struct why why;
    if (get_msg_decode(message->payload, &get, &why) != ST_OK) {
        m->counters.messages_refused++;
        log_line(LOG_WARN, "get.refused", "reason=%s, ignoring", log_quote(why.text));
        return;
    }
    answer(m, &get);
}
