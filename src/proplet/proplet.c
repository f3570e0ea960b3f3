#include "proplet/proplet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "device/blobs_exchange.h"
#include "device/control.h"
#include "proplet/device.h"
#include "proplet/inside.h"
#include "proplet/permission.h"
#include "proplet/secure.h"
#include "proplet/spent.h"
#include "proplet/task.h"
#include "service/log.h"
#include "wire/proplet_msg.h"

#define PROPLET_MAGIC 0x70726f70u /* "prop" */
#define LOCK_WAIT_MS  2000
#define LOCK_PAUSE_MS 20

uint64_t proplet_now_ms(const struct proplet *p)
{
    return p->out.now_ms(p->out.owner);
}

struct task *proplet_task(const struct proplet *p, const struct id *task)
{
    for (size_t i = 0; i < p->task_count; i++)
        if (id_equal(task_id(p->tasks[i]), task))
            return p->tasks[i];
    return NULL;
}

/* Ended tasks go, the others keep their order. */
static void sweep(struct proplet *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->task_count; i++) {
        if (task_state(p->tasks[i]) == TASK_ENDED)
            task_free(p->tasks[i]);
        else
            p->tasks[kept++] = p->tasks[i];
    }
    p->task_count = kept;
}

/* After the last results, not before: they are those of a proplet that is there. */
static void say_goodbye(struct proplet *p)
{
    if (!p->stopping || p->said_goodbye || p->task_count > 0)
        return;
    p->said_goodbye = true;
    control_send(&p->out, &p->settings.space, "alive", proplet_alive_encode(&p->settings.id, true));
}

void proplet_step(struct proplet *p)
{
    assert(p->magic == PROPLET_MAGIC);
    images_step(p->images);
    blobs_exchange_step(p->exchange, proplet_now_ms(p));
    model_fetch_step(p->models);
    for (size_t i = 0; i < p->task_count; i++)
        task_step(p->tasks[i]);
    sweep(p);
    say_goodbye(p);
}

static void on_change(void *owner)
{
    proplet_step(owner);
}

static void on_url_left(void *owner, const struct digest *d, const char *reason)
{
    char digest[DIGEST_TEXT_SIZE];
    (void)owner;
    digest_text(d, digest);
    log_line(LOG_WARN, "url.left", "digest=%s reason=%s", digest, log_quote(reason));
}

static bool allows_image(void *owner, const struct digest *d, struct view module, struct why *why)
{
    const struct proplet *p = owner;
    return permission_of_image(p->settings.trust, d, module, why);
}

/* ---- beginning ---- */

static enum status open_data(struct proplet *p, struct why *why)
{
    struct stat info;
    if (p->settings.data_dir == NULL)
        return ST_OK;
    enum status status = file_resolve(p->settings.data_dir, PROPLET_FOLDER_MAX, p->data_dir, why);
    if (status != ST_OK)
        return status;
    if (stat(p->data_dir, &info) == 0 && S_ISDIR(info.st_mode))
        return ST_OK;
    why_set(why, "%s is not a folder", p->data_dir);
    return ST_NOT_FOUND;
}

/* One that was killed while it started a guest may leave its lock to the child, which
 * is about to become another program or to end. */
static bool take_lock(int fd)
{
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_PAUSE_MS) {
        if (waited_ms >= LOCK_WAIT_MS)
            return false;
        (void)poll(NULL, 0, LOCK_PAUSE_MS);
    }
    return true;
}

/* Two processes in one state folder would remove each other's tasks. */
static enum status lock_state(struct proplet *p, struct why *why)
{
    char path[PROPLET_PATH_SIZE + 8];
    (void)snprintf(path, sizeof path, "%s/lock", p->state_dir);
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (p->lock < 0) {
        why_set(why, "%s: %s", path, strerror(errno));
        return ST_IO;
    }
    if (take_lock(p->lock))
        return ST_OK;
    why_set(why, "%s is in use by another fml-proplet", p->state_dir);
    return ST_EXISTS;
}

