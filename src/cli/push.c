#include "cli/push.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "transfer/get_msg.h"
#include "transfer/manifest.h"
#include "wire/registry_msg.h"

struct push {
    struct session *session;
    struct view image;
    struct manifest manifest;
    bool *asked; /* (part_count,), for progress */
    uint64_t sent;
    push_progress_fn *progress;
    void *owner;
    bool heard; /* something came since the last look */
    bool ended;
    struct pushed_msg outcome;
};

enum status push_default_name(const char *path, char ret_name[IMAGE_NAME_MAX + 1], struct why *why)
{
    const char *slash = strrchr(path, '/');
    const char *stem = slash == NULL ? path : slash + 1;
    size_t size = strlen(stem);
    if (size > 5 && strcmp(stem + size - 5, ".wasm") == 0)
        size -= 5;
    struct image_ref ref;
    char name[IMAGE_NAME_MAX + 1];
    if (size <= IMAGE_NAME_MAX) {
        (void)snprintf(name, sizeof name, "%.*s", (int)size, stem);
        if (strchr(name, ':') == NULL && image_ref_parse(name, &ref, NULL) == ST_OK) {
            memcpy(ret_name, name, sizeof name);
            return ST_OK;
        }
    }
    why_set(why, "the file's name is no image name; give one with --name");
    return ST_INVALID;
}

/* ---- answering the manager ---- */

/* What cannot be sent is asked for again, so a failure here needs no answer. */
static void send_or_not(struct push *p, const char *topic, struct view payload)
{
    struct mqtt_message m = {.topic = topic, .payload = payload};
    enum status status = session_publish(p->session, &m);
    (void)status;
}

static void send_manifest(struct push *p, const struct id *receiver)
{
    struct topic topic;
    topic_make(session_space(p->session), &topic, "registry", "manifest", receiver->text, NULL);
    char *text = jsn_text_and_release(manifest_encode(&p->manifest));
    if (text != NULL)
        send_or_not(p, topic.text, view_text(text));
    free(text);
}

static void send_part(struct push *p, const struct id *receiver, uint32_t part)
{
    if (part >= p->manifest.part_count)
        return;
    char hex[DIGEST_HEX_SIZE], number[16];
    digest_hex(&p->manifest.digest, hex);
    (void)snprintf(number, sizeof number, "%u", part);
    struct topic topic;
    topic_make(session_space(p->session), &topic, "registry", "part", receiver->text, hex, number,
               NULL);
    struct view bytes = manifest_part(&p->manifest, p->image, part);
    send_or_not(p, topic.text, bytes);
    if (!p->asked[part])
        p->sent += bytes.size;
    p->asked[part] = true;
    if (p->progress != NULL)
        p->progress(p->owner, p->sent, p->manifest.size);
}

static void on_get(void *owner, const struct mqtt_message *m)
{
    struct push *p = owner;
    struct get_msg get;
    if (get_msg_decode(m->payload, &get, NULL) != ST_OK ||
        !digest_equal(&get.digest, &p->manifest.digest))
        return;
    p->heard = true;
    if (get.wants_part)
        send_part(p, &get.client_id, get.part);
    else
        send_manifest(p, &get.client_id);
}

static void on_pushed(void *owner, const struct mqtt_message *m)
{
    struct push *p = owner;
    struct pushed_msg outcome;
    if (p->ended || pushed_msg_decode(m->payload, &outcome, NULL) != ST_OK)
        return;
    p->outcome = outcome;
    p->ended = true;
}

/* ---- the push ---- */

static enum status announce(struct push *p, const char *name, struct why *why)
{
    struct topic topic;
    topic_make(session_space(p->session), &topic, "registry", "push", NULL);
    char *text = jsn_text_and_release(json_pack("{s:s, s:s, s:o}", "name", name, "client_id",
                                                session_client_id(p->session)->text, "manifest",
                                                manifest_encode(&p->manifest)));
    enum status status =
        text == NULL ? ST_NOMEM : session_publish_text(p->session, topic.text, text);
    free(text);
    if (status != ST_OK)
        why_set(why, "cannot announce the image: %s", status_name(status));
    return status;
}

/* As long as the manager asks, it is at work. Until it asks for the first time
 * the image is announced again and again: a manager that has just started may
 * not have listened yet. */
static enum status wait_until_stored(struct push *p, const char *name, struct why *why)
{
    enum status status = ST_TIMEOUT;
    bool begun = false;
    for (unsigned idle_ms = 0; status == ST_TIMEOUT && idle_ms < PUSH_IDLE_MS;) {
        enum status announced = begun ? ST_OK : announce(p, name, why);
        if (announced != ST_OK)
            return announced;
        p->heard = false;
        status = session_wait(p->session, &p->ended, PUSH_AGAIN_MS);
        idle_ms = p->heard ? 0 : idle_ms + PUSH_AGAIN_MS;
        begun = begun || p->heard;
    }
    if (status == ST_TIMEOUT)
        why_set(why, "fml-manager does not ask for the image; is it running, with this --domain "
                     "and --channel?");
    else if (status == ST_CLOSED)
        why_set(why, "%s", run_stopped(session_run(p->session)));
    if (status == ST_OK && !p->outcome.stored) {
        why_set(why, "the manager refused the image: %.150s (%s)", p->outcome.reason,
                p->outcome.code);
        status = ST_INVALID;
    }
    return status;
}

static enum status describe(struct push *p, struct why *why)
{
    if (p->image.size < 1 || p->image.size > IMAGE_SIZE_MAX) {
        why_set(why, "an image has 1 to %zu bytes, this one %zu", IMAGE_SIZE_MAX, p->image.size);
        return ST_LIMIT;
    }
    enum status status = manifest_of(p->image, PART_SIZE, &p->manifest);
    if (status == ST_OK) {
        p->asked = calloc(p->manifest.part_count, sizeof *p->asked);
        if (p->asked == NULL)
            status = ST_NOMEM;
    }
    if (status != ST_OK)
        why_set(why, "cannot describe the image: %s", status_name(status));
    return status;
}

enum status push_image(struct session *s, const char *name, struct view image,
                       push_progress_fn *progress, void *owner, struct digest *ret_digest,
                       struct why *why)
{
    struct push p = {.session = s, .image = image, .progress = progress, .owner = owner};
    struct image_ref ref;
    struct topic get, pushed;
    topic_make(session_space(s), &get, "registry", "get", session_client_id(s)->text, NULL);
    topic_make(session_space(s), &pushed, "registry", "pushed", session_client_id(s)->text, NULL);

    enum status status = image_ref_parse(name, &ref, why);
    if (status == ST_OK && ref.by_digest) {
        why_set(why, "an image is pushed by a name, not by a digest");
        status = ST_INVALID;
    }
    if (status == ST_OK)
        status = describe(&p, why);
    if (status != ST_OK)
        goto done;
    status = session_listen(s, get.text, on_get, &p);
    if (status == ST_OK)
        status = session_listen(s, pushed.text, on_pushed, &p);
    if (status != ST_OK)
        why_set(why, "cannot listen for the manager: %s", status_name(status));
    if (status == ST_OK)
        status = wait_until_stored(&p, ref.name, why);
    session_ignore(s, pushed.text, &p);
    session_ignore(s, get.text, &p);
    if (status == ST_OK)
        *ret_digest = p.manifest.digest;
done:
    free(p.asked);
    manifest_done(&p.manifest);
    return status;
}
