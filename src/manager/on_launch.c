/* A message that launches tasks: one for each participant, each of which ends in
 * a named state, whatever happens (PROTOCOL 1.7, 1.2, 1.4).
 *
 * A task is RUNNING in the table, and recorded, before its start is sent: however
 * fast its result comes, nothing is written over it, and whatever happens in
 * between, its start is sent. */
#include "manager/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "service/log.h"
#include "wire/task_msg.h"

/* A launch while its tasks are being made. */
struct making {
    struct manager *m;
    const struct launch_rule *rule;
    const struct launch *launch;
    bool has_image;
    struct image image;
    size_t inline_bytes; /* modules that went out inside starts */
    uint64_t now_ms;
};

static struct id random_id(void)
{
    uint8_t bytes[16];
    struct id id;
    randombytes_buf(bytes, sizeof bytes);
    (void)sodium_bin2hex(id.text, sizeof id.text, bytes, sizeof bytes);
    return id;
}

/* Why the task cannot even be started; NULL: it can. */
static const char *obstacle(const struct making *k, const struct proplet *proplet)
{
    if (!k->has_image)
        return "image_unknown";
    if (proplet == NULL)
        return "unknown_proplet";
    if (!proplet_present(proplet))
        return "proplet_offline";
    return NULL;
}

static void fill_start(const struct making *k, const struct id *task_id,
                       const struct proplet *proplet, struct start_msg *ret)
{
    *ret = (struct start_msg){.task_id = *task_id,
                              .proplet_id = proplet->id,
                              .has_digest = true,
                              .image_digest = k->image.digest,
                              .image_size = k->image.size,
                              .timeout_s = k->launch->timeout_s,
                              .env = k->launch->env,
                              .spec = k->launch->spec};
    launch_name(k->rule, k->launch, &proplet->id, ret->name);
    /* On the shared topic the module itself is in the start. */
    if (proplet->start_topic == START_OWN)
        strcpy(ret->image_url, k->launch->image);
}

static enum status send_own(struct making *k, const struct start_msg *start)
{
    return send_later(k->m, OUTGOING_START, &start->task_id, "control/manager/start",
                      &start->proplet_id, start_msg_encode(start, (struct view){0}));
}

/* Propeller's proplets get the module with the start, as base64: four bytes for
 * three, and the whole must still be one message. It is put in when it is sent. */
static enum status send_shared(struct making *k, const struct start_msg *start)
{
    size_t size = (k->image.size + 2) / 3 * 4;
    if (size + CONTROL_SIZE_MAX > MESSAGE_SIZE_MAX || size + k->inline_bytes > LAUNCH_INLINE_MAX)
        return ST_LIMIT;
    enum status status =
        send_later(k->m, OUTGOING_START_INLINE, &start->task_id, "control/manager/start", NULL,
                   start_msg_encode(start, (struct view){0}));
    if (status == ST_OK)
        k->inline_bytes += size;
    return status;
}

/* The task is in the table; now it runs or fails. */
static enum status start_task(struct making *k, const struct id *task_id,
                              const struct proplet *proplet)
{
    const char *reason = obstacle(k, proplet);
    if (reason != NULL)
        return change_task(k->m, task_id, TASK_FAILED, reason, "", k->now_ms);

    struct start_msg start;
    fill_start(k, task_id, proplet, &start);
    bool own = proplet->start_topic == START_OWN;
    enum status status = change_task(k->m, task_id, TASK_RUNNING, "started", "", k->now_ms);
    if (status == ST_OK)
        status = own ? send_own(k, &start) : send_shared(k, &start);
    if (status == ST_OK)
        return ST_OK;
    char detail[TASK_DETAIL_SIZE];
    (void)snprintf(detail, sizeof detail, "its start could not be sent: %s", status_name(status));
    return change_task(k->m, task_id, TASK_FAILED, own ? "bad_start" : "image_unavailable", detail,
                       k->now_ms);
}

static void launch_one(struct making *k, const struct id *proplet_id)
{
    struct manager *m = k->m;
    struct id task_id = random_id();
    uint64_t limit_ms = (k->launch->timeout_s + m->settings.result_margin_s) * 1000;
    enum status status = tasks_add(m->tasks, &task_id, &k->launch->id, proplet_id, limit_ms);
    if (status == ST_OK)
        status = start_task(k, &task_id, proplets_find(m->proplets, proplet_id));
    if (status != ST_OK)
        log_line(LOG_ERROR, "task.failed", "launch=%s proplet=%s status=%s", k->launch->id.text,
                 proplet_id->text, status_name(status));
}

static void run(struct manager *m, const struct launch_rule *rule, const struct launch *launch,
                uint64_t now_ms)
{
    struct making k = {.m = m, .rule = rule, .launch = launch, .now_ms = now_ms};
    const struct image *image = images_find(m->images, &launch->image_ref);
    if (image != NULL) {
        k.has_image = true;
        k.image = *image; /* a copy: images may be renamed while we send */
    }
    log_line(image == NULL ? LOG_WARN : LOG_INFO, "launch.started",
             "launch=%s participants=%zu image=%s%s", launch->id.text, launch->participant_count,
             log_quote(launch->image), image == NULL ? " unknown" : "");
    for (size_t i = 0; i < launch->participant_count; i++)
        launch_one(&k, &launch->participants[i]);
}

static void refuse(struct manager *m, const struct mqtt_message *message, const char *reason)
{
    m->counters.launches_refused++;
    log_line(LOG_WARN, "launch.refused", "topic=%s reason=%s, ignoring", log_quote(message->topic),
             log_quote(reason));
}

/* Why a launch cannot be accepted now; NULL: it can. Each task makes at most four
 * messages: two events, a start and a stop. */
static const char *no_room(const struct manager *m, const struct launch *launch)
{
    if (m->unrecorded)
        return "it cannot be recorded now";
    if (tasks_room(m->tasks) < launch->participant_count)
        return "too many tasks have not ended";
    if (outbox_count(m->outbox) + 2 * tasks_open(m->tasks) + 4 * launch->participant_count >
        OUTGOING_MAX)
        return "too many messages wait for the broker";
    if (outbox_bytes(m->outbox) + launch->participant_count * launch->start_size >
        OUTGOING_BYTES_MAX)
        return "the starts of its tasks are too large together";
    return NULL;
}

void on_launch(struct manager *m, const struct launch_rule *rule,
               const struct mqtt_message *message, uint64_t now_ms)
{
    struct launch launch;
    struct why why;
    enum status status = launch_read(rule, m->pins, message->payload, &launch, &why);
    if (status != ST_OK) {
        refuse(m, message, status == ST_NOMEM ? "no memory" : why.text);
        return;
    }
    if (ring_find(m->launches, launch.id.text, NULL)) {
        m->counters.launches_duplicate++;
        log_line(LOG_WARN, "launch.duplicate", "launch=%s, ignoring", launch.id.text);
        goto done;
    }
    const char *reason = no_room(m, &launch);
    if (reason == NULL && !remember_launch(m, &launch.id))
        reason = "no memory";
    if (reason != NULL) {
        refuse(m, message, reason);
        goto done;
    }
    m->counters.launches++;
    run(m, rule, &launch, now_ms);
done:
    launch_done(&launch);
}