static enum status open_spent(struct proplet *p, struct why *why)
{
    char path[PROPLET_PATH_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/privacy_spent", p->state_dir);
    p->spent = calloc(1, sizeof *p->spent);
    return p->spent == NULL ? ST_NOMEM : spent_open(p->spent, path, why);
}

static enum status open_state(struct proplet *p, struct why *why)
{
    enum status status = file_make_folder(p->settings.state_dir);
    if (status != ST_OK) {
        why_set(why, "%s: the folder cannot be made: %s", p->settings.state_dir,
                status_name(status));
        return status;
    }
    status = file_resolve(p->settings.state_dir, PROPLET_FOLDER_MAX, p->state_dir, why);
    if (status == ST_OK)
        status = lock_state(p, why);
    if (status != ST_OK)
        return status;
    (void)!file_sweep(p->state_dir);
    status = open_spent(p, why);
    if (status != ST_OK)
        return status;
    return p->settings.trust == NULL ? ST_OK : trust_enter(p->settings.trust, p->state_dir, why);
}

static enum status make_parts(struct proplet *p)
{
    char folder[PROPLET_PATH_SIZE + 8], models[PROPLET_PATH_SIZE + 8];
    (void)snprintf(folder, sizeof folder, "%s/images", p->state_dir);
    (void)snprintf(models, sizeof models, "%s/models", p->state_dir);
    struct images_settings images = {
        .folder = folder,
        .runner = p->settings.runner,
        .space = p->settings.space,
        .me = p->settings.id,
        .holder = p->settings.manager,
        .web = p->settings.web,
        .on_change = on_change,
        .on_url_left = on_url_left,
        .allows = permission_limits_images(p->settings.trust) ? allows_image : NULL,
        .owner = p,
    };
    const struct exchange_web web = {p->settings.web, on_change, on_url_left, p};
    enum status status = blobs_exchange_new(&p->settings.id, &p->out, &p->exchange);
    if (status == ST_OK)
        exchange_set_web(p->exchange, &web);
    if (status == ST_OK)
        status = images_new(p->loop, &images, &p->out, &p->images);
    if (status == ST_OK)
        status = model_fetch_new(&p->out, p->exchange, models, &p->models);
    if (status == ST_OK)
        status = secure_new(&p->out, &p->settings.id, p->settings.trust, &p->secure);
    if (status == ST_OK)
        status = recover(p);
    return status;
}

static enum status subscribe(struct proplet *p)
{
    const struct topic_space *space = &p->settings.space;
    const char *me = p->settings.id.text;
    struct topic filters[6];
    topic_make(space, &filters[0], "control", "manager", "start", me, NULL);
    topic_make(space, &filters[1], "control", "manager", "start", NULL);
    topic_make(space, &filters[2], "control", "manager", "stop", me, NULL);
    topic_make(space, &filters[3], "control", "manager", "stop", NULL);
    topic_make(space, &filters[4], "registry", "manifest", me, NULL);
    topic_make(space, &filters[5], "registry", "part", me, "+", "+", NULL);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        enum status status = p->out.subscribe(p->out.owner, filters[i].text);
        if (status != ST_OK)
            return status;
    }
    return blobs_exchange_subscribe(p->exchange, &p->out);
}

enum status proplet_new(uv_loop_t *loop, const struct proplet_settings *settings,
                        const struct proplet_out *out, struct proplet **ret, struct why *why)
{
    assert(settings->tasks_max >= 1 && settings->tasks_max <= PROPLET_RUNNING_MAX);
    struct proplet *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    p->magic = PROPLET_MAGIC;
    p->loop = loop;
    p->settings = *settings;
    p->out = *out;
    p->lock = -1;
    p->opening = true;
    enum status status = open_data(p, why);
    if (status == ST_OK)
        status = open_state(p, why);
    if (status != ST_OK)
        goto failed;
    status = make_parts(p);
    if (status == ST_OK)
        status = subscribe(p);
    if (status != ST_OK) {
        why_set(why, "%s: cannot begin: %s", p->state_dir, status_name(status));
        goto failed;
    }
    p->opening = false;
    recover_tasks(p);
    *ret = p;
    return ST_OK;
failed:
    proplet_free(p);
    return status;
}

/* ---- registration and heartbeat ---- */

static void send_alive(struct proplet *p)
{
    control_send(&p->out, &p->settings.space, "alive",
                 proplet_alive_encode(&p->settings.id, false));
    p->alive_ms = proplet_now_ms(p) + (uint64_t)p->settings.alive_interval_s * 1000;
}

void proplet_packet_max(struct proplet *p, size_t packet_max)
{
    exchange_set_packet_max(p->exchange, packet_max);
}

void proplet_connected(struct proplet *p)
{
    exchange_reconnected(p->exchange);
    if (p->stopping)
        return;
    json_t *metadata = device_describe();
    control_send(&p->out, &p->settings.space, "create",
                 proplet_create_encode(&p->settings.id, metadata));
    json_decref(metadata);
    send_alive(p);
    report_waiting(p);
}

void proplet_tick(struct proplet *p)
{
    uint64_t now_ms = proplet_now_ms(p);
    /* While the connection is down heartbeats would only pile up. */
    if (!p->stopping && now_ms >= p->alive_ms && p->out.connected(p->out.owner))
        send_alive(p);
    report_waiting(p);
    outbox_tick(p->outbox, now_ms);
    secure_tick(p->secure);
    proplet_step(p);
}

/* ---- messages ---- */

static bool is_after(const char *text, const char *prefix, const char **ret_rest)
{
    size_t size = strlen(prefix);
    if (strncmp(text, prefix, size) != 0)
        return false;
    *ret_rest = text + size;
    return true;
}

/* rest: "", or "/{this proplet}" */
static bool is_mine(const struct proplet *p, const char *rest)
{
    return *rest == '\0' || (*rest == '/' && strcmp(rest + 1, p->settings.id.text) == 0);
}

/* topic: the levels after the topic space */
static void core_message(struct proplet *p, const char *topic, const struct mqtt_message *m)
{
    const char *rest;
    struct view hex, number;
    if (is_after(topic, "control/manager/start", &rest) && is_mine(p, rest))
        on_start(p, m->payload, *rest == '\0');
    else if (is_after(topic, "control/manager/stop", &rest) && is_mine(p, rest))
        on_stop(p, m->payload);
    else if (is_after(topic, "registry/manifest/", &rest))
        images_manifest(p->images, m->payload);
    else if (is_after(topic, "registry/part/", &rest) && topic_level(rest, 1, &hex) == ST_OK &&
             topic_level(rest, 2, &number) == ST_OK)
        images_part(p->images, hex, number, m->payload);
}

static void learning_message(struct proplet *p, const struct mqtt_message *m)
{
    struct view round;
    struct id id, me;
    bool is_round = topic_level(m->topic, 2, &round) == ST_OK;
    if (is_round && topic_match("fl/rounds/+/receipts/+", m->topic))
        on_receipt(p, round, m->payload);
    else if (is_round && topic_match("fl/rounds/+/complete", m->topic))
        on_complete(p, round, m->payload);
    else if (fl_secagg_parse(m->topic, true, &id, &me) == ST_OK)
        secure_told(p->secure, &id, m->payload);
    else if (!model_fetch_message(p->models, m))
        log_line(LOG_DEBUG, "message.ignored", "topic=%s", log_quote(m->topic));
}

void proplet_message(struct proplet *p, const struct mqtt_message *m)
{
    assert(p->magic == PROPLET_MAGIC);
    const char *rest = topic_rest(&p->settings.space, m->topic);
    if (rest != NULL)
        core_message(p, rest, m);
    else if (!exchange_message(p->exchange, m, proplet_now_ms(p)))
        learning_message(p, m);
    proplet_step(p);
}

/* ---- ending ---- */

void proplet_stop(struct proplet *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    images_stop(p->images);
    for (size_t i = 0; i < p->task_count; i++)
        task_stop(p->tasks[i]);
    proplet_step(p);
}

bool proplet_stopped(const struct proplet *p)
{
    return p->said_goodbye && !images_busy(p->images);
}

size_t proplet_task_count(const struct proplet *p)
{
    return p->task_count;
}

size_t proplet_running_count(const struct proplet *p)
{
    return p->running;
}

size_t proplet_waiting_count(const struct proplet *p)
{
    return history_waiting(p->history);
}

size_t proplet_unanswered_count(const struct proplet *p)
{
    return outbox_count(p->outbox);
}

struct proplet *proplet_free(struct proplet *p)
{
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < p->task_count; i++)
        task_free(p->tasks[i]);
    p->images = images_free(p->images);
    p->models = model_fetch_free(p->models);
    p->outbox = outbox_free(p->outbox);
    p->exchange = exchange_free(p->exchange);
    p->history = history_free(p->history);
    p->secure = secure_free(p->secure);
    free(p->spent);
    if (p->lock >= 0)
        (void)close(p->lock);
    *(volatile uint32_t *)&p->magic = 0;
    free(p);
    return NULL;
}
